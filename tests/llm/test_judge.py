"""Judges: both orders, what is read from a reply, biases that were planted, and the judge of rules."""

import pytest

from trivium.llm import judge, judge_rules
from trivium.llm.backends.scripted import Scripted
from trivium.llm.calls import Reply
from trivium.llm.judge import UNREAD, Ruling, Versus

PAIRS = [Versus(instruction=f"Do {n}.", one="x" * n, other="y" * (9 - n)) for n in range(1, 9)]


def judge_of(function):
    return Scripted(function=lambda request: function(request.messages[0].content))


def test_a_judge_of_places_is_worth_nothing_and_is_seen():
    rulings = judge.rule_on(PAIRS, judge_of(lambda text: '{"better": "A"}'))
    found = judge.measure(PAIRS, rulings, [True] * 8)
    assert {ruling.worth for ruling in rulings} == {0.5}
    assert (found.first, found.consistent, found.unread) == (1.0, 0.0, 0.0)
    assert found.accuracy == [0.5] * 8


def test_a_judge_of_lengths_is_seen():
    def longer(text):
        first, second = (text.split(mark)[1].split("\n")[0] for mark in (judge.FIRST, judge.SECOND))
        return f'{{"better": "{"A" if len(first) > len(second) else "B"}"}}'

    labels = [len(pair.one) > 7 for pair in PAIRS]
    found = judge.measure(PAIRS, judge.rule_on(PAIRS, judge_of(longer)), labels)
    assert (found.longer, found.consistent, found.first) == (1.0, 1.0, 0.5)
    assert found.longer_due == pytest.approx(5 / 8)
    assert sum(found.accuracy) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"better": "B"}', "B"),
        ("So [[A]].", "A"),
        ("[A] is good, yet [[B]]", "B"),
        ("A", UNREAD),
        ("", UNREAD),
    ],
)
def test_a_verdict_is_read_or_said_to_be_unread(text, said):
    assert judge.letter(Reply(text=text)) == said
    assert Ruling(forward=UNREAD, backward="B").worth == 0.75
    assert not Ruling(forward=UNREAD, backward="B").consistent


@pytest.mark.parametrize(
    ("instruction", "good", "bad"),
    [
        ("Name three birds.", "Hawk, owl and wren.", ""),
        ("Write a Python function that adds.", "def add(a, b):\n    return a + b", "Adding is easy."),
        ("Give 3 examples of fruit.", "1. apple\n2. pear\n3. fig", "1. apple\n2. pear"),
        ("Describe Paris in two sentences.", "It is big. It is old.", "It is big. It is old. Yes. No. Yes!"),
        (
            "Where is the Eiffel tower?",
            "The Eiffel tower is in Paris.",
            "It is a question. It is a question.",
        ),
        ("Translate: good night", "Gute Nacht, night", "I'm sorry, I cannot do that."),
    ],
)
def test_rules_prefer_the_reply_without_the_fault_in_both_orders(instruction, good, bad):
    (ruling,) = judge.rule_on([Versus(instruction=instruction, one=good, other=bad)], judge_rules.rules())
    assert ruling.worth == 1
    assert judge_rules.answer(judge.request_for(PAIRS[0])) is not None
    assert judge_rules.better("Say.", "same", "same") == "A"
