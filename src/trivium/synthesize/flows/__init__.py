"""The flows, one file each: pure functions from seeds to examples and drops."""
