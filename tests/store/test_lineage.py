"""Lineage: from a training row back to file and byte range; unknown and ambiguous ids are one sentence."""

import dataclasses
from pathlib import Path

import pyarrow as pa
import pytest

from trivium.errors import DataError
from trivium.records import Document, Example, Passage, row_id, to_table
from trivium.store import files
from trivium.store.lineage import describe, trace


def finished_stage(root: Path, name: str, **tables: object) -> None:
    for table, data in tables.items():
        files.write_parquet(root / name / f"{table}.parquet", data)  # type: ignore[arg-type]
    files.write_json(root / name / "stage.json", {"output_hash": "x"})


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, str]:
    document = Document(
        id=row_id("read", [], "d"),
        kind="code",
        text="def f(): pass",
        source="python:Lib/x.py",
        start=10,
        end=23,
        licence="PSF-2.0",
        language="python",
    )
    passage = Passage(
        id=row_id("split", [document.id], "p"),
        document_id=document.id,
        kind="code",
        text="def f",
        start=0,
        end=5,
        quality=1.0,
        reasoning=0.0,
        factual=0.0,
        tags=[],
    )
    example = Example(
        id=row_id("flow", [passage.id], "e"), source="synthetic", flow="reversal", parents=[passage.id]
    )
    files.write_json(tmp_path / "recipe.json", {})
    finished_stage(
        tmp_path, "01-curate", documents=to_table(Document, [document]), passages=to_table(Passage, [passage])
    )
    finished_stage(tmp_path, "03-synthesize", examples=to_table(Example, [example]))
    finished_stage(tmp_path, "04-decontaminate", examples=to_table(Example, [example]))
    return tmp_path, example.id


def test_the_way_back_ends_at_bytes(chain: tuple[Path, str]) -> None:
    root, example_id = chain
    node = trace(root, example_id)
    assert node.stage == "synthesize"
    assert node.parents[0].table == "passages" and node.parents[0].parents[0].table == "documents"
    text = "\n".join(describe(node))
    assert "file python:Lib/x.py, bytes 10-23, licence PSF-2.0" in text


def test_parents_are_found_in_every_table_of_their_stage(tmp_path: Path) -> None:
    prose = Document(
        id=row_id("read", [], "p"), kind="web", text="p", source="python:Lib/y.py", start=1, end=2,
        licence="PSF-2.0", language="en",
    )  # fmt: skip
    page = dataclasses.replace(prose, id=row_id("page", [prose.id], "h"), source="http://made.example")
    parents = pa.array([[prose.id]], type=pa.list_(pa.string()))
    files.write_json(tmp_path / "recipe.json", {})
    finished_stage(
        tmp_path,
        "01-curate",
        documents=to_table(Document, [page]).append_column("parents", parents),
        duplicates=pa.table({"id": ["zz"]}),
        prose=to_table(Document, [prose]),
    )
    finished_stage(tmp_path, "02-items", questions=pa.table({"id": ["yy"]}))
    assert trace(tmp_path, page.id).parents[0].row["source"] == "python:Lib/y.py"


def test_a_prefix_is_enough_and_nonsense_is_one_sentence(chain: tuple[Path, str]) -> None:
    root, example_id = chain
    assert trace(root, example_id[:8]).id == example_id
    with pytest.raises(DataError, match="no row with this id"):
        trace(root, "feedfacefeedface0000")
    with pytest.raises(DataError, match="recipe.json"):
        trace(root / "elsewhere", example_id)


def test_a_table_that_only_mentions_an_id_is_not_its_origin(chain: tuple[Path, str]) -> None:
    root, example_id = chain
    ranking = pa.table({"id": [example_id], "rank": [1]})
    files.write_parquet(root / "03-synthesize" / "curriculum.parquet", ranking)
    node = trace(root, example_id)
    assert node.table == "examples" and node.parents
