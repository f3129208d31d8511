"""The page: one file, nothing fetched, hostile rows inert, any stage may be missing."""

import json
import re
from pathlib import Path

import pyarrow as pa

from trivium.records import Drop, to_table
from trivium.report.collect import collect
from trivium.report.page import more_is_better, plotly_source, render, safe_json, stage_table
from trivium.report.stage import ReportConfig, run
from trivium.store import files
from trivium.store.run import StageDir

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e"


def row(stage: str, metric: str, value: float) -> dict[str, object]:
    return {
        "stage": stage,
        "task": "contest",
        "metric": metric,
        "value": value,
        "low": value - 0.1,
        "high": value + 0.1,
        "n": 100,
        "seed": 0,
    }


def small_run(root: Path) -> dict[str, Path]:
    files.write_json(root / "recipe.json", {"name": HOSTILE, "seed": 3})
    files.write_json(root / "table.json", [row("sft", "accuracy", 0.4), row("dpo1", "accuracy", 0.5)])
    folder = root / "01-curate"
    drop = Drop(id="d1", step="quality", reason="too short", detail=HOSTILE, source="x")
    files.write_parquet(folder / "dropped" / "drops.parquet", to_table(Drop, [drop]))
    files.write_parquet(folder / "documents.parquet", pa.table({"id": ["a"]}))
    files.write_json(folder / "metrics.json", {"language": {"skipped": "no model"}})
    files.write_json(folder / "stage.json", {"seconds": 1.5, "peak_memory_mib": {"process": 9}})
    return {"curate": folder}


def test_page_is_one_inert_file(tmp_path: Path) -> None:
    page = render(collect(tmp_path, small_run(tmp_path)))
    body = page.split("<script>")[0]
    assert "alert(1)" in body and "<script>alert" not in page and "<img src=x" not in page
    assert not re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=[\"']?(?:https?:)?//", page)
    assert "\u202e" not in page.replace(plotly_source(), "") and "[U+202E]" in body
    assert "too short" in body and "curate: language: no model" in body


def test_every_part_may_be_missing(tmp_path: Path) -> None:
    page = render(collect(tmp_path, {}))
    assert "No checkpoint was evaluated" in page and "No mixture was planned" in page


def test_stage_writes_the_page(tmp_path: Path) -> None:
    folders = small_run(tmp_path)
    (tmp_path / "16-report").mkdir()
    stage = StageDir(name="report", path=tmp_path / "16-report", seed=0, inputs=folders)
    metrics = run(ReportConfig(title="A title"), stage)
    assert "A title" in (stage.path / "report.html").read_text()
    assert set(metrics["sections"]) == {"table", "flows", "dropped", "skipped"}


def test_paired_change_is_marked_only_when_sure() -> None:
    sure = row("dpo1", "accuracy_minus_previous", 0.2)
    unsure = row("sft", "accuracy_minus_previous", 0.05)
    table = stage_table([row("sft", "accuracy", 0.4), row("dpo1", "accuracy", 0.5), sure, unsure])
    (line,) = table["lines"]
    assert [cell["sure"] for cell in line["cells"]] == ["", "up"]
    assert table["stages"] == ["sft", "dpo1"]


def test_json_cannot_close_its_element() -> None:
    text = safe_json({"x": "</script><b>&"})
    assert "<" not in text and ">" not in text and json.loads(text) == {"x": "</script><b>&"}


def test_fewer_wrong_answers_are_marked_as_better_and_refusing_what_is_known_as_worse() -> None:
    assert more_is_better("contest", "accuracy") and more_is_better("facts_unknown", "refused")
    assert not more_is_better("facts_unknown", "wrong") and not more_is_better("facts_known", "refused")
    rows = [row("sft", "wrong", 0.6), row("dpo1", "wrong", 0.2), row("dpo1", "wrong_minus_previous", -0.4)]
    (line,) = stage_table(rows)["lines"]
    assert [cell.get("sure", "") for cell in line["cells"]] == ["", "up"]
