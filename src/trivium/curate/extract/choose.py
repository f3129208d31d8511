"""Which blocks are the main text: by section, length, link density, position and neighbours.

First whole sections go: what is called boilerplate or hidden, unless most of the page's running text is in
it. Then the smallest section that is called content and still holds most of the rest is taken. Within it
single blocks are judged; judging long blocks first and letting short ones follow their neighbours is
jusText's idea (Pomikalek, 2011); its thresholds (long 200, short 70 characters, link density 0.2) are
lowered here, because reference pages have shorter paragraphs and more links in the text than news.
"""

from __future__ import annotations

import re
from itertools import accumulate

from trivium.curate.extract import names
from trivium.curate.extract.dom import Block, Outline, Section
from trivium.curate.extract.threads import mark_posts

GOOD_CHARS = 80
"""A paragraph this long with few links is content."""
SENTENCE_CHARS = 30
"""So is a shorter one that ends as a sentence does."""
LINE_CHARS = 16
"""A line this long right under the title is content (a subtitle); shorter ones are bylines and dates."""
MAX_LINK_DENSITY = 0.4
MAX_DENSITY = {"item": 0.5, "table": 0.5, "heading": 0.8}
REACH = 3
"""How many short blocks in a row may follow a good one."""
DOUBTFUL_CHARS, DOUBTFUL_LINKS = 150, 8
"""A section of a doubtful name stays if its running text exceeds this, and so many times its links."""
RESCUED = {names.DOUBTFUL: 0.5, names.BOILERPLATE: 0.5, names.COMMENTS: 0.6, names.HIDDEN: 0.7}
"""Share of a page's running text from which a section of this name is kept all the same."""
MAIN_SHARE, NAMED_SHARE = 0.5, 0.7
"""Share of the running text that <main> or <article>, and a section only called content, must hold."""
TITLE_REACH = 25
"""So many blocks before the main section a title is looked for."""
POLICY = re.compile(
    r"all rights reserved|alle rechte vorbehalten|terms of (?:use|service)|privacy policy|cookie policy|"
    r"uses? (?:of )?cookies|accept (?:all )?cookies|stores data such as cookies|copyright (?:\(c\) |\u00a9 "
    r")?\d{4}|"
    r"^\u00a9|^powered by \w+|affiliate|newsletter|your ad here|^sponsored|enjoyed (?:reading )?this|"
    r"^(?:sign up|log ?in|subscribe|follow us|support us)\b.{0,40}$",
)
"""Policy lines, in lower case; C4 drops such lines (Raffel et al. 2020, section 2.2, extended)."""
POLICY_CHARS = 200
MORE = re.compile(
    r"(?:(?:read|see|find out|learn|discover|explore) (?:more|also|further|next)|(?:you (?:may|might) also|"
    r"more (?:from|"
    r"on|about|stories|news)|related|recommended|most (?:read|popular)|further reading|latest|popular|"
    r"trending)\b|"
    r"mehr (?:zum|zu|\u00fcber|themen|aus|artikel|von|infos)|lesen sie|lesetipp|weitere (?:artikel|themen|"
    r"beitr|infos|"
    r"informationen|news|meld)|auch interessant|das k\u00f6nnte|\u00e4hnliche|passend dazu|beliebte|"
    r"meistgelesen|"
    r"(?:\u00e0|a) lire aussi|lire aussi|voir aussi|en savoir plus|articles? (?:li|similaires)|ver tambi|"
    r"leer tambi|"
    r"te puede interesar|m\u00e1s (?:sobre|noticias)|czytaj|leggi anche|lees (?:ook|meer)|share this|teilen|"
    r"tags?:|schlagw|kategorien?:|categor(?:y|ies):|filed under|posted in|photo(?:s| credit)?:|foto(?:s|"
    r"credit)?:|"
    r"(?:bild|image)(?:quelle|nachweis| credit| source)?:)",
)
"""Short lines, in lower case, that lead to other pages, or that describe this one."""
MORE_CHARS = 60
LEADING = re.compile(
    r"[.!?:;\"')\]`\u201c\u201d\u00bb\u2019\u3002\uff01\uff1f\uff1a\u300d\u300f\u2026\u0964]$"
)
WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
"""Chinese, Japanese and Korean signs: each says about as much as three letters, and stands without blanks."""
WIDE_LETTERS = 3


def choose(outline: Outline) -> list[Block]:
    """Return the blocks of the main text, in order."""
    sums = [0, *accumulate(map(_running, outline.blocks))]
    barred = _barred(outline, sums)
    start, end, trusted = _main_range(outline, sums, barred)
    title = _title_before(outline, start)
    numbers = [i for i in range(title, end) if not barred[i]]
    blocks = [outline.blocks[i] for i in numbers]
    verdicts = [_judge(block, density) for block, density in zip(blocks, _densities(blocks), strict=True)]
    keep = _spread(blocks, verdicts)
    if trusted:
        keep = [k or v == "short" for k, v in zip(keep, verdicts, strict=True)]
    leading = [v == "good" or b.kind == "heading" for v, b in zip(verdicts, blocks, strict=True)]
    keep = [k and (i >= start or lead) for k, i, lead in zip(keep, numbers, leading, strict=True)]
    chosen = _without_bare_headings([block for block, kept in zip(blocks, keep, strict=True) if kept])
    mark_posts(outline, chosen)
    return chosen


def link_density(block: Block) -> float:
    """Return the part of a block's characters that are link text, 0 to 1."""
    return min(1.0, block.link_chars / max(1, len(block.text)))


def _running(block: Block) -> int:
    """Return the characters of a block that count as running text."""
    size = len(block.text)
    if block.kind in ("heading", "table") or (size < SENTENCE_CHARS and _size(block.text) < SENTENCE_CHARS):
        return 0
    return size if link_density(block) < MAX_LINK_DENSITY else 0


def _size(text: str) -> int:
    """Return the length of a text in letters."""
    if text.isascii() or len(text) >= GOOD_CHARS:
        return len(text)
    return len(text) + (WIDE_LETTERS - 1) * len(WIDE.findall(text))


def _barred(outline: Outline, sums: list[int]) -> list[bool]:
    """Mark the blocks in sections that are called boilerplate and do not hold most of the text."""
    barred = [False] * len(outline.blocks)
    links = [0, *accumulate(block.link_chars for block in outline.blocks)]
    together = _together(outline, sums)
    for section in outline.sections[1:]:
        if section.meaning <= names.CONTENT or section.start == section.end:
            continue
        running = sums[section.end] - sums[section.start]
        linked = links[section.end] - links[section.start]
        if section.meaning == names.DOUBTFUL and running > max(DOUBTFUL_CHARS, DOUBTFUL_LINKS * linked):
            continue
        if together[_kin(section)] < RESCUED[section.meaning] * max(1, sums[-1]):
            barred[section.start : section.end] = [True] * (section.end - section.start)
    return barred


def _kin(section: Section) -> tuple[int, str]:
    """Return what sections are counted together by: all comments, else those of the same class."""
    return section.meaning, "" if section.meaning == names.COMMENTS else section.names


def _together(outline: Outline, sums: list[int]) -> dict[tuple[int, str], int]:
    """Return the running text of sections that are counted together; what is nested counts once."""
    total: dict[tuple[int, str], int] = {}
    reached: dict[tuple[int, str], int] = {}
    for section in outline.sections[1:]:
        if section.meaning <= names.CONTENT:
            continue
        kin = _kin(section)
        start = max(section.start, reached.get(kin, 0))
        if section.end > start:
            total[kin] = total.get(kin, 0) + sums[section.end] - sums[start]
            reached[kin] = section.end
        total.setdefault(kin, 0)
    return total


def _main_range(outline: Outline, sums: list[int], barred: list[bool]) -> tuple[int, int, bool]:
    """Return the block range of the innermost section called content that holds most of the allowed text.

    Returns:
        First block, one past the last, and whether such a section was found.
    """
    lengths = (0 if bar else b - a for bar, a, b in zip(barred, sums, sums[1:], strict=False))
    allowed = [0, *accumulate(lengths)]
    start, end, found = 0, len(outline.blocks), False
    for section in outline.sections[1:]:
        if section.meaning == names.CONTENT and start <= section.start and section.end <= end:
            inside = allowed[section.end] - allowed[section.start]
            share = MAIN_SHARE if section.tag in ("main", "article") else NAMED_SHARE
            if inside >= share * max(1, allowed[end] - allowed[start]):
                start, end, found = section.start, section.end, True
    return start, end, found


def _title_before(outline: Outline, start: int) -> int:
    """Return the block of the last title within reach before a range: a lead stands between them."""
    for i in range(start - 1, max(-1, start - 1 - TITLE_REACH), -1):
        if outline.blocks[i].kind == "heading" and outline.blocks[i].level == 1:
            return i
    return start


def _densities(blocks: list[Block]) -> list[float]:
    """Return the link density of every block; an item has that of its list, which stays or goes as one."""
    chars: dict[int, int] = {}
    links: dict[int, int] = {}
    for block in blocks:
        if block.kind == "item":
            chars[block.group] = chars.get(block.group, 0) + len(block.text)
            links[block.group] = links.get(block.group, 0) + block.link_chars
    return [
        min(1.0, links[block.group] / max(1, chars[block.group]))
        if block.kind == "item"
        else link_density(block)
        for block in blocks
    ]


def _judge(block: Block, density: float) -> str:
    """Return `good`, `bad`, or `short` for a block that follows its neighbours."""
    size = len(block.text)
    if block.kind == "code":
        return "good"
    if block.kind == "table":
        return "good" if density <= MAX_DENSITY["table"] else "bad"
    if size <= POLICY_CHARS and block.kind != "heading" and POLICY.search(block.text.lower()):
        return "bad"
    if size <= MORE_CHARS and MORE.match(block.text.lower()):
        return "bad"
    if density > MAX_DENSITY.get(block.kind, MAX_LINK_DENSITY):
        return "bad"
    if block.kind == "heading":
        return "short"
    size = _size(block.text)
    spaced = block.text.count(" ") >= 4 or WIDE.search(block.text) is not None
    sentence = size >= SENTENCE_CHARS and spaced and LEADING.search(block.text) is not None
    formula = block.text.startswith("$") and block.text.endswith("$")
    return "good" if size >= GOOD_CHARS or sentence or formula else "short"


def _spread(blocks: list[Block], verdicts: list[str]) -> list[bool]:
    """Let short blocks follow: kept between good ones, and after a good one for a few blocks."""
    anchors = [index for index, verdict in enumerate(verdicts) if verdict == "good"]
    if not anchors:
        return [verdict == "short" for verdict in verdicts]
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
