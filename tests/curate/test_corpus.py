"""Documents in the files of shards: rows come in the order asked for, light facts choose the same seeds."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trivium.curate import seeds
from trivium.curate.candidates import Candidate, candidates_table
from trivium.curate.corpus import Corpus, texts_of, thinned
from trivium.curate.seeds import may_be_seed, select_seeds, shortlist
from trivium.records import Passage, to_table
from trivium.store.files import write_parquet


def candidate(number: int, text: str = "") -> Candidate:
    return Candidate(
        id=f"id{number}", kind="code" if number % 3 else "web", text=text or f"text é {number}", source="s",
        start=0, end=1, licence="", language="", reason="bad" if number == 4 else "", score=number / 10,
    )  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    sizes = [range(0, 4), range(0), range(4, 9), range(9, 10)]
    return Corpus.of(
        [
            write_parquet(tmp_path / f"{number}.parquet", candidates_table(map(candidate, numbers)))
            for number, numbers in enumerate(sizes)
        ]
    )


def test_rows_come_in_the_order_asked_for(corpus):
    order = np.array([8, 0, 9, 3, 3, 4])
    assert texts_of(corpus.rows(order)) == list(corpus.texts(order)) == [f"text é {i}" for i in order]
    assert len(corpus.rows(order).files) == 3, "only files that are asked for are opened"
    assert [len(rows) for rows in corpus.shards(order, 4)] == [4, 2]
    assert corpus.strings("id", order).to_pylist() == [f"id{i}" for i in order]


def test_facts_are_those_of_the_documents(corpus):
    assert len(corpus) == 10 and corpus.size.tolist() == [len(f"text é {i}".encode()) for i in range(10)]
    assert np.flatnonzero(corpus.by("kind", "web".__eq__)).tolist() == [0, 3, 6, 9]
    assert np.flatnonzero(corpus.by("reason", bool)).tolist() == [4] and corpus.score[7] == 0.7
    empty = Corpus.of([])
    assert len(empty) == 0 and not empty.by("kind", bool).any()


def test_moved_documents_are_read_from_their_new_files(corpus, tmp_path):
    chosen = np.array([6, 1])
    new = candidates_table([candidate(6, "new six"), candidate(1, "one")])
    moved = corpus.moved(chosen, [write_parquet(tmp_path / "new.parquet", new)])
    assert list(moved.texts(np.array([0, 1, 6, 7]))) == ["text é 0", "one", "new six", "text é 7"]
    assert moved.size[chosen].tolist() == [7, 3] and corpus.size[6] != 7


def test_samples_are_even_and_whole_where_they_fit():
    assert thinned(np.arange(10), 10).tolist() == list(range(10))
    assert thinned(np.arange(11), 5).tolist() == [0, 3, 6, 9]


def passages() -> tuple[list[Passage], list[str]]:
    rng = random.Random(2)
    kinds = ("web", "code", "facts")
    made = [
        Passage(
            id=f"{rng.getrandbits(80):020x}", document_id=f"d{i // 7}", kind=kinds[i // 7 % 3],
            text="x" * rng.choice([100, 300, 500]), start=0, end=1, quality=rng.choice([0.3, 0.5, 0.5, 0.9]),
            reasoning=rng.choice([0.2, 0.5]), factual=rng.choice([0.1, 0.5]), tags=[],
        )
        for i in range(900)
    ]  # fmt: skip
    return made, [rng.choice(["", "", "furniture", "links"]) for _ in made]


@pytest.mark.parametrize("count", [1, 9, 50, 2_000])
@pytest.mark.parametrize("topics", [None, {f"d{i}": f"t{i % 4}" for i in range(130)}])
@pytest.mark.parametrize("rows", [1, 200, 100_000])
def test_seeds_chosen_from_the_shortlist_are_those_chosen_from_all(monkeypatch, count, topics, rows):
    monkeypatch.setattr(seeds, "SHORTLIST_ROWS", rows)
    made, reasons = passages()
    chars = (200, 400)
    objection = dict(zip((p.id for p in made), reasons, strict=True))
    expected, said = select_seeds(made, count, chars, objection=lambda p: objection[p.id], topics=topics)
    table = to_table(Passage, made).append_column("eligible", pa.array([may_be_seed(p, chars) for p in made]))
    table = table.append_column("objection", pa.array(reasons))
    by_document = topics and (lambda ids: pa.array([topics[name] for name in ids.to_pylist()]))
    tables = (table.slice(start, 70) for start in range(0, len(made), 70))
    best, passed_over = shortlist(tables, count, by_document)
    found, _ = select_seeds(best, count, None, objection=lambda p: "", topics=topics)
    assert found == expected and passed_over == said
    assert max(Counter(p.document_id for p in best).values()) <= 2
    if topics is None and count < 50:
        assert len(best) == 2 * count
