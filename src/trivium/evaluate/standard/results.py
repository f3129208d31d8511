"""From judged outputs to numbers: accuracy, pass@k, majority@k, and how two models differ, with intervals."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from trivium.evaluate.estimate import Cell, clustered, difference, estimate
from trivium.evaluate.standard.task import Item, Judged, Output, Score
from trivium.records import Verdict
from trivium.stats import normal_quantile

POWER = 0.8
"""Chance of seeing the minimum detectable difference (Cohen 1988; Miller 2024, arXiv 2411.00640)."""
LEVEL = 0.95
NUMBERS = ("perplexity", "mark", "mark_first", "mark_second")
"""Metrics that are no shares."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemRow:
    """One output with its scores; every number of the table is recomputed from these."""

    model: str
    task: str
    item_id: str
    sample: int
    cluster: str
    group: str
    verdict: str
    answer: str
    """The answer as read; what majority@k votes on."""
    scores: list[Score]
    num_tokens: int
    finish: str
    reply: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultRow:
    """One number of one model on one task, with its 95 % interval."""

    model: str
    task: str
    metric: str
    value: float
    low: float
    high: float
    items: int
    samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PairRow:
    """How two models differ in one number, over the items that both have."""

    task: str
    metric: str
    before: str
    after: str
    value: float
    low: float
    high: float
    detectable: float
    """Least true difference that would show in four of five such comparisons."""
    p: float
    """Two-sided p-value of no difference, before any correction."""
    p_holm: float
    """The same after Holm's correction for all tasks that are compared (Holm 1979)."""
    items: int


def item_row(item: Item, output: Output, judged: Judged, metrics: Sequence[str]) -> ItemRow:
    """Join what was asked, what was said and what it is worth in the task's metrics."""
    return ItemRow(
        model=output.model,
        task=output.task,
        item_id=item.id,
        sample=output.sample,
        cluster=item.cluster or item.id,
        group=item.group,
        verdict=str(judged.verdict),
        answer=judged.answer,
        scores=[score for score in judged.scores if score.metric in metrics],
        num_tokens=output.num_tokens,
        finish=output.finish,
        reply=output.reply,
    )


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Return the chance that one of k replies is right, unbiased, from `right` of `samples` ones.

    Source: Chen et al. 2021, arXiv 2107.03374, section 2.1.

    Raises:
        ValueError: k is not between 1 and `samples`.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass_at_k: got k={k} of {samples} samples; expected 1 to {samples}")
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def majority_at_k(answers: Sequence[str], right: Sequence[float], k: int) -> float:
    """Return how often the most frequent answer of k replies is right, over disjoint groups of k.

    Replies without a readable answer do not vote; a tie is worth the share of its answers that are right; a
    group without a vote is wrong. What is left after whole groups is not used.

    Source: self-consistency, Wang et al. 2023, arXiv 2203.11171.
    """
    found = []
    for start in range(0, len(answers) - k + 1, k):
        votes = Counter(answer for answer in answers[start : start + k] if answer)
        most = max(votes.values(), default=0)
        worth = dict(zip(answers, right, strict=True))
        ahead = [worth[answer] for answer, count in votes.items() if count == most]
        found.append(sum(ahead) / len(ahead) if ahead else 0.0)
    return sum(found) / len(found)


def cells(rows: Iterable[ItemRow]) -> dict[str, Cell]:
    """Return metric -> cell of one model's rows on one task: one value an item, the mean of its samples.

    A metric for which no item counts has no cell.
    """
    by_item: dict[str, list[ItemRow]] = defaultdict(list)
    for row in rows:
        by_item[row.item_id].append(row)
    votes = any(row.answer for own in by_item.values() for row in own)
    found: dict[str, Cell] = defaultdict(dict)
    for item, own in by_item.items():
        for place, score in enumerate(own[0].scores):
            value = sum(row.scores[place].value for row in own) / len(own)
            found[score.metric][item] = (value, score.weight, own[0].cluster)
        for metric, value in many(own, votes=votes).items():
            found[metric][item] = (value, 1.0, own[0].cluster)
        for verdict in (Verdict.UNPARSED, Verdict.ERROR):
            share = sum(row.verdict == verdict for row in own) / len(own)
            found[str(verdict)][item] = (share, 1.0, own[0].cluster)
    return {metric: cell for metric, cell in found.items() if any(weight for _, weight, _ in cell.values())}


def many(own: Sequence[ItemRow], *, votes: bool) -> dict[str, float]:
    """Return pass@k and, where replies have answers, majority@k of one item, for k = 2, 4, ... and all."""
    count = len(own)
    if count < 2:
        return {}
    ordered = sorted(own, key=lambda row: row.sample)
    right = [float(row.verdict == Verdict.RIGHT) for row in ordered]
    sizes = sorted({2**power for power in range(1, count.bit_length()) if 2**power <= count} | {count})
    found = {f"pass@{k}": pass_at_k(count, int(sum(right)), k) for k in sizes}
    if votes:
        answers = [row.answer for row in ordered]
        found |= {f"majority@{k}": majority_at_k(answers, right, k) for k in sizes if k > 2}
    return found


def tabulate(rows: Sequence[ItemRow]) -> list[ResultRow]:
    """Return every number of every model and task, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[ItemRow]] = defaultdict(list)
    for row in rows:
        groups[row.task, row.model].append(row)
    table = []
    for (task, model), own in groups.items():
        samples = max(row.sample for row in own) + 1
        for metric, cell in cells(own).items():
            value, low, high = _shown(metric, estimate(cell, share=metric not in NUMBERS))
            table.append(
                ResultRow(
                    model=model, task=task, metric=metric, value=value, low=low, high=high,
                    items=len(cell), samples=samples,
                )
            )  # fmt: skip
    return table


def _shown(metric: str, found: tuple[float, float, float]) -> tuple[float, float, float]:
    """Perplexity is exp of minus the mean log-probability, and so are the ends of its interval."""
    if metric != "perplexity":
        return found
    value, low, high = (math.exp(-min(700.0, max(-700.0, number))) for number in found)
    return value, high, low


def compare(rows: Sequence[ItemRow], before: str, after: str, headlines: Mapping[str, str]) -> list[PairRow]:
    """Compare two models on the headline of every task, item by item.

    Args:
        rows: Rows of both.
        before: Label of the one.
        after: Label of the other; differences are after - before.
        headlines: Task -> the metric that is compared.
    """
    found = []
    for task, metric in headlines.items():
        sides = [
            cells(row for row in rows if (row.task, row.model) == (task, model)).get(metric, {})
            for model in (before, after)
        ]
        shared = sorted(sides[0].keys() & sides[1].keys())
        if not shared:
            continue
        value, low, high = difference(sides[1], sides[0], seed=0)
        error = standard_error(sides[1], sides[0])
        found.append(
            PairRow(
                task=task, metric=metric, before=before, after=after, value=value, low=low, high=high,
                detectable=detectable(error), p=p_value(value, error), p_holm=1.0, items=len(shared),
            )
        )  # fmt: skip
    return corrected(found)


def standard_error(after: Cell, before: Cell) -> float:
    """Return the standard error of a paired difference, clusters taken whole; 0 where nothing differs."""
    deltas = clustered(after, before)
    return float(deltas.std(ddof=1)) / math.sqrt(deltas.size) if deltas.size > 1 else 0.0


def detectable(error: float, *, level: float = LEVEL, power: float = POWER) -> float:
    """Return the least true difference that a comparison with this standard error shows with that power."""
    return (normal_quantile(level) + NormalDist().inv_cdf(power)) * error


def p_value(value: float, error: float) -> float:
    """Return the two-sided p-value of no difference by the normal approximation."""
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return 2 * (1 - NormalDist().cdf(abs(value) / error))


def corrected(rows: Sequence[PairRow]) -> list[PairRow]:
    """Fill in Holm's corrected p-values over all rows."""
    from dataclasses import replace

    order = sorted(range(len(rows)), key=lambda place: rows[place].p)
    adjusted, highest = {}, 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, rows[place].p * (len(rows) - rank)))
        adjusted[place] = highest
    return [replace(row, p_holm=adjusted[place]) for place, row in enumerate(rows)]
