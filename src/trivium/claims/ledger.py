"""The ledger: every claim, how each is tested, and what has been found so far in a folder.

Claims 11 to 13 share one experiment on rollouts (`experiment`), the others test themselves in a `Lab`. What
comes out lies claim by claim in `findings/`, so the page grows as claims are tested, in whatever order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium.claims import experiment
from trivium.claims.grid import measured
from trivium.claims.grid.settings import GridConfig
from trivium.claims.lab import Lab
from trivium.claims.page import CLAIMS, experiment_text, figure, page, sizes_text
from trivium.claims.results import Finding
from trivium.claims.settings import ExperimentConfig
from trivium.claims.tuned import measured as tuned
from trivium.claims.tuned.settings import TunedConfig
from trivium.claims.world import Model
from trivium.config import from_dict, to_json
from trivium.errors import ConfigError
from trivium.store import files
from trivium.store.run import Run

TOGETHER = (11, 12, 13)
"""Claims of one experiment, the only ones that any model of one's own can be asked about."""
FOUND, PAGE, FIGURES = "findings", "claims.md", "claims"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Sizes of all experiments; none is in seconds."""

    experiment: ExperimentConfig = dataclasses.field(default_factory=ExperimentConfig)
    grid: GridConfig = dataclasses.field(default_factory=GridConfig)
    tuned: TunedConfig = dataclasses.field(default_factory=TunedConfig)


def run(
    numbers: Sequence[int], subject: Path | Model, out: Path, sizes: Sizes, workers: int
) -> list[Finding]:
    """Test claims, write what came out, and write the page of all claims that were tested in this folder.

    Args:
        numbers: Claims, of `page.CLAIMS`.
        subject: Folder of a finished run; or a model with its question files, for claims 11 to 13.
        out: Folder of the experiments; partial work of the same ones there goes on.
        sizes: Sizes.
        workers: Processes; the results do not depend on it.

    Raises:
        ConfigError: A claim is unknown or needs a run, or the folder holds other experiments.
        DataError: The run lacks a stage, or its model gives nothing to compare.
    """
    for number in numbers:
        if number not in CLAIMS:
            raise ConfigError(f"claims: got {number}; expected some of 1 to {max(CLAIMS)}.")
    together = [number for number in numbers if number in TOGETHER]
    alone = [number for number in numbers if number not in TOGETHER]
    if alone and isinstance(subject, Model):
        raise ConfigError(
            f"claims: got {alone[0]} with --model; expected a finished run, or some of 11, 12 and 13."
        )
    found: list[Finding] = []
    if together:
        found += experiment.run(together, subject, out, sizes.experiment, workers)
    if alone:
        lab = open_lab(subject, out, sizes, workers)
        for number in alone:
            found += keep(out, number, CLAIMS[number].test(lab))
    for number in together:
        keep(out, number, [row for row in found if row.claim == number])
    write_page(out)
    return found


def open_lab(subject: Path | Model, out: Path, sizes: Sizes, workers: int) -> Lab:
    """Open a finished run for claims."""
    assert isinstance(subject, Path)
    finished = Run.open(subject)
    out.mkdir(parents=True, exist_ok=True)
    seed = int(finished.recipe()["seed"])
    return Lab(
        run=finished,
        out=out,
        seed=seed,
        grid_config=sizes.grid,
        tuned_config=sizes.tuned,
        workers=workers,
    )


def keep(out: Path, number: int, found: list[Finding]) -> list[Finding]:
    """Write a claim's findings to its file; returns them."""
    files.write_json(out / FOUND / f"{number:02d}.json", [to_json(row) for row in found])
    return found


def read(out: Path) -> dict[int, list[Finding]]:
    """Read what has been found in a folder, claim by claim."""
    paths = sorted((out / FOUND).glob("*.json"))
    return {int(path.stem): [read_finding(row) for row in files.read_json(path)] for path in paths}


def read_finding(row: dict[str, Any]) -> Finding:
    """Make a finding of its JSON."""
    return from_dict(Finding, row, FOUND)


def write_page(out: Path) -> None:
    """Write the page and a figure a claim; what it says of sizes comes from the experiments' own records."""
    found = read(out)
    for number, rows in found.items():
        files.write_text(out / FIGURES / f"{number:02d}.svg", figure(rows))
    behind = []
    if (out / "arms.json").exists():
        config = from_dict(ExperimentConfig, config_of(out / experiment.RECORD), experiment.RECORD)
        behind.append(experiment_text(config, files.read_json(out / "arms.json")))
    records = {
        "The grid (claims 1 to 7, 9, 17)": out / "grid" / measured.RECORD,
        "Models from the run's own (claims 10, 14 to 16, 18, 19)": out / "tuned" / tuned.RECORD,
    }
    behind += [sizes_text(title, config_of(record)) for title, record in records.items() if record.exists()]
    files.write_text(out / PAGE, page(found, behind))


def config_of(record: Path) -> dict[str, Any]:
    """Sizes of an experiment, as its record holds them."""
    return files.read_json(record)["config"]
