"""What a teacher's reply must pass. Each filter returns its reason for dropping, or None.

A small teacher pastes the code into the exercise it should describe and bends facts when it rewrites, so
these checks decide the quality of what is grown; the yield is what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from trivium.synthesize import words

LEAK_NGRAM = 6
"""Longest run of code tokens, names aside, that a statement may share with its code less one."""
LENGTH_RATIO = (0.3, 3.0)
"""Words of a rewrite over words of its passage."""
GROUNDED_SHARE = 0.75
"""Least share of a rewrite's content words that its passage must contain."""
GROUNDED_SENTENCE = 0.65
"""The same for every single sentence of a rewrite, and for questions."""
COPIED_SHARE = 0.6
"""A rewrite with more of its 6-grams taken over than this is a copy."""
REPEATED_FOUR_GRAM = 3
"""A text that says the same four words so often has lost its thread."""

SAME_SENTENCE = 0.5
"""A sentence with more of its 3-grams in an earlier one says it again."""
KEPT_SHARE = 0.5
"""Least share of the passage's content words that a rewrite must keep."""

_BOILERPLATE = re.compile(
    r"\b(as an ai|i am an ai|language model|i'm sorry|i apologi[sz]e|i hope this|let me know|i'd love to"
    r"|here is (?:a|the|my|your)|here's (?:a|the|my|your|how)|here are|sure[,!]|certainly[,!]|of course[,!]"
    r"|in your own (?:simple )?words|in other words|rewrit(?:e|ing|ten) (?:the |this )?(?:text|version)"
    r"|(?:the|this|original) (?:original )?(?:sentence|text) (?:is|uses|says|reads)|smollm)",
    re.IGNORECASE,
)
_NEEDS_TEXT = re.compile(
    r"\b(?:the|this|that|above|given|following|provided) "
    r"(?:text|passage|article|author|paragraph|sentence|example|excerpt|snippet|question|statement|quote|document)\b"
    r"|\baccording to\b|\bmentioned\b|\bas described\b",
    re.IGNORECASE,
)
_OPEN_REFERENCE = re.compile(
    r"^(?:what|who|why|how|when|where|which)\b[^?]*\b(?:it|they|them|he|she)\b[^?]*\?$", re.IGNORECASE
)
_ASKS = re.compile(r"(?:what|who|why|how|when|where|which|is|are|does|do|can|may|must)\b", re.IGNORECASE)
_SCAFFOLD = re.compile(
    r"\b(?:happens?|means?|meaning|purpose|difference|called|effect|true|case)\b", re.IGNORECASE
)
_PASTED = re.compile(
    r"```|^\s*(?:def|class|return|for|if|elif|else|while|import|from|try|raise|with)\b.*[:)(=]\s*$"
    r"|^\s*(?:return|import|raise)\s+\w"
    r"|\b\w+\s*(?:[-+*/|&]?=|==|!=|<=|>=)\s*[\w'\"(\[{]|\bdef \w+\(|\blambda \w+:",
    re.MULTILINE,
)


def unlabelled(reply: str) -> str:
    """Return a reply on one line, without the labels and quotes that models put around it."""
    text = " ".join(reply.split())
    while match := re.match(
        r"(?:(?:text|rewrite|rewritten|question|answer|q|a):|in other words,)\s*", text, re.IGNORECASE
    ):
        text = text[match.end() :]
        text = text.removeprefix('"').removesuffix('"') if text[:1] == text[-1:] == '"' else text.lstrip('"')
    text = text.strip(" \u201c\u201d")
    return text[:1].upper() + text[1:]


def leaks_code(statement: str, code: str, known_names: Iterable[str]) -> str | None:
    """Say whether a statement gives away the code that it should only describe.

    Args:
        statement: The exercise.
        code: The function that solves it.
        known_names: What a solver is told anyway (function, parameters); runs of these and signs are no leak.
    """
    if _PASTED.search(statement):
        return "leak: code pasted"
    excused = set(known_names)
    told = set(words.ngrams(words.code_tokens(statement), LEAK_NGRAM))
    for gram in words.ngrams(words.code_tokens(code), LEAK_NGRAM):
        says = [token for token in gram if token not in excused and re.match(r"\w", token)]
        if says and gram in told:
            return f"leak: shares {LEAK_NGRAM} tokens in a row with the code"
    return None


def bad_form(text: str) -> str | None:
    """Say whether a reply is talk about the task, a loop or empty, whatever the task was."""
    if len(words.plain_words(text)) < 3:
        return "empty"
    if match := _BOILERPLATE.search(text):
        return f"boilerplate: {match.group(0).lower()}"
    if not re.search(r"[.!?][\"')\]]*$", text):
        return "unfinished"
    told = words.sentences(text)
    again = any(
        words.copied_share(late, early, 3) > SAME_SENTENCE
        for index, late in enumerate(told)
        for early in told[:index]
    )
    if again or words.most_repeated(text) >= REPEATED_FOUR_GRAM:
        return "repeats itself"
    if any(len(words.content_stems(sentence)) < 2 for sentence in told):
        return "empty sentence"
    return None


def unfaithful(text: str, passage: str) -> str | None:
    """Say whether a rewrite adds, bends or merely copies its passage.

    Checks, cheapest first: length, numbers and names that the passage does not have, numbers lost, a
    negation gained or lost, words from nowhere, too little kept, and verbatim copying.
    """
    ratio = len(words.plain_words(text)) / max(len(words.plain_words(passage)), 1)
    if not LENGTH_RATIO[0] <= ratio <= LENGTH_RATIO[1]:
        return "length ratio"
    if strange := invented(text, passage):
        return strange
    if lost := sorted(words.numbers(passage) - words.numbers(text)):
        return f"number lost: {lost[0]}"
    if negated(text) != negated(passage):
        return "negation gained or lost"
    each = min(grounded_share(sentence, passage) for sentence in words.sentences(text))
    if grounded_share(text, passage) < GROUNDED_SHARE or each < GROUNDED_SENTENCE:
        return "words from nowhere"
    if grounded_share(passage, text) < KEPT_SHARE:
        return "too little kept"
    if words.copied_share(text, passage) > COPIED_SHARE:
        return "copied"
    return None


def invented(text: str, passage: str) -> str | None:
    """Say whether a text has numbers or names that its passage does not have."""
    if new := sorted(words.numbers(text) - words.numbers(passage)):
        return f"new number: {new[0]}"
    known = set(words.plain_words(passage)) | words.names(passage)
    if new := sorted(words.names(text) - known):
        return f"new name: {new[0]}"
    return None


def negated(text: str) -> bool:
    """Say whether a text denies anything."""
    return any(
        word in words.NEGATIONS or word.endswith(("n't", "n\u2019t")) for word in words.plain_words(text)
    )


def grounded_share(text: str, passage: str) -> float:
    """Return the share of the text's content stems that the passage has."""
    stems = words.content_stems(text)
    return len(stems & words.content_stems(passage)) / max(len(stems), 1)


def bad_question(question: str, passage: str) -> str | None:
    """Say whether a question is none, leans on a text that its reader will not have, or strays from it."""
    if not question.endswith("?") or question.count("?") > 1 or len(words.sentences(question)) > 2:
        return "not one question"
    if not 4 <= len(words.plain_words(question)) <= 40:
        return "question too short or too long"
    if _NEEDS_TEXT.search(question) or _OPEN_REFERENCE.match(question):
        return "question needs the text"
    if strange := invented(question, passage):
        return strange
    if grounded_share(_SCAFFOLD.sub(" ", question), passage) < GROUNDED_SENTENCE:
        return "question strays from the text"
    if not _ASKS.match(question) and words.copied_share(question, passage) > 0.8:
        return "copied question"
    return None
