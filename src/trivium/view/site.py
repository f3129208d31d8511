"""What all pages share: the run, its tables, its labels, and models once they were asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import DataError
from trivium.store.files import read_json
from trivium.store.run import Run
from trivium.view.labels import Labels
from trivium.view.tables import Tables

if TYPE_CHECKING:
    from trivium.models.load import Tokenizer


@dataclass
class Site:
    """One run as the workbench sees it."""

    run: Run
    tables: Tables
    labels: Labels
    beside: Run | None = None
    """Another run, whose losses are drawn into the same charts."""
    thinking: threading.Lock = field(default_factory=threading.Lock)
    """Held while a model works: one at a time."""
    _tokenizer: list[Tokenizer] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path | str, beside: Path | str | None = None) -> Site:
        """Open a run folder, and perhaps another one to compare it with.

        Raises:
            DataError: There is no run there.
        """
        run = Run.open(path)
        other = None if beside is None else Run.open(beside)
        return cls(run, Tables(run), Labels(run.path), other)

    def close(self) -> None:
        """End the work on the tables."""
        self.tables.close()

    @property
    def name(self) -> str:
        """The run's name, for titles."""
        return self.run.path.resolve().name

    def json(self, stage: str, name: str, default: Any) -> Any:
        """Return a JSON file of a finished stage; the default where there is none."""
        folder = self.run.finished().get(stage)
        path = folder / name if folder else None
        return read_json(path) if path and path.exists() else default

    def text_of(self, ids: list[int]) -> str | None:
        """Return the text of token ids, special tokens spelled out; None where no tokenizer is at hand."""
        tokenizer = self.tokenizer()
        return None if tokenizer is None else tokenizer.decode(ids, keep_special=True)

    def tokenizer(self) -> Tokenizer | None:
        """Return the run's tokenizer, or that of the model it began with."""
        if not self._tokenizer:
            from trivium.models.load import load_tokenizer

            for folder in self._tokenizer_folders():
                if (folder / "tokenizer.json").is_file():
                    try:
                        self._tokenizer.append(load_tokenizer(folder))
                        break
                    except DataError:
                        continue
        return self._tokenizer[0] if self._tokenizer else None

    def _tokenizer_folders(self) -> list[Path]:
        folders = [
            folder / name for folder in self.run.finished().values() for name in ("tokenizer", "model")
        ]
        recipe = self.run.recipe()
        named = [str(part.get("model", "")) for part in recipe.values() if isinstance(part, dict)]
        return folders + [Path(name) for name in named if name]
