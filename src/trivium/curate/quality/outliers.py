"""Outliers: how well a text compresses, and how surprising its characters are to a model of clean prose.

The Phi-4 report (section 2.3) drops corrupted text and binaries by n-gram statistics and compression ratio;
it gives no numbers, so the bounds are ours.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

MIN_BYTES = 400
"""Shorter texts are not judged by compression: the header and the empty window decide there."""
MIN_COMPRESSION = 0.12
"""Below: endless repetition."""
MAX_COMPRESSION = 0.75
"""Above: random characters, encoded binaries. Clean English of this length lies at 0.35 to 0.6."""
MIN_SURPRISE_CHARS = 80
SPREAD = 9.0
"""A text is an outlier this many median absolute deviations above the median of clean texts."""
CLASSES = 64
"""Characters are folded into 64 classes, so that all trigrams fit a table of 64^3."""


def compression_ratio(text: str) -> float:
    """Return compressed bytes / bytes."""
    data = text.encode()
    return len(zlib.compress(data, 6)) / max(1, len(data))


def judge_compression(text: str) -> str | None:
    """Return a reason to drop, or None."""
    if len(text.encode()) < MIN_BYTES:
        return None
    ratio = compression_ratio(text)
    if ratio < MIN_COMPRESSION:
        return "compresses_too_well"
    return "compresses_too_badly" if ratio > MAX_COMPRESSION else None


@dataclass(frozen=True)
class CharModel:
    """Trigram model of characters and the bound that clean texts set."""

    bits: np.ndarray
    """float32, shape (64, 64, 64): -log2 p(third class | first two)."""
    bound: float
    """Mean bits a character above which a text is an outlier."""

    def surprise(self, text: str) -> float:
        """Return the mean bits a character; 0 for fewer than three characters."""
        classes = fold(text)
        if len(classes) < 3:
            return 0.0
        return float(self.bits[classes[:-2], classes[1:-1], classes[2:]].mean())

    def judge(self, text: str) -> str | None:
        """Return a reason to drop, or None."""
        if len(text) < MIN_SURPRISE_CHARS:
            return None
        return "surprising_characters" if self.surprise(text) > self.bound else None


def fit_char_model(texts: Iterable[str]) -> CharModel:
    """Count trigrams over clean texts and set the bound from their own spread."""
    folded = [fold(text) for text in texts]
    counts = np.zeros(CLASSES**3)
    for classes in folded:
        if len(classes) >= 3:
            flat = (classes[:-2].astype(np.int64) * CLASSES + classes[1:-1]) * CLASSES + classes[2:]
            counts += np.bincount(flat, minlength=CLASSES**3)
    table = counts.reshape(CLASSES, CLASSES, CLASSES) + 0.1
    bits = -np.log2(table / table.sum(axis=2, keepdims=True)).astype(np.float32)
    scores = [float(bits[c[:-2], c[1:-1], c[2:]].mean()) for c in folded if len(c) >= MIN_SURPRISE_CHARS]
    middle = float(np.median(scores)) if scores else np.inf
    spread = float(np.median(np.abs(np.array(scores) - middle))) if scores else 0.0
    return CharModel(bits, round(middle + SPREAD * max(spread, 0.05), 4))


def fold(text: str) -> np.ndarray:
    """Map characters to classes: 26 letters of either case, digit, blank, 32 signs, the rest by range."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    return _TABLE[np.minimum(codes, len(_TABLE) - 1)]


def _class_table() -> np.ndarray:
    table = np.full(257, 63, dtype=np.uint8)
    table[:32] = 62
    table[128:256] = 61
    for sign, code in enumerate(c for c in range(33, 127) if not chr(c).isalnum()):
        table[code] = 28 + sign
    for code in range(26):
        table[ord("a") + code] = table[ord("A") + code] = code
    table[ord("0") : ord("9") + 1] = 26
    table[[9, 10, 13, 32]] = 27
    return table


_TABLE = _class_table()
