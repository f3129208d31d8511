"""Which blocks are the main text: by length, link density, position and neighbours.

The idea of judging long blocks first and letting short ones follow their neighbours is jusText's (Pomikalek,
2011); its thresholds (long 200, short 70 characters, link density 0.2) are lowered here, because reference
pages have shorter paragraphs and more links in the text than news.
"""

from __future__ import annotations

import re

from trivium.curate.extract.dom import Block

GOOD_CHARS = 80
"""A paragraph this long with few links is content."""
SENTENCE_CHARS = 30
"""So is a shorter one that ends as a sentence does."""
LINE_CHARS = 16
"""A line this long right under the title is content (a subtitle); shorter ones are bylines and dates."""
MAX_LINK_DENSITY = 0.4
MAX_LIST_LINK_DENSITY = 0.5
REACH = 3
"""How many short blocks in a row may follow a good one."""
POLICY = re.compile(
    r"all rights reserved|terms of (?:use|service)|privacy policy|cookie policy|uses? (?:of )?cookies|"
    r"accept (?:all )?cookies|stores data such as cookies|copyright (?:\(c\) |\u00a9 )?\d{4}|^\u00a9|"
    r"powered by \w+|"
    r"^(?:sign up|log ?in|subscribe)\b.{0,40}$|newsletter|your ad here|^sponsored",
    re.IGNORECASE,
)
"""Policy lines; C4 drops lines with such phrases (Raffel et al. 2020, section 2.2, extended)."""
POLICY_CHARS = 200
LEADING = re.compile(r"[.!?:;\"')\]`]$")


def choose(blocks: list[Block]) -> list[Block]:
    """Return the blocks of the main text, in order."""
    blocks = _main_part(blocks)
    good = _spread(blocks, [_judge(block, blocks) for block in _with_list_links(blocks)])
    kept = [block for block, keep in zip(blocks, good, strict=True) if keep]
    return _without_bare_headings(kept)


def link_density(block: Block) -> float:
    """Return the part of a block's characters that are link text, 0 to 1."""
    return min(1.0, block.link_chars / max(1, len(block.text)))


def _main_part(blocks: list[Block]) -> list[Block]:
    """Keep what lies in <main>, <article> or role=main, where that is most of the running text."""
    inside = [block for block in blocks if block.inside_main]
    total = sum(_running(block) for block in blocks)
    return inside if sum(_running(block) for block in inside) >= 0.4 * max(1, total) else blocks


def _running(block: Block) -> int:
    return (
        len(block.text) if link_density(block) < MAX_LINK_DENSITY and len(block.text) >= SENTENCE_CHARS else 0
    )


def _with_list_links(blocks: list[Block]) -> list[Block]:
    """Give every item the link characters of its whole list, so that a list stays or goes as one."""
    chars: dict[int, int] = {}
    links: dict[int, int] = {}
    for block in blocks:
        if block.kind == "item":
            chars[block.group] = chars.get(block.group, 0) + len(block.text)
            links[block.group] = links.get(block.group, 0) + block.link_chars
    judged = []
    for block in blocks:
        if block.kind == "item":
            share = links[block.group] / max(1, chars[block.group])
            scaled = round(len(block.text) * min(1.0, share))
            block = Block(
                "item", block.text, scaled, block.level, block.group, block.ordered, block.inside_main
            )
        judged.append(block)
    return judged


def _judge(block: Block, blocks: list[Block]) -> str:
    """Return `good`, `bad`, or `short` for a block that follows its neighbours."""
    size, density = len(block.text), link_density(block)
    if block.kind == "code":
        return "good"
    if block.kind == "table":
        return "good" if density <= MAX_LIST_LINK_DENSITY else "bad"
    if size <= POLICY_CHARS and block.kind != "heading" and POLICY.search(block.text):
        return "bad"
    if density > (MAX_LIST_LINK_DENSITY if block.kind == "item" else MAX_LINK_DENSITY):
        return "bad"
    if block.kind == "heading":
        return "short"
    sentence = (
        size >= SENTENCE_CHARS and LEADING.search(block.text) is not None and block.text.count(" ") >= 4
    )
    return "good" if size >= GOOD_CHARS or sentence else "short"


def _spread(blocks: list[Block], verdicts: list[str]) -> list[bool]:
    """Let short blocks follow: kept between good ones, and after a good one for a few blocks."""
    anchors = [index for index, verdict in enumerate(verdicts) if verdict == "good"]
    if not anchors:
        return [False] * len(blocks)
    keep = [verdict == "good" for verdict in verdicts]
    for left, right in zip(anchors, anchors[1:], strict=False):
        between = range(left + 1, right)
        if all(verdicts[i] == "short" for i in between):
            for i in between:
                keep[i] = True
        else:
            _keep_near(blocks, verdicts, keep, between)
    _keep_headings_before(blocks, verdicts, keep, anchors[0])
    _keep_tail(blocks, verdicts, keep, anchors[-1])
    return keep


def _keep_near(blocks: list[Block], verdicts: list[str], keep: list[bool], between: range) -> None:
    """Between good blocks with something bad in between, keep the short ones next to either side."""
    for order in (list(between), list(reversed(between))):
        for i in order[:REACH]:
            if verdicts[i] != "short":
                break
            keep[i] = True
    for i in between:
        keep[i] = keep[i] or (blocks[i].kind == "heading" and verdicts[i] == "short")


def _keep_headings_before(blocks: list[Block], verdicts: list[str], keep: list[bool], first: int) -> None:
    """Keep the headings just above the first good block, and the lines between them and it."""
    above = range(first - 1, max(-1, first - 1 - REACH * 2), -1)
    reach = next((i for i in above if verdicts[i] == "bad"), above.stop)
    headings = [i for i in above if i > reach and blocks[i].kind == "heading"]
    for i in above:
        under_title = bool(headings) and i > headings[-1] and len(blocks[i].text) >= LINE_CHARS
        keep[i] = i > reach and (blocks[i].kind == "heading" or under_title)


def _keep_tail(blocks: list[Block], verdicts: list[str], keep: list[bool], last: int) -> None:
    """Keep short blocks that go on in the list or section of the last good one."""
    for i in range(last + 1, min(len(blocks), last + 1 + REACH)):
        same_list = blocks[i].kind == "item" and blocks[i].group == blocks[last].group
        if verdicts[i] != "short" or not (same_list or blocks[i].kind == "paragraph"):
            break
        keep[i] = same_list or LEADING.search(blocks[i].text) is not None


def _without_bare_headings(blocks: list[Block]) -> list[Block]:
    """Drop a heading that nothing follows before the next one of its level or above."""
    kept: list[Block] = []
    for index, block in enumerate(blocks):
        if block.kind == "heading":
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            if following is None or (following.kind == "heading" and following.level <= block.level):
                continue
        kept.append(block)
    return kept
