"""One sandbox for all tests that run code."""

from collections.abc import Iterator

import pytest

from trivium.errors import ResourceError
from trivium.verify.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    try:
        with Sandbox() as running:
            yield running
    except ResourceError as error:
        pytest.skip(str(error))
