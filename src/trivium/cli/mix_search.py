"""The verb mix search: the pretraining mixture, chosen by what comes after fine-tuning."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.console import say, show_table
from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.cli.verb_mix_search import MixSearchVerb
    from trivium.proxies.settings import SearchConfig

QUICK: dict[str, Any] = {
    "proxy_tokens": 60_000,
    "conversations": 240,
    "mixtures": 10,
    "noise_seeds": 1,
    "rounds": (2,),
    "multiple": 2.0,
    "confirm_seeds": 2,
    "items": 40,
    "heldout_bytes": 4_000,
}
"""Sizes of --quick: a few minutes of one core; they show that everything runs and decide nothing."""


def mix_search(command: MixSearchVerb) -> int:
    """Search, and print what was found."""
    from trivium.proxies.experiment import PAGE, search

    if command.workers < 1:
        raise ConfigError(f"--workers: got {command.workers}; expected 1 or more.")
    config = sizes(command)
    run = find_run(command)
    out = Path(command.out) if command.out else Path(f"{str(run).rstrip('/')}-mixture")
    found = search(run, out, config, command.workers, command.executor)
    show_laws(found)
    if found["confirmation"]:
        show_confirmation(found["confirmation"])
    for sentence in found["sentences"]:
        say(f"- {sentence}")
    say(f"page    {out / PAGE}")
    return 0


def sizes(command: MixSearchVerb) -> SearchConfig:
    """Return the sizes that the command line asks for; --quick first, then options, then --set."""
    from trivium.config import override
    from trivium.proxies.settings import SearchConfig

    names = {field.name for field in dataclasses.fields(SearchConfig)}
    given = {name: value for name, value in vars(command).items() if name in names and value is not None}
    config = SearchConfig(**{**(QUICK if command.quick else {}), **given})
    for setting in command.settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise ConfigError(f"--set {setting}: got no '='; expected KEY=VALUE, e.g. --set penalty=0.05.")
        config = override(config, key.strip(), value.strip())
    return config


def find_run(command: MixSearchVerb) -> Path:
    """Return the run folder; where a recipe is named, its run is made first, as far as it is needed."""
    path = Path(command.run)
    if path.is_dir() or (path.suffix not in (".py", ".json") and path.name != command.run):
        return path
    from trivium import pipeline
    from trivium.cli import run as runs

    recipe = runs.load(command.run)
    folder = runs.run_folder(recipe, None)
    pipeline.run(recipe, folder, stop="sft_data", workers=command.workers, executor=command.executor)
    return folder


def show_laws(found: dict[str, Any]) -> None:
    """Print how well each law foretells mixtures that it was not shown."""
    rows = [
        [
            title,
            law["law"],
            f"{law['rho']:.2f}",
            ", ".join(f"{task} {rho:.2f}" for task, rho in law["task_rho"].items()),
        ]
        for title, key in (("after fine-tuning", "after"), ("pretraining loss", "loss"))
        for law in found[key]["laws"]
    ]
    header = ["judged by", "law", "leave-one-out rank correlation", "by task"]
    show_table(header, rows, numbers=(header[2],))


def show_confirmation(found: dict[str, Any]) -> None:
    """Print the confirmed mixtures."""
    gains = {row["over"]: row for row in found["gains"]}
    rows = []
    for arm in found["arms"]:
        gain = gains.get(arm["arm"])
        shown = f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]" if gain else ""
        shares = ", ".join(f"{name} {share:.2f}" for name, share in arm["shares"].items())
        rows.append([arm["arm"], shares, f"{arm['score']:.4f}", f"{arm['loss_score']:.4f}", shown])
    header = ["mixture", "shares", "score", "by pretraining loss", "chosen over it, 95 %"]
    show_table(header, rows, numbers=("score", "by pretraining loss", "chosen over it, 95 %"))
