"""The two stages on a tiny model and with scripted replies: right rows, right way round, resumable."""

import json
from pathlib import Path

import pytest
import torch

from trivium.align import asking, fact_data, judge_stage, sft_data_stage
from trivium.models import chat
from trivium.models.load import load_tokenizer
from trivium.models.sample import Completion
from trivium.records import Example, Preference, Question, Rollout
from trivium.store.run import StageDir
from trivium.verify import constraints
from trivium.verify.answers import is_refusal

CONTEXT = 192
PROBLEMS = 6


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def open_stage(root: Path, name: str, inputs: dict[str, Path]) -> StageDir:
    (root / name).mkdir(parents=True, exist_ok=True)
    return StageDir(name=name, path=root / name, seed=7, workers=1, inputs=inputs)


def save_model(folder: Path, *, chat_model: bool) -> None:
    from trivium.models import export, phi
    from trivium.train.tokenizer import role_words, train_bpe

    learned = train_bpe(["Ann has 12 pens. 12+3=15. Answer: 15", "I do not know.", *role_words(8)], 280)
    export.save_tokenizer(learned, folder.parent / "tokenizer", context=CONTEXT)
    shape = phi.ModelConfig(
        hidden=16, layers=1, heads=2, kv_heads=1, ffn=32, vocab=learned.get_vocab_size(), context=CONTEXT
    )
    export.save_checkpoint(
        phi.build(shape, seed=1), folder.parent / "tokenizer", folder, chat_model=chat_model
    )


def fact(name: str, status: str) -> Question:
    return Question(
        id=name,
        prompt=f"What is {name}?",
        answer="" if status == "bogus" else f"v{name}",
        verifier="refusal" if status == "bogus" else "exact",
        skill="fact",
        difficulty=1,
        template="http ask0",
        solution="" if status == "bogus" else f"Answer: v{name}",
        meta=json.dumps({"status": status}),
    )


def problem(number: int) -> Question:
    return Question(
        id=f"p{number}",
        prompt=f"Ann has {number}. She gets 3. How many?",
        answer=str(number + 3),
        verifier="number",
        skill="word",
        difficulty=1,
        template="t",
        solution=f"{number}+3={number + 3}. Answer: {number + 3}",
    )


FACTS = {
    "knows": fact("knows", "known"),
    "half": fact("half", "known"),
    "forgot": fact("forgot", "known"),
    "withheld": fact("withheld", "unknown_train"),
    "bogus": fact("bogus", "bogus"),
}
SCRIPT = {
    # what the scripted model says to each question, reply after reply
    "knows": ["Answer: vknows"],
    "half": ["Answer: vhalf", "Answer: no"],
    "forgot": ["Answer: no"],
    "withheld": ["Answer: guess", "Answer: other"],
    "bogus": ["Answer: made up"],
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    made = open_stage(root, "synthesize", {})
    made.write("fact_questions", Question, FACTS.values())
    made.write("questions", Question, [problem(n) for n in range(10, 10 + PROBLEMS)])
    open_stage(root, "items", {}).write("questions", Question, [])
    chats = [
        Example(id="kept", source="chat", flow="word", messages=chat_of("Ann has 4.", "Answer: 4")),
        Example(id="fact", source="chat", flow="facts", messages=chat_of("What is knows?", "Answer: vknows")),
        Example(id="plain", source="web", flow="web", text="no chat"),
        *(
            Example(id=f"c{n}", source="chat", flow="word", messages=chat_of(f"More {n}", "Answer: 1"))
            for n in range(9)
        ),
    ]
    open_stage(root, "decontaminate", {}).write("examples", Example, chats)
    save_model(root / "midtrain" / "model", chat_model=False)
    save_model(root / "dpo1" / "model", chat_model=True)
    names = ("synthesize", "items", "decontaminate", "midtrain", "dpo1")
    return {name: root / name for name in names}


def chat_of(user: str, assistant: str):
    from trivium.records import Message

    return [Message(role="user", content=user), Message(role="assistant", content=assistant)]


def scripted(folder: Path, style: str, questions: dict[str, Question], script: dict[str, list[str]]):
    """A sampler that gives each question its scripted replies in turn, for ever."""
    tokenizer = load_tokenizer(folder)
    names = {tuple(chat.prompt_ids(tokenizer, q.prompt, style)): name for name, q in questions.items()}
    stop = tokenizer.eos_id if style == "plain" else tokenizer.end_id

    def sample(model, requests, *, temperature, stop_ids, batch_size, precision):
        assert temperature == 1.0 and stop in stop_ids and precision == "auto"
        turns: dict[str, int] = {}
        found = []
        for request in requests:
            name = names[request.prefix_ids]
            turn = turns[name] = turns.get(name, -1) + 1
            ids = tuple(tokenizer.encode(" " + script[name][turn % len(script[name])]))
            found.append(Completion(ids, (-1.0,) * (len(ids) + 1), "eos", stop))
        return found

    return sample


@pytest.fixture
def sft_data(inputs, tmp_path, monkeypatch):
    folder = inputs["midtrain"] / "model"
    monkeypatch.setattr(asking, "sample", scripted(folder, "plain", FACTS, SCRIPT))
    door = open_stage(tmp_path, "sft_data", inputs)
    config = sft_data_stage.SFTDataConfig(replies=4, refusal_frac=0.3, preferences=12)
    return door, sft_data_stage.run(config, door)


def test_the_fine_tuning_set_answers_what_is_known_and_refuses_the_rest(sft_data):
    door, metrics = sft_data
    rows = door.rows("sft_data", "examples", Example)
    said = {row.messages[0].content: row.messages[1].content for row in rows}
    assert said["What is knows?"] == "Answer: vknows" and said["What is half?"] == "Answer: vhalf"
    for name in ("forgot", "withheld", "bogus"):
        assert is_refusal(said[f"What is {name}?"])
    assert said["Ann has 4."] == "Answer: 4" and "plain" not in {row.id for row in rows}
    assert len(rows) == len(said) == 15 == metrics["examples"]
    assert metrics["decisions"] == {
        "bogus: refuse": 1, "known: answer": 2, "known: refuse": 1, "withheld: refuse": 1,
    }  # fmt: skip
    assert metrics["known_right_frac"] == 0.5
    assert [drop.id for drop in door.drops] == ["fact"]


def test_fact_pairs_are_the_right_way_round(sft_data, inputs):
    door, _ = sft_data
    tokenizer = load_tokenizer(inputs["midtrain"] / "model")
    found = {
        (row.question_id, is_answer(tokenizer, row.chosen_ids), is_answer(tokenizer, row.rejected_ids))
        for row in door.rows("sft_data", "preferences", Preference)
    }
    assert found == {
        ("knows", True, False), ("half", True, False), ("half", False, True),
        ("forgot", False, True), ("withheld", False, True), ("bogus", False, True),
    }  # fmt: skip
    assert all(len(row.chosen_ids) <= 5 for row in door.rows("sft_data", "preferences", Preference))


def is_answer(tokenizer, ids) -> bool:
    return tokenizer.decode(ids).startswith("Answer"[: len(tokenizer.decode(ids))])


def test_the_counts_add_up(sft_data):
    door, _ = sft_data
    for row in door.rows("sft_data", "knowledge", fact_data.Knowledge):
        assert row.num_right + row.num_wrong <= row.num_asked == 4
    rollouts = door.rows("sft_data", "rollouts", Rollout)
    assert len(rollouts) == 4 * len(FACTS) == len({row.id for row in rollouts})
    assert all(len(row.completion_ids) == len(row.logprobs) for row in rollouts)


def test_own_right_solutions_join_the_set_when_asked_for(inputs, tmp_path, monkeypatch):
    problems = {q.id: q for q in (problem(n) for n in range(10, 10 + PROBLEMS))}
    script = SCRIPT | {name: ["no idea", q.solution] for name, q in problems.items()}
    script["p10"] = ["Answer: 0"]
    monkeypatch.setattr(
        asking, "sample", scripted(inputs["midtrain"] / "model", "plain", FACTS | problems, script)
    )
    door = open_stage(tmp_path, "sft_data", inputs)
    config = sft_data_stage.SFTDataConfig(
        replies=4, refusal_frac=0.3, rejection_questions=PROBLEMS, rejection_replies=2
    )
    metrics = sft_data_stage.run(config, door)
    assert metrics["examples_by_flow"]["rejection_sampling"] == PROBLEMS - 1
    assert [drop.id for drop in door.drops if drop.reason == "no right solution"] == ["p10"]
    own = [row for row in door.rows("sft_data", "examples", Example) if row.flow == "rejection_sampling"]
    assert {row.messages[1].content for row in own} == {problems[row.parents[0]].solution for row in own}


def judge_inputs(inputs, tmp_path, used: list[str]) -> dict[str, Path]:
    import pyarrow as pa

    open_stage(tmp_path, "pivotal", {}).write_table(
        "searched", pa.table({"question_id": pa.array(used, pa.string())})
    )
    fields = {"prompt_ids": [1], "chosen_ids": [2], "rejected_ids": [3], "origin": "refusal", "gap": 1.0}
    refusals = [Preference(id=f"r{n}", question_id=f"r{n}", **fields) for n in range(9)]
    open_stage(tmp_path, "sft_data", {}).write("preferences", Preference, refusals)
    return {**inputs, "pivotal": tmp_path / "pivotal", "sft_data": tmp_path / "sft_data"}


JUDGE = judge_stage.JudgeConfig(
    questions=5, replies=4, constraint_questions=4, constraint_replies=2, refusal_frac=0.25
)


def judge_script(questions: dict[str, Question], made: list[Question]) -> dict[str, list[str]]:
    script = {}
    for name, question in questions.items():
        wrong = question.solution.replace(question.answer, "77")
        script[name] = [question.solution, wrong, "I do not know.", "Answer: 8"]
    script["p13"] = [questions["p13"].solution]
    return script | {q.id: ["zzz", q.solution] for q in made}


def test_judged_pairs_are_right_over_wrong_and_leave_searched_questions_alone(inputs, tmp_path, monkeypatch):
    problems = {q.id: q for q in (problem(n) for n in range(10, 10 + PROBLEMS))}
    made = constraints.make(7 + 1_000_003, 4, "train")
    sampler = scripted(
        inputs["dpo1"] / "model", "chat", problems | {q.id: q for q in made}, judge_script(problems, made)
    )
    monkeypatch.setattr(asking, "sample", sampler)
    door = open_stage(tmp_path, "judge", judge_inputs(inputs, tmp_path, ["p12"]))
    metrics = judge_stage.run(JUDGE, door)
    rows = door.rows("judge", "preferences", Preference)
    rollouts = {row.id: row for row in door.rows("judge", "judged", Rollout)}
    judged = [row for row in rows if row.origin == "judge"]
    assert {row.question_id for row in judged} == set(problems) - {"p12", "p13"}
    for row in judged:
        chosen, rejected = (rollouts[parent] for parent in row.parents)
        assert (chosen.verdict, rejected.verdict) == ("right", "wrong")
        assert (row.chosen_ids, row.rejected_ids) == (chosen.completion_ids, rejected.completion_ids)
        assert row.prompt_ids == chosen.prefix_ids == rejected.prefix_ids
    assert metrics["by_origin"] == {"constraint": 4, "judge": 4, "refusal": 2}
    assert sum(metrics["verdicts"].values()) == metrics["replies"] == 5 * 4 + 4 * 2
    assert len(door.table("judge", "grades")) == 20


def test_a_killed_stage_goes_on_and_ends_the_same(inputs, tmp_path, monkeypatch):
    config = judge_stage.JudgeConfig(
        questions=4,
        replies=2,
        solution_tokens=8,
        constraint_questions=3,
        constraint_replies=2,
        constraint_tokens=8,
    )
    monkeypatch.setattr(asking, "SHARD_BATCHES", 0)  # a question a shard
    whole = open_stage(tmp_path / "whole", "judge", judge_inputs(inputs, tmp_path / "whole", []))
    judge_stage.run(config, whole)
    calls = []
    real = asking.ask_shard

    def dying(how, questions):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(questions)
        return real(how, questions)

    cut = open_stage(tmp_path / "cut", "judge", judge_inputs(inputs, tmp_path / "cut", []))
    monkeypatch.setattr(asking, "ask_shard", dying)
    with pytest.raises(KeyboardInterrupt):
        judge_stage.run(config, cut)
    monkeypatch.setattr(
        asking, "ask_shard", lambda how, questions: calls.append(questions) or real(how, questions)
    )
    judge_stage.run(config, cut)
    assert len(calls) == 4 + 3
    for name in ("judged", "grades", "preferences"):
        assert (cut.path / f"{name}.parquet").read_bytes() == (whole.path / f"{name}.parquet").read_bytes()
