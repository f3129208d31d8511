"""Backends, one file each; import the one that is needed, since each brings its own library."""
