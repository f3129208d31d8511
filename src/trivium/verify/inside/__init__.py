"""What runs inside the sandbox: standard library only, nothing of Trivium, so that it can be mounted alone."""
