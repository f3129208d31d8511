"""The whole stage on small inputs: any number of workers, a cut, no teacher."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from trivium.errors import ConfigError
from trivium.llm import Request
from trivium.llm.backends.scripted import Scripted
from trivium.records import Document, Example, Passage, Question
from trivium.store.run import StageDir, hash_outputs
from trivium.synthesize import teacher as teaching
from trivium.synthesize.flows import problems
from trivium.synthesize.options import ProblemsConfig, SynthesizeConfig, TeacherConfig
from trivium.synthesize.stage import run
from trivium.verify import Verdict, judge

SMALL = SynthesizeConfig(
    problems=ProblemsConfig(
        word=60, arithmetic=30, programs=4, recall=5, long_recall=3, chat_word=20, chat_arithmetic=10,
        chat_programs=2, questions=20,
    ),
    fact_rounds=1,
    bogus=10,
    constraints=10,
    chat_constraints=10,
)  # fmt: skip


def folder(base: Path, make: SimpleNamespace, workers: int) -> StageDir:
    """Return a stage folder with a small curate stage beside it."""
    curate = StageDir(name="curate", path=base / "01-curate", seed=0)
    curate.path.mkdir(parents=True)
    prose = [make.PROSE.replace("cache", word) for word in ("cache", "store", "buffer", "table")]
    documents = [make.document(make.MEDIAN), *(make.document(text, "books") for text in prose)]
    curate.write("documents", Document, documents)
    curate.write("passages", Passage, [make.passage(text) for text in prose])
    path = base / "03-synthesize"
    path.mkdir()
    return StageDir(name="synthesize", path=path, seed=0, workers=workers, inputs={"curate": curate.path})


def scripted(monkeypatch: pytest.MonkeyPatch) -> list[Scripted]:
    """Put a scripted teacher in the place of the real one; return the backends that were opened."""
    opened: list[Scripted] = []

    def answer(request: Request) -> str:
        if request.schema:
            return '{"fault": "none", "faithful": 3, "complete": 3, "clear": 3}'
        return (
            "With the decorator the oldest result is thrown away when there is no room, "
            "unless it is unlimited."
        )

    def open_backend(config: TeacherConfig, workers: int) -> tuple[Scripted, str]:
        opened.append(Scripted(function=answer, concurrency=workers))
        return opened[-1], ""

    monkeypatch.setattr(teaching, "open_backend", open_backend)
    return opened


def finish(stage: StageDir) -> tuple[dict[str, str], dict[str, Any]]:
    metrics = run(SMALL, stage)
    stage.write_drops()
    return hash_outputs(stage.path), {k: v for k, v in metrics.items() if not k.endswith("_seconds")}


def test_one_and_two_workers_write_the_same_bytes(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch)
    one = finish(folder(tmp_path / "one", make, 1))
    two = finish(folder(tmp_path / "two", make, 2))
    assert one == two
    wanted = {"examples", "questions", "fact_questions", "calls", "curriculum"}
    assert {f"{name}.parquet" for name in wanted} | {"facts.json"} <= set(one[0])
    json.dumps(one[1])


def test_a_stage_that_was_cut_goes_on_without_paying_again(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = scripted(monkeypatch)
    whole, _ = finish(folder(tmp_path / "whole", make, 1))
    stage = folder(tmp_path / "cut", make, 1)
    write = StageDir.write

    def die(self: StageDir, table: str, cls: Any, rows: Any) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(StageDir, "write", die)
    with pytest.raises(KeyboardInterrupt):
        run(SMALL, stage)
    monkeypatch.setattr(StageDir, "write", write)
    again = dataclasses.replace(stage, dropped=[])
    assert finish(again)[0] == whole
    assert opened[-2].asked and not opened[-1].asked, "the second try is answered from the cache"


def test_no_teacher_is_said_and_costs_only_its_flows(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVIUM_TEACHER", "none")
    stage = folder(tmp_path, make, 1)
    _, metrics = finish(stage)
    assert metrics["teacher"]["skipped"].startswith("no teacher weights")
    flows = set(metrics["flows"])
    assert {"problems.word", "docstring_reversal", "rule_rewrite", "fact_statements", "constraints"} <= flows
    assert not flows & {"reversal", "rewrite", "questions"}
    assert pq.read_table(stage.path / "calls.parquet").num_rows == 0


def test_unknown_teacher_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="synthesize.teacher.where"):
        teaching.open_backend(TeacherConfig(where="somewhere"), 1)


def test_steps_out_of_range_are_a_sentence() -> None:
    with pytest.raises(ConfigError, match="synthesize.problems.steps"):
        ProblemsConfig(steps=(0, 4))


def test_what_the_stage_leaves_fits_its_neighbours(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch)
    stage = folder(tmp_path, make, 1)
    finish(stage)
    examples = stage.rows("synthesize", "examples", Example)
    questions = stage.rows("synthesize", "questions", Question)
    assert len({row.id for row in examples}) == len(examples)
    assert all(bool(row.text) != bool(row.messages) for row in examples)
    assert all((row.source == "chat") == bool(row.messages) for row in examples)
    assert all(0.0 <= row.difficulty <= 1.0 for row in examples)
    shown = {row.text.split("\nSolution:")[0] for row in examples} | {
        f"Problem: {row.messages[0].content}" for row in examples if row.messages
    }
    assert not [row for row in questions if f"Problem: {row.prompt}" in shown], "questions are shown nowhere"
    assert {judge(row.verifier, row.solution, row.answer) for row in questions} == {Verdict.RIGHT}
    calls = pq.read_table(stage.path / "calls.parquet").to_pylist()
    assert calls and {call["verdict"] for call in calls} <= {"kept", "used", "dropped"}
    assert all(call["reason"] for call in calls if call["verdict"] == "dropped")


def test_curriculum_is_easy_to_hard_within_each_source(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch)
    stage = folder(tmp_path, make, 1)
    finish(stage)
    rows = pq.read_table(stage.path / "curriculum.parquet").to_pylist()
    examples = {row.id: row for row in stage.rows("synthesize", "examples", Example)}
    assert {row["id"] for row in rows} == set(examples)
    for source in {row["source"] for row in rows}:
        part = sorted((row for row in rows if row["source"] == source), key=lambda row: row["rank"])
        assert [row["rank"] for row in part] == list(range(len(part)))
        assert [row["difficulty"] for row in part] == sorted(row["difficulty"] for row in part)
        assert all(examples[row["id"]].source == source for row in part)
    steps = {
        row.difficulty
        for row in examples.values()
        if row.flow == "problems.word" and row.method == "steps" and row.text
    }
    assert len(steps) == 6, "one level a step"


def test_a_problem_is_used_once_and_the_rarest_use_has_it() -> None:
    config = ProblemsConfig(
        word=0, arithmetic=400, programs=0, chat_word=0, chat_arithmetic=400, chat_programs=0, questions=0
    )
    shards = [dataclasses.replace(shard, seed=1) for shard in problems.plan(config, 0)]
    from trivium.problems import arithmetic

    made = [question for shard in shards for question in arithmetic.make(1, shard.count)]
    grown = problems.sort_out(made, shards)
    assert {row.source for row in grown.examples} == {"chat"} and len(grown.examples) == 400
    assert {row.reason for row in grown.drops} == {"repeated"} and len(grown.drops) == 400


def test_long_recall_documents_fill_the_context_and_stay_answerable() -> None:
    grown = problems.recall_documents(ProblemsConfig(recall=0, long_recall=30, long_tokens=1_000), 0)
    assert {row.source for row in grown.examples} == {"long"}
    for row in grown.examples:
        told, asked = row.text.split(" Recall: ")
        queries = [query.strip(". ") for query in asked.split(". ")]
        assert all(f" {query}" in told for query in queries)
        line = 15 if "=" in told else 3
        assert 990 <= told.count(". ") * line + line + 3 * len(queries) <= 1_000
