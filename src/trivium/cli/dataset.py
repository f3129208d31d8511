"""dataset: a table of a run in Hugging Face's layout, Parquet files and a card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trivium.cli.verb_more import DatasetVerb
from trivium.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from trivium.store.run import Run


def dataset(command: DatasetVerb) -> int:
    """Write the files and print the folder."""
    from trivium.report.data_card import data_card
    from trivium.store import files
    from trivium.store.run import Run

    run = Run.open(command.run)
    source = table_file(run, command.table)
    place = str(source.relative_to(run.path).with_suffix(""))
    table = files.read_parquet(source)
    tables = for_trl(table, place) if command.format == "trl" else {"default": table}
    out = Path(command.out or f"exports/{run.path.resolve().name}-{place.replace('/', '-')}")
    if out.is_file():
        raise ConfigError(f"--out {out}: got a file; expected a folder to write.")
    for name, rows in tables.items():
        files.write_parquet(out / name / "train-00000-of-00001.parquet", rows)
    files.write_text(out / "README.md", data_card(run, place, tables, licence=command.licence))
    print(out)
    return 0


def table_file(run: Run, name: str) -> Path:
    """Return the Parquet file of a table of a finished stage; the stage may be named without its number.

    Raises:
        DataError: There is no such table; the sentence lists those that there are.
    """
    known: dict[str, Path] = {}
    for folder in run.finished().values():
        for file in sorted([*folder.glob("*.parquet"), *folder.glob("dropped/*.parquet")]):
            known[str(file.relative_to(run.path).with_suffix(""))] = file
    found = known.get(name) or next((known[key] for key in known if key[3:] == name), None)
    if found is None:
        raise DataError(
            f"--table {name}: got no such table; expected one of {', '.join(known) or 'none yet'}."
        )
    return found


def for_trl(table: pa.Table, place: str) -> dict[str, pa.Table]:
    """Split training rows into what TRL's SFTTrainer reads: `messages` of conversations, `text` of the rest.

    Raises:
        ConfigError: The table holds no training rows.
    """
    import pyarrow.compute as pc

    if not {"messages", "text"} <= set(table.column_names):
        raise ConfigError(
            f"--format trl: got {place}, which has no messages and text; expected a table of examples "
            "(pivotal pairs leave through the stage export, docs/data-formats.md)."
        )
    chats = pc.greater(pc.list_value_length(table["messages"]), 0)
    parts = {
        "chats": table.filter(chats).select(["messages"]),
        "text": table.filter(pc.invert(chats)).select(["text"]),
    }
    return {name: rows for name, rows in parts.items() if rows.num_rows}
