"""`python -m trivium`."""

import sys

from trivium.cli.main import main
from trivium.models.runtime import leave

if __name__ == "__main__":
    leave(main(sys.argv[1:]))
