"""How pages break: mojibake, binary, cut transfers, copies with small edits."""

from __future__ import annotations

import base64
import random

ACCENTS = str.maketrans(
    {"'": "\u2019", '"': "\u201c", "e": "\u00e9", "a": "\u00e0", "o": "\u00f6", "u": "\u00fc"}
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYNONYMS = {
    "is": "is currently", "returns": "gives back", "return": "give back", "object": "instance", "the": "this",
    "used": "employed", "if": "whenever", "method": "routine", "value": "quantity", "list": "sequence",
    "file": "document", "name": "label", "new": "fresh", "must": "has to", "not": "never",
}  # fmt: skip


def mojibake(text: str, chance: random.Random) -> str:
    """Write UTF-8 bytes as Windows-1252 characters, as a wrong charset header does; 10-60 % of the words."""
    rate = chance.uniform(0.1, 0.6)
    words = text.split(" ")
    return " ".join(_misread(word) if chance.random() < rate else word for word in words)


def _misread(word: str) -> str:
    return word.translate(ACCENTS).encode().decode("cp1252", errors="replace")


def noise_letters(text: str, chance: random.Random) -> str:
    """Replace 15-50 % of the letters, as failed optical recognition does."""
    rate = chance.uniform(0.15, 0.5)
    return "".join(chance.choice(LETTERS) if c.isalpha() and chance.random() < rate else c for c in text)


def binary(text: str, chance: random.Random) -> str:
    """Replace 20-60 % of the paragraphs by base64 of random bytes, as leaked attachments are."""
    rate = chance.uniform(0.2, 0.6)
    parts = text.split("\n\n")
    count = max(1, round(rate * len(parts)))
    for place in chance.sample(range(len(parts)), count):
        parts[place] = base64.b64encode(chance.randbytes(max(90, len(parts[place]) * 3 // 4))).decode()
    return "\n\n".join(parts)


def control_bytes(page: bytes, chance: random.Random) -> bytes:
    """Overwrite 5-20 % of the bytes of a page outside its head by any byte, as a bad disk does."""
    rate = chance.uniform(0.05, 0.2)
    data = bytearray(page)
    start = page.find(b"<body")
    for place in range(max(0, start), len(data)):
        if chance.random() < rate and data[place : place + 1].isalnum():
            data[place] = chance.randrange(256)
    return bytes(data)


def cut(page: bytes, chance: random.Random) -> bytes:
    """Keep the first 40-90 % of a page, as a broken transfer does."""
    return page[: int(len(page) * chance.uniform(0.4, 0.9))]


def edit(text: str, chance: random.Random, rate: float) -> str:
    """Return a copy with about `rate` of its words replaced by others of the same sense or left out."""
    words = text.split(" ")
    out = []
    for word in words:
        if chance.random() >= rate or not word.isalpha():
            out.append(word)
        elif word in SYNONYMS:
            out.append(SYNONYMS[word])
        elif chance.random() < 0.5:
            out.append(word + "s" if not word.endswith("s") else word[:-1])
    return " ".join(out)
