"""Seeds out of folders, what a session asks whom, and replies that were cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivium.errors import DataError
from trivium.llm import Request
from trivium.llm.backends.scripted import Scripted
from trivium.records import Example
from trivium.synthesize.flows.infill import Gap, closes, cut
from trivium.synthesize.grow import grow
from trivium.synthesize.seedbox import load_seeds
from trivium.synthesize.seeds import Seed
from trivium.synthesize.session import Session, Tools

PROSE = (
    "A long paragraph of plain words stands here so that it is taken as a passage by the reader of files. "
)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_prose_keeps_source_and_the_nearest_licence(tmp_path: Path) -> None:
    linked = f"See [the page](http://x.y): {PROSE * 2}"
    text = f"# Title\n\n{PROSE * 2}\n\n```\n{PROSE * 2}\n```\n\nShort one.\n\n{linked}"
    write(tmp_path, a__b_dot_md=text, ORIGIN_dot_json='{"licence": "MIT"}', a__c_dot_bin=PROSE * 2)
    seeds = load_seeds("prose", tmp_path)
    assert sorted(seed.text[:9] for seed in seeds) == ["A long pa", "See the p"]
    assert {(seed.licence, seed.depth) for seed in seeds} == {("MIT", 0)}
    assert all(seed.source.endswith("a/b.md") for seed in seeds)
    assert [seed.id for seed in load_seeds("prose", tmp_path)] == [seed.id for seed in seeds]
    assert {seed.id for seed in load_seeds("prose", tmp_path, 1)} == {seed.id for seed in seeds}


def test_questions_trivia_and_code(tmp_path: Path) -> None:
    lines = [
        {"question": "How many?", "answer": "2+2 = <<2+2=4>>4\n#### 4"},
        {"question": "Who?", "answer": ["Ada", "Lovelace"]},
        {"instruction": "Write a poem."},
    ]
    write(tmp_path, q_dot_jsonl="\n".join(map(json.dumps, lines)) + "\n")
    by_text = {seed.text: seed for seed in load_seeds("question", tmp_path / "q.jsonl")}
    assert (by_text["How many?"].answer, by_text["How many?"].solution) == ("4", "2+2 = <<2+2=4>>4")
    assert by_text["Write a poem."].answer == ""
    assert [(seed.text, seed.answer) for seed in load_seeds("trivia", tmp_path)] == [
        ("Who?", "Ada | Lovelace")
    ]
    write(tmp_path, c_dot_py='def f(x):\n    """Say x."""\n    return x\n\ndef g(x):\n    return x\n')
    assert [seed.text.split("(")[0] for seed in load_seeds("code", tmp_path / "c.py")] == ["def f"]
    write(tmp_path, bad_dot_jsonl='{"question": "a"}\n{broken\n')
    with pytest.raises(DataError, match=r"bad.jsonl:2: got '\{broken'; expected a JSON object"):
        load_seeds("question", tmp_path / "bad.jsonl")


def test_a_judge_of_its_own_is_asked_for_what_is_judged() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> str:
        asked.append(request)
        return "No." if request.messages[0].content.startswith("You judge questions") else "It is Lima."

    seed = Seed(id="s", text="What is the capital of Peru?", answer="Lima")
    harvest = grow("knowledge", [seed], Scripted(function=answer), target=2, tools=Tools(judge_model="judge"))
    assert [row.method for row in harvest.accepted] == ["answer"]
    assert {request.model for request in asked} == {""}, "a bogus variant that is none is not judged"

    def bogus(request: Request) -> str:
        wrong = request.messages[0].content.startswith("You turn questions")
        return "What is the capital of Brunelda?" if wrong else answer(request)

    harvest = grow("knowledge", [seed], Scripted(function=bogus), target=2, tools=Tools(judge_model="judge"))
    assert [row.method for row in harvest.accepted] == ["answer", "bogus"]
    assert [request.model for request in asked].count("judge") == 2


@pytest.mark.parametrize(("keep", "text"), [(False, ""), (True, "one two")])
def test_a_draw_that_was_cut_is_no_vote(keep: bool, text: str) -> None:
    from trivium.llm.generate import Desk, generate

    drawn: list[str] = []

    async def flow(seed: Seed, desk: Desk) -> list[Example]:
        at = Session("plurality", seed, desk, Tools())
        drawn.append(await at.draw("solve", 0, max_tokens=2, keep_cut=keep, question="?"))
        return []

    generate([Seed(id="s", text="")], flow, Scripted(function=lambda request: "one two three"), target=1)
    assert drawn == [text]


def test_a_gap_is_closed_by_its_value_and_a_step_that_holds() -> None:
    solution = "She has 3 x 4 = <<3*4=12>>12 pens.\nShe has 12 - 2 = <<12-2=10>>10 left."
    gap = cut(solution, 0.0)
    assert gap == Gap("[missing step]\nShe has 12 - 2 = 10 left.", "She has 3 x 4 = 12 pens.", "12")
    assert closes("She has 4 x 3 = 12 pens.", gap) and not closes("She has 12 pens.", gap)
    assert not closes("She has 3 x 5 = 12 pens.", gap) and not closes("She has 3 x 4 = 12, so 13.", gap)
    assert cut("Only one step: 2 + 2 = <<2+2=4>>4", 0.0) == "no step to take out"
