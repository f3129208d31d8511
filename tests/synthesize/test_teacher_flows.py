"""The three teacher flows on a scripted teacher: what is kept, what is dropped and why, and the books."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trivium.llm import CallCache, Request
from trivium.llm.backends.scripted import Scripted
from trivium.synthesize.flows.questions import extract_questions, key_sentence
from trivium.synthesize.flows.reversal import reverse
from trivium.synthesize.flows.rewrite import rewrite
from trivium.synthesize.options import TeacherConfig
from trivium.synthesize.prompts import FOLDER, fill
from trivium.synthesize.rubrics import load
from trivium.synthesize.seeds import Stretch, stretches
from trivium.synthesize.teacher import Teacher

CONFIG = TeacherConfig()
GOOD = (
    "If there is no room left in the cache, the decorator throws the oldest result away, unless its size is "
    "unlimited. A result is stored under the arguments of the call, so the same arguments give it again."
)


def teacher(
    answer: Callable[[Request], str | None], cache: CallCache | None = None, **budget: int
) -> Teacher:
    limits = {"generated": 100_000, "prompt": 100_000, **budget}
    return Teacher(backend=Scripted(function=answer), cache=cache, **limits)


def stretch(make: SimpleNamespace) -> list[Stretch]:
    return stretches([make.passage(make.PROSE)], (100, 400))


def nothing(text: str) -> str:
    return ""


def verdicts(asked: Teacher) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for call in asked.calls:
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


def reversed_with(make: SimpleNamespace, statement: str, *solutions: str) -> tuple[Teacher, Any]:
    def answer(request: Request) -> str:
        solving = "Write the Python function" in request.messages[-1].content
        return solutions[request.seed] if solving else statement

    asked = teacher(answer)
    grown = reverse(
        [make.document(make.MEDIAN)], asked, CONFIG, share=1.0, runner=Runner(), given_away=nothing
    )
    assert asked.unjudged() == []
    return asked, grown


STATEMENT = "It gives the element in the middle of the given list."
SAME = "```python\ndef pick(values):\n    return values[len(values) // 2]\n```"
OTHER = "```python\ndef pick(values):\n    return values[0]\n```"


def test_reversal_keeps_what_is_regenerated_and_links_every_step(make: SimpleNamespace) -> None:
    asked, grown = reversed_with(make, STATEMENT, OTHER, SAME)
    text, chat = grown.examples
    assert text.source == "code" and chat.source == "chat"
    assert chat.messages[0].content == f"Write the Python function pick(values). {STATEMENT}"
    assert "half = len(values) // 2" in chat.messages[1].content, "the original is the reply, not the copy"
    assert text.parents == [make.document(make.MEDIAN).id, asked.calls[0].id]
    assert verdicts(asked) == {"describe": ["kept"], "solve": ["used", "used"]}


@pytest.mark.parametrize(
    ("statement", "solutions", "reason"),
    [
        (f"{STATEMENT}\n```python\nreturn values[half]\n```", (SAME, SAME), "leak: code pasted"),
        (STATEMENT, (OTHER, OTHER), "not regenerated: behaviour"),
        (
            STATEMENT,
            ("I cannot.", "```python\ndef other(x):\n    return x\n```"),
            "not regenerated: behaviour 0.00",
        ),
        ("Sure, it returns the middle value.", (SAME, SAME), "boilerplate: sure,"),
    ],
)
def test_reversal_drops(
    make: SimpleNamespace, statement: str, solutions: tuple[str, str], reason: str
) -> None:
    asked, grown = reversed_with(make, statement, *solutions)
    assert grown.examples == []
    assert asked.calls[0].verdict == "dropped" and asked.calls[0].reason.startswith(reason)
    assert [row.source for row in asked.drops if row.id == asked.calls[0].id] == [
        make.document(make.MEDIAN).id
    ]


def rewritten_with(
    make: SimpleNamespace, *versions: str, scores: Sequence[int] = (1, 3), rounds: int = 1
) -> Any:
    """Let the writer say the versions in turn and the critic give the scores in turn."""
    critiques = iter(scores)

    def answer(request: Request) -> str:
        if request.schema:
            score = next(critiques)
            return f'{{"fault": "dull", "faithful": {score}, "complete": {score}, "clear": {score}}}'
        return versions[request.seed]

    asked = teacher(answer)
    config = TeacherConfig(revision_rounds=rounds)
    grown = rewrite(stretch(make), asked, config, share=1.0, given_away=nothing)
    assert asked.unjudged() == []
    return asked, grown


def test_rewrite_keeps_a_better_revision(make: SimpleNamespace) -> None:
    better = GOOD.replace("throws the oldest result away", "drops the oldest result")
    asked, grown = rewritten_with(make, GOOD, better, scores=(1, 3))
    assert [row.text for row in grown.examples] == [better]
    assert grown.examples[0].source == "web_rewrites" and grown.examples[0].depth == 1
    assert set(grown.examples[0].parents) > {stretch(make)[0].passage_id}
    assert verdicts(asked)["revise"] == ["kept"]


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
    _, grown = rewritten_with(make, GOOD, second, scores=scores)
    assert [row.text for row in grown.examples] == [GOOD]


def test_a_faulty_draft_may_be_mended_and_its_fault_is_what_the_reviser_is_told(
    make: SimpleNamespace,
) -> None:
    asked, grown = rewritten_with(make, GOOD.replace("room", "7 rooms"), GOOD, scores=(3, 3))
    assert [row.text for row in grown.examples] == [GOOD]
    revise = next(call for call in asked.calls if call.step == "revise")
    assert "new number: 7" in revise.prompt
    assert verdicts(asked)["write"] == ["dropped new number: 7"]


def test_good_enough_and_hopeless_drafts_are_not_revised(make: SimpleNamespace) -> None:
    asked, grown = rewritten_with(make, GOOD, GOOD, scores=(2,))
    assert "revise" not in verdicts(asked) and len(grown.examples) == 1
    asked, grown = rewritten_with(make, "As an AI language model I like caches a lot.", GOOD)
    assert "revise" not in verdicts(asked) and grown.examples == []


def test_a_critic_that_says_nothing_useful_is_dropped(make: SimpleNamespace) -> None:
    asked = teacher(lambda request: "lovely" if request.schema else GOOD)
    grown = rewrite(stretch(make), asked, CONFIG, share=1.0, given_away=nothing)
    assert set(verdicts(asked)["critique"]) == {"dropped critique without scores"}
    assert [row.text for row in grown.examples] == [GOOD]


def test_withheld_fact_in_a_rewrite(make: SimpleNamespace) -> None:
    asked = teacher(lambda request: GOOD)
    given = lambda text: "http 418" if text == GOOD else ""  # noqa: E731
    grown = rewrite(stretch(make), asked, CONFIG, share=1.0, given_away=given)
    assert grown.examples == [] and asked.calls[0].reason == "withheld fact: http 418"


QUESTION = "What happens when the cache is full?"
SENTENCE = (
    "When the cache is full, the oldest result is thrown away by the decorator, unless the size is unlimited."
)
RIGHT = "When it is full, the decorator throws the oldest result away unless the size is unlimited."


def asked_with(make: SimpleNamespace, question: str, with_text: str, blind: str, **budget: int) -> Any:
    def answer(request: Request) -> str:
        if request.messages[0].content.startswith("You turn answers"):
            return question
        return with_text if "Text:" in request.messages[-1].content else blind

    asked = teacher(answer, **budget)
    grown = extract_questions(stretch(make), asked, CONFIG, share=1.0, given_away=nothing)
    assert asked.unjudged() == []
    return asked, grown


def test_question_is_kept_with_the_organic_sentence_as_its_answer(make: SimpleNamespace) -> None:
    asked, grown = asked_with(make, QUESTION, RIGHT, "It bursts.")
    text, chat = grown.examples
    assert text.text == f"Problem: {QUESTION}\nSolution: {SENTENCE}"
    assert [message.content for message in chat.messages] == [QUESTION, SENTENCE]
    assert text.source == "synthetic"
    assert verdicts(asked) == {"ask": ["kept"], "answer": ["used"] * 3}


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
    asked, grown = asked_with(make, question, with_text, blind)
    assert grown.examples == [] and asked.calls[0].reason == reason


def test_a_sentence_that_leans_on_others_is_no_answer() -> None:
    assert key_sentence("It is thrown away when the cache of the function is full of results.") == ""
    plain = "The decorator keeps the results of a function in a small cache."
    reason = "The oldest result goes first because it is the least likely one to be asked for."
    assert key_sentence(f"{plain} {reason}") == reason


def test_a_spent_budget_is_booked_on_every_seed_and_nothing_more_is_asked(make: SimpleNamespace) -> None:
    seeds = [Stretch(passage_id=f"p{n}", text=make.PROSE.replace("cache", f"cache{n}")) for n in range(30)]
    asked = teacher(lambda request: GOOD, generated=300)
    rewrite(seeds, asked, CONFIG, share=1.0, given_away=nothing)
    assert asked.generated >= 0
    assert sum(call.completion_tokens for call in asked.calls) == 300 - asked.generated
    spent = [row for row in asked.drops if row.reason == "budget spent" and row.step.endswith("write")]
    written = [call for call in asked.calls if call.step == "write"]
    assert len(spent) + len(written) == 30 and spent and written


def test_a_flow_leaves_the_others_their_share(make: SimpleNamespace) -> None:
    seeds = [Stretch(passage_id=f"p{n}", text=make.PROSE.replace("cache", f"cache{n}")) for n in range(30)]
    asked = teacher(lambda request: GOOD, generated=1_000)
    rewrite(seeds, asked, CONFIG, share=0.4, given_away=nothing)
    assert asked.generated >= 600


def test_second_run_pays_nothing_and_says_the_same(make: SimpleNamespace, tmp_path: Path) -> None:
    with CallCache(tmp_path / "calls.sqlite") as cache:
        runs = []
        for _ in range(2):
            asked = teacher(lambda request: None if request.schema else GOOD, cache)
            rewrite(stretch(make), asked, CONFIG, share=1.0, given_away=nothing)
            runs.append((asked.calls, asked.drops, len(asked.backend.asked)))  # type: ignore[attr-defined]
    assert runs[0][:2] == runs[1][:2]
    assert runs[0][2] > 0 and runs[1][2] == 0


def test_every_prompt_file_fills_and_leaves_no_placeholder() -> None:
    wanted = {"code", "name", "signature", "statement", "passage", "draft", "dimensions", "critique"}
    values = {name: f"<{name}> $5 {{x}}" for name in wanted | {"question", "sentence"}}
    for path in sorted(FOLDER.glob("*/*.md")):
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
