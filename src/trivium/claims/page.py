"""The ledger as Markdown: for every claim the report's figure, the test, the answer and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trivium.claims import (
    claim_01,
    claim_02,
    claim_03,
    claim_04,
    claim_05,
    claim_06,
    claim_07,
    claim_08,
    claim_09,
    claim_10,
    claim_11,
    claim_12,
    claim_13,
    claim_14,
    claim_15,
    claim_16,
    claim_17,
    claim_18,
    claim_19,
)
from trivium.claims.charts import figure
from trivium.claims.results import METRIC_TITLES, Finding, whole_verdict
from trivium.claims.settings import AFTER, MERGES, PIVOTAL, TITLES, ExperimentConfig, at_edge, setting_of

__all__ = ["CLAIMS", "WORDS", "arms_text", "experiment_text", "figure", "page", "sizes_text"]

CLAIMS: dict[int, Any] = {
    claim.NUMBER: claim
    for claim in (
        claim_01,
        claim_02,
        claim_03,
        claim_04,
        claim_05,
        claim_06,
        claim_07,
        claim_08,
        claim_09,
        claim_10,
        claim_11,
        claim_12,
        claim_13,
        claim_14,
        claim_15,
        claim_16,
        claim_17,
        claim_18,
        claim_19,
    )
}
"""Number -> module of the claim."""

WORDS = {"holds": "holds", "fails": "fails", "undecided": "not decided at this scale"}
"""Verdict -> what is printed."""
COUNTED = {
    "holds": ("holds", "hold"),
    "fails": ("fails", "fail"),
    "undecided": ("is not decided", "are not decided"),
}
"""Verdict -> the verb after one statement, and after several."""

WHOLE = {
    "holds": "Holds",
    "fails": "Does not hold",
    "in part": "Holds in part",
    "undecided": "Not decided at this scale",
}
"""Verdict of a whole claim -> what is printed."""

IN_POINTS = ("greedy", "sampled", "pass")


def claim_text(number: int, found: Sequence[Finding]) -> str:
    """One claim: four short paragraphs, its figure, its table."""
    claim = CLAIMS[number]
    header = ["statement", "measured", "value [95 %]", "wanted", "n", "seeds", "detectable", "verdict"]
    lines = [
        [
            f.statement + ("" if f.main else " (beside)"),
            f.metric,
            interval_text(f),
            _wanted(f),
            f"{f.n:,}",
            str(f.seeds),
            _scaled(f, f.detectable),
            WORDS[f.verdict],
        ]
        for f in found
    ]
    parts = [
        f"## {number}. {claim.TITLE}",
        f"**The report.** {claim.REPORT}",
        f"**The test.** {claim.TEST}",
        f"**The answer.** {answer(found)}",
        f"**What it does not show.** {claim.LIMITS}",
        f"![Claim {number}: values with their 95 % intervals](claims/{number:02d}.svg)",
        _table([header, *lines]),
    ]
    return "\n\n".join(parts)


def answer(found: Sequence[Finding]) -> str:
    """What came out, in a sentence or two: the verdict, the first statement, the count of the others."""
    main = [f for f in found if f.main]
    first = main[0]
    text = f"{WHOLE[whole_verdict(found)]}. {first.statement[0].upper()}{first.statement[1:]}: "
    text += f"{interval_text(first)}, {WORDS[first.verdict]}."
    if len(main) > 1:
        counts = [(sum(f.verdict == verdict for f in main), word) for verdict, word in COUNTED.items()]
        told = ", ".join(f"{count} {word[count > 1]}" for count, word in counts if count)
        text += f" Of its {len(main)} statements {told}."
    return text


def ledger_text(found: Mapping[int, Sequence[Finding]]) -> str:
    """One line a claim."""
    lines = [["claim", "what it says", "verdict"]]
    for number, claim in CLAIMS.items():
        told = WHOLE[whole_verdict(found[number])] if found.get(number) else "not tested here"
        lines.append([str(number), claim.TITLE, told])
    return _table(lines)


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


def sizes_text(title: str, config: Mapping[str, Any]) -> str:
    """Sizes of an experiment, on one line."""
    told = ", ".join(f"{name} {value:,}" for name, value in config.items())
    return f"## {title}: sizes\n\n{told}.\n"


def page(found: Mapping[int, Sequence[Finding]], behind: Sequence[str]) -> str:
    """The whole page.

    Args:
        found: Findings of every claim that was tested, by number.
        behind: What `experiment_text` and `sizes_text` say.
    """
    decided = [n for n, rows in found.items() if rows and whole_verdict(rows) != "undecided"]
    parts = [
        "# Claims\n",
        f"Written by `trivium claims`; {len(found)} of {len(CLAIMS)} claims tested, {len(decided)} decided. "
        "A statement holds where its whole 95 % interval lies on the wanted "
        "side, fails where it lies on the other, and is not decided else; one seed decides nothing about "
        "training. A claim holds where all its statements do, and in part where some do. Statements marked "
        "(beside) are controls and details and do not count. Detectable is the distance from the wanted "
        "value that an experiment of this size finds in four of five repetitions. Intervals are over seeds "
        "and items together, and not widened for the number of statements. What an arm costs is the bits of "
        "held-out solutions and the errors on facts; saved is the part of the other arm's cost that it does "
        "without.\n",
        ledger_text(found),
        *(claim_text(number, rows) for number, rows in sorted(found.items()) if rows),
    ]
    return "\n".join([*parts, *behind])


def experiment_text(config: ExperimentConfig, experiment: Mapping[str, Any]) -> str:
    """The experiment behind claim 13.

    Args:
        config: Sizes.
        experiment: `rows`, `untouched`, `chosen` and `counts`, as arms.json holds them.
    """
    return "\n".join(
        [
            "## The experiment behind claim 13\n",
            "" if experiment["untouched"] else "Untouched tasks were not measured: no file was given.\n",
            f"{config.questions:,} questions and one budget of rollouts a seed, {config.seeds} seeds; "
            f"settings chosen on {config.dev:,} development problems (first seed, mean of greedy and T=1); "
            f"{config.heldout:,} held-out problems{spread_text(config)}; replies to each at T=1: "
            f"{config.samples} (so pass@{config.samples}). Intervals over problems and seeds. Accuracies in "
            "per cent; entropy in nats a token; KL(arm || SFT) in nats a sampled reply; unknowable facts "
            "count as kept when they are not answered wrongly.\n",
            arms_text(experiment["rows"], experiment["untouched"]),
            "What each arm was trained on, a seed on average, and the settings it chose:\n",
            choices_text(experiment["chosen"], experiment["counts"], config),
        ]
    )


def spread_text(config: ExperimentConfig) -> str:
    """How the held-out problems are spread over the seeds, where they are."""
    return (
        f" (a seed's models answer {config.heldout // config.seeds:,} of their own)" if config.spread else ""
    )


def _cell(row: Mapping[str, Any], metric: str, tasks: Sequence[str]) -> str:
    scale, digits = (100, 1) if metric in IN_POINTS or metric in tasks else (1, 3)
    low, value, high = (f"{scale * row[key]:.{digits}f}" for key in ("low", "value", "high"))
    return f"{value} [{low}, {high}]"


SHOWN = {"points": (100, 1, "+"), "percent": (100, 1, "+"), "share": (1, 3, ""), "count": (1, 2, "+")}
"""Unit -> times, decimals, sign."""
NAMED = {"points": " points", "percent": " %"}


def interval_text(found: Finding) -> str:
    """A value with its interval and unit."""
    scale, digits, sign = SHOWN[found.unit]
    value, low, high = (
        f"{scale * number:{sign}.{digits}f}" for number in (found.value, found.low, found.high)
    )
    return f"{value} [{low}, {high}]{NAMED.get(found.unit, '')}"


def _scaled(found: Finding, number: float) -> str:
    scale, digits, _ = SHOWN[found.unit]
    return f"{scale * number:.{digits}f}"


def _wanted(found: Finding) -> str:
    return f"{found.direction} {SHOWN[found.unit][0] * found.threshold:.3g}"


def _table(lines: Sequence[Sequence[str]]) -> str:
    header, *body = lines
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body]) + "\n"
