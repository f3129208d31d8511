"""Where shards run: a local process pool by default, a Ray cluster as an extra."""
