"""Log-probabilities of continuations: what several texts begin with is read once.

The texts of a batch are laid out as trees: options share their context, questions their examples. A token
attends to the path from its root to itself and its position is its depth, so the numbers are those of every
text read alone, up to rounding. The output head sees only the places where a continuation's tokens are said.
Models whose attention is not known to take such a mask are read text by text, as everywhere.

Shapes: B rows, T padded length of a row, M places whose next token counts, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from trivium.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from trivium.models.load import Tokenizer

ROW_TOKENS = 1024
"""A row takes further texts up to this length; attention is quadratic in it."""
BATCH_TOKENS = {"cpu": 1024, "other": 4096}
"""Padded tokens of one pass. On a CPU the activations of more fall out of its cache (a quarter slower)."""
HEAD_LOGITS = 1 << 25
"""Logits that exist at once."""
SHARED = 0.5
"""A text joins a row if the row already has this share of its tokens."""

TREES = frozenset({"llama", "phi3", "qwen2", "qwen3", "mistral", "smollm3", "olmo2"})
"""Model types with rotary positions and full attention under an explicit mask, and a plain linear head."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A text cut in two: ids before, ids whose probability is asked."""

    context: tuple[int, ...]
    continuation: tuple[int, ...]


def encode_pairs(
    tokenizer: Tokenizer, sides: Sequence[tuple[str, str]], context_length: int | None
) -> list[Pair]:
    """Turn texts into ids as lm-evaluation-harness does.

    Spaces at the end of a context go to the continuation, the whole is encoded at once and cut where the
    context alone ends, and what does not fit the model is cut off at the left.

    Raises:
        DataError: A continuation has no ids, or more than the model's context.
    """
    moved = [_moved(context, continuation) for context, continuation in sides]
    wholes = tokenizer.plain.encode_batch([a + b for a, b in moved], add_special_tokens=True)
    heads = tokenizer.plain.encode_batch([a for a, _ in moved], add_special_tokens=True)
    pairs = []
    for whole, head in zip(wholes, heads, strict=True):
        ids, begin = _unended(whole.ids, tokenizer), len(_unended(head.ids, tokenizer))
        if begin == 0:
            ids, begin = [tokenizer.eos_id, *ids], 1
        pairs.append(_fitted(ids, begin, context_length))
    return pairs


def _moved(context: str, continuation: str) -> tuple[str, str]:
    bare = context.rstrip()
    return bare, context[len(bare) :] + continuation


def _unended(ids: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """Ids without the special tokens that some tokenizers put at the end."""
    end = len(ids)
    while end and ids[end - 1] in tokenizer.special_ids:
        end -= 1
    return list(ids[:end])


def _fitted(ids: list[int], begin: int, context_length: int | None) -> Pair:
    size = len(ids) - begin
    if size < 1 or (context_length is not None and size > context_length):
        raise DataError(
            f"task: got an option of {size} tokens; expected between 1 and the model's context of "
            f"{context_length}, mend the file."
        )
    if context_length is not None and len(ids) > context_length + 1:
        ids = ids[-(context_length + 1) :]
    return Pair(tuple(ids[: len(ids) - size]), tuple(ids[len(ids) - size :]))


@dataclass(slots=True)
class Row:
    """Texts laid out as a tree: node i has a token, a parent before it (-1: none) and a depth."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    children: dict[tuple[int, int], int] = field(default_factory=dict)
    asked: list[tuple[int, list[int], tuple[int, ...]]] = field(default_factory=list)
    """Number of the pair, nodes after which its tokens are said, those tokens."""

    def known(self, ids: Sequence[int]) -> int:
        """How many of the first ids stand in the tree already."""
        node, count = -1, 0
        for token in ids:
            if (node := self.children.get((node, token), -2)) == -2:
                break
            count += 1
        return count

    def add(self, number: int, pair: Pair) -> None:
        """Put a pair in; its last token is never read."""
        node, path = -1, []
        for token in (*pair.context, *pair.continuation[:-1]):
            node = self._child(node, token)
            path.append(node)
        self.asked.append((number, path[len(pair.context) - 1 :], pair.continuation))

    def _child(self, node: int, token: int) -> int:
        found = self.children.get((node, token))
        if found is None:
            found = self.children[node, token] = len(self.tokens)
            self.tokens.append(token)
            self.parents.append(node)
            self.depths.append(self.depths[node] + 1 if node >= 0 else 0)
        return found

    def is_line(self) -> bool:
        """Whether it is one text, or texts of which each begins as the next, so that no mask is needed."""
        return all(parent == place - 1 for place, parent in enumerate(self.parents))

    def sees_TT(self, size: int) -> Tensor:
        """Which nodes each node attends to, padded to `size`; a padded node sees itself."""
        sees_TT = torch.eye(size, dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                sees_TT[node] |= sees_TT[parent]
        return sees_TT


def lay_out(pairs: Sequence[Pair], *, share: bool) -> list[Row]:
    """Put pairs into rows, longest rows first; texts that begin alike come together."""
    rows: list[Row] = []
    order = sorted(range(len(pairs)), key=lambda i: (pairs[i].context, pairs[i].continuation))
    for number in order:
        ids = (*pairs[number].context, *pairs[number].continuation[:-1])
        row = rows[-1] if rows and share else None
        if row is None or not _joins(row, ids):
            rows.append(row := Row())
        row.add(number, pairs[number])
    return sorted(rows, key=lambda row: -len(row.tokens))


def _joins(row: Row, ids: Sequence[int]) -> bool:
    known = row.known(ids)
    return known >= SHARED * len(ids) and len(row.tokens) + len(ids) - known <= ROW_TOKENS


def score(
    model: PreTrainedModel, pairs: Sequence[Pair], *, trees: bool | None = None
) -> list[tuple[float, bool]]:
    """Return of each pair the continuation's log-probability (natural), and whether it is said greedily.

    Args:
        model: A causal model in evaluation mode.
        pairs: What to read; in any order.
        trees: Whether texts share what they begin with; None: where the model is known to allow it.
    """
    trees = model.config.model_type in TREES and _full(model) if trees is None else trees
    found: dict[int, tuple[float, bool]] = {}
    with torch.inference_mode():
        for rows in _batches(lay_out(pairs, share=trees), _batch_tokens(model)):
            found |= _score_rows(model, rows) if trees else _score_texts(model, rows)
    return [found[number] for number in range(len(pairs))]


def _full(model: PreTrainedModel) -> bool:
    config: Any = model.config
    return not (getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True))


def _batch_tokens(model: PreTrainedModel) -> int:
    kind = next(model.parameters()).device.type
    return BATCH_TOKENS.get(kind, BATCH_TOKENS["other"])


def _batches(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    start = 0
    while start < len(rows):
        size = max(1, tokens // len(rows[start].tokens))
        yield list(rows[start : start + size])
        start += size


def _padded(rows: Sequence[Row], device: Any) -> tuple[Tensor, Tensor]:
    """Ids and positions (B, T); padding stands at the end, where nothing attends to it."""
    longest = len(rows[0].tokens)
    ids_BT = torch.zeros((len(rows), longest), dtype=torch.int64)
    depths_BT = torch.zeros_like(ids_BT)
    for place, row in enumerate(rows):
        ids_BT[place, : len(row.tokens)] = torch.tensor(row.tokens)
        depths_BT[place, : len(row.tokens)] = torch.tensor(row.depths)
    return ids_BT.to(device), depths_BT.to(device)


def _score_rows(model: PreTrainedModel, rows: Sequence[Row]) -> dict[int, tuple[float, bool]]:
    """Score rows through the model's body and only those places of its head that count."""
    device, kind = next(model.parameters()).device, next(model.parameters()).dtype
    ids_BT, depths_BT = _padded(rows, device)
    mask = None
    if not all(row.is_line() for row in rows):
        sees_BTT = torch.stack([row.sees_TT(ids_BT.shape[1]) for row in rows])
        mask = torch.zeros(sees_BTT.shape, dtype=kind).masked_fill_(~sees_BTT, torch.finfo(kind).min)
        mask = mask[:, None].to(device)
    body: Any = model.base_model
    states_BTD = body(
        input_ids=ids_BT, attention_mask=mask, position_ids=depths_BT, use_cache=False
    ).last_hidden_state
    asked = [(place, *one) for place, row in enumerate(rows) for one in row.asked]
    where = [(place, node) for place, _, nodes, _ in asked for node in nodes]
    targets_M = torch.tensor([token for *_, tokens in asked for token in tokens], device=device)
    states_MD = states_BTD[[b for b, _ in where], [t for _, t in where]]
    logprobs_M, first_M = _read_head(model, states_MD, targets_M)
    return _gather([(number, len(tokens)) for _, number, _, tokens in asked], logprobs_M, first_M)


def _read_head(model: PreTrainedModel, states_MD: Tensor, targets_M: Tensor) -> tuple[Tensor, Tensor]:
    head: Any = model.get_output_embeddings()
    size = max(1, HEAD_LOGITS // head.weight.shape[0])
    parts = [
        _at(head(states).float(), targets)
        for states, targets in zip(states_MD.split(size), targets_M.split(size), strict=True)
    ]
    return torch.cat([one for one, _ in parts]), torch.cat([two for _, two in parts])


def _at(logits_MV: Tensor, targets_M: Tensor) -> tuple[Tensor, Tensor]:
    logprobs_M = logits_MV.gather(1, targets_M[:, None])[:, 0] - logits_MV.logsumexp(-1)
    return logprobs_M, logits_MV.argmax(-1) == targets_M


def _score_texts(model: PreTrainedModel, rows: Sequence[Row]) -> dict[int, tuple[float, bool]]:
    """Score single texts through the whole model, whatever its head does to the logits."""
    ids_BT, _ = _padded(rows, next(model.parameters()).device)
    logits_BTV = model(input_ids=ids_BT, use_cache=False).logits.float()
    found: dict[int, tuple[float, bool]] = {}
    for place, row in enumerate(rows):
        for number, nodes, tokens in row.asked:
            targets_M = torch.tensor(tokens, device=logits_BTV.device)
            logprobs_M, first_M = _at(logits_BTV[place, nodes], targets_M)
            found |= _gather([(number, len(tokens))], logprobs_M, first_M)
    return found


def _gather(
    sizes: Sequence[tuple[int, int]], logprobs_M: Tensor, first_M: Tensor
) -> dict[int, tuple[float, bool]]:
    counts = [size for _, size in sizes]
    parts = zip(sizes, logprobs_M.cpu().split(counts), first_M.cpu().split(counts), strict=True)
    return {number: (float(logprob.sum()), bool(first.all())) for (number, _), logprob, first in parts}
