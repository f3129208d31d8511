"""Curate: from raw sources to kept documents and scored passages, and the check against evaluation items."""
