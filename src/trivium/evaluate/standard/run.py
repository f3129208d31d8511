"""An evaluation from the first file to the last table: read, ask, judge, count, write.

    OUT/tasks.json  outputs.parquet  items.parquet  results.json  pairs.json  page.html  outputs.sqlite

`outputs.parquet` holds what the models said, unjudged; everything after it is made anew from it by
`rescore`, without a model. A killed evaluation goes on at the shard it was in, and what was asked once is
never asked again (`outputs.sqlite`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trivium import records
from trivium.errors import ConfigError, DataError
from trivium.evaluate.standard import ask, kept, marking, page, results, sources, tasks
from trivium.evaluate.standard.results import ItemRow, PairRow, ResultRow
from trivium.evaluate.standard.task import Item, Output, StandardTask
from trivium.models.precision import Precision
from trivium.store import files
from trivium.store.ledger import run_shards
from trivium.store.run import StageDir

if TYPE_CHECKING:
    import pyarrow as pa

SHARD_ITEMS = 128
"""Items of one shard, fixed, so that nothing depends on the number of workers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What is evaluated, on what, and how."""

    models: tuple[ask.Contestant, ...]
    tasks: tuple[str, ...]
    """Names of tasks, or NAME=FILE."""
    data: str
    """Folder of the tasks' files, or `hub`."""
    limit: int = 0
    """At most this many items of every task; 0 = all."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """The same for single tasks, instead."""
    judge: str = ""
    """Who judges tasks that a model judges: rules, teacher (the local one), or an address; else empty."""
    part: Literal["", "dev", "test"] = ""
    """dev: a third of the items, by their ids; test: the others; empty: all."""
    samples: int = 1
    temperature: float = 0.0
    seed: int = 0
    style: str = "task"
    """task (each task's own) | raw | chat."""
    max_tokens: int = 0
    """Longest reply; 0 = each task's own."""
    device: str = "cpu"
    precision: Precision = "float32"
    """Of the products that make replies on a CPU; likelihoods are always in float32."""
    batch_size: int = 128
    workers: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What an evaluation found."""

    results: list[ResultRow]
    pairs: list[PairRow]
    headlines: Mapping[str, str]
    """Task -> its first metric."""
    page: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """A task with its items and their record."""

    task: StandardTask
    items: list[Item]
    record: dict[str, Any]


def evaluate(what: Evaluation, out: Path) -> Finished:
    """Run an evaluation and write its folder.

    Raises:
        ConfigError: Unknown tasks, two models of one name, or several samples at temperature 0.
        DataError: A file or a model cannot be read.
    """
    _check(what)
    found = [read(one, what.data, what.limits.get(one, what.limit), what.part) for one in what.tasks]
    setting = ask.Setting(
        kept=str(kept.kept_path(out)),
        samples=what.samples,
        temperature=what.temperature,
        seed=what.seed,
        device=what.device,
        precision=what.precision,
        batch_size=what.batch_size,
    )
    shards = [shard for model in what.models for one in found for shard in cut(what, model, one)]
    stage = StageDir(name="evaluate", path=out, seed=what.seed, workers=what.workers)
    name = _plan_name(setting, shards)
    sizes = [len(shard.items) for shard in shards]
    tables = run_shards(
        stage, name, partial(ask.run_shard, setting), shards, label="evaluating", unit="items", sizes=sizes
    )
    settings = {
        "models": {
            model.label: {"folder": model.folder, "identity": model.identity} for model in what.models
        },
        "data": what.data,
        "tasks": list(what.tasks),
        "limits": dict(what.limits),
        **{
            key: getattr(what, key)
            for key in (
                "limit",
                "part",
                "judge",
                "samples",
                "temperature",
                "seed",
                "style",
                "device",
                "precision",
            )
        },
        "versions": {one.task.name: one.record for one in found},
    }
    files.write_parquet(out / "outputs.parquet", tables["outputs"])
    files.write_json(out / "tasks.json", settings)
    shutil.rmtree(stage.scratch, ignore_errors=True)
    return judge(out, found, records.from_table(Output, tables["outputs"]), what.judge)


def rescore(out: Path) -> Finished:
    """Judge the outputs of a finished evaluation again; no model is loaded.

    Raises:
        DataError: The folder holds no evaluation, or its files have changed since.
    """
    settings = files.read_json(out / "tasks.json")
    part, limits = settings.get("part", ""), settings.get("limits", {})
    found = [
        read(one, settings["data"], limits.get(one, settings["limit"]), part) for one in settings["tasks"]
    ]
    for one in found:
        if one.record["files"] != settings["versions"][one.task.name]["files"]:
            raise DataError(
                f"{out}: got other rows of {one.task.name} than it was evaluated on; expected the same file, "
                "evaluate again."
            )
    outputs = records.from_table(Output, _with_turns(files.read_parquet(out / "outputs.parquet")))
    return judge(out, found, outputs, settings.get("judge", ""))


def _with_turns(table: pa.Table) -> pa.Table:
    """Outputs of before there were several turns have no earlier replies."""
    import pyarrow as pa

    if "earlier" in table.column_names:
        return table
    return table.append_column("earlier", pa.array([[]] * table.num_rows, pa.list_(pa.string())))


def in_part(item: Item, part: str) -> bool:
    """Say whether an item lies in a part; its cluster, else its id, decides, so that no cluster is split."""
    digest = hashlib.blake2b((item.cluster or item.id).encode(), digest_size=4).digest()
    return not part or (part == "dev") == (int.from_bytes(digest, "big") % 3 == 0)


def read(name: str, data: str, limit: int, part: str = "") -> _Read:
    """Read a task's items, and say in a record what was read."""
    known, _, file = name.partition("=")
    task = tasks.find(known)
    loaded = sources.load(task, data, file)
    try:
        items = task.read(loaded.rows)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(
            f"task {known}: got rows of {', '.join(loaded.origin.values())} that do not read "
            f"({type(error).__name__} {error}); expected the columns of {task.follows.split(' of ')[0]}."
        ) from error
    items = [item for item in items if in_part(item, part)]
    items = items[:limit] if limit else items
    if not items:
        raise DataError(f"task {known}: got no rows; expected some in {', '.join(loaded.origin.values())}.")
    asked = json.dumps([[item.prompt, item.options, *item.then] for item in items])
    record = {
        "follows": task.follows,
        "prompt_version": task.prompt_version,
        "prompts_hash": hashlib.sha256(asked.encode()).hexdigest()[:16],
        "files": {role: [loaded.origin[role], loaded.digest[role]] for role in loaded.origin},
        "items": len(items),
    }
    return _Read(task=task, items=items, record=record)


def cut(what: Evaluation, model: ask.Contestant, one: _Read) -> list[ask.Shard]:
    """Cut a model's work on a task into shards."""
    return [
        ask.Shard(
            contestant=model,
            task=one.task.name,
            kind=one.task.kind,
            style=one.task.style if what.style == "task" else what.style,
            stops=one.task.stops,
            max_tokens=what.max_tokens or one.task.max_tokens,
            items=tuple(one.items[start : start + SHARD_ITEMS]),
        )
        for start in range(0, len(one.items), SHARD_ITEMS)
    ]


def judge(out: Path, found: Sequence[_Read], outputs: Sequence[Output], judge_name: str = "") -> Finished:
    """Judge outputs, count and write."""
    items = {(one.task.name, item.id): (one.task, item) for one in found for item in one.items}
    known = [(*items[output.task, output.item_id], output) for output in outputs]
    verdicts = marking.judge_all(out, known, judge_name)
    rows = [
        results.item_row(item, output, verdict, task.metrics)
        for (task, item, output), verdict in zip(known, verdicts, strict=True)
    ]
    headlines = {one.task.name: one.task.metrics[0] for one in found}
    table = results.tabulate(rows)
    labels = list(dict.fromkeys(row.model for row in rows))
    pairs = [
        pair for label in labels[1:] for pair in results.compare(rows, labels[0], label, headlines)
    ]  # every model against the first
    files.write_parquet(out / "items.parquet", records.to_table(ItemRow, rows))
    files.write_json(out / "results.json", [asdict(row) for row in table])
    files.write_json(out / "pairs.json", [asdict(row) for row in pairs])
    versions = {one.task.name: one.record for one in found}
    target = files.write_text(out / "page.html", page.render(table, pairs, versions))
    return Finished(results=table, pairs=pairs, headlines=headlines, page=target)


def _plan_name(setting: ask.Setting, shards: Sequence[ask.Shard]) -> str:
    """Name the partial work by all that it hangs on, so that other settings never go on with it."""
    parts = [
        (s.contestant.identity, s.contestant.label, s.task, s.style, s.stops, s.max_tokens, s.items)
        for s in shards
    ]
    told = repr(
        (setting.samples, setting.temperature, setting.seed, setting.device, setting.precision, parts)
    )
    return "answers-" + hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def _check(what: Evaluation) -> None:
    labels = [model.label for model in what.models]
    if len(set(labels)) < len(labels) or not labels:
        raise ConfigError(
            f"--model: got {', '.join(labels) or 'none'}; expected one or more of different names, "
            "write NAME=FOLDER to name one."
        )
    if not what.tasks:
        raise ConfigError(f"--tasks: got none; expected some of {', '.join(tasks.TASKS)}.")
    marking.check([tasks.find(name.partition("=")[0]) for name in what.tasks], what.judge)
    if what.samples < 1 or (what.samples > 1 and what.temperature <= 0):
        raise ConfigError(
            f"--samples: got {what.samples} at temperature {what.temperature}; expected 1, or more with "
            "--temperature above 0, where replies differ."
        )
