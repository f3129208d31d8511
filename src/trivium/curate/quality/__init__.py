"""Quality: heuristics with reasons, outliers, language, and a small trained classifier."""
