"""The refusal rule, the rubric and the pairs, on hand-made counts and replies."""

import json

import pytest

from trivium.align import constraint_pairs, fact_data, pairs, refusal, rubric
from trivium.align.judge_stage import JudgeConfig
from trivium.align.refusal import ANSWER, BOGUS, KNOWN, REFUSE, UNUSED, WITHHELD, Asked, Rule
from trivium.align.sft_data_stage import SFTDataConfig
from trivium.errors import ConfigError, DataError
from trivium.models.load import Tokenizer
from trivium.records import Example, Message, Question, Rollout, Verdict
from trivium.verify import constraints
from trivium.verify.answers import is_refusal

RULE = Rule(answer_above=0.5, refuse_below=0.1, keep_known=True)
STRICT = Rule(answer_above=0.5, refuse_below=0.1, keep_known=False)


def question(name: str = "q", answer: str = "404", status: str = "known", difficulty: int = 1) -> Question:
    return Question(
        id=name,
        prompt=f"What is {name}?",
        answer=answer,
        verifier="exact",
        skill="fact",
        difficulty=difficulty,
        template="http ask0",
        solution=f"Answer: {answer}",
        method="direct",
        meta=json.dumps({"status": status}),
    )


def asked(kind: str, right: int, wrong: int, total: int = 20, name: str = "q") -> Asked:
    replies = tuple(f"Answer: {n}" for n in range(min(wrong, 3)))
    return Asked(
        question=question(name),
        kind=kind,
        num_right=right,
        num_wrong=wrong,
        num_asked=total,
        wrong_replies=replies,
    )


@pytest.mark.parametrize(
    ("kind", "right", "with_known", "report"),
    [
        (KNOWN, 10, ANSWER, ANSWER),
        (KNOWN, 9, ANSWER, UNUSED),
        (KNOWN, 3, ANSWER, UNUSED),
        (KNOWN, 2, REFUSE, REFUSE),
        (WITHHELD, 0, REFUSE, REFUSE),
        (WITHHELD, 3, UNUSED, UNUSED),
        (WITHHELD, 10, ANSWER, ANSWER),
        (BOGUS, 20, REFUSE, REFUSE),
    ],
)
def test_the_rule_on_hand_made_counts(kind, right, with_known, report):
    one = asked(kind, right, 20 - right)
    assert (refusal.decide(one, RULE), refusal.decide(one, STRICT)) == (with_known, report)


def test_a_question_that_was_not_asked_is_not_used():
    assert refusal.decide(asked(KNOWN, 0, 0, total=0), RULE) == UNUSED


def test_pairs_follow_what_the_model_sometimes_does():
    def sides(one: Asked) -> list[tuple[str, str]]:
        return [
            (chosen, rejected)
            for chosen, rejected, _ in refusal.reply_pairs(one, "I do not know.", "Answer: 404")
        ]

    correct, refuse = ("Answer: 404", "I do not know."), ("I do not know.", "Answer: 0")
    assert sides(asked(KNOWN, 20, 0)) == [correct]
    assert sides(asked(KNOWN, 5, 15)) == [correct, refuse]
    assert sides(asked(WITHHELD, 0, 20)) == [refuse]
    assert sides(asked(BOGUS, 5, 15)) == [refuse]
    assert sides(asked(WITHHELD, 0, 0)) == []


def test_the_gap_of_a_pair_is_how_often_it_applies():
    gaps = [gap for _, _, gap in refusal.reply_pairs(asked(KNOWN, 5, 10), "I do not know.", "Answer: 404")]
    assert gaps == [0.25, 0.5]


def test_tally_keeps_verdicts_apart():
    replies = [("a", Verdict.RIGHT), ("b", Verdict.WRONG), ("b", Verdict.WRONG), ("", Verdict.UNPARSED)]
    one = refusal.tally(question(), KNOWN, [*replies, ("I do not know.", Verdict.REFUSED)])
    assert (one.num_right, one.num_wrong, one.num_asked, one.wrong_replies) == (1, 2, 5, ("b",))


def test_every_refusal_is_recognised_and_used():
    assert all(is_refusal(reply) for reply in refusal.BOGUS_REPLIES)
    for kind, replies in ((BOGUS, refusal.BOGUS_REPLIES), (WITHHELD, refusal.UNKNOWN_REPLIES)):
        assert {refusal.refusal_for(f"q{n}", kind) for n in range(200)} == set(replies)


def test_each_question_becomes_a_row_or_a_drop():
    many = [asked(KNOWN, 20, 0, name="a"), asked(WITHHELD, 0, 20, name="b"), asked(BOGUS, 0, 20, name="c")]
    examples, knowledge, drops = fact_data.examples_of([*many, asked(WITHHELD, 3, 17, name="d")], RULE)
    assert [row.flow for row in examples] == ["fact_answer", "fact_refusal", "bogus_refusal"]
    assert [row.decision for row in knowledge] == [ANSWER, REFUSE, REFUSE, UNUSED]
    assert [drop.id for drop in drops] == ["d"]
    assert examples[0].messages[1].content == "Answer: 404"
    assert all(is_refusal(row.messages[1].content) for row in examples[1:])
    assert [row.parents for row in examples] == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize("frac", [0.0, 0.1, 0.5])
def test_refusals_stay_within_their_share(frac):
    rows, _, _ = fact_data.examples_of([asked(WITHHELD, 0, 20, name=str(n)) for n in range(40)], RULE)
    kept, drops = fact_data.bound_refusals(rows, 30, frac)
    assert len(kept) + len(drops) == 40
    assert len(kept) <= frac * (30 + len(kept)) < len(kept) + 1
    again, _ = fact_data.bound_refusals(list(reversed(rows)), 30, frac)
    assert {row.id for row in again} == {row.id for row in kept}


def test_known_answers_are_never_cut():
    rows, _, _ = fact_data.examples_of([asked(KNOWN, 20, 0, name=str(n)) for n in range(9)], RULE)
    assert fact_data.bound_refusals(rows, 0, 0.0) == (rows, [])


def test_chats_on_facts_give_way_and_exam_questions_stay_out():
    said = Message(role="assistant", content="a")
    chats = [
        Example(id=n, source="chat", flow="x", messages=[Message(role="user", content=n), said])
        for n in ("What is q?", "What is 2+2?")
    ]
    kept, drops = fact_data.without_facts(chats, [question("q")])
    assert [row.id for row in kept] == ["What is 2+2?"] and len(drops) == 1
    rows, leaked = fact_data.without_items([question("q"), question("r")], [question("Q")])
    assert [row.id for row in rows] == ["r"] and [drop.id for drop in leaked] == ["q"]


def test_the_status_of_a_question_must_be_known():
    assert [fact_data.kind_of(question(status=s)) for s in ("known", "unknown_train", "bogus")] == [
        KNOWN, WITHHELD, BOGUS,
    ]  # fmt: skip
    with pytest.raises(DataError, match="got status='unknown_test'"):
        fact_data.kind_of(question(status="unknown_test"))


GOOD = "Step by step: 12+3=15. 15*2=30. Answer: 30"


@pytest.mark.parametrize(
    ("reply", "finish", "faults"),
    [
        (GOOD, "eos", ()),
        (GOOD, "length", (rubric.UNFINISHED,)),
        ("Step by step: 12+3=15. 15*2=30.", "eos", (rubric.NO_ANSWER,)),
        (f"Step by step: 12+3=15. 12+3=15. {GOOD[14:]}", "eos", (rubric.REPEATS,)),
        ("Step by step: 12+3=16. 15*2=30. Answer: 30", "eos", (rubric.FALSE_STEP,)),
        ("Step by step: 12+=15. Answer: 30", "eos", (rubric.FALSE_STEP,)),
        ("Step by step: 5/0=15. 9**9=2. Answer: 30", "eos", (rubric.FALSE_STEP,)),
        ("", "eos", (rubric.NO_ANSWER,)),
    ],
)
def test_faults_have_their_smallest_trigger(reply, finish, faults):
    assert rubric.find_faults(reply, finish) == faults


def test_grades_rank_replies_as_a_reader_would():
    ask = question(answer="30", difficulty=2)
    full = rubric.grade(ask, GOOD, Verdict.RIGHT, "eos")
    short = rubric.grade(ask, "In short: (12+3)*2=30. Answer: 30", Verdict.RIGHT, "eos")
    bare = rubric.grade(ask, "Clearly. Answer: 30", Verdict.RIGHT, "eos")
    wrong = rubric.grade(ask, GOOD.replace("30", "31"), Verdict.WRONG, "eos")
    assert (full.accuracy, full.style, full.detail) == (5, 5, 5)
    assert full.overall > short.overall > bare.overall > wrong.overall
    assert rubric.ACCURACY.keys() == set(Verdict)


def graded(verdict: str, length: int, *, detail: int = 5, name: str = "") -> pairs.Graded:
    rollout = Rollout(
        id=name or f"{verdict}{length}", question_id="q", prefix_ids=[1], completion_ids=list(range(length)),
        logprobs=[], verdict=verdict, finish="eos",
    )  # fmt: skip
    accuracy = rubric.ACCURACY[Verdict(verdict)]
    return pairs.Graded(
        rollout=rollout, grade=rubric.Grade(accuracy=accuracy, style=5, detail=detail, faults=())
    )


def test_accuracy_pairs_are_right_over_wrong_and_nothing_else():
    group = [
        graded("right", 10),
        graded("wrong", 11),
        graded("refused", 5),
        graded("unparsed", 9),
        graded("right", 12),
    ]
    found = pairs.accuracy_pairs(group)
    assert {(p.chosen.rollout.verdict, p.rejected.rollout.verdict) for p in found} == {("right", "wrong")}
    assert len(found) == 2 and {p.gap for p in found} == {1.0}


def test_overall_pairs_are_better_over_worse_among_right_replies():
    group = [
        graded("right", 10, detail=5),
        graded("right", 10, detail=2, name="b"),
        graded("wrong", 9, detail=1),
    ]
    (found,) = pairs.overall_pairs(group, 1.0)
    assert (found.chosen.grade.detail, found.rejected.grade.detail) == (5, 2)
    assert found.gap == pytest.approx(0.25)
    assert pairs.overall_pairs(group, 1.01) == []


def test_pairs_of_unequal_length_are_dropped_with_a_reason():
    long = pairs.accuracy_pairs([graded("right", 30), graded("wrong", 20)])
    longer = pairs.accuracy_pairs([graded("right", 31), graded("wrong", 20)])
    taken, drops = pairs.choose([long, longer, []], most=9, max_length_ratio=1.5, step="s")
    assert taken == long and [drop.reason for drop in drops] == ["lengths differ"]


def test_lengths_are_balanced_over_the_pairs():
    group = [graded("right", 24), graded("right", 18), graded("wrong", 20), graded("wrong", 22)]
    candidates = [pairs.accuracy_pairs(group)] * 40
    taken, _ = pairs.choose(candidates, most=40, max_length_ratio=1.5, step="s")
    assert abs(sum(pair.length_change for pair in taken)) <= 6
    assert len(pairs.choose(candidates, most=7, max_length_ratio=1.5, step="s")[0]) == 7


class Letters(Tokenizer):
    """A tokenizer of one id a character, which is enough to build pairs."""

    def __init__(self) -> None:
        """Hold no real tokenizer."""

    start_id, end_id, sep_id, eos_id = 1, 2, 3, 0

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(i) for i in ids if i > 3)


def test_only_the_first_five_tokens_enter_a_refusal_pair():
    pair = fact_data.first_token_pair(Letters(), question(), "Answer: 404", "No.", 0.5)
    assert pair.chosen_ids == [ord(c) for c in "Answe"]
    assert pair.rejected_ids == [*map(ord, "No."), Letters.end_id]
    assert pair.prompt_ids[0] == Letters.start_id and pair.prompt_ids[-1] == Letters.sep_id
    assert pair.origin == "refusal"


def test_refusal_pairs_of_each_sort_are_bounded_and_equal_sides_dropped():
    many = [asked(KNOWN, 20, 0, name=f"k{n}") for n in range(9)]
    many += [asked(WITHHELD, 0, 20, name=f"w{n}") for n in range(9)]
    many += [asked(BOGUS, 0, 20, name=f"b{n}") for n in range(2)]
    rows, drops = fact_data.preferences_of(Letters(), many, 12)
    assert [row.question_id[0] for row in rows].count("k") == 6, "as many ask for an answer as for a refusal"
    assert [row.question_id[0] for row in rows].count("w") == 3
    assert [row.question_id[0] for row in rows].count("b") == 2
    assert drops == []
    same = Asked(
        question=question(),
        kind=WITHHELD,
        num_right=0,
        num_wrong=1,
        num_asked=1,
        wrong_replies=("I do nope",),
    )
    rows, drops = fact_data.preferences_of(Letters(), [same], 12)
    chosen_same = refusal.refusal_for("q", WITHHELD)[:5] == "I do "
    assert (len(rows), len(drops)) == ((0, 1) if chosen_same else (1, 0))


def reply(text: str, asked_for: Question, finish: str = "eos") -> Rollout:
    met = constraints.passes(text, constraints.decode(asked_for.answer))
    return Rollout(
        id=text, question_id=asked_for.id, prefix_ids=[1], completion_ids=[*map(ord, text), Letters.end_id],
        logprobs=[], verdict="right" if met else "wrong", finish=finish,
    )  # fmt: skip


def test_constraint_pairs_are_met_over_missed():
    for made in constraints.make(3, 30, "train"):
        meta = json.loads(made.meta)
        good, near = reply(made.solution, made), reply(meta["near_miss"], made)
        assert (good.verdict, near.verdict) == ("right", "wrong")
        for replies in ([], [good], [near], [near, good]):
            pair = constraint_pairs.pair_of(Letters(), made, replies)
            assert pair is not None
            assert pair.chosen_ids == good.completion_ids and pair.rejected_ids == near.completion_ids
            assert 0 < pair.gap <= 1 and pair.origin == "constraint"
        far = constraint_pairs.pair_of(Letters(), made, [reply("zzz", made), near, good])
        assert far is not None and far.gap == pair.gap


def test_an_unfinished_reply_is_never_chosen():
    (made,) = constraints.make(3, 1, "train")
    cut = reply(made.solution, made, finish="length")
    pair = constraint_pairs.pair_of(Letters(), made, [cut])
    assert pair is not None and cut.id not in pair.parents


def test_configurations_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="refuse_below"):
        SFTDataConfig(answer_above=0.1, refuse_below=0.1)
    with pytest.raises(ConfigError, match="refusal_frac"):
        SFTDataConfig(refusal_frac=1.0)
    with pytest.raises(ConfigError, match="needs two"):
        JudgeConfig(replies=1)
