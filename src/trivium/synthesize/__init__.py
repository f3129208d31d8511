"""From seeds to training rows: verified problems, rewrites, reversals, questions and facts."""
