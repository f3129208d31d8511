"""Rewrites by rule: prose and documented code turned into question and answer, gaps and summaries.

Phi-4 report, section 2.2, "rewrite and augment": most of a passage's useful content becomes exercises. Rules
bend no fact, so these rows need no faithfulness check, and they give the mixture's web_rewrites source its
volume; the teacher's rewrites are few.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trivium.records import Document, row_id
from trivium.synthesize import words
from trivium.synthesize.curriculum import text_difficulty
from trivium.synthesize.rows import Grown, drop, plain
from trivium.synthesize.seeds import Function, prose_paragraphs, read_function

FLOW = "rule_rewrite"
MOST_PARAGRAPHS = 12
"""Paragraphs taken from one document at most, so that no long page fills the source."""
LONGEST_PARAGRAPH = 700


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A finished text and the rule that made it."""

    rule: str
    text: str


def rewrite_by_rule(
    documents: Sequence[Document], *, most_chars: int, seed: int, given_away: Callable[[str], str]
) -> Grown:
    """Apply every rule to every document until the wanted characters are reached (source web_rewrites).

    Args:
        documents: Books, web pages and code; taken in an order drawn from the seed.
        most_chars: Where to stop.
        seed: Draws the order, the wordings and the gaps.
        given_away: Names the withheld fact that a text states, or returns an empty string.
    """
    grown = Grown()
    order = sorted(documents, key=lambda row: row_id(f"{FLOW}-{seed}", [], row.id))
    made = 0
    for document in order:
        if made >= most_chars:
            break
        grown.tried += 1
        rng = random.Random(f"{FLOW}-{seed}-{document.id}")
        for rewrite in rewrites(document, rng):
            if fact := given_away(rewrite.text):
                detail = rewrite.text
                grown.drops.append(drop(document.id, FLOW, f"withheld fact: {fact}", detail=detail))
                continue
            made += len(rewrite.text)
            grown.examples.append(
                plain(
                    FLOW,
                    "web_rewrites",
                    rewrite.text,
                    parents=[document.id],
                    depth=1,
                    difficulty=text_difficulty(rewrite.text),
                    method=rewrite.rule,
                )
            )
    return grown


def rewrites(document: Document, rng: random.Random) -> Iterator[Rewrite]:
    """Yield everything the rules make of one document."""
    if document.kind == "code":
        function = read_function(document)
        if isinstance(function, Function):
            yield from of_function(function, rng)
        return
    paragraphs = [text for text in prose_paragraphs(document.text) if len(text) <= LONGEST_PARAGRAPH]
    for text in paragraphs[:MOST_PARAGRAPHS]:
        yield from of_paragraph(text, rng)


def of_function(function: Function, rng: random.Random) -> Iterator[Rewrite]:
    """Yield questions about a documented function: what it does, which one does it, what it takes."""
    name, module = function.name, function.module
    does = words.sentences(function.summary)[0] if function.summary else ""
    if len(words.plain_words(does)) >= 4 and len(does) <= 200:
        answer = does if does.endswith((".", "!", "?")) else f"{does}."
        asked = rng.choice(
            (
                f"What does {name} of the module {module} do?",
                f"In the module {module}, what is {name} for?",
                f"Say in one sentence what {module}.{name} does.",
            )
        )
        yield Rewrite("what", _pair(asked, answer))
        if function.short_name not in does:
            clue = answer[0].lower() + answer[1:] if answer[:2].istitle() else answer
            yield Rewrite(
                "which", _pair(f"Which function of the module {module} is this: {clue}", f"{name}.")
            )
    if function.parameters and len(function.parameters) <= 6:
        asked = rng.choice(
            (
                f"Which arguments does {module}.{name} take?",
                f"What is passed to {name} of the module {module}?",
            )
        )
        yield Rewrite("arguments", _pair(asked, f"It takes {_listed(function.parameters)}."))


def of_paragraph(text: str, rng: random.Random) -> Iterator[Rewrite]:
    """Yield a summary, a gap to fill, conditions and definitions of one paragraph."""
    told = words.sentences(text)
    if len(told) >= 3 and len(told[0]) <= 200:
        rest = " ".join(told)
        yield Rewrite("summary", f"Text: {rest}\nThe point in one sentence: {told[0]}")
    gap = next((sentence for sentence in told if 60 <= len(sentence) <= 260), "")
    if gap and (filled := _gap(gap, rng)):
        yield filled
    for sentence in told:
        if rewrite := _condition(sentence) or _definition(sentence) or _reason(sentence):
            yield rewrite


def _gap(sentence: str, rng: random.Random) -> Rewrite | None:
    """Take one long word out; the rest of the sentence must not have it."""
    counts = [word for word in re.findall(r"\b[a-z]{5,}\b", sentence) if word not in words.STOPWORDS]
    once = sorted({word for word in counts if len(re.findall(rf"\b{word}", sentence)) == 1})
    if not once:
        return None
    word = rng.choice(once)
    gapped = re.sub(rf"\b{word}\b", "____", sentence, count=1)
    return Rewrite("gap", f"Fill in the missing word: {gapped}\nMissing word: {word}")


def _condition(sentence: str) -> Rewrite | None:
    """`If A, B.` -> what happens if A? B."""
    match = re.match(r"(If|When) ([^,;:?]{10,120}), (?:then )?([a-z][^?]{10,200}[.])$", sentence)
    if match is None:
        return None
    word, cause, effect = match.groups()
    return Rewrite(
        "condition", _pair(f"What holds {word.lower()} {cause}?", f"{effect[0].upper()}{effect[1:]}")
    )


def _definition(sentence: str) -> Rewrite | None:
    """`An X is a Y.` -> what is an X? An X is a Y."""
    match = re.match(r"(An?|The) ([a-z][a-z -]{2,40}?) (is|are) (?:an?|the) [^?]{10,200}[.]$", sentence)
    if match is None:
        return None
    article, thing, verb = match.groups()
    return Rewrite("definition", _pair(f"What {verb} {article.lower()} {thing}?", sentence))


def _reason(sentence: str) -> Rewrite | None:
    """`A because B.` -> why? Because B."""
    match = re.match(r"([A-Z][^,;:?]{15,160}),? because ([^?]{10,160}[.])$", sentence)
    if match is None:
        return None
    claim, ground = match.groups()
    asked = f"{claim}. Why?"
    return Rewrite("reason", _pair(asked, f"Because {ground}"))


def _pair(question: str, answer: str) -> str:
    return f"Question: {question}\nAnswer: {answer}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
