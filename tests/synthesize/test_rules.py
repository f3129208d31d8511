"""The flows that need no teacher: docstring reversal, rewriting by rule, facts, and the guard over them."""

from __future__ import annotations

import dataclasses
import json
import random
from types import SimpleNamespace

import pytest

from trivium.problems import facts as tables
from trivium.records import Document
from trivium.synthesize import seeds
from trivium.synthesize.flows import docstrings, facts, rule_rewrite
from trivium.synthesize.guard import Withheld

NOTHING = Withheld([]).given_away


def reverse(*documents: Document, most: int = 10, chars: int = 800):  # noqa: ANN201
    return docstrings.reverse_docstrings(
        documents, most=most, most_chats=1, most_chars=chars, given_away=NOTHING
    )


def test_docstring_becomes_instruction_and_source_loses_it(make: SimpleNamespace) -> None:
    grown = reverse(make.document(make.MEDIAN))
    text, chat = grown.examples
    assert text.source == "code" and chat.source == "chat"
    assert "pick(values)" in text.text and "middle value of a sorted list" in text.text
    assert '"""' not in text.text and '"""' not in chat.messages[1].content
    compile(chat.messages[1].content, "reply", "exec")
    assert text.parents == chat.parents == [make.document(make.MEDIAN).id]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(x):\n    return x", "no docstring"),
        ('def f(x):\n    """Return the double of a number."""', "nothing but a docstring"),
        ('class F:\n    """Return the double of a number."""\n    x = 1', "not a function"),
        ('def f(x):\n    """Doubles."""\n    return 2 * x', "instruction too short"),
        (
            'def f(x):\n    """See the base class for what it does."""\n    return x',
            "instruction says nothing",
        ),
        ('def f(x):\n    """Do this: result = x * 2 and return."""\n    return x', "leak"),
        ("def f(x:\n    return x", "does not parse"),
    ],
)
def test_bad_exercise_is_dropped_with_its_reason(code: str, reason: str, make: SimpleNamespace) -> None:
    grown = reverse(make.document(code))
    assert not grown.examples
    assert [row.reason for row in grown.drops] == [reason]


def test_too_long_and_limit(make: SimpleNamespace) -> None:
    assert reverse(make.document(make.MEDIAN), chars=50).drops[0].reason == "too long"
    both = make.document(make.MEDIAN), make.document(make.MEDIAN.replace("half", "centre"))
    assert len(reverse(*both, most=1).examples) == 2
    assert [row.source for row in reverse(*both).examples] == ["code", "chat", "code"], "one chat allowed"


def test_rules_keep_the_words_of_their_document(make: SimpleNamespace) -> None:
    made = list(rule_rewrite.rewrites(make.document(make.PROSE, "books"), random.Random(0)))
    rules = {rewrite.rule: rewrite.text for rewrite in made}
    assert rules["condition"] == (
        "Question: What holds when the cache is full?\n"
        "Answer: The oldest result is thrown away by the decorator, unless the size is unlimited."
    )
    gap = rules["gap"]
    word = gap.rsplit(" ", 1)[1]
    first = make.PROSE.split(". ")[0]
    assert gap.split("\n")[0].removeprefix("Fill in the missing word: ").replace("____", word) == first + "."
    assert word not in gap.split("\n")[0]


def test_function_questions_name_the_function(make: SimpleNamespace) -> None:
    made = {
        rewrite.rule: rewrite.text
        for rewrite in rule_rewrite.rewrites(make.document(make.MEDIAN), random.Random(0))
    }
    assert made["which"].endswith("Answer: pick.")
    assert made["arguments"].endswith("It takes values.")
    assert "Return the middle value" in made["what"]


def test_rule_rewrites_stop_at_the_limit_and_depend_on_seed_and_document_only(make: SimpleNamespace) -> None:
    documents = [make.document(make.PROSE.replace("cache", f"cache{n}"), "books") for n in range(20)]
    make = lambda docs, seed, most: [  # noqa: E731
        row.text
        for row in rule_rewrite.rewrite_by_rule(docs, most_chars=most, seed=seed, given_away=NOTHING).examples
    ]
    everything = make(documents, 0, 10**9)
    some = make(documents, 0, 1_000)
    assert some == everything[: len(some)] and 1_000 <= sum(map(len, some)) < 2_000
    assert make(documents[::-1], 0, 10**9) == everything
    assert make(documents, 1, 10**9) != everything


def test_withheld_fact_is_caught_across_lines_and_a_known_one_passes(make: SimpleNamespace) -> None:
    secret = tables.Fact("http", "418", "I'm a Teapot", "python:Lib/http/__init__.py", 1)
    guard = Withheld([secret])
    assert guard.given_away("Question: What is status 418?\nAnswer: I'm a teapot.") == "http 418"
    assert guard.given_away("Status 4180 is no I'm a teapot") == ""
    assert guard.given_away("Status 418 is odd") == ""
    code = 'def f(code):\n    """Say that 418 means I\'m a Teapot to the caller."""\n    return code'
    grown = docstrings.reverse_docstrings(
        [make.document(code)], most=5, most_chats=5, most_chars=800, given_away=guard.given_away
    )
    assert [row.reason for row in grown.drops] == ["withheld fact"]


def test_known_facts_are_stated_each_round_and_withheld_ones_never() -> None:
    known, unknown_train, unknown_test = facts.known_and_withheld(0)
    grown = facts.state_facts(known, 3, 0, {})
    text = "\n".join(row.text for row in grown.examples)
    lines = text.splitlines()
    assert len(lines) == 3 * len(known)
    assert all(any(tables.states(line, fact) for line in lines) for fact in known[:40])
    for fact in unknown_train + unknown_test:
        hits = [line for line in lines if tables.states(line, fact)]
        # Another table may pair the same two words: errno EIO has number 5 and so has nothing withheld.
        assert not [line for line in hits if any(f.table == fact.table and f.key == fact.key for f in known)]
    assert {row.source for row in grown.examples} == {"acquired"}


def test_fact_rows_point_at_the_document_that_states_them(make: SimpleNamespace) -> None:
    known, _, _ = facts.known_and_withheld(0)
    fact = next(row for row in known if row.table == "http")
    origin = dataclasses.replace(
        make.document(f"HTTP status {fact.key} is called {fact.value}.", "facts"),
        source="python:http.HTTPStatus",
    )
    origins = facts.sources_in([origin, make.document(make.MEDIAN)], known)
    assert origins == {fact.id: origin.id}
    rows = facts.ask_facts([fact], origins).examples
    assert rows and all(row.parents == [origin.id] for row in rows)


def test_fact_questions_carry_their_status_and_keep_the_test_facts_out() -> None:
    known, unknown_train, unknown_test = facts.known_and_withheld(0)
    rows = facts.fact_questions(known, unknown_train, 50, 0)
    status = {row.id: json.loads(row.meta)["status"] for row in rows}
    assert sorted(set(status.values())) == ["bogus", "known", "unknown_train"]
    assert sum(value == "bogus" for value in status.values()) == 50
    assert {row.verifier for row in rows if status[row.id] == "bogus"} == {"refusal"}
    tested = {fact.id for fact in unknown_test}
    assert not tested & {parent for row in rows for parent in row.parents}


def test_stretches_are_plain_paragraphs_of_fitting_length(make: SimpleNamespace) -> None:
    text = f"# Heading\n\n{make.PROSE}\n\n>>> f(x)\n\nToo short.\n\n```\n{make.PROSE}\n```\n"
    rows = seeds.stretches([make.passage(text), make.passage(text + " ")], (100, 400))
    assert [row.text for row in rows] == [make.PROSE]


def test_seed_passages_come_first(make: SimpleNamespace) -> None:
    rows = [make.passage("a", (), 1.0), make.passage("b", ("seed",), 0.1), make.passage("c", ("seed",), 0.9)]
    assert [row.text for row in seeds.best_first(rows)] == ["c", "b", "a"]


def test_module_of_sources() -> None:
    assert seeds.module_of("python:json/decoder.py") == "json.decoder"
    assert seeds.module_of("python:Lib/http/__init__.py") == "http"


def test_drills_ask_every_known_fact_once_a_round():
    known, _, _ = facts.known_and_withheld(3)
    rows = facts.drill_facts(known, 2, 3, {}).examples
    assert len({row.id for row in rows}) == len(rows)
    answers = [line for row in rows for line in row.text.splitlines() if "Answer:" in line]
    assert len(answers) == 2 * len(known)
