"""What each arm trains on, made from the rollouts of one seed.

The placebos take the same number of single-token pairs as the pivotal arm, from branchings of the replies
where a right one and a wrong one part, each pair turned towards the right reply. One picks branchings at
random, the other where the policy is least sure of its next token (arXiv:2506.01939). Neither asks whether
the token moved the success probability.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from trivium.claims.settings import ENTROPY, PIVOTAL, RANDOM, REJECTION, WHOLE
from trivium.claims.world import World
from trivium.models.sample_draw import request_seed
from trivium.pivotal.mine import Searched
from trivium.pivotal.tree import Branch, Child, Path, branches
from trivium.records import Preference, Rollout, Verdict, from_table, row_id, to_table
from trivium.store.files import read_parquet, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel

Replies = Mapping[str, Sequence[Rollout]]
"""Question id -> its whole replies."""


def write_arms(world: World, number: int) -> Mapping[str, pa.Table]:
    """Write pairs and replies of every arm for one seed; returns their counts."""
    import pyarrow as pa

    from trivium.models.sample import cached_model

    folder, config, seed = world.seed_folder(number), world.config, world.seed_of(number)
    tables = {n: read_parquet(folder / f"{n}.parquet") for n in ("searched", "rollouts", "control")}
    searched = from_table(Searched, tables["searched"])
    rolled, extra = from_table(Rollout, tables["rollouts"]), from_table(Rollout, tables["control"])
    pool = by_question([*whole_only(rolled), *extra])
    band = {row.question_id: pool[row.question_id] for row in searched if row.in_band}
    pivotal = from_table(Preference, read_parquet(folder / "preferences.parquet"))
    forks = [pair for replies in band.values() for pair in parted(replies, world.pivotal.min_rollouts, seed)]
    most, each = len(pivotal), config.pairs_per_question
    surprise = dict(zip((pair.id for pair in forks), entropies(cached_model(world.sft), forks), strict=True))
    sets = {
        REJECTION: [],
        WHOLE: [pair for replies in band.values() for pair in whole_pairs(replies, each)],
        PIVOTAL: pivotal,
        RANDOM: capped(sorted(forks, key=lambda p: request_seed(seed, "random", p.id)), each, most),
        ENTROPY: capped(sorted(forks, key=lambda p: (-surprise[p.id], p.id)), each, most),
    }
    rows = []
    for arm, found in sets.items():
        replies = rolled if arm == PIVOTAL else [row for rows in pool.values() for row in rows]
        shown = distinct(replies, each)
        write_parquet(world.arm_folder(arm, number) / "preferences.parquet", to_table(Preference, found))
        write_parquet(world.arm_folder(arm, number) / "rollouts.parquet", to_table(Rollout, shown))
        rows.append(
            {
                "arm": arm,
                "seed": number,
                "tokens": sum(len(row.completion_ids) for row in replies),
                "pairs": len(found),
                "questions": len({pair.question_id for pair in found}),
                "right_replies": sum(row.verdict == Verdict.RIGHT for row in shown),
            }
        )
    return {"counts": pa.Table.from_pylist(rows)}


def by_question(rows: Iterable[Rollout]) -> dict[str, list[Rollout]]:
    """Group rollouts by question, in their order."""
    groups: dict[str, list[Rollout]] = {}
    for row in rows:
        groups.setdefault(row.question_id, []).append(row)
    return groups


def whole_only(rows: Sequence[Rollout]) -> list[Rollout]:
    """Rollouts that begin at the prompt; the others begin inside a reply."""
    shortest: dict[str, int] = {}
    for row in rows:
        size = len(row.prefix_ids)
        shortest[row.question_id] = min(size, shortest.get(row.question_id, size))
    return [row for row in rows if len(row.prefix_ids) == shortest[row.question_id]]


def distinct(rows: Sequence[Rollout], each: int) -> list[Rollout]:
    """Finished replies, each text once, at most `each` right and `each` wrong ones of a question."""
    seen: set[tuple[int, ...]] = set()
    counts: Counter[tuple[str, bool]] = Counter()
    found = []
    for row in rows:
        text, kind = (*row.prefix_ids, *row.completion_ids), (row.question_id, row.verdict == Verdict.RIGHT)
        if row.finish == "eos" and row.verdict != Verdict.ERROR and text not in seen and counts[kind] < each:
            seen.add(text)
            counts[kind] += 1
            found.append(row)
    return found


def whole_pairs(replies: Sequence[Rollout], each: int) -> list[Preference]:
    """Pair the distinct right replies to one question with its distinct wrong ones, one to one."""
    chosen = distinct(replies, each)
    right = [row for row in chosen if row.verdict == Verdict.RIGHT]
    wrong = [row for row in chosen if row.verdict != Verdict.RIGHT]
    return [
        _pair(WHOLE, w.question_id, w.prefix_ids, r.completion_ids, w.completion_ids)
        for r, w in zip(right, wrong, strict=False)
    ]


def parted(replies: Sequence[Rollout], min_rollouts: int, seed: int) -> list[Preference]:
    """Single-token pairs at the branchings of one question's replies where right and wrong ones part.

    Args:
        replies: Whole replies to one question.
        min_rollouts: Judged replies that must pass through the branching, as in the search.
        seed: Decides which right and which wrong reply are taken.
    """
    prompt, question_id = replies[0].prefix_ids, replies[0].question_id
    paths = [
        Path(tuple(row.completion_ids), tuple(map(math.exp, row.logprobs)), Verdict(row.verdict))
        for row in replies
    ]
    found = []
    for branch in branches(paths):
        if sum(child.estimate.num_rollouts for child in branch.children) >= min_rollouts:
            tokens = _one_right_one_wrong(branch, request_seed(seed, "parted", question_id, *branch.prefix))
            if tokens is not None:
                prefix = [*prompt, *branch.prefix]
                found.append(_pair("parted", question_id, prefix, [tokens[0]], [tokens[1]]))
    return found


def entropies(model: PreTrainedModel, pairs: Sequence[Preference]) -> list[float]:
    """Entropy in nats of the model's next token after the prompt of each single-token pair."""
    import torch

    from trivium.train.forward import in_chunks
    from trivium.train.pairs import TokenUnit, make_units
    from trivium.train.preference_losses import states_before
    from trivium.train.work import fill

    def entropy(logits_CV: torch.Tensor) -> torch.Tensor:
        logps_CV = logits_CV.log_softmax(-1)
        return -(logps_CV.exp() * logps_CV).sum(-1)

    found = [0.0] * len(pairs)
    units = [unit for unit in make_units(pairs) if isinstance(unit, TokenUnit)]
    with torch.no_grad():
        for group in fill(units, [unit.num_tokens for unit in units], 4096):
            values = in_chunks(model, entropy, states_before(model, group))
            numbers = [number for unit in group for number in unit.pairs]
            for number, value in zip(numbers, values.tolist(), strict=True):
                found[number] = value
    return found


def capped(pairs: Sequence[Preference], each: int, most: int) -> list[Preference]:
    """Take pairs in their order, at most `each` of a question and `most` in all."""
    counts: Counter[str] = Counter()
    found: list[Preference] = []
    for pair in pairs:
        if len(found) < most and counts[pair.question_id] < each:
            counts[pair.question_id] += 1
            found.append(pair)
    return found


def _one_right_one_wrong(branch: Branch, seed: int) -> tuple[int, int] | None:
    """Draw a right reply's token and a wrong reply's other token; None where there are no such two."""
    chosen = _draw([(child, child.estimate.num_right) for child in branch.children], seed)
    if chosen is None:
        return None
    others = [
        (child, child.estimate.num_rollouts - child.estimate.num_right)
        for child in branch.children
        if child is not chosen
    ]
    rejected = _draw(others, request_seed(seed, "rejected"))
    return None if rejected is None else (chosen.token_id, rejected.token_id)


def _draw(weighted: Sequence[tuple[Child, int]], seed: int) -> Child | None:
    left = seed % max(sum(weight for _, weight in weighted), 1)
    for child, weight in weighted:
        if left < weight:
            return child
        left -= weight
    return None


def _pair(
    origin: str, question_id: str, prompt: Sequence[int], chosen: Sequence[int], rejected: Sequence[int]
) -> Preference:
    content = "|".join(",".join(map(str, ids)) for ids in (prompt, chosen, rejected))
    return Preference(
        id=row_id(f"claims.{origin}", [question_id], content),
        question_id=question_id,
        prompt_ids=list(prompt),
        chosen_ids=list(chosen),
        rejected_ids=list(rejected),
        origin=origin,
        gap=0.0,
        parents=[question_id],
    )
