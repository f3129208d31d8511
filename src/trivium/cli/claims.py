"""The verb claims: the ledger of the report's claims, and the experiments that test them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.console import launcher, say, show_table
from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.claims.ledger import Sizes
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
"""Sizes of --quick for claims 11 to 13: about a minute on one core; they decide nothing."""

QUICK_GRID = {
    "tokens": 6_000,
    "hidden": 32,
    "narrow": 16,
    "seeds": 2,
    "conversations": 60,
    "facts": 24,
    "items": 8,
    "heldout_bytes": 400,
}
"""Sizes of --quick for the grid: about a second a model."""

QUICK_TUNED = {
    "seeds": 2,
    "sft_frac": 0.002,
    "items": 4,
    "replies": 2,
    "often": 2,
    "facts": 4,
    "midtrain_tokens": 4_000,
    "leak_epochs": 0.5,
    "pairs": 12,
    "round_pairs": 32,
}
"""Sizes of --quick for what is made from the run's own models: seconds a model."""


def claims(command: ClaimsVerb) -> int:
    """List the claims, or test some of them; with --quick and no numbers all that the subject allows."""
    if not command.numbers and not command.quick:
        return show_ledger()
    from trivium.claims import ledger
    from trivium.claims.page import CLAIMS, WORDS, interval_text

    if command.workers < 1:
        raise ConfigError(f"--workers: got {command.workers}; expected 1 or more.")
    subject = model_of(command) or Path(command.run)
    named = Path(command.model).resolve().name if command.model else command.run.rstrip("/")
    out = Path(command.out) if command.out else Path(f"{named}-claims")
    every = ledger.TOGETHER if command.model else tuple(CLAIMS)
    numbers = sorted(set(command.numbers or every))
    found = ledger.run(numbers, subject, out, all_sizes(command), command.workers)
    rows = [
        [str(f.claim), f.statement, f.metric, interval_text(f), f"{f.detectable:.3f}", WORDS[f.verdict]]
        for f in found
    ]
    header = ["claim", "statement", "measured", "value [95 %]", "detectable", "verdict"]
    show_table(header, rows, numbers=("detectable",))
    say(f"page    {out / ledger.PAGE}")
    return 0


def all_sizes(command: ClaimsVerb) -> Sizes:
    """Return the sizes of all experiments; --quick first, then options, then --set."""
    from trivium.claims.grid.settings import GridConfig
    from trivium.claims.ledger import Sizes
    from trivium.claims.tuned.settings import TunedConfig
    from trivium.config import override

    grid: dict[str, Any] = dict(QUICK_GRID) if command.quick else {}
    tuned: dict[str, Any] = dict(QUICK_TUNED) if command.quick else {}
    if command.seeds is not None:
        grid["seeds"] = tuned["seeds"] = command.seeds
    made = Sizes(experiment=sizes(command), grid=GridConfig(**grid), tuned=TunedConfig(**tuned))
    for setting in command.settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise ConfigError(
                f"--set {setting}: got no '='; expected KEY=VALUE, e.g. --set grid.tokens=240000."
            )
        made = override(made, key, value)
    return made


def sizes(command: ClaimsVerb) -> ExperimentConfig:
    """Return the sizes of claims 11 to 13 that were asked for; --quick first, then what was given."""
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
    say(f"Test some: {launcher()} claims 1 2 3 --run runs/pocket")
    return 0
