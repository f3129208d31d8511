"""Prompt files, one folder a flow: `# system` and `# user` parts with $placeholders."""

from __future__ import annotations

import functools
import re
import string
from pathlib import Path

from trivium.records import Message

FOLDER = Path(__file__).parent


def fill(flow: str, name: str, /, **values: str) -> tuple[Message, ...]:
    """Return the messages of prompts/<flow>/<name>.md with every placeholder filled.

    A value is inserted as it is: dollar signs and braces in it mean nothing.
    """
    return tuple(Message(role=role, content=body.substitute(values)) for role, body in _parts(flow, name))


@functools.cache
def _parts(flow: str, name: str) -> tuple[tuple[str, string.Template], ...]:
    text = (FOLDER / flow / f"{name}.md").read_text(encoding="utf-8")
    _, *pieces = re.split(r"^# (system|user|assistant)\n", text, flags=re.MULTILINE)
    return tuple(
        (role, string.Template(body.strip())) for role, body in zip(pieces[::2], pieces[1::2], strict=True)
    )
