"""Fine-tuning data for any model: public problems, what it knows, what it can obey."""

import dataclasses
import json

import pytest
from tests.evaluate.conftest import save

from trivium import verify
from trivium.align import fact_data, open_data
from trivium.align.asking import MODEL_STYLE, Asking, cached_tokenizer, requests_for
from trivium.align.refusal import KNOWN, Rule, refusal_for
from trivium.align.sft_data_stage import OpenDataConfig, SFTDataConfig
from trivium.errors import DataError
from trivium.records import Example, Preference, Question, Rollout, Verdict
from trivium.store.run import StageDir
from trivium.verify import constraints

PROBLEM = {"question": "Half of 4?\n", "answer": "It is 4/2=<<4/2=2>>2.\n#### 2"}
FACT = {"context": "Question: What is U+00A5?\nAnswer:", "answer": "Yen", "aliases": ["Yen", "yen sign (c)"]}
REQUEST = {"instruction": "Describe a fox.", "is_classification": False}


def test_a_worked_solution_ends_in_its_answer():
    (problem,) = open_data.problems([PROBLEM], 9, 0)
    assert (problem.answer, problem.verifier, problem.difficulty) == ("2", "last_number", 1)
    row = open_data.solved("word_problems", problem)
    assert [message.content for message in row.messages] == [
        "Half of 4?", "It is 4/2=2.\nThe answer is 2.",
    ]  # fmt: skip
    assert verify.judge("last_number", row.messages[1].content, "2") == Verdict.RIGHT


def test_rows_are_drawn_by_the_seed():
    rows = [PROBLEM | {"question": f"Q{n}?"} for n in range(50)]
    first, again, other = (open_data.problems(rows, 20, seed) for seed in (0, 0, 1))
    assert first == again and {row.id for row in first} != {row.id for row in other}
    assert len({row.parents[0] for row in first}) == 20


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("It is the yen.", "right"),
        ("the Yen sign (C) of course", "right"),
        ("yenta", "wrong"),
        ("", "unparsed"),
    ],
)
def test_a_fact_is_right_under_any_of_its_names(reply, verdict):
    (question,) = open_data.fact_questions([FACT], 5, 0)
    assert question.prompt == "What is U+00A5?" and question.solution == "Yen."
    assert verify.judge(question.verifier, reply, question.answer) == verdict


def test_requests_carry_constraints_that_a_program_checks():
    found = open_data.constrained([REQUEST, {"instruction": "x", "is_classification": True}], 12, 0)
    assert len({one.prompt for one in found}) > 6
    assert all(one.prompt.startswith("Describe a fox.") for one in found)
    assert all(verify.judge(one.verifier, "", one.answer) == Verdict.UNPARSED for one in found)


def rollout(tokenizer, text, verdict, finish="eos", logprob=0.0):
    ids = [*tokenizer.encode(text), tokenizer.end_id]
    return Rollout(
        id=f"r-{text}", question_id="q", prefix_ids=[1], completion_ids=ids, logprobs=[logprob] * len(ids),
        verdict=verdict, finish=finish,
    )  # fmt: skip


def test_what_obeys_is_learnt_and_preferred(tmp_path):
    model = str(save(tmp_path / "model", 1, chat_model=True))
    tokenizer = cached_tokenizer(model)
    question = open_data.constrained([REQUEST], 1, 0)[0]
    question = Question(**{**{f: getattr(question, f) for f in Question.__dataclass_fields__}, "id": "q"})
    replies = [
        rollout(tokenizer, "a fox", "wrong"), rollout(tokenizer, "many pens", "right"),
        rollout(tokenizer, "never ended", "right", finish="length"),
        rollout(tokenizer, "a fox a fox", "wrong"),
    ]  # fmt: skip
    (example,), (pair,), drops = open_data.instructions(model, [question], replies)
    assert example.messages[1].content == "many pens" and not drops
    assert pair.chosen_ids == replies[1].completion_ids and pair.rejected_ids in (
        replies[0].completion_ids, replies[3].completion_ids,
    )  # fmt: skip
    silent = dataclasses.replace(question, answer=json.dumps([["word_count", {"count": 40}]]))
    assert open_data.instructions(model, [silent], replies[:1])[2][0].reason == "no reply obeys"


def test_a_reply_that_fails_is_mended_if_that_changes_little(tmp_path):
    tokenizer = cached_tokenizer(str(save(tmp_path / "model", 1, chat_model=True)))
    request = open_data.constrained([REQUEST], 1, 0)[0]
    quoted = dataclasses.replace(request, answer=json.dumps([["quotes", {}]]))
    whole, cut = (
        rollout(tokenizer, "Many pens.", "wrong"),
        rollout(tokenizer, "A fox. It has", "wrong", "length"),
    )
    for replies, expected in (([whole, cut], '"Many pens."'), ([cut], '"A fox."')):
        found = open_data.obeying(tokenizer, 7, quoted, replies)
        assert tokenizer.decode(found.completion_ids[:-1]) == expected
        assert found.completion_ids[-1] == 7 and found.verdict == Verdict.RIGHT
        assert verify.judge("constraints", expected, quoted.answer) == Verdict.RIGHT
    assert open_data.up_to_a_sentence("No end of it") == ""
    assert open_data.mended("A fox runs.", [constraints.Pick("upper", {})]) == "A FOX RUNS."
    padded = [
        constraints.Pick("length_constraints:number_sentences", {"num_sentences": 9, "relation": "at least"})
    ]
    assert open_data.mended("A fox runs.", padded) == ""


def test_the_stage_runs_on_public_files(tmp_path):
    model = save(tmp_path / "model", 1, chat_model=True)
    files = {
        "gsm8k-train/t.jsonl": PROBLEM,
        "mc-core-a/triviaqa.jsonl": FACT,
        "self-instruct-seeds/s.jsonl": REQUEST,
    }
    for name, row in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(json.dumps(row) + "\n")
    told = OpenDataConfig(
        data=str(tmp_path),
        model=str(model),
        short_problems=2,
        sum_sheets=4,
        more_problems=5,
        requests=3,
        request_replies=4,
        request_tokens=8,
    )
    stage = StageDir(name="sft_data", path=tmp_path / "out", seed=0)
    found = open_data.run(SFTDataConfig(replies=2, max_new_tokens=8, refusal_frac=0.9, open=told), stage)
    rows = stage.rows("sft_data", "examples", Example)
    assert found["problems"] == 7 and found["facts_refused"] == 1  # a model of random weights knows nothing
    assert sorted({row.flow for row in rows}) >= ["fact_refusal", "short_problems", "sums", "word_problems"]
    assert len(stage.rows("sft_data", "rollouts", Rollout)) == 2 + 3 * 4
    asked = {row.messages[0].content for row in rows}
    more = stage.rows("sft_data", "questions", Question)
    assert len(more) == 5 and not asked & {one.prompt for one in more}
    assert len(stage.rows("sft_data", "preferences", Preference)) == found["preferences"]
    with pytest.raises(DataError, match="got no gsm8k-train"):
        open_data.rows_of(str(tmp_path / "out"), "problems")


def test_any_model_is_asked_through_its_own_template(tmp_path):
    model = str(save(tmp_path / "model", 1, chat_model=True))
    question = open_data.constrained([REQUEST], 1, 0)[0]
    own, ours = (
        Asking(model=model, style=style, replies=1, max_new_tokens=4, seed=0, purpose="t")
        for style in (MODEL_STYLE, "chat")
    )
    tokenizer = cached_tokenizer(model)
    sides = [requests_for(tokenizer, question, how, 512) for how in (own, ours)]
    assert sides[0] == sides[1]  # for a checkpoint of ours the two are one


def test_a_name_that_the_question_says_is_no_answer():
    fact = FACT | {"context": "Question: What is the capital of Oz?\nAnswer:", "answer": "Emerald City",
                   "aliases": ["Capital of Oz", "The Emerald City"]}  # fmt: skip
    (question,) = open_data.fact_questions([fact], 5, 0)
    assert verify.judge("regex", "The capital of Oz is Paris.", question.answer) == Verdict.WRONG
    assert verify.judge("regex", "The capital of Oz is Emerald City.", question.answer) == Verdict.RIGHT
    assert open_data.fact_questions([fact | {"answer": "Oz", "aliases": []}], 5, 0) == []


def test_what_is_known_is_learnt_in_the_models_own_words(tmp_path):
    tokenizer = cached_tokenizer(str(save(tmp_path / "model", 1, chat_model=True)))
    (question,) = open_data.fact_questions([FACT], 5, 0)
    question = dataclasses.replace(question, id="q")
    own = [
        rollout(tokenizer, "It is the yen sign, of course.", "right", logprob=-2.0),
        rollout(tokenizer, "It is the yen. It was", "right", "length", logprob=-1.0),
        rollout(tokenizer, "The yen, which", "right", "length"),
        rollout(tokenizer, "Yen, I say.", "right", logprob=-3.0),
    ]
    wrong = [rollout(tokenizer, "The pound.", "wrong")]
    said = []
    for given in (own, own[:1], own[2:3], wrong):
        told = open_data.in_own_words(tokenizer, question, given)
        asked = fact_data.tally_all(tokenizer, [told], given)
        ((row,), _, _) = fact_data.examples_of(
            asked, Rule(answer_above=0.3, refuse_below=0.1, keep_known=False)
        )
        said.append((row.flow, row.messages[1].content, json.loads(row.meta)["right_frac"]))
    assert said[:3] == [
        ("fact_answer", "It is the yen.", 1.0),
        ("fact_answer", "It is the yen sign, of course.", 1.0),
        ("fact_answer", "Yen.", 1.0),
    ]
    assert said[3] == ("fact_refusal", refusal_for("q", KNOWN), 0.0)
