"""Small models trained on named mixtures, each measured once and read by every claim that needs it."""
