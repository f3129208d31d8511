"""Repetition-matched subsets: a smaller budget sees less of every source, as often as the target does.

Without this a proxy goes less often through scarce sources than the target will, and likes them for it. In
arXiv 2606.07597 a sixteenth of the tokens finds the mixture within .05 with it, and is off by .75 without.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trivium.errors import DataError
from trivium.train import tokens
from trivium.train.hashing import permutation, stable_seed
from trivium.train.tokens import TokenDocument, TokenSource

COMPLETE = "subset.json"


def write_subset(store: Path, out: Path, names: Sequence[str], frac: float, seed: int) -> dict[str, int]:
    """Write the token store of a smaller budget; one that lies there complete is kept.

    Args:
        store: The run's token store.
        out: Folder of the new one.
        names: Sources to take.
        frac: Part of every source, in (0, 1].
        seed: Of the order in which documents are taken; one order for every fraction, so that a smaller
            subset is part of a larger one.

    Returns:
        Targets of every source.

    Raises:
        DataError: A source is so small that nothing of it is left.
    """
    manifest = tokens.read_manifest(store)
    if not (out / tokens.MANIFEST).exists():
        shutil.rmtree(out, ignore_errors=True)
        lines = {}
        vocab = 1 << (8 * np.dtype(manifest["dtype"]).itemsize)
        for name in names:
            source = tokens.open_source(store, name)
            total = float(manifest["sources"][name]["bytes"])
            made = take(source, frac, seed, total / max(manifest["sources"][name]["tokens"], 1))
            if not made:
                raise DataError(
                    f"{store}: source {name} got too few tokens for {frac:.3g} of it; expected more of them "
                    "or a larger --proxy-tokens."
                )
            lines[name] = tokens.write_source(out, name, made, vocab)
        tokens.write_manifest(out, vocab, lines)
    return {name: int(line["targets"]) for name, line in tokens.read_manifest(out)["sources"].items()}


def take(source: TokenSource, frac: float, seed: int, bytes_per_token: float) -> list[TokenDocument]:
    """Take documents in the seed's order until they hold `frac` of the targets; the last one is cut to fit.

    Args:
        source: Plain documents (every token but the first is a target).
        frac: Part of the targets.
        seed: Of the order.
        bytes_per_token: For the size of the cut document in bytes, which nothing but a table shows.
    """
    targets = source.num_targets()
    wanted = round(frac * int(targets.sum()))
    taken: list[TokenDocument] = []
    for index in permutation(stable_seed(seed, "subset", source.name), len(source)):
        room = min(int(targets[index]), wanted)
        if room <= 0:
            if wanted <= 0:
                break
            continue
        start = int(source.starts[index])
        ids = source.ids[start : start + room + 1].tolist()
        size = round(bytes_per_token * len(ids))
        taken.append(TokenDocument(f"{source.name}-{index}", ids, size, float(source.difficulty[index])))
        wanted -= room
    return taken
