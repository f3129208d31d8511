"""Hugging Face data sets: folders that `datasets` saved, and those of the hub by name.

A saved folder holds Arrow streams, which pyarrow reads. `hf://owner/name` stands for the files of the data
set, which come through the fsspec store of huggingface_hub (extra `hub`) and our own readers: Parquet is cut
at row groups, and nothing is copied to a cache.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from trivium.curate.readers.rows import FileShard, ReadOptions, Rows, Unreadable
from trivium.curate.readers.sources import opened
from trivium.curate.readers.tabular import from_row

STATE_FILES = frozenset({"dataset_info.json", "dataset_dict.json", "state.json"})
"""What `save_to_disk` writes beside the data."""
CACHE = "cache-"
"""`datasets` keeps results of its own beside a folder that it has loaded, under names that begin so."""
BATCH_ROWS = 512


def is_saved_state(name: str) -> bool:
    """Say whether a file belongs to a saved folder or a hub repository without holding rows."""
    file = PurePosixPath(name)
    card = name.startswith("hf://") and file.name in ("README.md", ".gitattributes")
    return card or file.name in STATE_FILES or (file.suffix == ".arrow" and file.name.startswith(CACHE))


def arrow_rows(shard: FileShard, options: ReadOptions) -> Rows:
    """Yield a row for every row of an Arrow stream or file; offsets count rows."""
    import pyarrow as pa

    try:
        with opened(shard.path) as handle:
            at = 0
            for batch in _batches(handle, options.text_field):
                for row in batch.to_pylist():
                    yield from_row(shard.path, row, at, at + 1, options)
                    at += 1
    except (pa.ArrowException, OSError, ValueError) as error:
        cause = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise Unreadable(f"which is truncated or no Arrow data ({cause})") from None


def _batches(handle: Any, text_field: str) -> Any:
    import pyarrow as pa

    try:
        stream = pa.ipc.open_stream(handle)
        batches: Any = iter(stream)
    except pa.ArrowInvalid:
        handle.seek(0)
        stream = pa.ipc.open_file(handle)
        batches = (stream.get_batch(place) for place in range(stream.num_record_batches))
    if text_field not in stream.schema.names:
        columns = ", ".join(stream.schema.names)
        raise Unreadable(f"whose columns are {columns} without {text_field!r} (see curate.text_field)")
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)
