"""trivium grow: exactly N rows of one flow, a typed shortfall, and one sentence for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.synthesize import planted

from trivium.cli import grow as verb
from trivium.cli.main import main
from trivium.llm.backends.scripted import Scripted
from trivium.llm.calls import Request


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    """Nine passages of textbook prose, with a licence above them."""
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "ORIGIN.json").write_text('{"licence": "CC BY 4.0"}')
    worlds = planted.worlds()[:9]
    (folder / "chapter.md").write_text("# Chapter\n\n" + "\n\n".join(world["passage"] for world in worlds))
    return folder


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Rewrites well, but for the passages about a bin, which it gives another topic."""
    worlds = planted.worlds()

    def answer(request: Request) -> str:
        if request.schema:
            return '{"fault": "none", "faithful": 3, "complete": 3, "clear": 3}'
        asked = request.messages[-1].content
        world = next(world for world in worlds if world["passage"] in asked)
        return world["foreign"] if " bin " in asked else world["rewrite"]

    backend = Scripted(function=answer)
    monkeypatch.setattr(verb, "open_teacher", lambda command: backend)
    return backend


def test_exactly_so_many_with_licence_and_lineage(seeds: Path, teacher: Scripted, tmp_path: Path) -> None:
    words = ["grow", "rewrite", "--data", str(seeds), "--count", "5", "--out", str(tmp_path / "o")]
    assert main(words) == 0
    rows = pq.read_table(tmp_path / "o" / "examples.parquet").to_pylist()
    assert len(rows) == 5
    assert {json.loads(row["meta"])["licence"] for row in rows} == {"CC BY 4.0"}
    calls = {row["id"] for row in pq.read_table(tmp_path / "o" / "calls.parquet").to_pylist()}
    assert all(set(row["parents"][1:]) <= calls and len(row["parents"]) > 1 for row in rows)
    asked = len(teacher.asked)
    assert main(words) == 0 and len(teacher.asked) == asked, "the same command pays for nothing twice"
    assert pq.read_table(tmp_path / "o" / "examples.parquet").to_pylist() == rows


def test_a_shortfall_is_typed_and_counts_add_up(
    seeds: Path, teacher: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"
    assert main(["grow", "rewrite", "--data", str(seeds), "--count", "50", "--out", str(out)]) == 2
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["shortfall"] == {"wanted": 50, "accepted": 8, "seeds_tried": 9, "why": "no more seeds"}
    dropped = pq.read_table(out / "dropped.parquet").to_pylist()
    assert metrics["accepted_seeds"] + len(dropped) == metrics["seeds"] == 9
    assert dropped[0]["detail"] and dropped[0]["step"] == "synthesize.rewrite.write"
    assert "got 8 rows of 50 from 9 seeds (no more seeds)" in capsys.readouterr().err
    words = ["grow", "rewrite", "--data", str(seeds), "--count", "5", "--out", str(out)]
    assert main([*words, "--max-candidates", "2"]) == 2
    assert json.loads((out / "metrics.json").read_text())["shortfall"]["why"] == "max_candidates reached"
    assert main([*words, "--generated-tokens", "10"]) == 2
    assert json.loads((out / "metrics.json").read_text())["shortfall"]["why"] == "token budget spent"


def test_the_estimate_comes_first_and_its_calls_are_paid_once(
    seeds: Path, teacher: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["grow", "rewrite", "--data", str(seeds), "--count", "6", "--out", str(tmp_path / "o")]
    assert main([*words, "--estimate", "--price", "1", "10"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("estimate: 6-9 seeds, ") and "3 of 3 probed seeds gave rows" in said
    assert not (tmp_path / "o" / "examples.parquet").exists()
    probed = len(teacher.asked)
    assert main(words) == 0
    assert len({(r.text(), r.sample) for r in teacher.asked}) == len(teacher.asked) > probed > 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("estimate: ") and lines[1].startswith("6 of 6 rows")


def test_money_is_a_hard_stop_and_the_cost_is_told(
    seeds: Path, teacher: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o"
    words = [
        "grow",
        "rewrite",
        "--data",
        str(seeds),
        "--count",
        "8",
        "--out",
        str(out),
        "--price",
        "10",
        "50",
    ]
    assert main([*words, "--money", "0.4425"]) == 2
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["shortfall"]["why"] == "money spent" and metrics["accepted"] == 1
    cost = (10 * metrics["prompt_tokens"] + 50 * metrics["generated_tokens"]) / 1e6
    assert metrics["cost"] == pytest.approx(cost) and 0.0025 < cost <= 0.4425
    assert "(money spent)" in capsys.readouterr().err
    assert main([*words, "--money", "0.1"]) == 2
    assert json.loads((out / "metrics.json").read_text())["seeds"] == 0
    assert "the budget does not cover one seed" in capsys.readouterr().out
    assert main([*words, "--money", "10"]) == 0


def test_rows_that_overlap_evaluation_items_do_not_leave(
    seeds: Path, teacher: Scripted, tmp_path: Path
) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text(json.dumps({"question": planted.worlds()[0]["rewrite"]}) + "\n")
    words = ["grow", "rewrite", "--data", str(seeds), "--count", "9", "--out", str(tmp_path / "o")]
    assert main([*words, "--against", str(items)]) == 2
    lost = json.loads((tmp_path / "o" / "metrics.json").read_text())["lost"]
    assert lost["guard: overlaps an evaluation item"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rewrit"], "got flow 'rewrit'; expected one of tagging"),
        (["rewrite"], "got no folder; expected a folder with prose"),
        (["rewrite", "--data", "nowhere"], "got nowhere; expected a folder with prose"),
        (["plurality", "--data", "BOOK"], "got no question seeds"),
        (["rewrite", "--data", "BOOK", "--money", "5"], "got 5 and no price; expected what a million tokens"),
        (["rewrite", "--data", "BOOK", "--money", "-5", "--price", "1", "2"], "got a limit of -5 and prices"),
        (
            ["rewrite", "--data", "BOOK", "--price", "-1", "2"],
            "prices: got -1 and 2; expected what a million",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(
    words: list[str], said: str, seeds: Path, teacher: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grow", *(str(seeds) if word == "BOOK" else word for word in words)]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
