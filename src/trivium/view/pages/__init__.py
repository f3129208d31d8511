"""One module a page: from a run and the address's words to HTML."""
