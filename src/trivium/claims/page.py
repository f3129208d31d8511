"""The claims as Markdown: what was asked, what came out, and what every arm did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trivium.claims import claim_11, claim_12, claim_13
from trivium.claims.results import METRIC_TITLES, Finding
from trivium.claims.settings import AFTER, MERGES, PIVOTAL, TITLES, ExperimentConfig, at_edge, setting_of

CLAIMS: dict[int, Any] = {claim.NUMBER: claim for claim in (claim_11, claim_12, claim_13)}
"""Number -> module of the claim."""

WORDS = {"holds": "holds", "fails": "fails", "undecided": "not decided at this scale"}
"""Verdict -> what is printed."""

IN_POINTS = ("greedy", "sampled", "pass")


def findings_text(found: Sequence[Finding]) -> str:
    """One table a claim: statement, value with interval, verdict."""
    parts = []
    for number, claim in CLAIMS.items():
        own = [row for row in found if row.claim == number]
        if own:
            lines = [
                [
                    f.statement,
                    f.metric,
                    _interval(f),
                    _wanted(f),
                    f"{f.n:,}",
                    str(f.seeds),
                    _scaled(f, f.detectable),
                    WORDS[f.verdict],
                ]
                for f in own
            ]
            header = [
                "statement",
                "measured",
                "value [95 %]",
                "wanted",
                "n",
                "seeds",
                "detectable",
                "verdict",
            ]
            parts.append(f"## {number}. {claim.TITLE}\n\n{_table([header, *lines])}")
    return "\n".join(parts)


def arms_text(rows: Sequence[Mapping[str, Any]], untouched: Sequence[Mapping[str, Any]]) -> str:
    """One line an arm: all its numbers with their intervals."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    metrics = list(METRIC_TITLES)
    tasks = list(dict.fromkeys(row["metric"] for row in untouched))
    cells = {(row["arm"], row["metric"]): row for row in [*rows, *untouched]}
    header = ["arm", *METRIC_TITLES.values(), *(task.replace("_", " ") for task in tasks)]
    lines = [
        [TITLES[arm], *(_cell(cells[arm, metric], metric, tasks) for metric in [*metrics, *tasks])]
        for arm in arms
    ]
    return _table([header, *lines])


def choices_text(
    chosen: Mapping[str, Mapping[str, Any]],
    counts: Sequence[Mapping[str, Any]],
    config: ExperimentConfig,
) -> str:
    """What every arm was trained on and with."""
    header = [
        "arm",
        "tokens a seed",
        "pairs",
        "questions",
        "right replies",
        "rate",
        "beta",
        "passes",
        "held by",
        "development",
    ]
    lines = []
    for arm, row in chosen.items():
        own = [count for count in counts if count["arm"] == data_of(arm)]
        mean = {
            k: sum(c[k] for c in own) / len(own) for k in ("tokens", "pairs", "questions", "right_replies")
        }
        setting = setting_of(row)
        edge = " (edge of the grid)" if at_edge(setting, config) else ""
        lines.append(
            [
                TITLES[arm],
                *(f"{value:,.0f}" for value in mean.values()),
                f"{setting.scale:g} of both changes" if setting.scale else f"{setting.learning_rate:g}{edge}",
                f"{setting.beta:g}" if setting.beta else "-",
                f"{setting.epochs}" if setting.epochs else "-",
                {"": "-", "right": "right replies", "kl": "KL"}[setting.hold],
                "not tried"
                if row["dev_greedy"] is None
                else f"{100 * row['dev_greedy']:.1f} greedy, {100 * row['dev_sampled']:.1f} at T=1",
            ]
        )
    return _table([header, *lines])


def data_of(arm: str) -> str:
    """Return the arm whose pairs and rollouts an arm is made from."""
    return PIVOTAL if arm == AFTER else MERGES[arm][1] if arm in MERGES else arm


def page(
    config: ExperimentConfig,
    found: Sequence[Finding],
    experiment: Mapping[str, Any] | None,
) -> str:
    """The whole page.

    Args:
        config: Sizes.
        found: All findings.
        experiment: `rows`, `untouched`, `chosen` and `counts` of the controlled experiment, if it was made.
    """
    parts = [
        "# Claims\n",
        "Written by `trivium claims`. A statement holds where its whole 95 % interval lies on the wanted "
        "side, fails where it lies on the other, and is not decided else; one seed decides nothing about "
        "training. Detectable is the distance from the wanted value that an experiment of this size finds in "
        "four of five repetitions. Intervals are not widened for the number of statements.\n",
        findings_text(found),
    ]
    if experiment is not None:
        parts += [
            "## The experiment behind claim 13\n",
            "" if experiment["untouched"] else "Untouched tasks were not measured: no file was given.\n",
            f"{config.questions:,} questions and one budget of rollouts a seed, {config.seeds} seeds; "
            f"settings chosen on {config.dev:,} development problems (first seed, mean of greedy and T=1); "
            f"{config.heldout:,} held-out problems, {config.samples} replies each at T=1 (so pass@"
            f"{config.samples}). Intervals over problems and seeds. Accuracies in per cent; entropy in nats "
            "a token; KL(arm || SFT) in nats a sampled reply; unknowable facts count as kept when they are "
            "not answered wrongly.\n",
            arms_text(experiment["rows"], experiment["untouched"]),
            "What each arm was trained on, a seed on average, and the settings it chose:\n",
            choices_text(experiment["chosen"], experiment["counts"], config),
        ]
    return "\n".join(parts)


def _cell(row: Mapping[str, Any], metric: str, tasks: Sequence[str]) -> str:
    scale, digits = (100, 1) if metric in IN_POINTS or metric in tasks else (1, 3)
    low, value, high = (f"{scale * row[key]:.{digits}f}" for key in ("low", "value", "high"))
    return f"{value} [{low}, {high}]"


def _interval(found: Finding) -> str:
    scale, digits, sign = {"points": (100, 1, "+"), "share": (1, 3, ""), "count": (1, 2, "+")}[found.unit]
    value, low, high = (
        f"{scale * number:{sign}.{digits}f}" for number in (found.value, found.low, found.high)
    )
    return f"{value} [{low}, {high}]" + (" points" if found.unit == "points" else "")


def _scaled(found: Finding, number: float) -> str:
    scale, digits = {"points": (100, 1), "share": (1, 3), "count": (1, 2)}[found.unit]
    return f"{scale * number:.{digits}f}"


def _wanted(found: Finding) -> str:
    return f"{found.direction} {(100 if found.unit == 'points' else 1) * found.threshold:g}"


def _table(lines: Sequence[Sequence[str]]) -> str:
    header, *body = lines
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body]) + "\n"
