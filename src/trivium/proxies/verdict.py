"""What a search says, in sentences; the same ones on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trivium.mix.search.study import SURE, TRUSTED_RHO

AT_FLOOR = 0.001
"""A share this near its floor lies on it."""


def sentences(result: Mapping[str, Any]) -> list[str]:
    """Return the conclusions of a search, each with its numbers.

    Args:
        result: What search.json holds.
    """
    said = [_law(result["after"]), *_corner(result), _prediction(result), _disagreement(result)]
    if result["missing"]:
        said.append(f"No items for {', '.join(result['missing'])}: not part of the score.")
    if result["confirmation"]:
        said += _confirmed(result["confirmation"])
    else:
        said.append("Nothing was confirmed at a larger size.")
    return said


def shown(shares: Mapping[str, float]) -> str:
    """Shares as a line of text."""
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())


def _law(after: Mapping[str, Any]) -> str:
    best = after["laws"][0]
    text = (
        f"The {best['law']} law ranks mixtures it was not shown with a rank correlation of {best['rho']:.2f}"
    )
    if after["trusted"]:
        return f"{text}; the mixture that it chooses is {shown(after['optimum'])}."
    return (
        f"{text}, below {TRUSTED_RHO}: no law is good enough to choose by, and the choice falls back to "
        f"equal shares: {shown(after['optimum'])}."
    )


def _corner(result: Mapping[str, Any]) -> list[str]:
    """Say which sources were pushed to the least that they may have: the tasks do not ask for them."""
    config = result["config"]
    low = [
        name
        for name, share in result["after"]["optimum"].items()
        if share <= config["floors"].get(name, config["floor"]) + AT_FLOOR
    ]
    if not low:
        return []
    return [
        f"At their least share: {', '.join(low)}. To the score's tasks they bring less than what took their "
        "place; where they matter for something else, give them floors (--set floors) or the score a task."
    ]


def _prediction(result: Mapping[str, Any]) -> str:
    after, limit = result["after"], result["noise_limit"]
    gain = after["predicted_gain"]
    text = (
        f"Predicted gain over the recipe's shares at the proxies' size: {_percent(gain)} fewer bits on "
        f"held-out solutions; {SURE:g} x the noise between seeds is {_percent(limit)}"
    )
    return f"{text}." if gain > limit else f"{text}: the noise is larger than the gain."


def _disagreement(result: Mapping[str, Any]) -> str:
    apart = result["disagreement"]
    return (
        f"The pretraining loss would choose {shown(result['loss']['optimum'])}: "
        f"{_percent(apart['moved_share'])} of the tokens elsewhere. Over all mixtures both scores have a "
        f"rank correlation of {apart['rank_correlation']:.2f}."
    )


def _confirmed(found: Mapping[str, Any]) -> list[str]:
    limit = SURE * found["noise"]
    said = []
    for row in found["gains"]:
        value = (
            f"{_percent(row['gain'], sign=True)} [{_percent(row['low'], sign=True)}, "
            f"{_percent(row['high'], sign=True)}]"
        )
        size = f"at {found['tokens']:,} tokens with {found['seeds']} seed(s)"
        text = f"Confirmed {size} against {row['over']}: {value}"
        said.append(f"{text}, {_judged(row, limit, found['seeds'])}.")
    return said


def _judged(row: Mapping[str, Any], limit: float, seeds: int) -> str:
    if seeds < 2:
        return "undecided: one seed has no noise floor"
    if row["counts"]:
        return f"a gain beyond the noise ({_percent(limit)})"
    if row["high"] < 0 and -row["gain"] > limit:
        return f"a loss beyond the noise ({_percent(limit)})"
    return f"no gain beyond the noise ({_percent(limit)})"


def _percent(value: float, *, sign: bool = False) -> str:
    return f"{100 * value:{'+' if sign else ''}.1f} %"
