"""Items, verdicts and groups of every task."""

import json
import re

import pytest

from trivium.evaluate import items_stage
from trivium.evaluate.logs import GREEDY, ItemLog
from trivium.evaluate.tasks import TASKS, bits_per_byte, bogus, contest, facts, instructions, recall
from trivium.problems.facts import split_known, tables
from trivium.problems.vocabulary import TRAIN_NAMES, TRAIN_THINGS
from trivium.records import Example, Verdict
from trivium.verify.answers import REFUSALS


@pytest.fixture(scope="module")
def questions(tiny_items):
    return items_stage.make(tiny_items, 7)


def by_skill(questions, skill):
    return [question for question in questions if question.skill == skill]


def test_items_are_a_function_of_the_seed(questions, tiny_items):
    assert items_stage.make(tiny_items, 7) == questions
    assert {q.id for q in items_stage.make(tiny_items, 8)} != {q.id for q in questions}
    assert len({q.id for q in questions}) == len(questions)


def test_every_item_belongs_to_a_task(questions):
    assert {q.skill for q in questions} == (set(TASKS) - {"contest"}) | set(recall.TASKS)


def test_the_worked_solutions_are_judged_right(questions):
    for name in ("arithmetic", "programs", "instructions", facts.KNOWN):
        for question in by_skill(questions, name):
            assert TASKS[name].judge(question, question.solution) == Verdict.RIGHT


def test_known_and_unknown_items_are_the_two_sides_of_one_split(questions):
    known, _, withheld = split_known(tables(), 7)
    assert {q.parents[0] for q in by_skill(questions, facts.KNOWN)} <= {fact.id for fact in known}
    assert {q.parents[0] for q in by_skill(questions, facts.UNKNOWN)} <= {fact.id for fact in withheld}


def test_facts_are_spread_over_the_tables(questions):
    assert len({q.template.split()[0] for q in by_skill(questions, facts.KNOWN)}) >= 4


def test_facts_tell_right_wrong_and_refused_apart(questions):
    (question, *_) = by_skill(questions, facts.UNKNOWN)
    replies = {f"Answer: {question.answer}": Verdict.RIGHT, "Answer: qq": Verdict.WRONG, "": Verdict.UNPARSED}
    replies[f"{REFUSALS[0]}."] = Verdict.REFUSED
    assert {reply: facts.judge(question, reply) for reply in replies} == replies


def test_bogus_questions_have_no_right_reply(questions):
    (question, *_) = by_skill(questions, bogus.NAME)
    assert bogus.judge(question, f"{REFUSALS[0]}.") == Verdict.REFUSED
    assert bogus.judge(question, "Answer: 404") == Verdict.WRONG
    assert bogus.judge(question, f"{REFUSALS[0]}. Answer: 404") == Verdict.WRONG


def test_the_contest_is_told_in_words_never_trained_on():
    for question in contest.items(5, 40, (1, 4)):
        words = set(re.findall(r"\w+", question.prompt))
        assert not words & {*TRAIN_NAMES, *TRAIN_THINGS}
        assert question.skill == contest.NAME and 1 <= question.difficulty <= 4


def test_instructions_are_half_seen_half_held_out(questions):
    rows = by_skill(questions, instructions.NAME)
    assert [instructions.family(row) for row in rows].count(instructions.HELD_OUT) == len(rows) // 2


def test_instruction_measures_count_prompts_and_kinds():
    def log(item: str, verdict: str, family: str, **kinds: bool) -> ItemLog:
        return ItemLog(
            stage="sft", task="x", item_id=item, cluster=item, group=family, mode=GREEDY, verdict=verdict,
            value=0.0, weight=1.0, reply="", detail=json.dumps(kinds), num_tokens=1, finish="eos",
        )  # fmt: skip

    logs = [log("a", "right", "seen", upper=True), log("b", "wrong", "held_out", upper=False, brackets=True)]
    found = {m.metric: [m.value_of(one) for one in logs] for m in instructions.measures(logs)}
    assert found["strict"] == [1.0, 0.0] and found["strict_held_out"] == [None, 0.0]
    assert found["kind_upper"] == [1.0, 0.0] and found["kind_brackets"] == [None, 1.0]


def test_recall_questions_of_a_document_share_it_and_their_answers_stand_in_it(questions, tiny_items):
    for task, pairs in zip(recall.TASKS, tiny_items.recall_pairs, strict=True):
        rows = by_skill(questions, task)
        assert len(rows) == tiny_items.recall_documents * tiny_items.recall_queries
        for first, second in zip(rows[::2], rows[1::2], strict=True):
            assert recall.document_of(first) == recall.document_of(second)
            assert second.prompt.startswith(f"{first.prompt} {first.answer}.")
        for row in rows:
            told, asked = row.prompt.split(" Recall: ")
            keys = asked.split(". ")
            assert told.count(".") == pairs and f" {keys[-1]} {row.answer} " in told
            assert len({key.split()[0] for key in keys}) == len(keys)


def test_answer_places_are_the_tokens_of_the_answer():
    (row,) = recall.questions_of("Notes: fox red 1+1-1=1. Recall:", [("fox", "red")], "recall_1x", 1)
    text = recall.answered(row)
    assert text == "Notes: fox red 1+1-1=1. Recall: fox red."
    start = len(row.prompt)
    spans = [(0, start), (start, start + 2), (start + 2, start + 4), (start + 4, start + 5)]
    assert recall.answer_places(row, spans) == [1, 2]
    assert "".join(text[spans[place][0] : spans[place][1]] for place in (1, 2)) == " red"


def test_windows_cover_every_next_id_once():
    for length in (2, 3, 7, 8, 9, 15, 16):
        pieces = bits_per_byte.windows(range(length), 8)
        assert [i for piece in pieces for i in piece[1:]] == list(range(1, length))
        assert max(map(len, pieces)) <= 8


def test_held_out_rows_stop_at_the_wanted_size_of_each_source():
    rows = [Example(id=str(n), source="web" if n < 5 else "code", flow="", text="x" * 100) for n in range(8)]
    chat = Example(id="9", source="chat", flow="", messages=[])
    taken = bits_per_byte.usable([*rows, chat], 250)
    assert [row.id for row in taken] == ["5", "6", "7", "0", "1", "2"]


def test_bytes_before_the_first_prediction_do_not_count():
    assert bits_per_byte.scored_bytes("caf\u00e9 au", [(0, 2), (2, 4), (4, 7)]) == len("f\u00e9 au".encode())
