"""Filter, search, sort, facets and distributions against what Python says of the same rows."""

import json

import pyarrow as pa
import pytest

from trivium.errors import DataError
from trivium.store import files
from trivium.view import tables
from trivium.view.asking import ROWS_A_PAGE, find, one_row, read_ask
from trivium.view.facets import BINS, facets, spreads
from trivium.view.pages import data
from trivium.view.query import Query
from trivium.view.tables import kind_of
from trivium.view.words import Words

PASSAGES = "01-curate/passages"


def rows_of(site, name=PASSAGES):
    return files.read_parquet(site.run.path / f"{name}.parquet").to_pylist()


def asked(site, *pairs, name=PASSAGES):
    table = site.tables.open(name)
    return find(site.tables, table, read_ask(Query(list(pairs))))


def lay(site, monkeypatch, how):
    """Have tables kept as large ones are."""
    if how == "where it lies":
        monkeypatch.setattr(tables, "LOADED_BYTES", 0)
    if how == "indexed":
        monkeypatch.setattr(tables, "INDEXED_BYTES", 0)
        monkeypatch.setattr(tables, "PIECE_ROWS", 50)
        assert site.tables.open(PASSAGES).words.ready.wait(60)


@pytest.mark.parametrize("how", ["in memory", "indexed", "where it lies"])
@pytest.mark.parametrize(
    ("pairs", "fits"),
    [
        ([], lambda row: True),
        ([("q", "PEARS")], lambda row: "pears" in row["text"].lower()),
        ([("q", "number apples")], lambda row: "number" in row["text"] and "apples" in row["text"]),
        ([("q", '"number 1"')], lambda row: "number 1" in row["text"]),
        ([("q", '"ssage  number 1"')], lambda row: False),
        ([("q", '"ssage number 11"')], lambda row: "passage number 11" in row["text"]),
        ([("q", "e 77")], lambda row: "77" in row["text"]),
        ([("q", "100%_'; DROP")], lambda row: False),
        ([("is.kind", "web")], lambda row: row["kind"] == "web"),
        ([("is.kind", "web"), ("is.kind", "code")], lambda row: True),
        ([("is.tags", "seed"), ("is.kind", "code")], lambda row: row["tags"] and row["kind"] == "code"),
        ([("min.quality", "0.25"), ("max.quality", "0.5")], lambda row: 0.25 <= row["quality"] <= 0.5),
        (
            [("q", "Apples"), ("min.quality", "0.5")],
            lambda row: "apples" in row["text"] and row["quality"] >= 0.5,
        ),
        ([("is.start", "0"), ("sort", "quality"), ("down", "1")], lambda row: True),
        ([("sort", "text")], lambda row: True),
    ],
)
def test_a_filter_leaves_what_python_leaves(site, monkeypatch, how, pairs, fits):
    lay(site, monkeypatch, how)
    expected = [i for i, row in enumerate(rows_of(site)) if fits(row)]
    order = dict(pairs).get("sort")
    if order:
        expected.sort(key=lambda i: rows_of(site)[i][order], reverse="down" in dict(pairs))
    found = asked(site, *pairs)
    assert found.total == len(expected)
    assert [row["__row"] for row in found.rows] == expected[:ROWS_A_PAGE]
    if found.pages > 1:
        last = asked(site, *pairs, ("page", str(found.pages + 7)))
        assert [row["__row"] for row in last.rows] == expected[(found.pages - 1) * ROWS_A_PAGE :]


def test_facets_count_under_the_other_choices_and_spreads_under_all(site):
    table = site.tables.open(PASSAGES)
    ask = read_ask(Query([("is.kind", "web"), ("q", "pears")]))
    rows = [row for row in rows_of(site) if "pears" in row["text"].lower()]
    by_name = {facet.column: facet for facet in facets(site.tables, table, ask)}
    kinds = {value.text: (value.count, value.chosen) for value in by_name["kind"].values}
    assert kinds == {"web": (sum(row["kind"] == "web" for row in rows), True)}  # pears lie at even rows
    assert [value.count for value in by_name["tags"].values] == [sum(bool(row["tags"]) for row in rows)]
    (quality,) = [spread for spread in spreads(site.tables, table, ask) if spread.column == "quality"]
    assert sum(quality.counts) == len(rows) and len(quality.counts) == BINS


def test_a_column_that_tells_rows_apart_is_no_facet(site):
    table = site.tables.open(PASSAGES)
    names = {facet.column for facet in facets(site.tables, table, read_ask(Query([])))}
    assert names == {"kind", "tags"}


def test_numbers_that_are_none_or_no_numbers_break_nothing(site):
    values = {"id": list("abcdef"), "x": [1.0, 2.0, None, float("nan"), float("inf"), 3.0]}
    files.write_parquet(site.run.path / "01-curate" / "odd.parquet", pa.table(values))
    table = site.tables.open("01-curate/odd")
    (spread,) = spreads(site.tables, table, read_ask(Query([])))
    assert (spread.low, spread.high, sum(spread.counts)) == (1.0, 3.0, 3)
    assert asked(site, ("sort", "x"), name="01-curate/odd").rows[-1]["x"] is None


def test_a_table_that_was_written_anew_is_read_anew(site):
    assert asked(site).total == 120
    path = site.run.path / f"{PASSAGES}.parquet"
    files.write_parquet(path, files.read_parquet(path).slice(0, 7))
    assert asked(site, ("q", "passage")).total == 7


def test_every_kind_of_column_is_whole_in_its_row(site):
    table = site.tables.open("03-synthesize/examples")
    row = one_row(site.tables, table, 1)
    original = rows_of(site, "03-synthesize/examples")[1]
    assert json.loads(row["messages"]) == original["messages"] and row["parents"] == original["parents"]
    judged = site.tables.open("13-judge/judged")
    assert json.loads(one_row(site.tables, judged, 0)["completion_ids"]) == [4, 5]
    assert [kind_of(*pair) for pair in (("x_ids", "INTEGER[]"), ("x", "INTEGER[]"), ("x", "UBIGINT"))] == [
        "ids", "nested", "number",
    ]  # fmt: skip


def test_bytes_that_are_no_text_are_said_to_be(site):
    blobs = pa.table({"html": pa.array([b"<p>", b"\xff\xfe"], pa.binary())})
    files.write_parquet(site.run.path / "01-curate" / "pages.parquet", blobs)
    assert [row["html"] for row in asked(site, name="01-curate/pages").rows] == [
        "<p>",
        "(2 bytes that are no UTF-8)",
    ]


def test_a_column_with_a_hostile_name_is_a_column(site):
    name = '"; DROP TABLE x; --'
    files.write_parquet(site.run.path / "01-curate" / "odd.parquet", pa.table({name: ["a", "b"] * 9}))
    found = asked(site, (f"is.{name}", "a"), ("sort", name), name="01-curate/odd")
    assert found.total == 9


def test_unfinished_stages_and_damaged_files_are_no_tables(site):
    (site.run.path / "03-synthesize" / "stage.json").unlink()
    (site.run.path / "13-judge" / "judged.parquet").write_bytes(b"PAR1 no")
    names = {place.name for place in site.tables.places()}
    assert PASSAGES in names and "01-curate/dropped/drops" in names
    assert not {"03-synthesize/examples", "13-judge/judged"} & names
    with pytest.raises(DataError, match="expected one that a finished stage wrote"):
        site.tables.open("03-synthesize/examples")


def test_the_index_answers_what_a_scan_of_all_texts_answers(site, monkeypatch):
    lay(site, monkeypatch, "indexed")
    words = site.tables.open(PASSAGES).words
    texts = [row["text"].lower() for row in rows_of(site)]
    for terms in (["57"], ["apples", "7"], ["apples", "57"], ["mber", "77"], ["nothing"]):
        found = words.find(terms)
        expected = [i for i, text in enumerate(texts) if all(term in text for term in terms)]
        if found is not None:
            held = found.rows.tolist()
            assert held == expected if found.sure else set(held) >= set(expected), terms
    assert words.find(["57"]).sure and words.find(["apples", "57"]).rows.tolist() == [57]
    assert words.find(["00"]) is None and words.find(["e"]) is None  # a scan is sooner


def test_before_its_index_is_whole_a_table_is_scanned(site, monkeypatch):
    monkeypatch.setattr(tables, "INDEXED_BYTES", 0)
    monkeypatch.setattr(Words, "read", lambda words, batches: None)
    assert asked(site, ("q", "number 11")).total == sum("11" in row["text"] for row in rows_of(site))


def test_a_table_of_too_many_words_has_no_index_and_is_scanned(site, monkeypatch):
    monkeypatch.setattr(tables, "INDEXED_BYTES", 0)
    monkeypatch.setattr("trivium.view.words.MOST_WORDS", 100)
    words = site.tables.open(PASSAGES).words
    site.tables.threads[-1].join(60)
    assert words.pieces == [] and not words.ready.is_set()
    assert asked(site, ("q", "pears")).total == 60


def test_what_a_filter_leaves_is_taken_away_whole_and_in_order(site, monkeypatch):
    words = Query([("table", PASSAGES), ("q", "pears"), ("sort", "quality"), ("down", "1"), ("page", "2")])
    taken = [json.loads(line) for line in data.take(site, words).split("\n")[:-1]]
    expected = [row for row in rows_of(site) if "pears" in row["text"].lower()]
    assert taken == sorted(expected, key=lambda row: -row["quality"])
    nested = data.take(site, Query([("table", "03-synthesize/examples")]))
    assert [json.loads(line) for line in nested.split("\n")[:-1]] == rows_of(site, "03-synthesize/examples")
    monkeypatch.setattr("trivium.view.asking.MOST_TAKEN", 59)
    with pytest.raises(DataError, match="more than 59 rows"):
        data.take(site, words)
