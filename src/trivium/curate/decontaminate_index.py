"""The evaluation items as n-gram hashes: built once, kept in one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from trivium.curate.ngrams import HashSet, distinct, encode
from trivium.errors import DataError

LONG, SHORT = 13, 7
"""Source: Phi-4 report, algorithm 1."""
SUFFIX = ".npz"


@dataclass(frozen=True, slots=True)
class Item:
    """An evaluation item: what is asked, and the text with its answer or solution."""

    id: str
    prompt: str
    text: str


class Index:
    """Everything about the items that rows are compared with."""

    def __init__(self, items: Sequence[Item], reference: Sequence[str] = ()) -> None:
        """Hash the items.

        Args:
            items: What training rows must not carry.
            reference: Texts of common knowledge; a 13-gram that stands in one is allowed. The report takes
                Wikipedia.
        """
        self.items = list(items)
        self.prompts = {normal_prompt(item.prompt): item.id for item in reversed(self.items)}
        encoded = encode([item.text for item in self.items])
        owners, hashes = encoded.grams(LONG)
        grams, first = np.unique(hashes, return_index=True)
        common = np.isin(grams, encode(reference).grams(LONG)[1]) if reference else np.zeros(len(grams), bool)
        self.allowed_13grams = int(common.sum())
        self.long = HashSet(grams[~common])
        self.long_items = owners[first][~common]
        owners, hashes = distinct(*encoded.grams(SHORT))
        self._hold_short(owners, hashes)

    def _hold_short(self, owners: np.ndarray, hashes: np.ndarray) -> None:
        grams, places = np.unique(hashes, return_inverse=True)
        self.short = HashSet(grams)
        order = np.argsort(places, kind="stable")
        self.posting_items = owners[order]
        self.posting_starts = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(grams)))])
        self.item_sizes = np.bincount(owners, minlength=len(self.items))

    def save(self, path: Path) -> Path:
        """Write the index as one .npz file, without pickles; return its path."""
        from trivium.store.files import write_atomic

        rows = json.dumps([astuple(item) for item in self.items]).encode()
        arrays: dict[str, Any] = {
            "items": np.frombuffer(rows, np.uint8),
            "long": self.long.hashes,
            "long_items": self.long_items,
            "short": self.short.hashes,
            "posting_items": self.posting_items,
            "posting_starts": self.posting_starts,
            "allowed": np.array([self.allowed_13grams]),
        }

        def write(target: Path) -> None:
            with target.open("wb") as file:
                np.savez(file, **arrays)

        return write_atomic(path.with_suffix(SUFFIX), write)

    @classmethod
    def load(cls, path: Path) -> Index:
        """Read what `save` wrote.

        Raises:
            DataError: The file is missing, cut or of another kind.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return cls._from_arrays(arrays)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(
                f"{path}: got no decontamination index ({error}); expected a file that Index.save wrote, "
                "build it again from the evaluation items."
            ) from error

    @classmethod
    def _from_arrays(cls, arrays: np.lib.npyio.NpzFile) -> Index:
        index = cls.__new__(cls)
        index.items = [Item(*fields) for fields in json.loads(arrays["items"].tobytes())]
        index.prompts = {normal_prompt(item.prompt): item.id for item in reversed(index.items)}
        index.allowed_13grams = int(arrays["allowed"][0])
        index.long, index.long_items = HashSet(arrays["long"]), arrays["long_items"]
        index.short = HashSet(arrays["short"])
        index.posting_items, index.posting_starts = arrays["posting_items"], arrays["posting_starts"]
        index.item_sizes = np.bincount(index.posting_items, minlength=len(index.items))
        return index

    def items_of(self, grams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (place in `grams`, item) of every item that contains one of these 7-grams."""
        starts = self.posting_starts[grams]
        sizes = self.posting_starts[grams + 1] - starts
        places = np.repeat(np.arange(len(grams)), sizes)
        within = np.arange(len(places)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return places, self.posting_items[starts[places] + within]


def normal_prompt(prompt: str) -> str:
    """Return a prompt with its case and blanks levelled; signs stay, since 3 - 2 is not 3 + 2."""
    return " ".join(prompt.lower().split())
