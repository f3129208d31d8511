"""Evaluate: fixed items, a contest drawn after training, one table with an interval beside every number."""
