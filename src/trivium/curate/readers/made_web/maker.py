"""From real prose to labelled web pages: plan them (cheap, in order), then render each by itself."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from trivium.curate.readers.made_web import damage, layouts, noise
from trivium.curate.readers.made_web.blocks import Block, parse_blocks, to_html, to_markdown
from trivium.records import Document, row_id

STEP = "curate.make_web"
BAD_SHARES = {
    "forum": 0.15, "spam": 0.15, "garbled": 0.12, "truncated": 0.12, "duplicate": 0.08,
    "near_duplicate": 0.12, "thin": 0.12, "machine": 0.10,
}  # fmt: skip
"""Bad pages of each label per good page."""
LABELS = ("good", *BAD_SHARES)
THREAD_SHARE = 0.15
"""Part of the good pages that are question-and-answer threads."""
SCRAPED_SHARE = 0.4
"""Part of the spam pages that copy a whole good page and put pitches between its paragraphs."""
MIN_PAGE_CHARS = 400
PAGE_CHARS = (700, 5_000)
"""Prose on a page, least and most; long texts are kept whole."""


@dataclass(frozen=True, slots=True)
class PageSpec:
    """All that decides a page; rendering it again gives the same bytes."""

    url: str
    label: str
    seed: int
    group: str
    """Address of the good page whose prose it shows, or that it was drawn beside."""
    items: tuple[tuple[str, str, str], ...]
    """(id, name, text) of the prose shown."""
    words: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A made page and what is known about it."""

    id: str
    url: str
    label: str
    group: str
    html: bytes
    main_text: str
    """What a perfect extractor would return; empty where there is nothing worth extracting."""
    parents: list[str]


def plan_pages(prose: Sequence[Document], seed: int) -> list[PageSpec]:
    """Plan good pages that use every prose document once, and bad ones in the proportions of `BAD_SHARES`.

    Args:
        prose: Documents in a fixed order; those of one source end up on common pages.
        seed: Decides everything that is left to chance.
    """
    if not prose:
        return []
    chance = random.Random(f"{STEP}:{seed}")
    words = sorted({part for doc in prose for part in _name(doc).split(".") if len(part) > 3}) or ["python"]
    sentences = [s for doc in prose[:: max(1, len(prose) // 400)] for s in _sentences(doc.text)] or [
        "See below."
    ]
    groups = _group(prose, chance)
    good = [
        _spec(f"/page/{index:05d}", "good", items, chance, words, sentences)
        for index, items in enumerate(groups)
    ]
    bad = [
        _bad_spec(label, number, good, chance, words, sentences)
        for label, share in BAD_SHARES.items()
        for number in range(round(share * len(good)))
    ]
    pages = good + bad
    chance.shuffle(pages)
    return pages


def render(spec: PageSpec) -> Page:
    """Make the page of a plan."""
    chance = random.Random(f"{STEP}:{spec.seed}")
    maker = {"good": _good, "forum": _forum, "spam": _spam, "machine": _machine, "thin": _thin}.get(
        spec.label
    )
    page, truth = maker(spec, chance) if maker else _damaged(spec, chance)
    parents = (
        [item[0] for item in spec.items] if spec.label not in ("forum", "spam", "machine", "thin") else []
    )
    return Page(
        id=row_id(STEP, [spec.url, *parents], page),
        url=spec.url,
        label=spec.label,
        group=spec.group,
        html=page,
        main_text=truth,
        parents=parents,
    )


def _name(doc: Document) -> str:
    return json.loads(doc.meta).get("name", doc.source) if doc.meta else doc.source


def _sentences(text: str) -> list[str]:
    return [s.strip() + "." for s in " ".join(text.split()).split(". ") if 40 <= len(s) <= 240]


def _group(prose: Sequence[Document], chance: random.Random) -> list[list[tuple[str, str, str]]]:
    """Put consecutive documents of one source on a page until a drawn length is reached.

    A page that would be thin goes on with the next source.
    """
    groups: list[list[tuple[str, str, str]]] = []
    source, target, size = None, 0, 0
    for doc in prose:
        if (doc.source != source and size >= MIN_PAGE_CHARS) or size >= target or source is None:
            groups.append([])
            source, target, size = doc.source, chance.randint(*PAGE_CHARS), 0
        groups[-1].append((doc.id, _name(doc), doc.text))
        size += len(doc.text)
    return groups


def _spec(
    url: str,
    label: str,
    items: Sequence[tuple[str, str, str]],
    chance: random.Random,
    words: Sequence[str],
    sentences: Sequence[str],
    group: str = "",
) -> PageSpec:
    return PageSpec(
        url=f"http://{chance.choice(words)}.example{url}".lower(),
        label=label,
        seed=chance.getrandbits(48),
        group=group or url,
        items=tuple(items),
        words=tuple(chance.choices(words, k=24)),
        sentences=tuple(chance.choices(sentences, k=12)),
    )


def _bad_spec(
    label: str,
    number: int,
    good: Sequence[PageSpec],
    chance: random.Random,
    words: Sequence[str],
    sentences: Sequence[str],
) -> PageSpec:
    twin = chance.choice(good)
    url = f"/{label}/{number:05d}"
    return _spec(url, label, twin.items, chance, words, sentences, group=twin.group)


def _blocks(items: Sequence[tuple[str, str, str]]) -> list[Block]:
    """Return the blocks of a page; with several items each gets its name as heading."""
    blocks: list[Block] = []
    for _, name, text in items:
        if len(items) > 1:
            blocks.append(Block("heading", name))
        blocks += parse_blocks(text)
    return blocks


def _good(spec: PageSpec, chance: random.Random) -> tuple[bytes, str]:
    blocks = _blocks(spec.items)
    if chance.random() < THREAD_SHARE and len(blocks) >= 3:
        return _question_thread(spec, blocks, chance)
    return _prose_page(spec, blocks, chance)


def _prose_page(spec: PageSpec, blocks: list[Block], chance: random.Random) -> tuple[bytes, str]:
    layout = chance.choice(layouts.PROSE_LAYOUTS)
    title = spec.items[0][1]
    parts = to_html(blocks, chance, divs=layout is layouts.application)
    frame = layouts.Frame(title, parts, chance, spec.words, num_comments=chance.randrange(7))
    return layout(frame).encode(), to_markdown([Block("heading", title, level=1), *blocks])


def _question_thread(spec: PageSpec, blocks: list[Block], chance: random.Random) -> tuple[bytes, str]:
    """A question, then answers made of the prose: the kind of thread that is worth keeping."""
    name = spec.items[0][1]
    question = (
        f"I am trying to understand {name} and the documentation is hard to find. What does it do, and why?"
    )
    cuts = sorted(chance.sample(range(1, len(blocks)), min(2, len(blocks) - 1)))
    answers = [blocks[a:b] for a, b in zip([0, *cuts], [*cuts, len(blocks)], strict=True)]
    posts = [layouts.post(noise.user(chance), f"<p>{question}</p>", chance)]
    posts += [layouts.post(noise.user(chance), "\n".join(to_html(part, chance)), chance) for part in answers]
    title = f"What does {name} do?"
    page = layouts.thread(layouts.Frame(title, posts, chance, spec.words))
    return page.encode(), to_markdown(
        [Block("heading", title, level=1), Block("paragraph", question), *blocks]
    )


def _forum(spec: PageSpec, chance: random.Random) -> tuple[bytes, str]:
    talk = noise.chatter(chance, spec.words, spec.sentences)
    posts = [layouts.post(name, f"<p>{text}</p>", chance) for name, text in talk]
    title = f"{chance.choice(spec.words)} - {chance.choice(('help', 'discussion', 'off topic', 'question'))}"
    return layouts.thread(layouts.Frame(title, posts, chance, spec.words)).encode(), ""


def _spam(spec: PageSpec, chance: random.Random) -> tuple[bytes, str]:
    if chance.random() < SCRAPED_SHARE:
        text = noise.scraped_text(chance, spec.words, "\n\n".join(item[2] for item in spec.items))
    else:
        text = "\n\n".join(noise.spam_text(chance, spec.words, spec.sentences))
    return _plain_page(spec, f"Best {chance.choice(spec.words)} online", text, chance), ""


def _machine(spec: PageSpec, chance: random.Random) -> tuple[bytes, str]:
    lines = noise.machine_lines(chance, spec.words)
    text = "\n\n".join(lines) if chance.random() < 0.5 else "\n".join(f"* {line}" for line in lines)
    return _plain_page(spec, f"Index of /{chance.choice(spec.words)}", text, chance), ""


def _thin(spec: PageSpec, chance: random.Random) -> tuple[bytes, str]:
    text = noise.stub(chance, spec.words)
    if chance.random() < 0.4:
        text += "\n\n" + chance.choice(spec.sentences)
    return _plain_page(spec, chance.choice(spec.words), text, chance), ""


def _plain_page(spec: PageSpec, title: str, text: str, chance: random.Random) -> bytes:
    layout = chance.choice(layouts.PROSE_LAYOUTS)
    parts = to_html(parse_blocks(text), chance, divs=layout is layouts.application)
    return layout(layouts.Frame(title, parts, chance, spec.words)).encode()


def _damaged(spec: PageSpec, chance: random.Random) -> tuple[bytes, str]:
    """Copies and broken pages: the prose of a good page, shown elsewhere or spoilt."""
    if spec.label == "duplicate":
        return _prose_page(spec, _blocks(spec.items), chance)
    if spec.label == "near_duplicate":
        rate = chance.uniform(0.002, 0.02)
        items = [(key, name, damage.edit(text, chance, rate)) for key, name, text in spec.items]
        return _prose_page(spec, _blocks(items), chance)
    if spec.label == "truncated":
        return damage.cut(_prose_page(spec, _blocks(spec.items), chance)[0], chance), ""
    return _garbled(spec, chance), ""


def _garbled(spec: PageSpec, chance: random.Random) -> bytes:
    spoil = chance.choice((damage.mojibake, damage.noise_letters, damage.binary, None))
    if spoil is None:
        return damage.control_bytes(_prose_page(spec, _blocks(spec.items), chance)[0], chance)
    items = [(key, name, spoil(text, chance)) for key, name, text in spec.items]
    return _prose_page(spec, _blocks(items), chance)[0]
