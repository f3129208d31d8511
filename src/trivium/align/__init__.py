"""Align: the fine-tuning set with refusals, and preference pairs of whole replies."""
