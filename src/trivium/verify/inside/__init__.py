"""What runs inside the sandbox: standard library only, nothing of Trivium, so it can be mounted alone."""
