"""Tasks that the questions are not about, off files: multiple choice and the last words of a text.

Rows as in common benchmark files: `query`, `choices`, `gold` (or SVAMP-like `question`, `options`, `answer`
by index or letter); `context_options`, `continuation`, `gold`; or `context` and `continuation`. A choice is
right where the model gives its text the highest mean log-probability a token, a continuation where every
token of it is the model's first choice.

Shapes: C positions of a chunk, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import DataError
from trivium.evaluate.logs import ItemLog
from trivium.models.load import Tokenizer
from trivium.records import Verdict, row_id
from trivium.store.row_files import read_rows
from trivium.verify.final import LETTERS

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from trivium.evaluate.work import Shard

MICRO_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Item:
    """One row: texts before and after the cut, and which pair of them is right."""

    id: str
    sides: tuple[tuple[str, str], ...]
    """Context and what follows it; a single one has to be said word for word."""
    gold: int


def read(path: Path, most: int) -> list[Item]:
    """Read the first items of a file.

    Raises:
        DataError: A row is of none of the known forms.
    """
    rows = list(read_rows(path))[:most]
    return [_item(row, path, number) for number, row in enumerate(rows, 1)]


def ask(shard: Shard) -> list[ItemLog]:
    """Score one model on the file that the shard names as its task."""
    from trivium.evaluate.work import cached_tokenizer
    from trivium.models.sample import cached_model

    path = Path(shard.task)
    items = read(path, shard.stop)
    right = score(cached_model(shard.model), cached_tokenizer(shard.model), items)
    return [
        ItemLog(
            stage=shard.checkpoint,
            task=path.name.split(".")[0],
            item_id=item.id,
            cluster=item.id,
            group="",
            mode=shard.mode,
            verdict=str(Verdict.RIGHT if mark else Verdict.WRONG),
            value=float(mark),
            weight=1.0,
            reply="",
            detail="",
            num_tokens=0,
            finish="eos",
        )
        for item, mark in zip(items, right, strict=True)
    ]


def score(model: PreTrainedModel, tokenizer: Tokenizer, items: Sequence[Item]) -> list[bool]:
    """Whether the model is right about each item."""
    sides = [side for item in items for side in item.sides]
    ids = [(_ids(tokenizer, before, start=True), _ids(tokenizer, after)) for before, after in sides]
    means, exact = _read(model, ids)
    found, at = [], 0
    for item in items:
        own = means[at : at + len(item.sides)]
        found.append(exact[at] if len(own) == 1 else own.index(max(own)) == item.gold)
        at += len(own)
    return found


def _read(
    model: PreTrainedModel, sides: Sequence[tuple[list[int], list[int]]]
) -> tuple[list[float], list[bool]]:
    """Mean log-probability of what follows, and whether each of its tokens is the likeliest."""
    import torch

    from trivium.train import forward
    from trivium.train.work import fill

    def ranked(logits_CV: Tensor, targets_C: Tensor) -> Tensor:
        return (logits_CV.argmax(-1) == targets_C).float()

    means: list[float] = []
    exact: list[bool] = []
    with torch.no_grad(), forward.precision(model, "auto"):
        for group in fill(sides, [len(a) + len(b) for a, b in sides], MICRO_TOKENS):
            inputs = [[*before, *after[:-1]] for before, after in group]
            x_ND = forward.hidden_states(
                model, torch.tensor([i for ids in inputs for i in ids]), [len(ids) for ids in inputs]
            )
            own = x_ND.split([len(ids) for ids in inputs])
            said = torch.cat([x[len(b) - 1 :] for x, (b, _) in zip(own, group, strict=True)])
            states = forward.final_states(model, said)
            targets = torch.tensor([i for _, after in group for i in after])
            sizes = [len(after) for _, after in group]
            means += [
                float(part.mean()) for part in forward.target_logps(model, states, targets).split(sizes)
            ]
            hits = forward.in_chunks(model, ranked, states, targets).split(sizes)
            exact += [bool(part.all()) for part in hits]
    return means, exact


def _ids(tokenizer: Tokenizer, text: str, start: bool = False) -> list[int]:
    """Ids of a text; at the start at least one, and what the tokenizer puts before a document."""
    if not start:
        return tokenizer.encode(text)
    ids = tokenizer.plain.encode(text, add_special_tokens=True).ids
    while ids and ids[-1] in tokenizer.special_ids:
        ids.pop()
    return ids or [tokenizer.eos_id]


def _item(row: Mapping[str, Any], path: Path, number: int) -> Item:
    name = row_id("claims.untouched", [], f"{path.name}:{number}")
    low = {key.lower(): value for key, value in row.items()}
    before = low.get("query", low.get("question", low.get("context", "")))
    if "context_options" in low:
        sides = tuple((str(one).rstrip(), f" {low['continuation']}") for one in low["context_options"])
        return Item(name, sides, int(low["gold"]))
    options = low.get("choices", low.get("options"))
    if options is not None:
        gold = str(low.get("gold", low.get("answer", low.get("correct", ""))))
        place = int(gold) if gold.isdigit() else LETTERS.find(gold) if gold else -1
        if 0 <= place < len(options) > 1:
            return Item(name, tuple((str(before).rstrip(), f" {one}") for one in options), place)
    elif low.get("continuation") and before:
        return Item(name, ((str(before).rstrip(), f" {str(low['continuation']).strip()}"),), 0)
    raise DataError(
        f"{path}: row {number} got columns {', '.join(row)}; expected query, choices and gold, "
        "or context and continuation."
    )
