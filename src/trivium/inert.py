"""Text of rows as something to look at: control and direction characters are named, never obeyed.

HTML is escaped by the templates; this is about characters that would reorder or hide what stands around them.
"""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

NAMED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters but tab and line ends
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # directions, joiners, invisible ones
    "\ud800-\udfff\U000e0000-\U000e007f]"  # lone surrogates and tag characters
)
"""What is shown by its number: [U+202E]."""


def inert(text: str) -> str:
    """Return a text in which every character that acts on its neighbours is spelled out."""
    return NAMED.sub(lambda found: f"[U+{ord(found.group()):04X}]", text)


def finalize(value: Any) -> Any:
    """Make every text that a template prints inert; markup of our own passes."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return inert(value)
