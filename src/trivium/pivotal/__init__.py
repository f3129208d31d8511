"""Pivotal token search: which single tokens decide whether a solution succeeds (Phi-4 report, 4.3)."""
