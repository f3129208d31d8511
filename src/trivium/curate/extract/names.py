"""What the names of elements tell: boilerplate, main text, or neither."""

from __future__ import annotations

import functools
import re

NEUTRAL, CONTENT, DOUBTFUL, BOILERPLATE, COMMENTS, HIDDEN = 0, 1, 2, 3, 4, 5
"""What an element is called. Only names count here; `choose` weighs them against the text inside."""

BOILERPLATE_NAMES = frozenset(
    """
    ad ads adslot advert advertisement advertising adsense affiliate authorbox backlink bio biography
    breadcrumb breadcrumbs byline catlinks citate consent cookie cookies copyright credit credits cta
    disclaimer disclosure donate fbcomments follow footer footnav gdpr gutter headerlink jumplinks
    lineno linenos loginform masthead menu mobilenav modal mostread moretags nav navbar navbox navi
    navigation newsletter overlay pager pagination paging paywall popup postmeta preloader promobox
    promoted readmore recommend recommendation recommendations recommended related relatedposts rss
    share sharebar sharedaddy sharing shariff sidebar sidebox signup skip skiplink social socialbar
    socials sphinxsidebar sponsor sponsored subscribe subscription tagcloud taglist tags toc toolbar
    tooltip topnav trending upsell viral widget widgets xing
    """.split()
)
"""Words that are hardly ever said of a main text."""
DOUBTFUL_NAMES = frozenset(
    """
    affix banner bottombar dateline discuss embed feedback hidden infobox kicker latest legend meta
    metadata metainfo metaline more popular print printonly promo promotion rating recent reviewed
    search shop syndication teaser teaserlist teasers ticker topbar voting zoom
    """.split()
)
"""Words that also name leads, boxes and wrappers: they count where a section is short or full of links."""
COMMENT_NAMES = frozenset("comment comments commentlist commentform disqus respond replies".split())
"""Readers' comments: boilerplate beside an article, the text itself on a page that is a thread."""
BOILERPLATE_PHRASES = re.compile(
    r"(?:author|post|entry|article|user)[-_]?(?:bio|box|info|meta|footer|tags|nav|links|share|date|card)\b|"
    r"\b(?:more|read|also|see)[-_](?:on|more|also|posts|stories|articles|from|links)\b|"
    r"(?:image|img|photo|bild|wp)[-_]?(?:caption|credit|source|copyright)\b|\bcaption\b|"
    r"\b(?:you[-_])?might[-_]also|\bout-?brain\b|taboola|\bcross-?sell|whats-?next|next-?prev|prev-?next",
)
CONTENT_NAMES = re.compile(
    r"(?:article|entry|post|story|page|main|news|blog|text)[-_]?_?(?:body|content|text|copy|main|container)\b|"
    r"(?:body|content|main)[-_]?(?:article|entry|post|story|text|body)\b|\barticletext\b|\bmw-parser-output\b|"
    r"\b(?:content|main|article|story|post|entry|fliesstext|richtext|rte|text)\b",
)
FORMULA_NAMES = re.compile(r"math|katex|latex|mjx")
EDITOR_NAMES = re.compile(r"\b(?:cm-content|CodeMirror-code|view-lines|ace_text-layer)\b")
MAX_NAME_CHARS = 400
NAME_PARTS = re.compile(r"[^a-zA-Z0-9]+|(?<=[a-z])(?=[A-Z])")
BOILERPLATE_ROLES = frozenset(
    ("navigation", "banner", "contentinfo", "complementary", "search", "dialog", "menu", "tooltip", "alert")
)
HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")


@functools.lru_cache(maxsize=16_384)
def meaning(name: str) -> int:
    """Return what one class or id attribute says, any of the values above but HIDDEN."""
    parts = {part.lower() for part in NAME_PARTS.split(name[:MAX_NAME_CHARS])}
    name = name[:MAX_NAME_CHARS].lower()
    if not parts.isdisjoint(COMMENT_NAMES):
        return COMMENTS
    if not parts.isdisjoint(BOILERPLATE_NAMES) or BOILERPLATE_PHRASES.search(name):
        return BOILERPLATE
    if not parts.isdisjoint(DOUBTFUL_NAMES):
        return DOUBTFUL
    return CONTENT if CONTENT_NAMES.search(name) else NEUTRAL


@functools.lru_cache(maxsize=16_384)
def shows(name: str) -> str:
    """Return what a class says is shown in one piece: `formula`, `editor` (of code), `code` or ""."""
    lowered = name[:MAX_NAME_CHARS].lower()
    if FORMULA_NAMES.search(lowered):
        return "formula"
    if EDITOR_NAMES.search(name[:MAX_NAME_CHARS]):
        return "editor"
    return "code" if "code" in lowered else ""


@functools.lru_cache(maxsize=1_024)
def is_hiding(style: str) -> bool:
    """Say whether a style attribute hides its element."""
    return HIDDEN_STYLE.search(style[:MAX_NAME_CHARS].lower()) is not None
