"""One large JSONL file is many shards: memory of the reader at an eighth of the file and at its end.

    python benchmarks/large_file.py [--gb 1.5] [--folder FOLDER]

Needs nothing but room for the file, which is made (rows of 200 to 4,000 random letters and words) and taken
away again. Reads every shard through the process pool with two worker processes, as the curate stage does,
and prints rows, megabytes a second of CPU time and the peak resident memory of a worker. Every row must come
back once. Ends with one JSON line; the ratio is the peak at the end over the peak at an eighth, the target at
most 1.1. `large_file_flow.py` measures the whole stage.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from trivium.curate.readers import files
from trivium.store.executors.local import as_finished

TARGET = 1.1
OPTIONS = files.ReadOptions("text", "unknown", 20, 3_000)


def main() -> None:
    """Make the file, read it, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=1.5)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "rows.jsonl"
        rows = write_rows(path, int(args.gb * 1e9))
        figures = read_rows(path, rows)
    holds = figures["ratio"] <= TARGET and figures["rows_read"] == rows
    print(json.dumps({"name": "large_file", **figures, "rows": rows, "target": TARGET, "holds": holds}))


def write_rows(path: Path, size: int) -> int:
    """Write rows until the file is so large; return how many."""
    rng = random.Random(0)
    noise = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz      ", k=100_000))
    rows = written = 0
    with open(path, "w", encoding="ascii") as handle:
        while written < size:
            at, length = rng.randrange(90_000), rng.randrange(200, 4_000)
            written += handle.write(f'{{"text": "row {rows} {noise[at : at + length]}."}}\n')
            rows += 1
    return rows


def read_rows(path: Path, rows: int) -> dict[str, float]:
    """Read all shards; return the figures."""
    shards = files.plan_shards([str(path)])
    size = path.stat().st_size
    print(f"{size / 1e6:,.0f} MB, {rows:,} rows, {len(shards)} shards", flush=True)
    found: dict[int, tuple[int, float]] = {}
    began = time.perf_counter()
    peaks, spent, read = {}, {}, 0
    for index, (pid, count, peak, seconds) in as_finished(read_one, shards, workers=2):
        read += count
        peaks[pid], spent[pid] = max(peak, peaks.get(pid, 0.0)), seconds
        found[len(found)] = (index, max(peaks.values()))
    early, late = found[len(shards) // 8][1], found[len(shards) - 1][1]
    rate = size / 1e6 / sum(spent.values())
    print(f"{read:,} rows read in {time.perf_counter() - began:.0f} s, {rate:.1f} MB/s a core")
    print(f"peak of a worker: {early:.0f} MiB after an eighth of the file, {late:.0f} MiB at its end")
    return {
        "megabytes": round(size / 1e6, 1), "shards": len(shards), "rows_read": read,
        "mb_per_second": round(rate, 1),
        "peak_mib_early": round(early, 1), "peak_mib": round(late, 1), "ratio": round(late / early, 3),
    }  # fmt: skip


def read_one(shard: files.FileShard) -> tuple[int, int, float, float]:
    """Read a shard; return (process, rows, peak resident MiB so far, CPU seconds so far)."""
    import os

    documents, drops = files.read_shard(shard, OPTIONS)
    assert not drops
    return (
        os.getpid(),
        len(documents),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        time.process_time(),
    )


if __name__ == "__main__":
    main()
