"""Page layouts, from clean semantic HTML to tables without a hint: each turns a `Frame` into a page."""

from __future__ import annotations

import html
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trivium.curate.readers.made_web import noise


@dataclass(frozen=True, slots=True)
class Frame:
    """What a layout needs: the title, the body's blocks as HTML and the means to make the rest."""

    title: str
    parts: Sequence[str]
    chance: random.Random
    words: Sequence[str]
    num_comments: int = 0


def article(frame: Frame) -> str:
    """Lay out as a blog with semantic elements, class names that tell, advertisements inside the text."""
    c, w = frame.chance, frame.words
    body = _body(frame, f'<div class="ad-slot">{html.escape(noise.advert(c, w))}</div>')
    return _page(
        frame,
        f'<div id="cookie-banner" class="cookie-consent"><p>{noise.consent(c)}</p>'
        f"<button>Accept</button></div>\n"
        f'<header class="site-header"><nav><ul>{_items(noise.links(c, w, 8))}</ul></nav></header>\n'
        f"<main><article><h1>{html.escape(frame.title)}</h1>\n{body}\n</article>\n"
        f'<section class="comments"><h3>Comments</h3>{_comments(frame)}</section></main>\n'
        f'<aside class="sidebar"><h4>Related</h4><ul>{_items(noise.related(c, w))}</ul></aside>\n'
        f"<footer>{' | '.join(noise.links(c, w, 6))}<p>{noise.footer(c, w)}</p></footer>",
    )


def old_table(frame: Frame) -> str:
    """Lay out as in 1999: nested tables, font tags, upper-case names, nothing says what is content."""
    c, w = frame.chance, frame.words
    menu = "<BR>\n".join(noise.links(c, w, 14))
    return _page(
        frame,
        f'<TABLE width="100%"><TR><TD colspan=2 bgcolor="#cccccc"><FONT size=+2>'
        f"{' - '.join(noise.links(c, w, 5))}</FONT></TD></TR>\n"
        f"<TR><TD width=120 valign=top>{menu}</TD>\n<TD valign=top>"
        f"<H1>{html.escape(frame.title)}</H1>\n{_body(frame)}\n"
        f"<HR><CENTER>{html.escape(noise.advert(c, w))}</CENTER>"
        f"</TD></TR>\n<TR><TD colspan=2><FONT size=-1>{noise.footer(c, w)} {' | '.join(noise.links(c, w, 4))}"
        "</FONT></TD></TR></TABLE>",
    )


def documentation(frame: Frame) -> str:
    """Lay out as a documentation site: table of contents, breadcrumbs, previous and next."""
    c, w = frame.chance, frame.words
    return _page(
        frame,
        f'<div class="related" role="navigation"><ul>{_items(noise.links(c, w, 4))}</ul></div>\n'
        f'<ol class="breadcrumb">{_items(noise.links(c, w, 3))}</ol>\n'
        f'<div class="document"><div class="body" role="main"><h1>{html.escape(frame.title)}'
        f'<a class="headerlink" href="#top">&para;</a></h1>\n{_body(frame)}</div></div>\n'
        f'<div class="sphinxsidebar"><h3>Table of contents</h3><ul>{_items(noise.links(c, w, 12))}</ul>'
        f"<h4>Previous topic</h4><p>{noise.links(c, w, 1)[0]}</p></div>\n"
        f'<div class="footer">{noise.footer(c, w)}</div>',
    )


def application(frame: Frame) -> str:
    """Lay out as a single-page application: divs with hashed class names, so only the text itself tells."""
    c, w = frame.chance, frame.words
    body = _body(
        frame, f'<div class="{_hashed(c)}"><a href="/go">{html.escape(noise.advert(c, w))}</a></div>'
    )
    menu = "".join(f'<div class="{_hashed(c)}">{link}</div>' for link in noise.links(c, w, 9))
    more = "".join(f'<div class="{_hashed(c)}">{link}</div>' for link in noise.related(c, w))
    return _page(
        frame,
        f'<div id="root"><div class="{_hashed(c)}">{menu}</div>\n<div class="{_hashed(c)}">'
        f'<div class="{_hashed(c)}"><h1>{html.escape(frame.title)}</h1>'
        f'<div class="{_hashed(c)}">{c.randrange(2, 15)} min read</div>{body}</div></div>\n'
        f'<div class="{_hashed(c)}">{more}</div><div class="{_hashed(c)}">{noise.footer(c, w)}</div></div>\n'
        f"<script>window.__STATE__ = {{'user': null, 'text': '{c.randrange(10**9)}'}};</script>",
    )


def thread(frame: Frame) -> str:
    """Lay out as a question-and-answer or forum page; the body already holds the posts."""
    c, w = frame.chance, frame.words
    return _page(
        frame,
        f'<div class="topbar">{" ".join(noise.links(c, w, 7))}</div>\n<h1>{html.escape(frame.title)}</h1>\n'
        f'<div class="thread" id="posts">\n{_body(frame)}\n</div>\n'
        f'<div class="pagination"><a href="?p=1">1</a> <a href="?p=2">2</a> <a href="?p=3">Next</a></div>\n'
        f'<div class="hot-network"><ul>{_items(noise.related(c, w))}</ul></div>\n'
        f'<div id="footer">{noise.footer(c, w)}</div>',
    )


PROSE_LAYOUTS: tuple[Callable[[Frame], str], ...] = (article, old_table, documentation, application)


def post(name: str, body: str, chance: random.Random) -> str:
    """Return one post of a thread, with the user's name, votes and buttons around it."""
    return (
        f'<div class="post"><div class="post-meta user-info">{name} &middot; {chance.randrange(900)} votes'
        f'</div><div class="post-body">{body}</div>'
        '<div class="post-menu"><a href="#">share</a> <a href="#">edit</a> <a href="#">flag</a></div></div>'
    )


def _page(frame: Frame, body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(frame.title)}</title>\n"
        "<style>body { margin: 0; font: 16px serif }</style>\n<script>var q = q || [];</script></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _items(texts: Sequence[str]) -> str:
    return "".join(f"<li>{text}</li>" for text in texts)


def _comments(frame: Frame) -> str:
    found = noise.comments(frame.chance, frame.words, frame.num_comments)
    return "".join(
        f'<div class="comment"><b>{name}</b><p>{html.escape(text)}</p></div>' for name, text in found
    )


def _body(frame: Frame, advert: str = "") -> str:
    """Join the blocks; an advertisement goes between two of them."""
    parts = list(frame.parts)
    if advert and len(parts) >= 2:
        parts.insert(frame.chance.randrange(1, len(parts)), advert)
    return "\n".join(parts)


def _hashed(chance: random.Random) -> str:
    return f"css-{chance.randrange(16**6):06x}"
