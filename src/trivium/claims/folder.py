"""Folders of experiments: each belongs to one experiment, whose parts lie in a record beside the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.errors import ConfigError
from trivium.store import files
from trivium.store.fingerprint import changed_parts


def claim(record: Path, what: str, parts: Mapping[str, Any]) -> None:
    """Write the record, or see that the folder already holds the same experiment.

    Args:
        record: File beside the results.
        what: What lies there, for the message, e.g. `another experiment`.
        parts: config, seed, inputs, code: what results hang on.

    Raises:
        ConfigError: The folder holds another one; the message says what changed.
    """
    told = json.loads(json.dumps(parts))
    if record.exists() and (changed := changed_parts(files.read_json(record), told)):
        raise ConfigError(
            f"{record.parent}: got {what} there (changed {', '.join(changed)}); "
            "expected the same, choose another --out or delete it."
        )
    files.write_json(record, parts)
