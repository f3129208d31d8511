"""Models: the Phi-3 size ladder, checkpoints, the chat format, sampling and the process they run in."""
