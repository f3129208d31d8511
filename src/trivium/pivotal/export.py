"""Rows of the exports. Ids are the truth; text is for readers that know no better.

A pair leaves in TRL's text format only if the model's tokenizer turns its text back into the same ids: what
does not read back would train another token than the one that was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.models.load import Tokenizer
from trivium.records import Drop, PivotalToken, Preference, Rollout

if TYPE_CHECKING:
    from trivium.pivotal.steering import Vectors

NO_TIME = "1970-01-01T00:00:00"
"""The published data sets have a time in every row; ours tells none, so that a rerun gives equal bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What the rows are told from."""

    tokenizer: Tokenizer
    model: str
    prompts: Mapping[str, tuple[int, ...]]
    """Question id -> prompt ids."""
    questions: Mapping[str, tuple[str, str]]
    """Question id -> question and verifier; may lack some."""
    dataset: str

    def text(self, ids: Sequence[int]) -> str:
        """Text with special tokens spelled out."""
        return self.tokenizer.decode(ids, keep_special=True)

    def query(self, question_id: str) -> str:
        """The question as it was asked."""
        asked = self.questions.get(question_id)
        return asked[0] if asked else self.text(self.prompts[question_id])

    def task(self, question_id: str) -> str:
        """The verifier, which is what we know of the kind of task."""
        asked = self.questions.get(question_id)
        return asked[1] if asked else ""


def prompts_of(rollouts: Sequence[Rollout]) -> dict[str, tuple[int, ...]]:
    """Prompt ids of every question: the shortest prefix that was sampled from."""
    found: dict[str, tuple[int, ...]] = {}
    for row in rollouts:
        known = found.get(row.question_id)
        if known is None or len(row.prefix_ids) < len(known):
            found[row.question_id] = tuple(row.prefix_ids)
    return found


def questions_of(folder: Path, shown: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Questions by id: those of a question file, else those that the page shows."""
    from trivium.records import Question, from_table
    from trivium.store.files import read_parquet

    path = folder / "questions.parquet"
    if path.exists():
        return {row.id: (row.prompt, row.verifier) for row in from_table(Question, read_parquet(path))}
    return {row["question_id"]: (row["prompt"], "") for row in shown}


def dataset_of(folder: Path) -> str:
    """Name of the question file or stage that was searched."""
    from trivium.store.files import read_json

    recipe = folder.parent / "recipe.json"
    return Path(read_json(recipe)["pivotal"]["questions"]).name if recipe.exists() else ""


def trl(pairs: Sequence[Preference], sources: Sources) -> tuple[list[dict[str, Any]], list[Drop]]:
    """Rows of TRL's preference format (prompt, chosen, rejected as text), and the pairs left out.

    The prompt is the rendered conversation and the reply so far, so no template must be applied again.
    """
    rows, drops = [], []
    for pair in pairs:
        prompt = sources.text(pair.prompt_ids)
        sides = sources.text(pair.chosen_ids), sources.text(pair.rejected_ids)
        if all(
            sources.tokenizer.encode_marked(prompt + side) == [*pair.prompt_ids, *ids]
            for side, ids in zip(sides, (pair.chosen_ids, pair.rejected_ids), strict=True)
        ):
            rows.append({"prompt": prompt, "chosen": sides[0], "rejected": sides[1]})
        else:
            drops.append(
                Drop(id=pair.id, step="export.trl", reason="text does not read back as the same ids")
            )
    return rows, drops


def tokens(
    pivots: Sequence[PivotalToken], pairs: Sequence[Preference], sources: Sources
) -> list[dict[str, Any]]:
    """One row a pivotal token and one a pair, by ids with their text beside them; nothing is left out."""
    rows = [
        {
            "kind": "pivot",
            "id": pivot.id,
            "question_id": pivot.question_id,
            "query": sources.query(pivot.question_id),
            **_place(pivot.question_id, pivot.prefix_ids, sources),
            "token_id": pivot.token_id,
            "token": sources.text([pivot.token_id]),
            "token_prob": pivot.token_prob,
            "prob_before": pivot.prob_before,
            "prob_after": pivot.prob_after,
            "prob_delta": pivot.prob_after - pivot.prob_before,
            "low": pivot.low,
            "high": pivot.high,
            "alternatives": [
                {
                    "token_id": other.token_id,
                    "token": sources.text([other.token_id]),
                    "num_rollouts": other.num_rollouts,
                    "num_right": other.num_right,
                }
                for other in pivot.alternatives
            ],
        }
        for pivot in pivots
    ]
    rows += [
        {
            "kind": "pair",
            "id": pair.id,
            "question_id": pair.question_id,
            "query": sources.query(pair.question_id),
            **_place(pair.question_id, pair.prompt_ids, sources),
            "chosen_id": pair.chosen_ids[0],
            "chosen": sources.text(pair.chosen_ids),
            "rejected_id": pair.rejected_ids[0],
            "rejected": sources.text(pair.rejected_ids),
            "gap": pair.gap,
        }
        for pair in pairs
    ]
    return rows


def pts(pivots: Sequence[PivotalToken], sources: Sources) -> list[dict[str, Any]]:
    """Rows with the columns of the pivotal-token data sets that codelion/pts publishes."""
    return [_pts_row(pivot, sources) for pivot in pivots]


def _pts_row(pivot: PivotalToken, sources: Sources) -> dict[str, Any]:
    shift = pivot.prob_after - pivot.prob_before
    return {
        "model_id": sources.model,
        "query": sources.query(pivot.question_id),
        "pivot_context": sources.text(pivot.prefix_ids),
        "pivot_token": sources.text([pivot.token_id]),
        "pivot_token_id": pivot.token_id,
        "prob_before": pivot.prob_before,
        "prob_after": pivot.prob_after,
        "prob_delta": shift,
        "is_positive": shift > 0,
        "task_type": sources.task(pivot.question_id),
        "dataset_id": sources.dataset,
        "dataset_item_id": pivot.question_id,
        "timestamp": NO_TIME,
    }


def pts_dpo(pairs: Sequence[Preference], sources: Sources) -> list[dict[str, Any]]:
    """Rows with the columns of codelion/pts's preference data sets."""
    return [
        {
            "prompt": sources.text(pair.prompt_ids),
            "chosen": sources.text(pair.chosen_ids),
            "rejected": sources.text(pair.rejected_ids),
            "metadata": {
                "original_query": sources.query(pair.question_id),
                "prob_delta": pair.gap,
                "task_type": sources.task(pair.question_id),
            },
        }
        for pair in pairs
    ]


def steering(
    pairs: Sequence[Preference], vectors: Vectors, layer: int, sources: Sources
) -> list[dict[str, Any]]:
    """One row a pair with its steering vector: what choosing the better token adds to the layer's output."""
    return [
        {
            "pair_id": pair.id,
            "model_id": sources.model,
            "query": sources.query(pair.question_id),
            "pivot_context": sources.text(pair.prompt_ids),
            "pivot_token": sources.text(pair.chosen_ids),
            "pivot_token_id": pair.chosen_ids[0],
            "prob_delta": pair.gap,
            "is_positive": True,
            "steering_layer": layer,
            "steering_vector": [round(value, 6) for value in vector],
        }
        for pair, vector in zip(pairs, (vectors.chosen_NH - vectors.rejected_NH).tolist(), strict=True)
    ]


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _place(question_id: str, prefix: Sequence[int], sources: Sources) -> dict[str, Any]:
    prompt = sources.prompts[question_id]
    return {
        "prompt_ids": list(prompt),
        "reply_ids": list(prefix[len(prompt) :]),
        "reply": sources.text(prefix[len(prompt) :]),
        "position": len(prefix),
    }
