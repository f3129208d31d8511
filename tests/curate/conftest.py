"""Prose to make pages of."""

from collections.abc import Callable

import pytest

from trivium.records import Document

PARAGRAPH = (
    "The queue keeps its items in the order in which they came, because fairness matters more than speed."
)


def _prose(count: int) -> list[Document]:
    return [
        Document(
            id=f"p{i:04d}", kind="web", text="\n\n".join(f"{PARAGRAPH} Part {i}.{j}." for j in range(6)),
            source=f"python:Lib/m{i // 3}.py", start=0, end=1, licence="PSF-2.0", language="en",
            meta=f'{{"name": "m{i // 3}.function{i}"}}',
        )
        for i in range(count)
    ]  # fmt: skip


@pytest.fixture
def prose() -> Callable[[int], list[Document]]:
    """Return a maker of `count` prose documents, three to a module."""
    return _prose
