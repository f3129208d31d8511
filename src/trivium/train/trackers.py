"""Where the steps of a run are shown while it goes on: a JSONL file always, dashboards when asked for.

The file holds no times and no names of machines, so that equal runs write equal bytes; a run that goes on
after a kill first drops the lines of steps that it takes again.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trivium.errors import ConfigError, ResourceError

if TYPE_CHECKING:
    from trivium.train.loop import History

FILE = "log.jsonl"


class Tracker(Protocol):
    """Takes numbers by name."""

    def log(self, step: int, numbers: dict[str, float]) -> None:
        """Show the numbers of a step."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class JsonLines:
    """One JSON object a line."""

    def __init__(self, file: Path, start: int) -> None:
        """Open the file and keep its lines before step `start`."""
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = _lines_before(file, start)
        self.stream = file.open("w", encoding="utf-8")
        self.stream.writelines(kept)

    def log(self, step: int, numbers: dict[str, float]) -> None:
        """See Tracker."""
        self.stream.write(json.dumps({"step": step, **numbers}) + "\n")
        self.stream.flush()

    def close(self) -> None:
        """See Tracker."""
        os.fsync(self.stream.fileno())
        self.stream.close()


class TensorBoard:
    """An event file (extra `tensorboard`)."""

    def __init__(self, folder: Path, label: str) -> None:
        """Make the writer."""
        self.writer = _package("torch.utils.tensorboard").SummaryWriter(str(folder / label))

    def log(self, step: int, numbers: dict[str, float]) -> None:
        """See Tracker."""
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """See Tracker."""
        self.writer.close()


class WandbLike:
    """Weights & Biases, or trackio, which speaks its language (extras `wandb`, `trackio`)."""

    def __init__(self, package: str, label: str, settings: dict[str, Any]) -> None:
        """Start a run in the project trivium; servers and keys are the package's own settings."""
        self.run = _package(package).init(project="trivium", name=label, config=settings)

    def log(self, step: int, numbers: dict[str, float]) -> None:
        """See Tracker."""
        self.run.log(numbers, step=step)

    def close(self) -> None:
        """See Tracker."""
        self.run.finish()


class MLflow:
    """A run of MLflow (extra `mlflow`)."""

    def __init__(self, label: str, settings: dict[str, Any]) -> None:
        """Start a run; MLFLOW_TRACKING_URI says where."""
        self.package = _package("mlflow")
        self.package.start_run(run_name=label)
        self.package.log_params(settings)

    def log(self, step: int, numbers: dict[str, float]) -> None:
        """See Tracker."""
        self.package.log_metrics(numbers, step=step)

    def close(self) -> None:
        """See Tracker."""
        self.package.end_run()


NAMES = ("tensorboard", "wandb", "trackio", "mlflow")


def open_trackers(
    names: Sequence[str], file: Path, start: int, label: str, settings: dict[str, Any]
) -> list[Tracker]:
    """The file, then every dashboard that is named.

    Args:
        names: Of `NAMES`.
        file: log.jsonl.
        start: First step that will be logged.
        label: Name of the run in a dashboard.
        settings: Shown there.

    Raises:
        ConfigError: No such tracker.
        ResourceError: Its package is not installed.
    """
    found: list[Tracker] = []
    for name in names:
        if name == "tensorboard":
            found.append(TensorBoard(file.parent, label))
        elif name in ("wandb", "trackio"):
            found.append(WandbLike(name, label, settings))
        elif name == "mlflow":
            found.append(MLflow(label, settings))
        else:
            raise ConfigError(f"loop.trackers: got {name!r}; expected one of {', '.join(NAMES)}.")
    return [JsonLines(file, start), *found]  # opened last, so that a wrong name leaves no open file


def numbers_of(history: History, step: int, groups: Sequence[str]) -> dict[str, float]:
    """What is shown of a step: targets so far, loss, per group too, rate, norm, whether it was skipped."""
    sums_G, counts_G = history.stats_SG2[step].unbind(-1)
    numbers = {
        "targets": float(history.stats_SG2[: step + 1, :, 1].sum()),
        "loss": float(sums_G.sum() / counts_G.sum().clamp(min=1)),
        "learning_rate": float(history.lr_S[step]),
        "gradient_norm": float(history.norm_S[step]),
        "skipped": float(history.skipped_S[step]),
    }
    for name, total, count in zip(groups, sums_G.tolist(), counts_G.tolist(), strict=True):
        if count:
            numbers[f"loss/{name}"] = total / count
    return numbers


def _lines_before(file: Path, start: int) -> list[str]:
    if not start or not file.exists():
        return []
    lines = file.read_text("utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]  # a kill may have cut the last one
    return [line for line in whole if json.loads(line)["step"] < start]


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        wanted = name.rpartition(".")[2]
        raise ResourceError(
            f"loop.trackers: got no package for {wanted} ({error}); expected it installed; "
            f"run: pip install {wanted}."
        ) from error
