"""The verb claims: the ledger of the report's claims, and the experiments that test them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.console import launcher, say, show_table
from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.claims.settings import ExperimentConfig
    from trivium.claims.world import Model
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
    "drift": 60,
}
"""Sizes of --quick: about a minute on one core; they show that everything runs and decide nothing."""


def claims(command: ClaimsVerb) -> int:
    """List the claims, or test some of them."""
    if not command.numbers:
        return show_ledger()
    from trivium.claims import experiment
    from trivium.claims.page import WORDS

    if command.workers < 1:
        raise ConfigError(f"--workers: got {command.workers}; expected 1 or more.")
    subject = model_of(command) or Path(command.run)
    named = Path(command.model).resolve().name if command.model else command.run.rstrip("/")
    out = Path(command.out) if command.out else Path(f"{named}-claims")
    config, numbers = sizes(command), sorted(set(command.numbers))
    found = experiment.run(numbers, subject, out, config, command.workers)
    rows = [
        [
            str(f.claim),
            f.statement,
            f.metric,
            f"{f.value:+.3f}",
            f"[{f.low:+.3f}, {f.high:+.3f}]",
            f"{f.detectable:.3f}",
            WORDS[f.verdict],
        ]
        for f in found
    ]
    header = ["claim", "statement", "measured", "value", "95 %", "detectable", "verdict"]
    show_table(header, rows, numbers=("value", "95 %", "detectable"))
    say(f"page    {out / 'claims.md'}")
    return 0


def sizes(command: ClaimsVerb) -> ExperimentConfig:
    """Return the sizes that the command line asks for; --quick first, then what was given."""
    from trivium.claims.settings import ExperimentConfig

    apart = ("questions", "untouched")
    names = [
        field.name
        for field in dataclasses.fields(ExperimentConfig)
        if hasattr(command, field.name) and field.name not in apart
    ]
    given: dict[str, Any] = {name: value for name in names if (value := getattr(command, name)) is not None}
    if command.model:
        given["base"] = "pretrained"
    number = command.limit if command.model else _number(command.questions)
    if number is not None:
        given["questions"] = number
    return ExperimentConfig(**{**(QUICK if command.quick else {}), **given})


def model_of(command: ClaimsVerb) -> Model | None:
    """Return the model and the files that the command line names; None for a run.

    Raises:
        ConfigError: Some of them are missing, or are given beside a run.
    """
    from trivium.claims.world import Model

    names = ("limit", "heldout_questions", "untouched", "verifier", "system", "prompt")
    if not command.model:
        if alone := next((name for name in names if getattr(command, name)), None):
            raise ConfigError(
                f"--{alone.replace('_', '-')}: got it without --model; expected both or neither."
            )
        return None
    if not command.questions or not command.heldout_questions:
        raise ConfigError(
            "claims: got --model without both of --questions FILE and --heldout-questions FILE; expected "
            "e.g. --model FOLDER --questions train.jsonl --heldout-questions test.jsonl --verifier number."
        )
    return Model(
        folder=command.model,
        questions=command.questions,
        heldout=command.heldout_questions,
        verifier=command.verifier or "",
        style=command.style,
        system=command.system or "",
        prompt=command.prompt or "{question}",
        max_tokens=command.max_tokens,
        untouched=command.untouched,
        seed=command.seed,
    )


def _number(text: str | None) -> int | None:
    if text is not None and not text.isdigit():
        raise ConfigError(f"--questions: got {text!r}; expected a number, or --model with a file.")
    return int(text) if text is not None else None


def show_ledger() -> int:
    """Print the claims that can be tested."""
    from trivium.claims.page import CLAIMS

    show_table(["claim", "what it says"], [[str(number), claim.TITLE] for number, claim in CLAIMS.items()])
    say(f"Test some: {launcher()} claims 11 12 13 --run runs/pocket")
    return 0
