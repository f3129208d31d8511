"""The mixture: shares become tokens that add up, caps hold, and every shift is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.errors import ConfigError, StageError
from trivium.mix import plan, stage
from trivium.store.run import StageDir


def test_the_reports_table_comes_out() -> None:
    unique = {name: int(tokens) for name, tokens in plan.PHI4_UNIQUE_TOKENS.items()}
    lines = plan.plan_mixture(plan.PHI4_SHARES, unique, int(plan.PHI4_BUDGET_TOKENS), 20)
    epochs = {line.source: round(line.epochs, 1) for line in lines}
    # Phi-4 report, Table 5 (5.2 and 13.8 are 5.17 and 13.79 rounded).
    assert epochs == {"web": 1.2, "web_rewrites": 5.2, "synthetic": 13.8, "code": 2.4, "acquired": 1.7}
    assert not any(line.note for line in lines)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 5), min_size=1),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 5000)),
    st.integers(1, 100_000),
    st.floats(0.5, 20),
)
def test_the_budget_is_placed_as_far_as_the_caps_allow(
    shares: dict[str, float], unique: dict[str, int], budget: int, max_epochs: float
) -> None:
    lines = plan.plan_mixture(shares, unique, budget, max_epochs)
    caps = {line.source: int(line.unique_tokens * max_epochs) for line in lines}
    placed = sum(line.tokens for line in lines)
    assert placed == min(budget, sum(caps.values()))
    assert plan.unplaced(lines, budget) == budget - placed
    assert all(0 <= line.tokens <= caps[line.source] for line in lines)


def test_what_a_capped_source_cannot_take_goes_to_the_others_in_proportion() -> None:
    shares = {"web": 0.5, "code": 0.3, "synthetic": 0.2}
    lines = plan.plan_mixture(shares, {"web": 10, "code": 1000, "synthetic": 1000}, 1000, 4)
    assert [line.tokens for line in lines] == [40, 576, 384]
    assert lines[0].note.startswith("capped at 4 epochs")
    assert lines[1].note == lines[2].note == "takes over what other sources could not place"


def run_stage(folder: Path, tokens: dict[str, int], **changes: object) -> dict[str, object]:
    store = folder / "tokenize" / "tokens"
    store.mkdir(parents=True)
    manifest = {"sources": {name: {"targets": count} for name, count in tokens.items()}}
    (store / "tokens.json").write_text(json.dumps(manifest))
    (folder / "mix").mkdir()
    door = StageDir(name="mix", path=folder / "mix", seed=0, inputs={"tokenize": folder / "tokenize"})
    return stage.run(stage.MixConfig(**changes), door)  # type: ignore[arg-type]


def test_a_source_without_tokens_is_a_line_in_the_plan(tmp_path: Path) -> None:
    found = run_stage(tmp_path, {"web": 500, "code": 500, "long": 9}, budget_tokens=1000)
    written = json.loads((tmp_path / "mix" / "plan.json").read_text())
    notes = {line["source"]: line["note"] for line in written["sources"]}
    assert notes["synthetic"] == "no tokens; its share went to the other sources"
    assert sum(line["tokens"] for line in written["sources"]) == 1000
    assert found["unused_sources"] == ["long"]


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="none of .* has tokens; the store holds"):
        run_stage(tmp_path, {"prose": 500})
    with pytest.raises(ConfigError, match="expected positive shares"):
        stage.MixConfig(shares={"web": -1.0})
