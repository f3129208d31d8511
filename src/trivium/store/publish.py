"""A finished run copied to a store behind a URL: s3://, gs://, memory://, whatever fsspec has a package for.

A run itself lies on a disk, since resume rests on renames, which such stores do not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError, ResourceError
from trivium.store.run import RECORD_FILE

if TYPE_CHECKING:
    from trivium.store.run import Run


def publish(run: Run, url: str) -> list[str]:
    """Copy the finished stages of a run, each one's record last, so a stage that has a record there is whole.

    Args:
        run: The run.
        url: Where its folder is to lie, such as s3://bucket/runs/pocket.

    Returns:
        Names of the stages that were copied; those whose record is there already are left alone.

    Raises:
        ConfigError: There is no such kind of store.
        ResourceError: The store refuses.
    """
    store, root = open_store(url)
    copied = []
    try:
        for name, folder in run.finished().items():
            target = f"{root}/{folder.name}"
            record = (folder / RECORD_FILE).read_bytes()
            if (
                store.exists(f"{target}/{RECORD_FILE}")
                and store.cat_file(f"{target}/{RECORD_FILE}") == record
            ):
                continue
            for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != RECORD_FILE):
                store.put_file(str(path), f"{target}/{path.relative_to(folder)}")
            store.pipe_file(f"{target}/{RECORD_FILE}", record)
            copied.append(name)
        for path in sorted(p for p in run.path.iterdir() if p.is_file()):
            store.put_file(str(path), f"{root}/{path.name}")
    except Exception as error:
        raise ResourceError(
            f"--publish: got {url}, which refuses ({str(error).splitlines()[0]}); expected a store that can "
            "be written to, mend it and give the same command again."
        ) from None
    return copied


def open_store(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the address in it.

    Raises:
        ConfigError: It is no URL, or nothing that is installed knows its kind.
    """
    import fsspec

    try:
        if "://" not in url:
            raise ValueError("no URL")
        store, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigError(
            f"--publish: got {url} ({error}); expected the URL of an fsspec store that is installed, such as "
            "s3://bucket/run (pip install 'trivium[s3]')."
        ) from None
    return store, root.rstrip("/")
