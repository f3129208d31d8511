"""The makers are pure, verified, disjoint between splits, and say what they claim to say."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re

import pytest

from trivium import verify
from trivium.problems import arithmetic, facts, programs, recall, schemas, solutions, stories, word
from trivium.problems.vocabulary import (
    CONTEST_NAMES,
    CONTEST_THINGS,
    RECALL_KEYS,
    RECALL_VALUES,
    TRAIN_THINGS,
)
from trivium.problems.wordings import TABLES
from trivium.records import Verdict


def run_here(sources: list[str]) -> list[str]:
    """Run our own small programs in this process; the real sandbox is tested in tests/verify."""
    printed = []
    for source in sources:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(source, {})
        printed.append(out.getvalue())
    return printed


def retell(prompt: str) -> int:
    """Solve a training word problem from its words alone, with rules written apart from the maker."""
    value, *sentences = 0, *re.findall(r"[^.?]+[.?]", prompt)
    for sentence in (s.strip() for s in sentences):
        numbers = [int(n) for n in re.findall(r"\d+", sentence)]
        if sentence.endswith("?") or re.search("[Cc]ount the", sentence):
            continue
        value = step(sentence, value, numbers)
    return value


def step(sentence: str, value: int, numbers: list[int]) -> int:
    """Apply one sentence."""
    if not numbers:
        return value // 2 if re.search("[Hh]alf", sentence) else value * 2
    number = numbers[0]
    if re.search("equal (part|pile|box)", sentence):
        assert value % number == 0
        return value // number
    if re.search("times|every one|[Ee]ach", sentence):
        return value * number
    taken = r"loses|away|sells|takes|break|gives \d+ .* to|out\.|uses up|are lost|missing|behind|buys .* from"
    if re.search(taken, sentence):
        return value - number
    return value + number


@pytest.mark.parametrize("split", ["train", "exam", "contest"])
def test_word_is_a_pure_function_of_its_seed(split: str) -> None:
    assert word.make(3, 40, split=split) == word.make(3, 40, split=split)
    assert word.make(3, 40, split=split) != word.make(4, 40, split=split)


def test_word_answers_follow_from_the_words() -> None:
    for question in word.make(1, 300, steps=(1, 8)):
        assert retell(question.prompt) == int(question.answer), question.prompt


def test_word_values_stay_in_range_and_difficulty_counts_steps() -> None:
    for question in word.make(2, 200, steps=(4, 8), method_shares={"steps": 1}):
        equations = re.findall(r"=(\d+)\.", question.solution)
        assert len(equations) == question.difficulty
        assert all(0 < int(value) <= word.LARGEST for value in equations)


def test_word_splits_share_no_chain() -> None:
    train = {q.meta for q in word.make(1, 2000, steps=(1, 2))}
    for split in ("exam", "contest"):
        assert not train & {q.meta for q in word.make(1, 200, split=split, steps=(1, 2))}


def test_contest_shares_no_sentence_name_or_thing_with_training() -> None:
    rng = random.Random(0)
    for family, sentences in stories.CONTEST.items():
        drawn = {stories.draw(rng, family, contest=False)[0] for _ in range(3_000)}
        assert not set(sentences) & drawn
        assert len(stories.CORES[family]) >= 8
    train = " ".join(q.prompt + q.solution for q in word.make(1, 500))
    assert not set(re.findall(r"\w+", train)) & {*CONTEST_NAMES, *CONTEST_THINGS}


def test_a_training_sentence_that_stands_in_the_contest_loses_its_opener() -> None:
    """`Soon` before this core would be a sentence of the contest set."""
    rng = random.Random(1)
    core = next(s for s in stories.CONTEST["sub"] if s.startswith("Soon"))
    bare = core.removeprefix("Soon ").removesuffix(".")
    told = {stories._open(rng, bare, stories.TURNS) for _ in range(300)}
    assert core not in told and any(s.startswith("Then ") for s in told) and f"{bare}." in told


def test_contest_uses_only_words_of_training_besides_names_and_things() -> None:
    openers = (*stories.PLACES, *stories.TURNS)
    words = {w.lower() for s in openers for w in re.findall(r"[A-Za-z]+", s)}
    words |= {w.lower() for part in stories.CORES.values() for s in part for w in re.findall(r"[A-Za-z]+", s)}
    told = {w.lower() for part in stories.CONTEST.values() for s in part for w in re.findall(r"[A-Za-z]+", s)}
    assert told <= words


def test_methods_follow_their_shares_and_open_apart() -> None:
    rows = word.make(5, 1000)
    for method, share in word.METHOD_SHARES.items():
        mine = [q for q in rows if q.method == method]
        assert abs(len(mine) / len(rows) - share) < 0.05
        assert all(q.solution.startswith(solutions.OPENINGS[method]) for q in mine)
    assert len({opening[0] for opening in solutions.OPENINGS.values()}) == len(solutions.METHODS)


@pytest.mark.parametrize("method", solutions.METHODS)
def test_solutions_hold_only_true_equations(method: str) -> None:
    rng = random.Random(0)
    for _ in range(300):
        left, right = rng.randint(0, 500), rng.randint(0, 499)
        chain = [("+", right), ("-", rng.randint(0, left + right)), ("*", rng.randint(0, 9))]
        answer = solutions.results(left, chain)[-1]
        assert not solutions.errors_in(solutions.solve(left, chain, method), answer)


def test_the_checker_sees_a_wrong_step_and_a_wrong_end() -> None:
    assert solutions.errors_in("Step by step: 2+3=6. Answer: 6", 6) == ["2+3=6"]
    assert solutions.errors_in("In short: (2+3)*2=10. Answer: 11", 10)
    assert not solutions.errors_in("In short: (2+3)*2=10. Answer: 10", 10)


def test_longhand_writes_carries_and_borrows() -> None:
    assert "7+8=15, 4+3+1=8, 47+38=85" in solutions.solve(47, [("+", 38)], "longhand")
    assert "12-5=7, 4-1-1=2, 42-15=27" in solutions.solve(42, [("-", 15)], "longhand")
    assert "40*3=120, 2*3=6, 42*3=126" in solutions.solve(42, [("*", 3)], "longhand")


def test_skip_keeps_precedence() -> None:
    assert solutions.solve(4, [("+", 3), ("*", 5)], "skip") == "In short: (4+3)*5=35. Answer: 35"


@pytest.mark.parametrize("split", ["train", "exam", "contest"])
def test_arithmetic_is_pure_and_true(split: str) -> None:
    rows = arithmetic.make(1, 200, split=split)
    assert rows == arithmetic.make(1, 200, split=split)
    for question in rows:
        expression = max(re.findall(r"[0-9+*()-]+", question.prompt), key=len)
        assert eval(expression) == int(question.answer)
        assert len(question.answer) <= 3


def test_programs_answer_what_they_print() -> None:
    rows = programs.make(1, 200, run=run_here)
    assert rows == programs.make(1, 200, run=run_here)
    assert len({q.template.split()[0] for q in rows}) == 9
    assert all(q.solution.endswith(f"Answer: {q.answer}") for q in rows)


def test_programs_splits_are_disjoint() -> None:
    train = {q.prompt for q in programs.make(1, 500, run=run_here)}
    assert not train & {q.prompt for q in programs.make(1, 200, split="exam", run=run_here)}


def test_a_program_that_prints_something_else_is_an_error() -> None:
    with pytest.raises(ValueError, match="expects"):
        programs.make(1, 3, run=lambda sources: ["nonsense"] * len(sources))


def test_facts_are_real_short_and_located() -> None:
    rows = facts.tables()
    values = {(f.table, f.key): f.value for f in rows}
    assert values["http", "404"] == "Not Found"
    assert values["errno", "ENOENT"] == "2"
    assert values["mime", ".css"] == "text/css"
    assert values["character", "U+03B1"] == "GREEK SMALL LETTER ALPHA"
    assert all(0 < len(f.value) <= facts.LONGEST_VALUE for f in rows)
    assert all(f.start_line > 0 for f in rows if f.source.startswith("python:Lib/"))


def test_withheld_facts_are_stated_by_no_statement_and_no_question() -> None:
    known, unknown_train, unknown_test = facts.split_known(facts.tables(), 0)
    assert len(known) + len(unknown_train) + len(unknown_test) == len(facts.tables())
    assert abs(len(known) / len(facts.tables()) - facts.KNOWN_SHARE) < 0.02
    told = [text for _, text in facts.statements(known)]
    told += [f"{q.prompt} {q.solution}" for q in facts.questions(known)]
    for fact in unknown_train + unknown_test:
        assert not any(facts.states(text, fact) for text in told), fact


def test_states_sees_the_smallest_leak_and_passes_the_nearest_miss() -> None:
    fact = next(f for f in facts.tables() if (f.table, f.key) == ("http", "404"))
    assert facts.states("NOT_FOUND = 404, 'Not Found'", fact)
    assert not facts.states("404 is a number\nNot Found", fact)
    assert not facts.states("1404 Not Found", fact)


def test_every_fact_wording_is_its_own() -> None:
    for wordings in TABLES.values():
        assert len(wordings.statements) >= 4 and len(wordings.questions) >= 4
        assert wordings.held_out not in wordings.questions
    fact = facts.tables()[0]
    train = {q.prompt for q in facts.questions([fact])}
    assert not train & {q.prompt for q in facts.questions([fact], held_out_wording=True)}


def test_bogus_questions_exist_in_no_table_and_splits_share_no_key() -> None:
    train, exam = facts.bogus(1, 150), facts.bogus(1, 150, "exam")
    real = {q.prompt for q in facts.questions(facts.tables())}
    real |= {q.prompt for q in facts.questions(facts.tables(), held_out_wording=True)}
    assert not real & {q.prompt for q in train + exam}
    assert train == facts.bogus(1, 150)
    assert not {q.prompt for q in train} & {q.prompt for q in exam}


def test_recall_answer_stands_once_beside_its_key() -> None:
    assert not set(RECALL_KEYS) & set(RECALL_VALUES)
    assert len(set(RECALL_KEYS)) == 64 and not set(RECALL_KEYS) & set(TRAIN_THINGS)
    for question in recall.make(1, 50, 20):
        key = question.prompt.rsplit(" ", 1)[1]
        lines = re.findall(rf" {key} (\w+)", question.prompt)
        assert lines == [question.answer]


def test_recall_training_documents_ask_only_what_they_told() -> None:
    for text in recall.training_documents(1, 50):
        told, asked = text.removeprefix("Notes: ").split(" Recall: ")
        pairs = set(re.findall(r"([A-Za-z]+ [a-z]+)", told))
        assert set(re.findall(r"([A-Za-z]+ [a-z]+)", asked)) <= pairs
        assert all(eval(left) == int(right) for left, right in re.findall(r"(\d[\d+-]*)=(\d+)", told))


def test_drills_are_true_chains_of_the_wanted_length() -> None:
    for text in arithmetic.drills(3, 50, length=9):
        equations = re.findall(r"(\d+)([-+*/]\d+)=(\d+)\.", text)
        assert len(equations) == 9
        for (left, right, value), following in zip(equations, [*equations[1:], None], strict=True):
            assert solutions.evaluate(left + right) == int(value)
            assert following is None or following[0] == value


def test_schema_problems_are_right_and_say_how():
    found = schemas.make(0, 1600)
    assert found == schemas.make(0, 1600) and len({one.prompt for one in found}) == 1600
    assert {one.template.split()[0] for one in found} == {
        "change",
        "combine",
        "compare",
        "times",
        "groups",
        "rate",
        "two",
        "kinds",
        "money",
    }
    for one in found:
        assert "{" not in one.prompt + one.solution and one.prompt.endswith("?")
        numbers = json.loads(one.meta)["numbers"].values()
        assert all(re.search(rf"\b{number}\b", one.prompt) for number in numbers)
        assert (
            solutions.errors_in(re.sub(r"(?<=\S) (?=[-+*/=])|(?<=[-+*/=]) ", "", one.solution), 0)[:-1] == []
        )
        assert one.solution.count("=") == one.difficulty or one.template == "two 31"
        assert verify.judge(one.verifier, one.solution, one.answer) == Verdict.RIGHT


@pytest.mark.parametrize("place", range(len(schemas.CASES)))
def test_every_schema_uses_all_its_amounts(place):
    case = schemas.CASES[place]
    asked = set(re.findall(r"\{([a-eghkm])\}", " ".join(case.told)))
    used = set(re.findall(r"\b[a-z]\b", " ".join(step for _, step in case.steps)))
    assert used == asked


def test_sheets_ask_sums_and_answer_each_line():
    found = arithmetic.sheets(0, 300, length=10)
    assert found == arithmetic.sheets(0, 300, length=10)
    lines = [line for one in found for line in one.solution.split("\n")]
    assert len(lines) == 3000
    for line in lines:
        asked, _, result = line.partition(" = ")
        assert solutions.evaluate(asked) == int(result) >= 0
    assert {sign: sum(f" {sign} " in line for line in lines) // 100 for sign in "+-*/"} == pytest.approx(
        {"+": 10, "-": 10, "*": 5, "/": 5}, abs=1.1
    )
    for one in found:
        assert one.prompt.split("\n")[1:] == [line.partition(" = ")[0] for line in one.solution.split("\n")]
        assert verify.judge(one.verifier, one.solution, one.answer) == Verdict.RIGHT
