"""Decontamination: the example of the report, leaks in every position, boilerplate spared, copies never."""

import json
from pathlib import Path

import numpy as np
import pytest

from trivium.curate.decontaminate import Finding, Index, Item, Row, Rules, check, normal_prompt, ratio
from trivium.curate.decontaminate_flow import item_of, organic_examples, row_of, text_of
from trivium.curate.decontaminate_stage import DecontaminateConfig, run
from trivium.curate.ngrams import distinct, encode, find, split_words
from trivium.curate.withheld import WithheldFacts, give_away
from trivium.errors import ConfigError
from trivium.problems import facts
from trivium.records import Document, Example, Message, Question
from trivium.store.run import StageDir

EXAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "decontam-report-example" / "example.json"
RULES = Rules(partial_ratio=0.3, contaminated_ratio=0.6, ubiquitous_rows=0)
QUESTION = (
    "A baker packs 42 rolls into trays of six and then sells two of the trays at the market before noon "
    "while her brother eats one roll. How many rolls are left?"
)
ITEM = Item("item", QUESTION, QUESTION + "\nAnswer: 29")
FILLER = " ".join(f"filler{i}" for i in range(40))


def labels(rows: list[Row], rules: Rules = RULES, items: list[Item] | None = None) -> list[str]:
    return [f.label for f in check(Index(items or [ITEM]), rows, rules).findings]


def test_the_example_of_the_report():
    if not EXAMPLE.exists():
        pytest.skip(f"no {EXAMPLE}")
    data = json.loads(EXAMPLE.read_text())
    shared, value = ratio(data["train"], data["test"])
    assert (shared, value) == (15, 15 / 38)
    grams = {" ".join(split_words(data["test"])[i : i + 13]) for i in range(40)}
    assert data["expected"]["a_shared_13gram_reported"][0] in grams
    (finding,) = check(Index([Item("agieval", "", data["test"])]), [Row(data["train"])], RULES).findings
    assert (finding.label, finding.item_id) == ("contaminated_13gram", "agieval")
    assert finding.gram in grams


def test_the_ratio_by_hand_keeps_the_last_empty_token():
    # Tokens: a b c d e f g h '' (two 7-grams of the item are shared) and 3 7-grams in the shorter text.
    assert split_words("A b, c-d e f g h.") == ["a", "b", "c", "d", "e", "f", "g", "h", ""]
    assert ratio("a b c d e f g h.", "x a b c d e f g h i") == (2, 2 / 3)
    assert ratio("too short", "too short") == (0, 0.0)


@pytest.mark.parametrize(
    "text", [QUESTION + " " + FILLER, FILLER + " " + QUESTION, f"{FILLER} {QUESTION.upper()} {FILLER}"]
)
def test_a_leak_is_caught_wherever_it_stands(text):
    assert labels([Row(text)]) == ["contaminated_13gram"]


def test_thirteen_words_are_a_leak_and_twelve_are_not():
    words = QUESTION.split()
    assert labels([Row(" ".join(["x", *words[3:16], "y"]))]) == ["contaminated_13gram"]
    assert labels([Row(FILLER + " " + " ".join(words[3:15]) + " " + FILLER)]) == ["clean"]


def test_seven_grams_give_partial_and_contaminated():
    words = QUESTION.split()
    near = " ".join([*words[:12], "x", *words[13:25]])
    half = " ".join([*words[:12], *["x"] * 6, *words[13:17]])
    assert labels([Row(near), Row(half)]) == ["contaminated_7gram", "partial"]
    (finding, _) = check(Index([ITEM]), [Row(near), Row(half)], RULES).findings
    assert finding.ratio == round(ratio(near, ITEM.text)[1], 6)


def template(name: str, number: int) -> str:
    story = "has a big basket with red apples and green pears that she carries home from the market on monday"
    return f"{name} {story}, and {number} of them are lost. How many are left?"


def test_the_boilerplate_of_a_template_is_spared_and_its_items_are_not():
    items = [Item("exam", template("Ann", 77), template("Ann", 77) + " Answer: 3")]
    rows = [
        Row(template(name, n), (template(name, n),))
        for n, name in enumerate(["Bob", "Cy", "Di", "Ed", "Flo"])
    ]
    leak = Row("Problem: " + template("Ann", 77) + "\nSolution: 3", (template("Ann", 77),))
    spare = Rules(0.3, 0.9, ubiquitous_rows=5)
    assert labels(rows, RULES, items) == ["contaminated_13gram"] * 5
    assert set(labels(rows, spare, items)) <= {"clean", "partial"}
    assert labels([*rows, leak], spare, items)[-1] == "contaminated_prompt"


def test_copies_of_one_leak_do_not_become_boilerplate():
    leaks = [Row(f"{QUESTION} Solution {i}", (QUESTION[:-1] + "!",)) for i in range(20)]
    assert set(labels(leaks, Rules(0.3, 0.6, ubiquitous_rows=5))) == {"contaminated_13gram"}
    reworded = [Row(f"{QUESTION} Solution {i}", (f"prompt {i}",)) for i in range(20)]
    assert set(labels(reworded, Rules(0.3, 0.6, ubiquitous_rows=5))) == {"clean"}


def test_the_very_prompt_is_caught_however_short_and_its_signs_count():
    items = [Item("sum", "What is 3 + 4?", "What is 3 + 4?\n7")]
    rows = [Row("x", ("what is  3 + 4?",)), Row("x", ("What is 3 - 4?",))]
    assert labels(rows, RULES, items) == ["contaminated_prompt", "clean"]
    assert normal_prompt(" A  b\n") == "a b"


def test_no_rows_and_no_items():
    assert check(Index([]), [Row("a b c")], RULES).findings == [Finding("clean")]
    assert check(Index([ITEM]), [], RULES).findings == []


def test_grams_lie_within_one_text():
    encoded = encode(["a b c", "", "a b c d"])
    owners, hashes = encoded.grams(3)
    assert owners.tolist() == [0, 2, 2] and hashes[0] == hashes[1] != hashes[2]
    assert encoded.grams(9)[0].tolist() == []
    owners, hashes = distinct(np.array([1, 0, 1, 1]), np.array([5, 7, 5, 4], np.uint64))
    assert (owners.tolist(), hashes.tolist()) == ([0, 1, 1], [7, 4, 5])
    assert find(np.array([2, 4], np.uint64), np.array([1, 2, 3, 4, 5], np.uint64)).tolist() == [
        -1,
        0,
        -1,
        1,
        -1,
    ]


def question(skill: str, prompt: str, answer: str) -> Question:
    return Question(
        id=f"{skill}-{answer}",
        prompt=prompt,
        answer=answer,
        verifier="exact",
        skill=skill,
        difficulty=1,
        template="t",
    )


def test_rows_and_items_are_all_of_their_text():
    chat = Example(
        id="c",
        source="chat",
        flow="f",
        messages=[Message(role="user", content="Q"), Message(role="assistant", content="A")],
    )
    plain = Example(
        id="p", source="synthetic", flow="f", text="Problem: one?\nSolution: 1\n\nProblem: two?\nSolution: 2"
    )
    assert row_of(chat) == Row("Q\nA", ("Q",)) and text_of(chat) == "Q\nA"
    assert row_of(plain).prompts == ("one?", "two?")
    assert item_of(question("word", "p", "a")).text == "p\na"
    assert item_of(question("facts_known", "p", "a"), prompt_only=True) == Item("facts_known-a", "p", "")


def document(kind: str, text: str, source: str = "python:Lib/x.py") -> Document:
    return Document(
        id=f"{kind}{len(text)}", kind=kind, text=text, source=source, start=0, end=1, licence="", language=""
    )


def test_documents_become_rows_and_long_ones_are_cut():
    long = "\n\n".join(f"Paragraph {i} " + "x" * 90 for i in range(50))
    made = organic_examples(
        [document("books", long), document("code", long), document("facts", "f")], 1_000, None, []
    )
    books = [e for e in made if e.source == "acquired"]
    assert len(books) > 3 and max(len(e.text) for e in books) <= 1_000
    assert "\n\n".join(e.text for e in books) == long
    assert [e.source for e in made if e not in books] == ["code"]


def test_withheld_facts_are_found_and_known_ones_are_not():
    known, for_training, for_testing = facts.split_known(facts.tables(), 5)
    guard = WithheldFacts(5)
    secret = [facts.statements([fact])[0][1] for fact in (for_training[0], for_testing[-1])]
    told = [facts.statements([fact])[0][1] for fact in known[::40]]
    assert all(give_away(guard, secret))
    assert [text for text in told if guard.stated_in(text)] == []
    drops: list = []
    closed = document("code", "x = 1", facts.source_files()[0])
    assert organic_examples([closed], 1_000, guard, drops) == []
    assert [drop.reason for drop in drops] == ["table_of_withheld_facts"]


def test_the_stage_drops_leaks_of_every_source(tmp_path):
    folders = {name: tmp_path / name for name in ("curate", "items", "synthesize", "decontaminate")}
    stages = {name: StageDir(name=name, path=path, seed=5, inputs=folders) for name, path in folders.items()}
    secret = facts.statements(facts.split_known(facts.tables(), 5)[2])[0][1]
    stages["items"].write(
        "questions", Question, [question("word", QUESTION, "29"), question("facts_known", "Who?", "I")]
    )
    stages["curate"].write(
        "documents", Document, [document("web", FILLER + QUESTION), document("books", FILLER)]
    )
    stages["synthesize"].write(
        "examples",
        Example,
        [
            Example(id="ok", source="synthetic", flow="f", text="Problem: 1 + 1?\nSolution: 2"),
            Example(id="same", source="chat", flow="f", messages=[Message(role="user", content=" WHO? ")]),
            Example(id="secret", source="chat", flow="f", messages=[Message(role="user", content=secret)]),
        ],
    )
    stage = stages["decontaminate"]
    metrics = run(DecontaminateConfig(), stage)
    kept = stage.rows("decontaminate", "examples", Example)
    assert sorted((e.source, e.flow) for e in kept) == [("acquired", "organic"), ("synthetic", "f")]
    assert {(d.id if d.id in ("same", "secret") else "web", d.reason) for d in stage.drops} == {
        ("web", "contaminated_13gram"), ("same", "contaminated_prompt"), ("secret", "states_withheld_fact"),
    }  # fmt: skip
    assert metrics["labels"]["contaminated_13gram"] == 1 and metrics["items"] == 2
    assert all("item" in d.detail for d in stage.drops if d.reason.startswith("contaminated"))


@pytest.mark.parametrize(
    "fields", [{"partial_ratio": 0.0}, {"contaminated_ratio": 0.1}, {"max_row_chars": 10}]
)
def test_impossible_settings_are_one_sentence(fields):
    with pytest.raises(ConfigError, match="decontaminate"):
        DecontaminateConfig(**fields)
