"""Whether a passage of prose reads well by itself: whole sentences, no furniture, nothing left of markup.

A seed is shown to a teacher and to people without the page around it. Each rule returns its name when it
objects; all of them are ours, the Phi-4 report names none.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from trivium.curate.quality.stats import FENCED
from trivium.records import Passage

MIN_WORDS, MIN_SENTENCES = 40, 2
MAX_FORMULA_FRAC = 0.4
MAX_CODE_FRAC = 0.6
MAX_TABLE_FRAC = 0.4
MAX_BROKEN_FRAC = 0.25
WORDS_A_LINK = 25
MAX_REFERENCES = 2
FORMULA = re.compile(r"\$\$.{1,4000}?\$\$|\$[^$\n]{1,400}(?:\n[^$\n]{1,200})?\$", re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]{1,400}`")
SESSION = re.compile(r"^[ \t]*(?:>>>|\.\.\.) ", re.MULTILINE)
PARAGRAPHS = re.compile(r"\n[ \t]*\n+")
WORD = re.compile(r"[^\W\d_]{2,}")
SENTENCE = re.compile(r"[^\W_][\w,;:'\u2019\")\]`*$-]*[.!?](?=[\"')\]\u201d\u2019*`]*(?:\s|$))")
ENDS = re.compile(r"(?:[.!?][\"')\]\u201d\u2019*_`]*|```|\$\$|\|)$")
STANDS = re.compile(r"#{1,6} |```|\||[-*+\u2022] |\d{1,3}[.)] |>|\$\$|---|\*\*|[ \t]{4,}|:\w+ ?.*:")
"""Paragraphs that need no full stop: headings, code, tables, items, quotes, formulas, rules, fields."""
LEADS = re.compile(
    r"(?:so|thus|hence|therefore|but|and|or|then|however|also|moreover|furthermore|similarly|likewise|"
    r"consequently|otherwise|instead|nevertheless|yet|because|which|whose|where|here|there|this|these|that|"
    r"those|they|them|it|its|he|she|his|her|their|such|both|again|finally|next|second|secondly|third|edit|"
    r"update|source|note that|for (?:example|instance)|in (?:this|that|contrast|addition|other words)|"
    r"on the other hand|as (?:a result|mentioned|we saw)|"
    r"the (?:latter|former|same|above|following|first|second|third|next|last|final|other|rest))\b",
    re.IGNORECASE,
)
"""A passage from the middle of a text that begins so leans on what stood before."""
ITEM = re.compile(r"(?:\(?(?:\d+|[a-z]|i{2,3}|iv|v)[.)]|[-*+\u2022>|]) ", re.IGNORECASE)
FURNITURE = re.compile(
    r"\b(?:cookies?|newsletter|subscrib\w+|sign (?:up|in)|log ?in|all rights reserved|copyright|"
    r"privacy policy|terms of (?:use|service)|click (?:here|on)|read more|share (?:this|on)|follow us|"
    r"posted (?:by|on|in)|advertisement|related (?:posts|articles|stories)|leave a (?:comment|reply)|"
    r"javascript is|last (?:updated|modified|edited)|permalink|add to cart|photo(?:graph)? by|image credit|"
    r"view comments|contact us|skip to|back to top|page \d+ of \d+|project gutenberg)\b|\u00a9",
    re.IGNORECASE,
)
NAVIGATION = re.compile(r"\A(?:[-*+] [^\n]{1,30}\n){2}")
"""A trail of links such as Home, Posts, Title."""
MARKUP = re.compile(
    r":[a-z_:]{2,30}:`|^:\w+:|%%tab|!![a-z{^]|</?[a-z]{1,10}(?: [^<>\n]{0,200})?/?>|&[a-z]{2,8};|\{\{|\}\}|"
    r"\[(?:edit|\d{1,3})\]|\[\[|\]\]|[(\[]\*\*|\*\*[)\]]|\w [,.](?=\s)",
    re.MULTILINE,
)
"""Roles and directives of documentation tools, macros, tags, entities and templates that nobody resolved, and
the gap before a comma where a reference was."""
ATTRIBUTES = re.compile(r"^```\{|^#@", re.MULTILINE)
"""Code blocks that carry settings of the tool that ran them."""
COMMAND = re.compile(r"\\[A-Za-z]{2,}")
LINK = re.compile(r"https?://|www\.|\]\(")
REFERENCE = re.compile(r"\bet al\b|\bdoi\b|\bpp?\. ?\d|\bvol\. ?\d|\barXiv\b|\bISBN\b|\(\d{4}\)\.")

Rule = Callable[[str, str, bool], bool]
"""Says of (text, its prose, whether it begins its document) that it does not read well."""


def objection(passage: Passage) -> str:
    """Return why a passage of prose does not stand by itself, or "" where it does."""
    if passage.kind not in ("books", "web"):
        return ""
    text = passage.text.strip()
    prose = INLINE_CODE.sub("`x`", FORMULA.sub("x", FENCED.sub("", text)))
    return next((name for name, rule in RULES.items() if rule(text, prose, passage.start == 0)), "")


def _begins_within(text: str, prose: str, first: bool) -> bool:
    start = text.lstrip("*_\"'\u201c\u2018([")
    if start.startswith(("$$", "```", ">")):
        return not first
    if start.startswith(("#", "$", "`")):
        return False
    return start[:1].islower() or (not first and bool(LEADS.match(start) or ITEM.match(text)))


def _ends_within(text: str, prose: str, first: bool) -> bool:
    last = text.rsplit("\n", 1)[-1]
    return last.startswith("#") or not ENDS.search(text)


def _few_sentences(text: str, prose: str, first: bool) -> bool:
    return len(WORD.findall(prose)) < MIN_WORDS or len(SENTENCE.findall(prose)) < MIN_SENTENCES


def _mostly_formulas(text: str, prose: str, first: bool) -> bool:
    return sum(map(len, FORMULA.findall(text))) > MAX_FORMULA_FRAC * len(text)


def _mostly_code(text: str, prose: str, first: bool) -> bool:
    fenced = sum(map(len, FENCED.findall(text)))
    lines = sum(bool(SESSION.match(line)) * len(line) for line in text.split("\n"))
    return fenced + lines > MAX_CODE_FRAC * len(text)


def _mostly_tables(text: str, prose: str, first: bool) -> bool:
    return sum(len(line) for line in text.split("\n") if line.startswith("|")) > MAX_TABLE_FRAC * len(text)


def _broken(text: str, prose: str, first: bool) -> bool:
    parts = [part.strip("\n") for part in PARAGRAPHS.split(prose) if part.strip()]
    bad = sum(not ENDS.search(part.rstrip(":;, ")) and not STANDS.match(part) and part[-1] not in ":;,"
              for part in map(str.rstrip, parts))  # fmt: skip
    return bad > MAX_BROKEN_FRAC * len(parts)


RULES: dict[str, Rule] = {
    "few_sentences": _few_sentences,
    "begins_within": _begins_within,
    "ends_within": _ends_within,
    "mostly_formulas": _mostly_formulas,
    "mostly_code": _mostly_code,
    "mostly_tables": _mostly_tables,
    "broken_lines": _broken,
    "furniture": lambda text, prose, first: bool(FURNITURE.search(prose) or NAVIGATION.match(text)),
    "markup": lambda text, prose, first: bool(
        MARKUP.search(prose) or COMMAND.search(prose) or ATTRIBUTES.search(text)
    ),
    "links": lambda text, prose, first: len(LINK.findall(prose)) * WORDS_A_LINK > len(WORD.findall(prose)),
    "references": lambda text, prose, first: len(REFERENCE.findall(prose)) > MAX_REFERENCES,
}
"""Every rule, cheap ones first."""
