"""The three flows that the stage runs, on a scripted teacher: kept, dropped, and the books."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trivium.llm import CallCache, Request
from trivium.llm.backends.scripted import Scripted
from trivium.llm.generate import Allowance, Harvest
from trivium.synthesize.book import Book
from trivium.synthesize.flows.questions import key_sentence
from trivium.synthesize.grow import Guards, grow
from trivium.synthesize.prompts import FOLDER, fill
from trivium.synthesize.rubrics import load
from trivium.synthesize.seeds import Seed
from trivium.synthesize.session import Tools
from trivium.synthesize.teacher import allowance

GOOD = (
    "If there is no room left in the cache, the decorator throws the oldest result away, unless its size is "
    "unlimited. A result is stored under the arguments of the call, so the same arguments give it again."
)


def grown(
    flow: str,
    seeds: Sequence[Seed],
    answer: Callable[[Request], str | None],
    cache: CallCache | None = None,
    **more: Any,
) -> tuple[Book, Harvest, Scripted]:
    book, backend = Book(flow=flow), Scripted(function=answer)
    harvest = grow(flow, seeds, backend, cache, target=99, on_seed=book.note, **more)
    assert harvest.taken == len(book.drops) + book.accepted, "every seed ends in the books"
    return book, harvest, backend


def verdicts(book: Book) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for call in book.calls:
        found.setdefault(call.step, []).append(f"{call.verdict} {call.reason}".strip())
    return found


class Runner:
    """Calls functions of this test's own code in this process."""

    def call(self, code: str, function: str, args_list: Sequence[Sequence[Any]]) -> list[SimpleNamespace]:
        outcomes = []
        for arguments in args_list:
            scope: dict[str, Any] = {}
            try:
                exec(code, scope)
                outcome = ("ok", repr(scope[function](*arguments)))
            except Exception as error:
                outcome = ("error", repr(error))
            outcomes.append(SimpleNamespace(status=outcome[0], value_repr=outcome[1], arguments_repr=""))
        return outcomes


def reversed_with(make: SimpleNamespace, statement: str, *solutions: str) -> Book:
    def answer(request: Request) -> str:
        solving = "Write the Python function" in request.messages[-1].content
        return solutions[request.seed] if solving else statement

    seed = Seed(id="code", text=make.MEDIAN, source="python:demo.py", name="pick")
    return grown("reversal", [seed], answer, tools=Tools(runner=Runner()))[0]  # type: ignore[arg-type]


STATEMENT = "It gives the element in the middle of the given list."
SAME = "```python\ndef pick(values):\n    return values[len(values) // 2]\n```"
OTHER = "```python\ndef pick(values):\n    return values[0]\n```"


def test_reversal_keeps_what_is_regenerated_and_links_every_step(make: SimpleNamespace) -> None:
    book = reversed_with(make, STATEMENT, OTHER, SAME)
    text, chat = book.examples
    assert text.source == "code" and chat.source == "chat"
    assert chat.messages[0].content == f"Write the Python function pick(values). {STATEMENT}"
    assert "half = len(values) // 2" in chat.messages[1].content, "the original is the reply, not the copy"
    assert text.parents == ["code", book.calls[0].id] == chat.parents
    assert verdicts(book)["describe"] == ["kept"]
    assert [call.parents for call in book.calls[1:]] == [["code", book.calls[0].id]] * 2


@pytest.mark.parametrize(
    ("statement", "solutions", "reason"),
    [
        (f"{STATEMENT}\n```python\nreturn values[half]\n```", (SAME, SAME), "leak"),
        (STATEMENT, (OTHER, OTHER), "not regenerated"),
        (
            STATEMENT,
            ("I cannot.", "```python\ndef other(x):\n    return x\n```"),
            "no such function in the replies",
        ),
        ("Sure, it returns the middle value.", (SAME, SAME), "boilerplate"),
    ],
)
def test_reversal_drops(
    make: SimpleNamespace, statement: str, solutions: tuple[str, str], reason: str
) -> None:
    book = reversed_with(make, statement, *solutions)
    assert book.examples == []
    assert (book.calls[0].verdict, book.calls[0].reason) == ("dropped", reason)
    assert [(row.id, row.source) for row in book.drops] == [(book.calls[0].id, "code")]


def rewritten_with(
    make: SimpleNamespace, *versions: str, scores: Sequence[int] = (1, 3), rounds: int = 1
) -> Book:
    """Let the writer say the versions in turn and the critic give the scores in turn."""
    critiques = iter(scores)

    def answer(request: Request) -> str:
        if request.schema:
            score = next(critiques)
            return f'{{"fault": "dull", "faithful": {score}, "complete": {score}, "clear": {score}}}'
        return versions[request.seed]

    return grown("rewrite", [Seed(id="prose", text=make.PROSE)], answer, tools=Tools(rounds=rounds))[0]


def texts(book: Book) -> list[str]:
    return [row.text for row in book.examples]


def test_rewrite_keeps_a_better_revision(make: SimpleNamespace) -> None:
    better = GOOD.replace("throws the oldest result away", "drops the oldest result")
    book = rewritten_with(make, GOOD, better, scores=(1, 3))
    assert texts(book) == [better]
    assert book.examples[0].source == "web_rewrites" and book.examples[0].depth == 1
    assert "kept" in verdicts(book)["revise"] and len(book.examples[0].parents) > 1


@pytest.mark.parametrize(
    ("second", "scores"),
    [
        (GOOD.replace("oldest result away", "oldest result far away"), (2, 1)),
        (GOOD.replace("oldest result away", "oldest result far away"), (1, 1)),
        (GOOD.replace("room", "7 rooms"), (1, 3)),
        (f"{GOOD} {GOOD}", (1, 3)),
    ],
    ids=["worse score", "equal score", "invents a number", "says it twice"],
)
def test_the_last_revision_is_never_kept_by_default(
    make: SimpleNamespace, second: str, scores: tuple[int, int]
) -> None:
    assert texts(rewritten_with(make, GOOD, second, scores=scores)) == [GOOD]


def test_a_faulty_draft_may_be_mended_and_its_fault_is_what_the_reviser_is_told(
    make: SimpleNamespace,
) -> None:
    book = rewritten_with(make, GOOD.replace("room", "7 rooms"), GOOD, scores=(3, 3))
    assert texts(book) == [GOOD]
    assert "new number: 7" in next(call for call in book.calls if call.step == "revise").prompt


def test_good_enough_and_hopeless_drafts_are_not_revised(make: SimpleNamespace) -> None:
    book = rewritten_with(make, GOOD, GOOD, scores=(2,))
    assert "revise" not in verdicts(book) and len(book.examples) == 1
    book = rewritten_with(make, "As an AI language model I like caches a lot.", GOOD)
    assert "revise" not in verdicts(book) and book.examples == []


def test_a_critic_that_says_nothing_useful_does_not_decide(make: SimpleNamespace) -> None:
    seed = Seed(id="prose", text=make.PROSE)
    book, _, _ = grown("rewrite", [seed], lambda request: "lovely" if request.schema else GOOD)
    assert texts(book) == [GOOD]


def test_withheld_fact_in_a_rewrite(make: SimpleNamespace) -> None:
    given = lambda text: "http 418" if text == GOOD else ""  # noqa: E731
    seed = Seed(id="prose", text=make.PROSE)
    book, _, _ = grown("rewrite", [seed], lambda request: GOOD, guards=Guards(given_away=given))
    assert book.examples == [] and [row.reason for row in book.drops] == ["withheld fact"]


def test_what_overlaps_an_evaluation_item_and_what_is_grown_too_deep_never_leaves(
    make: SimpleNamespace,
) -> None:
    seed = Seed(id="prose", text=make.PROSE)
    item = f"Which is right? {' '.join(GOOD.split()[:14])}"
    book, _, _ = grown("rewrite", [seed], lambda request: GOOD, guards=Guards(evaluation=[item]))
    assert [row.reason for row in book.drops] == ["overlaps an evaluation item"]
    item = f"Which is right? {' '.join(GOOD.split()[:12])}"
    assert grown("rewrite", [seed], lambda request: GOOD, guards=Guards(evaluation=[item]))[0].examples
    deep = Seed(id="deep", text=make.PROSE, depth=2)
    book, _, backend = grown("rewrite", [deep], lambda request: GOOD)
    assert [row.reason for row in book.drops] == ["generation depth"] and backend.asked == []
    once = Seed(id="once", text=make.PROSE, depth=1, licence="MIT")
    (row,) = grown("rewrite", [once], lambda request: GOOD)[0].examples
    assert row.depth == 2 and '"licence": "MIT"' in row.meta


QUESTION = "What happens when the cache is full?"
SENTENCE = (
    "When the cache is full, the oldest result is thrown away by the decorator, unless the size is unlimited."
)
RIGHT = "When it is full, the decorator throws the oldest result away unless the size is unlimited."


def asked_with(make: SimpleNamespace, question: str, with_text: str, blind: str) -> Book:
    def answer(request: Request) -> str:
        if request.messages[0].content.startswith("You turn answers"):
            return question
        return with_text if "Text:" in request.messages[-1].content else blind

    return grown("questions", [Seed(id="prose", text=make.PROSE)], answer)[0]


def test_question_is_kept_with_the_organic_sentence_as_its_answer(make: SimpleNamespace) -> None:
    book = asked_with(make, QUESTION, RIGHT, "It bursts.")
    text, chat = book.examples
    assert text.text == f"Problem: {QUESTION}\nSolution: {SENTENCE}"
    assert [message.content for message in chat.messages] == [QUESTION, SENTENCE]
    assert text.source == "synthetic"
    assert verdicts(book) == {"ask": ["kept"], "answer": ["used"] * 2, "blind": ["used"]}


@pytest.mark.parametrize(
    ("question", "with_text", "blind", "reason"),
    [
        ("What does the text say about the cache?", RIGHT, "No.", "question needs the text"),
        ("What does the weather bring tomorrow?", RIGHT, "No.", "question strays from the text"),
        (QUESTION, "It grows.", "No.", "does not lead to the sentence"),
        (QUESTION, RIGHT, SENTENCE, "answered without the text"),
    ],
)
def test_question_drops(
    make: SimpleNamespace, question: str, with_text: str, blind: str, reason: str
) -> None:
    book = asked_with(make, question, with_text, blind)
    assert book.examples == [] and [row.reason for row in book.drops] == [reason]


def test_a_sentence_that_leans_on_others_is_no_answer() -> None:
    assert key_sentence("It is thrown away when the cache of the function is full of results.") == ""
    plain = "The decorator keeps the results of a function in a small cache."
    reason = "The oldest result goes first because it is the least likely one to be asked for."
    assert key_sentence(f"{plain} {reason}") == reason


def many(make: SimpleNamespace) -> list[Seed]:
    return [Seed(id=f"p{n}", text=make.PROSE.replace("cache", f"cache{n}")) for n in range(30)]


@pytest.mark.parametrize("ahead", [1, 8])
def test_a_budget_is_never_passed_and_ends_at_the_same_seed(make: SimpleNamespace, ahead: int) -> None:
    limit = Allowance(generated=900, prompt=100_000, seed_generated=345, seed_prompt=2_000)
    _, harvest, _ = grown("rewrite", many(make), lambda request: GOOD, allowance=limit, ahead=ahead)
    assert harvest.shortfall is not None and harvest.shortfall.why == "token budget spent"
    assert 900 - 345 < harvest.generated_tokens <= 900
    assert 0 < harvest.taken < 30


def test_a_flow_leaves_the_others_their_share(make: SimpleNamespace) -> None:
    limit = allowance("rewrite", (2_000, 50_000), 0.4)
    _, harvest, _ = grown("rewrite", many(make), lambda request: GOOD, allowance=limit)
    assert 0 < harvest.generated_tokens <= 800


def test_a_flow_that_wants_more_than_its_seed_may_have_loses_the_seed(make: SimpleNamespace) -> None:
    limit = Allowance(generated=900, prompt=9_000, seed_generated=50, seed_prompt=2_000)
    book, _, backend = grown("rewrite", many(make)[:2], lambda request: GOOD, allowance=limit)
    assert {row.reason for row in book.drops} == {"the seed's allowance is spent"} and backend.asked == []


def test_second_run_pays_nothing_and_says_the_same(make: SimpleNamespace, tmp_path: Path) -> None:
    with CallCache(tmp_path / "calls.sqlite") as cache:
        first, _, paid = grown("rewrite", many(make)[:3], lambda request: GOOD, cache)
        again, _, free = grown("rewrite", many(make)[:3], lambda request: GOOD, cache)
    assert (first.calls, first.drops, first.examples) == (again.calls, again.drops, again.examples)
    assert paid.asked and not free.asked


def test_every_prompt_file_fills_and_leaves_no_placeholder() -> None:
    for path in sorted(FOLDER.glob("*/*.md")):
        names = set(re.findall(r"\$(\w+)", path.read_text()))
        values = {name: f"<{name}> $5 {{x}}" for name in names}
        messages = fill(path.parent.name, path.stem, **values)
        assert messages[-1].role == "user" and messages[0].role == "system", path
        said = "".join(message.content for message in messages)
        assert "<" in said and not [name for name in values if f"${name}" in said], path


def test_rubric_reads_scores_and_floors() -> None:
    rubric = load("rewrite")
    scores, fault = rubric.read('{"fault": "dull", "faithful": 3, "complete": 2, "clear": 2}')
    assert (rubric.total(scores), rubric.passes(scores), fault) == (7, True, "dull")
    scores, _ = rubric.read('{"fault": "", "faithful": 3, "complete": 9, "clear": 2}')
    assert scores == {"faithful": 3, "clear": 2} and not rubric.passes(scores)
    assert rubric.read("3 of 3") == ({}, "") == rubric.read("[1]")
