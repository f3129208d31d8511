"""Rephrased items, leaks that are cut out, the index on disk and the page for review."""

import json

import pytest

from trivium.curate.decontaminate import Index, Item, Row, Rules, check
from trivium.curate.decontaminate_judge import make_judge
from trivium.curate.decontaminate_judge import read as read_judgement
from trivium.curate.decontaminate_rephrased import RephrasedIndex, find_rephrased, window_text
from trivium.curate.decontaminate_review import Reviewed, page
from trivium.curate.decontaminate_spans import mend, paragraphs_around, shared_ranges
from trivium.curate.decontaminate_stage import DecontaminateConfig, run
from trivium.errors import ConfigError, DataError
from trivium.llm.backends.scripted import Scripted
from trivium.records import Document, Example, Question
from trivium.store.run import StageDir

RULES = Rules(0.3, 0.6, 0)
QUESTION = (
    "A baker packs 42 rolls into trays of six and then sells two of the trays at the market before noon "
    "while her brother eats one roll. How many rolls are left?"
)
REWORDED = (
    "Two trays are sold in the morning at a market by a baker who had packed 42 rolls in trays holding 6 "
    "each; one roll is eaten by the brother. What number of rolls remains?"
)
OTHER = (
    "A farmer loads 17 crates onto 4 wagons and drives three of the wagons to town while his sister waits. "
    "How many crates arrive?"
)
ITEM = Item("item", QUESTION, QUESTION + "\nAnswer: 29")
PROSE = [
    f"The {a} {b} of the river town was {c} in the {d} years, and many people {e} it."
    for a in ("old", "first", "great") for b in ("bridge", "school", "library", "mill")
    for c in ("built", "closed") for d in ("early", "late") for e in ("visited", "remembered")
]  # fmt: skip
FILLER = "\n\n".join(PROSE[:6])


def test_a_rephrased_item_shares_no_gram_and_is_found():
    assert check(Index([ITEM]), [Row(REWORDED)], RULES).findings[0].label == "clean"
    index = RephrasedIndex([Item("other", OTHER, ""), ITEM], PROSE)
    found = find_rephrased(index, [OTHER.replace("17", "18"), REWORDED, PROSE[0], ""])
    assert found[1].label == "contaminated_rephrased" and found[1].item_id == "item"
    assert 2 not in found and 3 not in found


def test_other_numbers_are_another_problem():
    index = RephrasedIndex([ITEM], PROSE)
    changed = REWORDED.replace("42", "63").replace("holding 6", "holding 9").replace("Two", "Four")
    same, other = (next(iter(index.scores([text]))).similarity for text in (REWORDED, changed))
    assert other < 0.8 * same


def test_a_rephrased_item_is_found_inside_a_long_text_and_shown():
    index = RephrasedIndex([ITEM], PROSE)
    text = " ".join([*PROSE, "In 1,200 words:", REWORDED, *PROSE])
    (finding,) = find_rephrased(index, [text]).values()
    assert "42 rolls" in finding.gram and len(finding.gram) < 800 < len(text)
    assert window_text('"1,200 words" are here', (1, 3)) == "1200 words"


def test_an_item_without_numbers_needs_more_likeness():
    item = Item("capital", "Which river town built the first great library?", "")
    index = RephrasedIndex([item], PROSE)
    assert find_rephrased(index, ["The first great library: which river town built it?"])
    assert not find_rephrased(index, ["Which river has the first great waterfall?"])
    assert RephrasedIndex([], PROSE).near(["x"]) == []


def test_a_judge_has_the_last_word():
    index = RephrasedIndex([ITEM], PROSE)
    asked = []

    def script(request):
        asked.append(request.messages[0].content)
        return "No, these differ."

    judge = make_judge(Scripted(function=script))
    assert find_rephrased(index, [REWORDED, PROSE[1]], judge) == {}
    assert len(asked) == 1 and QUESTION in asked[0] and "42 rolls" in asked[0].split("Second:")[1]
    unsure = make_judge(Scripted(function=lambda request: "perhaps"))
    assert len(find_rephrased(index, [REWORDED], unsure)) == 1
    assert [read_judgement(t) for t in ("Yes.", "**no**", "", "yesterday")] == [True, False, None, None]


def test_the_shared_words_are_found_in_the_text():
    index = Index([ITEM, Item("far", "", "seven other words that nobody shares here today")])
    text = "Once. " + QUESTION.upper() + " The end."
    ((left, right),) = shared_ranges(index, text, "item")
    assert text[left:right] == QUESTION.upper()[:-1]
    assert shared_ranges(index, text, "far") == []
    assert shared_ranges(index, "\u0130x " + text, "item") == [(0, len(text) + 3)]


def test_the_leaking_paragraph_is_cut_and_nothing_else():
    index = Index([ITEM])
    text = f"{FILLER}\n\n{QUESTION} The answer is 29.\n\n{FILLER}"
    finding = check(index, [Row(text)], RULES).findings[0]
    mended = mend(index, text, finding, RULES, 0.5)
    assert mended.text == f"{FILLER}\n\n{FILLER}"
    assert [text[a:b].strip() for a, b in mended.cut] == [f"{QUESTION} The answer is 29."]
    assert check(index, [Row(mended.text)], RULES).findings[0].label == "clean"


def test_too_little_left_is_nothing_left():
    index = Index([ITEM])
    text = f"{QUESTION}\n\nShort rest."
    finding = check(index, [Row(text)], RULES).findings[0]
    assert mend(index, text, finding, RULES, 0.5).text == ""
    assert paragraphs_around("a\n\nb\n\nc", [(3, 4)]) == [(3, 6)]


def test_two_items_are_cut_one_after_the_other():
    second = Item("second", OTHER, OTHER)
    index = Index([ITEM, second])
    text = f"{FILLER}\n\n{QUESTION}\n\n{FILLER}\n\n{OTHER}\n\n{FILLER}"
    mended = mend(index, text, check(index, [Row(text)], RULES).findings[0], RULES, 0.3)
    assert len(mended.cut) == 2 and mended.text == f"{FILLER}\n\n{FILLER}\n\n{FILLER}"


def test_common_knowledge_is_allowed():
    pledge = "I pledge allegiance to the flag of the united states of america and to the republic"
    item = Item("civics", "", f"{pledge} for which it stands under one roof. What is missing?")
    row = Row(f"Every morning they said: {pledge}, and then sat down to read the books they had.")
    assert check(Index([item]), [row], RULES).findings[0].label == "contaminated_13gram"
    index = Index([item], reference=[f"The text goes: {pledge} for."])
    assert index.allowed_13grams == 5
    assert check(index, [row], RULES).findings[0].label != "contaminated_13gram"


def test_an_index_is_read_as_it_was_written(tmp_path):
    index = Index([ITEM, Item("b", OTHER, OTHER)], reference=["nothing in common"])
    path = index.save(tmp_path / "index")
    rows = [Row(FILLER + QUESTION), Row("x", (OTHER,)), Row(" ".join(OTHER.split()[:12])), Row(FILLER)]
    again = Index.load(path)
    assert check(again, rows, RULES) == check(index, rows, RULES)
    assert index.save(tmp_path / "again").read_bytes() == path.read_bytes()
    for damage in (b"", b"no index", path.read_bytes()[:100]):
        path.write_bytes(damage)
        with pytest.raises(DataError, match="no decontamination index"):
            Index.load(path)


def test_the_page_shows_each_finding_beside_its_item():
    index = Index([ITEM])
    rows = [
        Reviewed("r1", "web", f"<b>{QUESTION}", check(index, [Row(QUESTION)], RULES).findings[0], "cut"),
        Reviewed("r2", "web", FILLER, check(index, [Row(FILLER)], RULES).findings[0], "kept"),
        Reviewed("r3", "chat", REWORDED,
                 find_rephrased(RephrasedIndex([ITEM], PROSE), [REWORDED])[0], "dropped"),
    ]  # fmt: skip
    text = page(index, rows)
    assert "<mark>A baker packs" in text and "&lt;b&gt;" in text and "<b>" not in text
    assert "r1 <small>web, cut" in text and "r2" not in text and "similarity 0." in text
    assert "contaminated_13gram: 1" in text and "clean: 1" in text


def test_the_stage_cuts_documents_and_finds_rephrased_rows(tmp_path):
    folders = {name: tmp_path / name for name in ("curate", "items", "synthesize", "decontaminate")}
    stages = {name: StageDir(name=name, path=path, seed=5, inputs=folders) for name, path in folders.items()}
    item = Question(
        id="q", prompt=QUESTION, answer="29", verifier="number", skill="word", difficulty=1, template="t"
    )
    stages["items"].write("questions", Question, [item])
    texts = [f"{FILLER}\n\n{QUESTION}\n\n{FILLER}", REWORDED, FILLER, *PROSE[6:]]
    documents = [
        Document(id=f"d{i}", kind="web", text=text, source="s", start=0, end=1, licence="", language="")
        for i, text in enumerate(texts)
    ]
    stages["curate"].write("documents", Document, documents)
    stages["synthesize"].write("examples", Example, [])
    stage = stages["decontaminate"]
    config = DecontaminateConfig(withhold_facts=False, rephrased=True)
    metrics = run(config, stage)
    kept = stage.rows("decontaminate", "examples", Example)
    assert [e.text for e in kept] == [f"{FILLER}\n\n{FILLER}", FILLER, *PROSE[6:]]
    ((left, right),) = json.loads(kept[0].meta)["cut"]
    assert texts[0][left:right].strip() == QUESTION and kept[0].parents == ["d0"]
    assert sorted(d.reason for d in stage.drops) == ["contaminated_13gram_cut", "contaminated_rephrased"]
    assert metrics["labels"]["contaminated_rephrased"] == 1
    assert "<mark>" in (folders["decontaminate"] / "review.html").read_text()


def test_nothing_left_is_no_setting():
    with pytest.raises(ConfigError, match="min_left"):
        DecontaminateConfig(min_left=0)
