"""Extraction: from the bytes of a web page to its main text as Markdown."""
