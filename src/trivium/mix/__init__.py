"""Mix: how many tokens, and so how many epochs, training takes from every source."""
