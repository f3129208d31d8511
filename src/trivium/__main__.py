"""`python -m trivium`."""

import sys

from trivium.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
