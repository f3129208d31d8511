"""Passages: spans that tile the text, whole code and headings, scores that follow content, balanced seeds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.curate.passages import (
    make_passages,
    score_factual,
    score_reasoning,
    split,
)
from trivium.curate.readable import RULES, objection
from trivium.curate.seeds import folder_topics, nothing, seed_value, select_seeds
from trivium.records import Document, Passage

PARAGRAPHS = st.lists(
    st.sampled_from(["word " * 20, "# Heading", "```\na\n\nb\n```", "x" * 700, "- one\n- two", "short"]),
    max_size=12,
)


@settings(deadline=None, max_examples=60)
@given(PARAGRAPHS, st.integers(50, 400), st.integers(0, 500))
def test_spans_tile_the_text(parts, least, more):
    text = "\n\n".join(part.strip() for part in parts)
    spans = list(split(text, least, least + more))
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))
    kept = "".join(text[start:end] for start, end in spans)
    assert kept.replace("\n", "") == text.replace("\n", "")
    assert all(text[start:end].count("```") % 2 == 0 for start, end in spans)


def test_a_heading_goes_with_what_follows():
    text = "a" * 300 + "\n\n# Title\n\n## Part\n\n" + "b" * 300
    assert [text[start:end][:3] for start, end in split(text, 100, 320)] == ["aaa", "# T"]


def test_a_short_rest_joins_the_passage_before_it():
    text = "a" * 300 + "\n\n" + "b" * 50
    assert len(list(split(text, 100, 310))) == 1
    assert len(list(split(text, 40, 310))) == 2
    assert list(split("", 1, 2)) == []


def test_scores_follow_content():
    plain = (
        "The sky over the quiet village had many colours and a soft wind moved slowly through green trees."
    )
    argued = (
        "If the file is missing then it must be made first, because otherwise the next step cannot start."
    )
    stated = 'RFC 7231 defines 41 codes; "status" 404 is a reply that means Not Found in HTTP 1.1.'
    assert score_reasoning(argued, "web") > 0.7 > 0.3 > score_reasoning(plain, "web")
    assert score_factual(stated) > 0.7 > 0.3 > score_factual(plain)
    assert (
        score_reasoning("for a in b:\n    if a:\n        return a", "code")
        > score_reasoning("a = b", "code")
        == 0.0
    )


def document(kind: str, text: str) -> Document:
    return Document(
        id=f"{kind}1", kind=kind, text=text, source="s", start=0, end=1, licence="", language="en"
    )


def test_passages_are_exact_spans_with_tags():
    text = "It is a queue.\n\n| a | b |\n| --- | --- |\n\n1. one\n2. two\n3. three\n\n```\ncode\n```"
    (passage,) = make_passages(document("web", text), 10, 1_000)
    assert passage.text == text[passage.start : passage.end]
    assert passage.tags == ["code", "definition", "numbers", "steps", "table"]
    code = "def f():\n\n    return 1\n" * 100
    assert [p.text for p in make_passages(document("code", code), 10, 100)] == [code]


def made(kind: str, number: int, doc: int, quality: float) -> Passage:
    return Passage(
        id=f"{kind}{number}", document_id=f"{kind}{doc}", kind=kind, text="x" * 300, start=0, end=300,
        quality=quality, reasoning=0.5, factual=0.7, tags=[],
    )  # fmt: skip


def test_seeds_are_balanced_and_few_from_one_document():
    passages = [made("code", i, i, 0.9) for i in range(20)] + [
        made("web", i, i // 5, i / 10) for i in range(10)
    ]
    passages += [made("facts", i, i, 1.0) for i in range(9)]
    seeds, _ = select_seeds(passages, 8, (200, 400), objection=nothing)
    assert sum(s.startswith("code") for s in seeds) == sum(s.startswith("web") for s in seeds) == 4
    assert {s for s in seeds if s.startswith("web")} == {"web9", "web8", "web4", "web3"}
    assert len(select_seeds(passages, 100, (200, 400), objection=nothing)[0]) == 24
    for chars in ((301, 400), (200, 299)):
        assert select_seeds(passages, 5, chars, objection=nothing)[0] == set()
    assert seed_value(made("web", 1, 1, 0.5)) == 0.3


WELL = (
    "## Queues\n\nA queue keeps its items in the order in which they came, because fairness matters more "
    "than speed to those who wait. When the queue is full, a new item has to wait outside until another one "
    "has left it.\n\nThe length $n$ of the queue grows with the square of the load, so a small change has "
    "large effects."
)


def passage(text: str, start: int = 9, kind: str = "web") -> Passage:
    return Passage(
        id="p", document_id="d", kind=kind, text=text, start=start, end=start + len(text), quality=0.5,
        reasoning=0.5, factual=0.5, tags=[],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "text", "miss"),
    [
        ("few_sentences", WELL.split("\n\n")[0] + ". Short it is.", WELL),
        ("begins_within", "Therefore " + WELL[11:], "Theory: " + WELL[11:]),
        ("begins_within", WELL[12:].lower(), WELL),
        ("begins_within", "1. " + WELL[11:], "1.5 of these. " + WELL[11:]),
        ("ends_within", WELL + "\n\nIt does the following:", WELL + "\n\nIt does the following."),
        ("ends_within", WELL + "\n\n## Stacks", WELL + "\n\n## Stacks\n\nThey are not."),
        ("mostly_formulas", WELL + " So is $" + "x + y" * 70 + "$.", WELL + " So is $" + "x + y" * 20 + "$."),
        ("mostly_code", WELL + "\n\n```\n" + "call()\n" * 120 + "```", WELL + "\n\n```\ncall()\n```"),
        ("mostly_tables", WELL + "\n\n" + "| a | b |\n" * 30, WELL + "\n\n" + "| a | b |\n" * 20),
        ("broken_lines", WELL.replace("\n\n", "\n\nHome\n\nNews\n\n", 2), WELL),
        ("furniture", WELL + " Subscribe to our newsletter.", WELL + " Publishers print letters."),
        ("markup", WELL + " See :numref:`fig`.", WELL + " See: figure `fig`."),
        ("markup", WELL + " By , it is so.", WELL + " By that, it is so ... or not."),
        ("markup", WELL + " Now \\foo holds.", WELL + " Now $\\foo$ holds."),
        (
            "links",
            WELL + " Go to https://a.org, https://b.org and https://c.org.",
            WELL + " Go to https://a.org.",
        ),
        ("references", WELL + " Lee et al. 2020, pp. 3, vol. 7.", WELL + " Lee et al. 2020, pp. 3."),
    ],
)
def test_a_seed_reads_well_by_itself(reason, text, miss):
    assert objection(passage(text)) == reason and reason in RULES
    assert objection(passage(miss)) == ""
    assert objection(passage(text, kind="code")) == ""


def test_a_document_may_begin_with_what_would_lean_on_text_before():
    text = "This room " + WELL[13:]
    assert objection(passage("- Home\n- Queues\n\n" + WELL, 0)) == "furniture"
    assert (objection(passage(text, 0)), objection(passage(text, 5))) == ("", "begins_within")


def test_folders_take_turns_and_objections_are_counted():
    rows = [made("web", i, i, i / 20) for i in range(12)]
    topics = folder_topics(
        {row.document_id: f"x/{'big' if i < 9 else 'small'}/{i % 2}/a" for i, row in enumerate(rows)}
    )
    assert set(topics.values()) == {"x/big", "x/small"}
    no_seven = lambda p: "seven" if p.id == "web7" else ""  # noqa: E731
    seeds, passed_over = select_seeds(rows, 6, (200, 400), objection=no_seven, topics=topics)
    assert seeds == {"web8", "web6", "web5", "web11", "web10", "web9"} and passed_over == {"seven": 1}


def test_formulas_and_addresses_are_no_facts():
    text = "We look at the sum of all the terms here."
    assert score_factual(text) == score_factual(text.replace("sum", "sum $a_{12} + 345$ https://a.org/1/2/3"))
