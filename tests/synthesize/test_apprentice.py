"""An apprentice learns a flow's own prompts with replies that the flow itself accepts."""

import json

import pytest

from trivium.cli.main import main
from trivium.errors import ConfigError
from trivium.synthesize.apprentice import ORGANIC, code, docstring, solution, step, teach
from trivium.synthesize.flows.infill import cut
from trivium.synthesize.prompts import fill
from trivium.synthesize.seeds import Seed

WORKED = Seed(
    id="a" * 20,
    text="Tom has 3 bags with 4 apples each and eats 2 apples. How many apples does Tom have left?",
    answer="10",
    solution="Tom has 3 * 4 = <<3*4=12>>12 apples in his bags.\n"
    "After eating 2 he has 12 - 2 = <<12-2=10>>10 apples left.",
)
FALSE = Seed(id="b" * 20, text=WORKED.text, answer="10", solution=WORKED.solution.replace("=12>>", "=13>>"))
BARE = Seed(id="c" * 20, text="How many legs has a dog?", answer="4")
DOUBLE = Seed(
    id="d" * 20,
    text='def double(x):\n    """Return twice a number.\n\n    More words.\n    """\n    return 2 * x',
    name="double",
)


def test_a_solution_loses_its_notes_and_ends_as_the_prompt_asks():
    assert solution(WORKED).splitlines()[0] == "Tom has 3 * 4 = 12 apples in his bags."
    assert solution(WORKED).endswith("10 apples left.\nAnswer: 10") and "<<" not in solution(WORKED)
    assert solution(BARE) == ""


def test_a_retelling_is_asked_as_the_flow_asks_it():
    lesson = teach("trajectory", [WORKED], 10)
    said = lesson.examples[0].messages
    assert [one.role for one in said] == ["system", "user", "assistant"]
    assert "- calculator(3*4) returned 12" in said[1].content
    assert said[2].content == solution(WORKED)


def test_what_the_flows_own_filters_refuse_is_not_taught():
    lesson = teach("trajectory", [FALSE, BARE, WORKED], 10)
    assert [row.parents for row in lesson.examples] == [[WORKED.id]]
    assert lesson.lost == {"replay: a result that does not hold": 1, "replay: too few calls": 1}


def test_draws_of_one_question_are_one_conversation():
    lesson = teach("plurality", [WORKED, BARE], 10)
    assert [row.messages[-1].content for row in lesson.examples] == [solution(WORKED)]
    assert lesson.lost == {"solve: no organic reply": 1}


def test_the_step_is_the_one_that_the_flow_takes_out():
    lesson = teach("infill", [WORKED], 10)
    asked, reply = lesson.examples[0].messages[-2:]
    assert reply.content == step(WORKED) == cut(WORKED.solution, 0.0).step
    assert reply.content not in asked.content and "[missing step]" in asked.content


def test_a_function_teaches_to_state_and_to_write():
    lesson = teach("reversal", [DOUBLE], 10)
    assert [row.messages[-1].content for row in lesson.examples] == [docstring(DOUBLE), code(DOUBLE)]
    assert docstring(DOUBLE) == "Return twice a number."
    wanted = fill("reversal", "solve", signature="double(x)", statement="Return twice a number.")
    assert lesson.examples[1].messages[:-1] == list(wanted)


def test_no_more_than_asked_for_and_only_flows_with_organic_replies():
    assert len(teach("reversal", [DOUBLE], 1).examples) == 1
    with pytest.raises(
        ConfigError, match="expected one whose prompts organic data answers: trajectory, plurality"
    ):
        teach("tagging", [WORKED], 1)
    assert "tagging" not in ORGANIC


def test_the_command_writes_what_posttrain_reads(tmp_path, capsys):
    from trivium.store.row_files import read_rows

    row = {"question": WORKED.text, "answer": f"{WORKED.solution}\n#### 10"}
    (tmp_path / "q.jsonl").write_text(json.dumps(row) + "\n")
    out = tmp_path / "chats.jsonl"
    assert main(["apprentice", "plurality", "--data", str(tmp_path), "--out", str(out)]) == 0
    assert "1 conversations from 1 seeds" in capsys.readouterr().out
    (read,) = read_rows(out)
    assert [one["role"] for one in read["messages"]] == ["system", "user", "assistant"]


def test_seeds_without_a_reply_are_one_sentence(tmp_path, capsys):
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": BARE.text, "answer": "4"}) + "\n")
    assert main(["apprentice", "plurality", "--data", str(tmp_path)]) == 2
    assert "got no seed of 1 with an organic reply" in capsys.readouterr().err
