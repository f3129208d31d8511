"""Collect what the page shows: plain data read from a run folder, every part optional.

Nothing is computed here that a stage has not written; each part names the file it was read from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.store.files import read_json, read_parquet

MODEL_STAGES = {"pretrain": "base", "midtrain": "midtrain", "sft": "sft", "dpo1": "dpo1", "dpo2": "dpo2"}
"""Stage that trains a model -> name of its checkpoint in the stage table."""


SEARCH_STAGES = {"pivotal", "export"}
"""Stages of a run of `trivium pivot` without a recipe."""


@dataclass
class Flow:
    """One stage's place in the data flow."""

    stage: str
    tables: dict[str, int]
    dropped: int
    reasons: list[tuple[str, int]]
    seconds: float
    memory_mib: int
    tokens: int
    output_hash: str


@dataclass
class Sample:
    """A kept or dropped row to read."""

    title: str
    detail: str
    text: str
    reason: str = ""


@dataclass
class Content:
    """Everything the page shows."""

    name: str
    title: str
    recipe: dict[str, Any]
    environment: dict[str, Any]
    table: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    mixture: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    kept: list[Sample] = field(default_factory=list)
    dropped: list[Sample] = field(default_factory=list)
    solved: list[dict[str, Any]] = field(default_factory=list)
    pivots: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def sections(self) -> list[str]:
        """Name the parts that have something to show."""
        parts = ("table", "flows", "mixture", "losses", "kept", "dropped", "solved", "pivots", "skipped")
        return [part for part in parts if getattr(self, part)]

    @property
    def alone(self) -> bool:
        """Whether the run is a pivotal search of its own: the page leaves out what training would fill."""
        return bool(self.metrics) and set(self.metrics) <= SEARCH_STAGES


def collect(root: Path, folders: Mapping[str, Path], *, title: str = "", examples: int = 6) -> Content:
    """Read a run folder.

    Args:
        root: The run folder.
        folders: Finished stage name -> its folder.
        title: Heading of the page; the run's name when empty.
        examples: Kept and dropped rows of each kind.

    Returns:
        The page's content; parts whose stage did not run are empty.
    """
    recipe = _json(root / "recipe.json", {})
    content = Content(
        name=root.name,
        title=title or f"Trivium run: {recipe.get('name', root.name)}",
        recipe=recipe,
        environment=_json(root / "environment.json", {}),
        table=_json(root / "table.json", []),
    )
    content.metrics = {name: _json(folder / "metrics.json", {}) for name, folder in folders.items()}
    content.flows = [_flow(name, folder) for name, folder in folders.items()]
    content.losses = {
        MODEL_STAGES[name]: _losses(folder) for name, folder in folders.items() if name in MODEL_STAGES
    }
    content.losses = {name: rows for name, rows in content.losses.items() if rows}
    if "mix" in folders:
        content.mixture = _json(folders["mix"] / "plan.json", {})
    if "evaluate" in folders:
        content.checks = _json(folders["evaluate"] / "checks.json", [])
    if "pivotal" in folders:
        content.solved = _json(folders["pivotal"] / "solved.json", [])
        content.pivots = _json(folders["pivotal"] / "pivots.json", [])
    content.kept = _kept(folders, examples)
    content.dropped = _dropped(folders, examples)
    content.skipped = _skipped(content.metrics)
    return content


def _json(path: Path, default: Any) -> Any:
    return read_json(path) if path.exists() else default


def _flow(name: str, folder: Path) -> Flow:
    record = _json(folder / "stage.json", {})
    memory = record.get("peak_memory_mib", {})
    metrics = _json(folder / "metrics.json", {})
    reasons = _drop_reasons(folder)
    return Flow(
        stage=name,
        tables={path.stem: _num_rows(path) for path in sorted(folder.glob("*.parquet"))},
        dropped=sum(count for _, count in reasons),
        reasons=reasons,
        seconds=float(record.get("seconds", 0.0)),
        memory_mib=int(max(memory.values(), default=0)),
        tokens=int(metrics.get("tokens", 0) or 0) if isinstance(metrics.get("tokens", 0), int | float) else 0,
        output_hash=record.get("output_hash", ""),
    )


def _num_rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows


def _drop_reasons(folder: Path) -> list[tuple[str, int]]:
    path = folder / "dropped" / "drops.parquet"
    if not path.exists():
        return []
    table = read_parquet(path)
    pairs = zip(table.column("step").to_pylist(), table.column("reason").to_pylist(), strict=True)
    return Counter(f"{step}: {reason}" for step, reason in pairs).most_common()


def _losses(folder: Path) -> list[dict[str, Any]]:
    path = folder / "losses.parquet"
    return read_parquet(path).to_pylist() if path.exists() else []


def _kept(folders: Mapping[str, Path], limit: int) -> list[Sample]:
    samples: list[Sample] = []
    if "curate" in folders:
        samples += _kept_passages(folders["curate"] / "passages.parquet", limit)
    if "synthesize" in folders:
        samples += _kept_examples(folders["synthesize"] / "examples.parquet", limit)
    return samples


def _kept_passages(path: Path, limit: int) -> list[Sample]:
    if not path.exists():
        return []
    rows = _spread(read_parquet(path), "kind", limit)
    return [
        Sample(
            title=f"seed passage ({row['kind']})",
            detail=f"quality {row['quality']:.2f}, reasoning {row['reasoning']:.2f}, "
            f"factual {row['factual']:.2f}, id {row['id']}",
            text=row["text"],
        )
        for row in rows
    ]


def _kept_examples(path: Path, limit: int) -> list[Sample]:
    if not path.exists():
        return []
    samples = []
    for row in _spread(read_parquet(path), "flow", 2 * limit):
        turns = "\n".join(f"{turn['role']}: {turn['content']}" for turn in row["messages"] or [])
        detail = f"source {row['source']}, depth {row['depth']}, id {row['id']}"
        samples.append(
            Sample(title=f"synthetic row ({row['flow']})", detail=detail, text=row["text"] or turns)
        )
    return samples


def _spread(table: Any, column: str, limit: int, *, turns: int | None = None) -> list[dict[str, Any]]:
    """Return up to `limit` rows, first one of each value of a column, then a second of each, and so on.

    Args:
        table: Rows.
        column: What to spread over.
        limit: Rows at most.
        turns: Rows of one value at most; by default `limit`.
    """
    import pyarrow as pa

    places: dict[str, list[int]] = {}
    for index, value in enumerate(table.column(column).to_pylist()):
        places.setdefault(value, []).append(index)
    order: list[int] = []
    for turn in range(limit if turns is None else turns):
        for indices in places.values():
            middle = (len(indices) * (2 * turn + 1)) // (2 * limit)
            if turn < len(indices) and indices[middle] not in order:
                order.append(indices[middle])
    return table.take(pa.array(order[:limit], type=pa.int64())).to_pylist() if order else []


def _dropped(folders: Mapping[str, Path], limit: int) -> list[Sample]:
    samples: list[Sample] = []
    for name, folder in folders.items():
        path = folder / "dropped" / "drops.parquet"
        if not path.exists():
            continue
        for row in _spread(read_parquet(path), "reason", limit, turns=1):
            samples.append(
                Sample(
                    title=f"dropped by {name}, {row['step']}",
                    detail=f"{row['source']} {row['id']}".strip(),
                    text=row["detail"],
                    reason=row["reason"],
                )
            )
    return samples


def _skipped(metrics: Mapping[str, dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for stage, values in metrics.items():
        lines += [f"{stage}: {line}" for line in _find_skips(values)]
    return lines


def _find_skips(value: Any, path: str = "") -> list[str]:
    lines: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            name = f"{path}.{key}" if path else str(key)
            if str(key) in ("skipped", "fallback", "fallbacks", "notes") and item:
                lines += [f"{path + ': ' if path else ''}{text}" for text in _texts(item)]
            else:
                lines += _find_skips(item, name)
    return lines


def _texts(item: Any) -> list[str]:
    if isinstance(item, str):
        return [item]
    if isinstance(item, list):
        return [text for part in item for text in _texts(part)]
    if isinstance(item, dict):
        plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in item.items()}
        return [f"{key}: {value}" for key, value in plain.items()]
    return [] if isinstance(item, bool | int | float) else [str(item)]
