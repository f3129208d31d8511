"""Where bytes come from: local files and fsspec URLs (s3://, gs://, memory://, ...), packed or not."""

from __future__ import annotations

import bz2
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from trivium.curate.readers.rows import MAX_DOCUMENT_BYTES, Unreadable
from trivium.errors import DataError

CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""Ending of a packed file -> its codec."""
CHUNK = 1 << 20
HUB = re.compile(r"hf://(?!(?:datasets|models|spaces|buckets)/)([\w.-]+/[\w.-]+)")
REMOTE_BLOCK_BYTES = 4 << 20
"""What is asked of a store at once."""


def is_url(path: str) -> bool:
    """Say whether a path is one for fsspec."""
    return "://" in path


def hub_address(path: str) -> str:
    """Return the address of a data set of the hub as huggingface_hub knows it; any other path stays."""
    return HUB.sub(r"hf://datasets/\1", path)


def list_files(path: str) -> list[str]:
    """Return the files of a folder, sorted, or the one that the path names.

    Raises:
        DataError: There is nothing, or the store cannot be reached.
    """
    if not is_url(path):
        local = Path(path)
        if not local.exists():
            raise DataError(
                f"curate.paths: got {path}, which does not exist; expected a file or folder, check it."
            )
        inside = sorted(p for p in local.rglob("*") if p.is_file()) if local.is_dir() else [local]
        return [str(p) for p in inside]
    files, address = _file_system(path)
    try:
        names = [address] if files.isfile(address) else sorted(files.find(address))
    except Exception as error:
        raise DataError(
            f"curate.paths: got {path}, which cannot be listed ({error}); expected a readable store."
        ) from None
    if not names:
        raise DataError(
            f"curate.paths: got {path}, which does not exist; expected a file or folder, check it."
        )
    return [files.unstrip_protocol(name) for name in names]


def size_of(path: str) -> int:
    """Return the bytes of a file as it lies there."""
    if not is_url(path):
        return Path(path).stat().st_size
    files, address = _file_system(path)
    return int(files.size(address) or 0)


def fingerprint(path: str) -> str:
    """Return what changes when the files under a URL do: names, sizes and what the store knows of each."""
    from trivium.store.fingerprint import combined_hash

    files, _ = _file_system(path)
    return combined_hash({name: str(files.checksum(_file_system(name)[1])) for name in list_files(path)})


def _file_system(path: str) -> tuple[Any, str]:
    """Return the file system of a URL and the address in it."""
    import fsspec

    try:
        files, address = fsspec.core.url_to_fs(hub_address(path))
    except (ImportError, ValueError) as error:
        hint = ", pip install 'trivium[hub]'" if path.startswith("hf://") else ""
        raise DataError(
            f"curate.paths: got {path} ({str(error).rstrip('.')}); expected a path or the URL of an fsspec "
            f"store that is installed{hint}."
        ) from None
    return files, address


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file as it lies there, for reading and seeking.

    Raises:
        Unreadable: It cannot be opened.
    """
    try:
        handle: IO[bytes] = _remote(path) if is_url(path) else open(path, "rb")
    except Exception as error:
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreadable(f"which cannot be opened ({cause})") from None
    with handle:
        yield handle


def _remote(path: str) -> IO[bytes]:
    """Open a URL in small blocks (stores read up to 50 MB ahead), with limits to a line (they have none)."""
    files, address = _file_system(path)
    return io.BufferedReader(files.open(address, "rb", block_size=REMOTE_BLOCK_BYTES), CHUNK)


@contextmanager
def unpacked(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading from its beginning, unpacked where its ending says that it is packed."""
    codec = CODECS.get(ending(path))
    with opened(path) as handle:
        if codec is None:
            yield handle
            return
        if codec == "zstd":
            import pyarrow as pa

            with pa.CompressedInputStream(handle, codec) as stream:
                yield io.BufferedReader(_Raw(stream), CHUNK)
        else:
            # Python's own readers give what stands before a break, line by line.
            with gzip.open(handle) if codec == "gzip" else bz2.open(handle) as unzipped:
                yield cast("IO[bytes]", unzipped)


class _Raw(io.RawIOBase):
    """A pyarrow stream as Python knows streams."""

    def __init__(self, stream: Any) -> None:
        """Wrap a stream."""
        self._stream = stream

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; pyarrow's errors become OSError."""
        try:
            data = self._stream.read(len(buffer))
        except Exception as error:
            raise OSError(str(error).splitlines()[0]) from None
        buffer[: len(data)] = data
        return len(data)


def read_whole(path: str, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Return a whole file, unpacked.

    Raises:
        Unreadable: It is longer than the limit, damaged, or cannot be opened.
    """
    with unpacked(path) as stream:
        try:
            data = stream.read(limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"which is truncated or damaged ({error})") from None
    if len(data) > limit:
        raise Unreadable(f"which holds more than {limit:,} bytes for one document")
    return data


def ending(path: str) -> str:
    """Return the last ending of a name in lower case, with its dot."""
    return Path(path).suffix.lower()


def kind_ending(path: str) -> str:
    """Return the ending that tells the format: of `x.jsonl.gz` it is `.jsonl`."""
    name = path.lower()
    for packed in CODECS:
        name = name.removesuffix(packed)
    return Path(name).suffix
