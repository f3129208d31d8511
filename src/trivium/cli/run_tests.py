"""test: the test suite, in this process's place."""

from __future__ import annotations

import os
import sys

from trivium.cli.run import HOME
from trivium.cli.verbs import TestVerb
from trivium.errors import ResourceError


def run_tests(command: TestVerb) -> int:
    """Replace this process by pytest in the checkout; its exit code is ours."""
    if not (HOME / "tests").is_dir():
        raise ResourceError(f"{HOME}: got no tests folder; expected a checkout of the repository, clone it.")
    os.chdir(HOME)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "pytest", "-q", *command.arguments])
