"""Models trained from a finished run's own, each once, and read by every claim that needs it."""
