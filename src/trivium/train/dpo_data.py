"""What a preference stage trains on: pairs, right rollouts, conversations; and its objective."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.records import Example, Preference, Rollout, Verdict
from trivium.store.run import StageDir
from trivium.train.conversations import Marked, encode_all
from trivium.train.hashing import unit_interval
from trivium.train.pairs import Unit, choose_pairs, make_units, split_by_question

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from trivium.models.load import Tokenizer
    from trivium.train.dpo_stage import DPOConfig
    from trivium.train.preference import PreferenceObjective


@dataclasses.dataclass(frozen=True, slots=True)
class PreferenceData:
    """Everything a preference stage reads, as ids; picklable."""

    training: list[Preference]
    heldout: list[Preference]
    anchor: list[Marked]
    """Right rollouts."""
    replay: list[Marked]
    """Conversations."""
    sampled: list[Marked]
    """Rollouts of any verdict, on all questions, and conversations: where the KL anchor holds the policy."""
    kl: list[Marked]
    """Conversations that are not trained on."""

    def count_by_origin(self) -> dict[str, int]:
        """Training pairs by origin."""
        return dict(sorted(collections.Counter(row.origin for row in self.training).items()))


def prepare(config: DPOConfig, stage: StageDir) -> PreferenceData:
    """Read pairs, anchor and replay; drops say which pairs were left out and why."""
    from trivium.models import prompting
    from trivium.models.load import find_model, load_tokenizer

    start = find_model(config.start, stage)
    tokenizer = load_tokenizer(start)
    stops = frozenset(prompting.stop_ids(start, tokenizer))
    sources = () if config.loss == "sft" else config.pairs_from
    rows = [row for name in sources for row in stage.rows(name, "preferences", Preference)]
    kept, drops = choose_pairs(
        rows,
        origins=config.origins,
        most=config.max_pairs,
        longest=config.loop.row_tokens,
        seed=stage.seed,
        step=stage.name,
    )
    stage.drop(drops)
    training, heldout = split_by_question(kept, config.heldout_frac, stage.seed)
    away = {row.question_id for row in heldout}
    longest = config.loop.row_tokens
    rollouts = stage.rows(config.anchor_from, "rollouts", Rollout) if config.anchor_from else []
    seen = [row for row in rollouts if row.finish == "eos" and row.question_id not in away]
    anchor = [as_document(row, tokenizer, stops) for row in seen if row.verdict == Verdict.RIGHT]
    chats = stage.rows(config.replay_from, "examples", Example) if config.replay_from else []
    replay: list[Marked] = []
    kl: list[Marked] = []
    if chats:
        encode = prompting.make_encoder(start, tokenizer)
        documents, refused = encode_all(chats, encode, stage.name)
        stage.drop(refused)
        replay, kl = _conversations(documents, config, stage.seed)
    sampled = [as_document(row, tokenizer, stops) for row in seen] if config.kl_weight else []
    return PreferenceData(
        training=training,
        heldout=heldout,
        anchor=_short(anchor, longest),
        replay=_short(replay, longest),
        sampled=_short([*sampled, *replay], longest) if config.kl_weight else [],
        kl=_short(kl, longest),
    )


def as_document(row: Rollout, tokenizer: Tokenizer, stops: Set[int]) -> Marked:
    """A rollout as a document whose completion counts, closed by the token that ended it, one of `stops`."""
    chat = tokenizer.start_id in row.prefix_ids
    end = tokenizer.end_id if chat else tokenizer.eos_id
    open_end = row.finish == "eos" and (not row.completion_ids or row.completion_ids[-1] not in stops)
    said = [*row.completion_ids, *([end] if open_end else [])]
    return [*row.prefix_ids, *said], [False] * len(row.prefix_ids) + [True] * len(said)


def build_objective(start: Path, data: PreferenceData, config: DPOConfig, seed: int) -> PreferenceObjective:
    """The objective, with the reference's margins measured on the model that training starts from."""
    from trivium.models.load import load_model
    from trivium.train.preference import Anchor, make_objective

    units = make_units(data.training)
    reference = load_model(start)
    margins_K = reference_margins(
        reference, units, len(data.training), config.loop.micro_tokens, mean=config.loss == "ipo"
    )
    return make_objective(
        units,
        [row.origin for row in data.training],
        margins_K,
        [
            Anchor("anchor", tuple(data.anchor), config.anchor_weight, config.anchor_rows),
            Anchor("replay", tuple(data.replay), config.replay_weight, config.replay_rows),
            Anchor("kl", tuple(data.sampled), config.kl_weight, config.kl_anchor_rows, reference),
        ],
        loss=config.loss,
        beta=config.beta,
        epochs=config.epochs,
        loop=config.loop,
        seed=seed,
    )


def reference_margins(
    model: PreTrainedModel, units: Sequence[Unit], num_pairs: int, micro_tokens: int, *, mean: bool = False
) -> Tensor:
    """Margin of every pair under a model, by pair index (K,)."""
    import torch

    from trivium.train.preference_losses import margins
    from trivium.train.work import fill

    found = torch.zeros(num_pairs)
    with torch.no_grad():
        for kind in sorted({type(unit).__name__ for unit in units}):
            chosen = [unit for unit in units if type(unit).__name__ == kind]
            for group in fill(chosen, [unit.num_tokens for unit in chosen], micro_tokens):
                found[[pair for unit in group for pair in unit.pairs]] = margins(model, group, mean=mean)
    return found


def _conversations(
    encoded: Sequence[tuple[Example, Marked]], config: DPOConfig, seed: int
) -> tuple[list[Marked], list[Marked]]:
    """Conversations to replay, and some that are never trained on here."""
    usable = sorted(
        (pair for pair in encoded if any(message.role == "assistant" for message in pair[0].messages)),
        key=lambda pair: (unit_interval(seed, "kl", pair[0].id), pair[0].id),
    )
    documents = [document for _, document in usable]
    apart = min(config.kl_rows, len(documents) // 2)
    return documents[apart:], documents[:apart]


def _short(documents: Sequence[Marked], longest: int) -> list[Marked]:
    return [document for document in documents if len(document[0]) <= longest]
