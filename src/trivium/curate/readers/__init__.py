"""Readers: each turns one kind of source into `Document` rows that know their file and byte range."""
