"""Makers of problems and facts whose answers are known: pure functions of a seed, each row verified."""
