"""Posts of a thread: where each one begins and how deep in the replies it stands."""

from __future__ import annotations

import re
from collections import Counter

from trivium.curate.extract.dom import Block, Outline

POST_NAMES = re.compile(
    r"\b(?:post|answer|comment|reply|message|question|usertext|status|adn)\b", re.IGNORECASE
)
MIN_POSTS = 2


def mark_posts(outline: Outline, kept: list[Block]) -> None:
    """Set `post` on the first kept block of every post of a thread, and `level` to its depth in the replies.

    A section is a post if its class says so and a sibling has the same class, or if it lies in such a post:
    one comment box or one article is no thread.
    """
    depths = _post_depths(outline)
    if len(depths) < MIN_POSTS:
        return
    opened: set[int] = set()
    for block in kept:
        section = _innermost_post(outline, block.section, depths)
        if section < 0:
            continue
        if section not in opened:
            opened.add(section)
            block.post = True
        if block.kind == "paragraph" and block.level == 0:
            block.level = depths[section]


def _post_depths(outline: Outline) -> dict[int, int]:
    """Return the sections that are posts -> how many posts each lies in."""
    named = [i for i, section in enumerate(outline.sections) if POST_NAMES.search(section.names)]
    siblings = Counter((outline.sections[i].parent, outline.sections[i].names) for i in named)
    classes = {names for (_, names), count in siblings.items() if count >= MIN_POSTS}
    depths: dict[int, int] = {}
    for i in named:
        section = outline.sections[i]
        if section.names in classes:
            above = _innermost_post(outline, section.parent, depths)
            depths[i] = depths[above] + 1 if above >= 0 else 0
    return depths


def _innermost_post(outline: Outline, section: int, posts: dict[int, int]) -> int:
    while section >= 0 and section not in posts:
        section = outline.sections[section].parent
    return section
