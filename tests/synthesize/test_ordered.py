"""Every flow from its entry in a recipe: the shipped recipe's stage with a scripted teacher, in seconds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.synthesize import planted, planted_code, planted_numbers

from trivium.config import override
from trivium.errors import ConfigError, DataError, ResourceError
from trivium.llm.backends.scripted import Scripted
from trivium.problems import word
from trivium.recipe import Recipe, shipped
from trivium.records import Document, Example, Passage
from trivium.store.run import StageDir
from trivium.synthesize import teacher as teaching
from trivium.synthesize.catalogue import FLOWS
from trivium.synthesize.flows.infill import cut
from trivium.synthesize.options import FlowConfig, FlowsConfig, TeacherConfig
from trivium.synthesize.ordered import as_seed
from trivium.synthesize.seedbox import load_seeds
from trivium.synthesize.stage import outside, run
from trivium.verify.sandbox import Sandbox

RUNS_CODE = ("execution", "reversal", "checkers")
TRIED = 6
"""Clean seeds of each flow; a flow draws its style from the seed, so not every script fits its seed."""


def clean(flow: str) -> Iterator[planted.Case]:
    modules = (planted, planted_numbers, planted_code)
    cases = next(getattr(module, flow) for module in modules if flow in vars(module))()
    return (case for case in cases if not case.defect)


def write_seed(case: planted.Case, folder: Path) -> Path:
    """Write a case's seed as a file of its kind."""
    kind, seed = FLOWS[case.flow].seeds, case.seed
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("seed.md" if kind == "prose" else "seed.jsonl")
    row = {"question": seed.text, "answer": seed.answer or None}
    if kind == "code":
        row = {"code": seed.text, "text": seed.solution}
    elif seed.solution:
        row["answer"] = f"{seed.solution}\n#### {seed.answer}"
    path.write_text(seed.text + "\n" if kind == "prose" else json.dumps(row) + "\n")
    return path


def stage_of(base: Path, make: SimpleNamespace) -> StageDir:
    """Return a stage folder with a small curate stage beside it."""
    curate = StageDir(name="curate", path=base / "01-curate", seed=0)
    curate.path.mkdir(parents=True)
    curate.write("documents", Document, [make.document(make.MEDIAN), make.document(make.PROSE, "books")])
    curate.write("passages", Passage, [make.passage(make.PROSE)])
    path = base / "02-synthesize"
    path.mkdir()
    return StageDir(name="synthesize", path=path, seed=0, inputs={"curate": curate.path})


def small(recipe: Recipe, flow: str, **settings: Any) -> Recipe:
    """Return the shipped recipe with one flow left, set as one would on the command line."""
    recipe = dataclasses.replace(
        recipe, synthesize=dataclasses.replace(recipe.synthesize, flows=FlowsConfig())
    )
    recipe = override(recipe, "synthesize.problems.questions", "20")
    for name, value in settings.items():
        recipe = override(recipe, f"synthesize.flows.{flow}.{name}", str(value))
    return recipe


@pytest.fixture(scope="module")
def sandboxed() -> bool:
    try:
        with Sandbox():
            return True
    except ResourceError:
        return False


def use(backend: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "open_backend", lambda config, workers: (backend, ""))


def test_the_shipped_recipe_orders_every_flow_and_no_other_does() -> None:
    assert {field.name for field in dataclasses.fields(FlowsConfig)} == set(FLOWS)
    assert set(shipped("flows").synthesize.flows.ordered()) == set(FLOWS)
    assert shipped("pocket").synthesize.flows.ordered() == {}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_runs_from_its_entry(
    flow: str, sandboxed: bool, tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flow in RUNS_CODE and not sandboxed:
        pytest.skip("no sandbox on this machine")
    losses = []
    for number, case in zip(range(TRIED), clean(flow), strict=False):
        data = write_seed(case, tmp_path / f"seed{number}")
        if flow == "instructions":  # what it asks for follows from the seed's id, which the file gave it
            seed = load_seeds("question", data)[0]
            case = case.but("", reply=planted_code.obeying(seed)[2])
        use(planted.teacher(case), monkeypatch)
        recipe = small(shipped("flows"), flow, count=1, data=data, generated_tokens=20_000)
        stage = stage_of(tmp_path / f"run{number}", make)
        told = run(recipe.synthesize, stage)["teacher"]["ordered"][flow]
        if told["accepted"]:
            break
        losses.append(told["lost"])
    assert told["accepted"] == 1 and told["shortfall"] is None, losses
    assert "1 of 1 probed seeds gave rows" in told["estimate"]
    rows = [row for row in stage.rows("synthesize", "examples", Example) if row.flow == flow]
    assert len(rows) == 1 and len(rows[0].parents) >= 1
    calls = pq.read_table(stage.path / "calls.parquet").to_pylist()
    assert {call["flow"] for call in calls} == {flow}
    assert (stage.path / "stages.parquet").exists() == (flow == "curriculum")


@pytest.mark.parametrize("flow", ["rewrite", "reversal", "plurality", "knowledge", "infill"])
def test_without_data_the_seeds_are_the_runs_own(
    flow: str, tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Scripted(function=lambda request: "I am not sure about that.")
    use(backend, monkeypatch)
    recipe = small(shipped("flows"), flow, count=3, max_candidates=1)
    told = run(recipe.synthesize, stage_of(tmp_path, make))["teacher"]["ordered"][flow]
    assert told["seeds"] == 1 and backend.asked
    assert told["accepted"] in (0, 1) and told["shortfall"]["why"] == "max_candidates reached"
    assert told["accepted"] + sum(told["lost"].values()) == 1


def test_made_problems_are_seeds_whose_steps_can_be_taken_out() -> None:
    made = [as_seed(question) for question in word.make(0, 60, steps=(3, 4))]
    marked = [seed for seed in made if seed.solution]
    assert marked and all(seed.answer for seed in made)
    assert [seed for seed in marked if not isinstance(cut(seed.solution, 0.0), str)]


def test_money_ends_the_flows_of_a_recipe_and_the_estimate_is_told_before(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = next(clean("rewrite"))
    use(planted.teacher(case), monkeypatch)
    recipe = small(shipped("flows"), "rewrite", count=1, data=write_seed(case, tmp_path / "seed"))
    recipe = override(recipe, "synthesize.teacher.price", "(1.0, 10.0)")
    told = run(recipe.synthesize, stage_of(tmp_path / "rich", make))["teacher"]["ordered"]["rewrite"]
    assert told["accepted"] == 1
    said = capsys.readouterr().err
    assert "teacher: at most 0 tokens written" in said and "rewrite: estimate: 1-1 seeds, " in said
    recipe = override(recipe, "synthesize.teacher.money", "0.05")
    told = run(recipe.synthesize, stage_of(tmp_path / "poor", make))["teacher"]["ordered"]["rewrite"]
    assert told["seeds"] == 0 and told["shortfall"]["why"] == "money spent"


def test_money_without_a_price_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match="synthesize.teacher.money: got 5 and no price"):
        TeacherConfig(money=5.0)
    with pytest.raises(ConfigError, match="synthesize.flows: got count -1"):
        FlowConfig(count=-1)


def test_data_are_part_of_the_fingerprint_and_must_be_there(
    tmp_path: Path, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = next(clean("rewrite"))
    path = write_seed(case, tmp_path / "seed")
    config = small(shipped("flows"), "rewrite", count=1, data=path).synthesize
    before = outside(config)
    path.write_text("Another text that is a seed.\n")
    assert outside(config) != before
    use(planted.teacher(case), monkeypatch)
    gone = small(shipped("flows"), "rewrite", count=1, data=tmp_path / "nowhere").synthesize
    with pytest.raises(DataError, match="nowhere; expected a folder with prose"):
        run(gone, stage_of(tmp_path / "run", make))
