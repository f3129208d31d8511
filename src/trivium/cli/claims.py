"""The verb claims: the ledger of the report's claims, and the experiments that test them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.cli.console import say, show_table
from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.claims.settings import ExperimentConfig
    from trivium.cli.verbs import ClaimsVerb

QUICK = {
    "questions": 48,
    "heldout": 60,
    "dev": 20,
    "seeds": 1,
    "samples": 4,
    "dev_samples": 2,
    "grid": "small",
    "replay": 200,
    "untouched": 30,
    "traces": 6,
    "scan_rollouts": 20,
}
"""Sizes of --quick: about a minute on one core; they show that everything runs and decide nothing."""


def claims(command: ClaimsVerb) -> int:
    """List the claims, or test some of them."""
    if not command.numbers:
        return show_ledger()
    from trivium.claims import experiment

    if command.workers < 1:
        raise ConfigError(f"--workers: got {command.workers}; expected 1 or more.")
    out = Path(command.out) if command.out else Path(f"{command.run.rstrip('/')}-claims")
    config, numbers = sizes(command), sorted(set(command.numbers))
    found = experiment.run(numbers, Path(command.run), out, config, command.workers)
    rows = [
        [str(f.claim), f.statement, f.metric, f"{f.value:+.3f}", f"[{f.low:+.3f}, {f.high:+.3f}]", f.verdict]
        for f in found
    ]
    show_table(
        ["claim", "statement", "measured", "value", "95 %", "verdict"], rows, numbers=("value", "95 %")
    )
    say(f"page    {out / 'claims.md'}")
    return 0


def sizes(command: ClaimsVerb) -> ExperimentConfig:
    """Return the sizes that the command line asks for; --quick first, then what was given."""
    from trivium.claims.settings import ExperimentConfig

    names = [field.name for field in dataclasses.fields(ExperimentConfig) if hasattr(command, field.name)]
    given = {name: value for name in names if (value := getattr(command, name)) is not None}
    return ExperimentConfig(**{**(QUICK if command.quick else {}), **given})


def show_ledger() -> int:
    """Print the claims that can be tested."""
    from trivium.claims.page import CLAIMS

    show_table(["claim", "what it says"], [[str(number), claim.TITLE] for number, claim in CLAIMS.items()])
    say("Test some: ./trivium claims 11 12 13 --run runs/pocket")
    return 0
