"""One large JSONL file through the whole curate stage: memory of the main process, beside a smaller file's.

    python benchmarks/large_file_flow.py [--mb 30 300] [--workers 2] [--folder FOLDER]

Needs nothing but room for the file and three times as much for the shards, all taken away again. The rows are
pages of 6 to 24 sentences of the running Python's language reference, drawn anew for each, so that nearly all
pass the filters; every twentieth repeats an earlier row. The stage runs to its end in a process of its own
(read, judge, deduplicate, mask, cut into passages, choose seeds, write), with the installation left out, and
prints its peak resident memory and that of the largest worker. Ends with one JSON line; the ratio is the peak
for the largest file over that for the smallest, the target at most 1.5, and below 1,000 MiB.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET, TARGET_MIB = 1.5, 1_000
COPY_EVERY = 20
SENTENCE = re.compile(r"[A-Z][a-z][\w ,'-]{40,200}\.(?= )")


def main() -> None:
    """Make the files, curate each, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, nargs="+", default=[30, 300])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--one", type=Path, default=None, help="a folder with a made file: curate only")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(curate(args.one, args.workers)))
        return
    runs = [measure(size, args) for size in sorted(args.mb)]
    ratio = round(runs[-1]["peak_mib"] / runs[0]["peak_mib"], 3)
    holds = ratio <= TARGET and runs[-1]["peak_mib"] < TARGET_MIB
    targets = {"ratio": TARGET, "peak_mib": TARGET_MIB}
    print(
        json.dumps(
            {"name": "large_file_flow", "runs": runs, "ratio": ratio, "target": targets, "holds": holds}
        )
    )


def measure(megabytes: int, args: argparse.Namespace) -> dict[str, float]:
    """Make a file, curate it in a fresh process and return the figures."""
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        rows = write_rows(Path(folder) / "rows.jsonl", megabytes * 1_000_000)
        command = [sys.executable, __file__, "--one", folder, "--workers", str(args.workers)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures = {"megabytes": megabytes, "rows": rows, **json.loads(done.stdout.splitlines()[-1])}
    assert figures["kept"] + figures["dropped"] == rows, figures
    print(
        f"{megabytes:,} MB, {rows:,} rows ({figures['kept']:,} kept): {figures['seconds']:,.0f} s, "
        f"peak {figures['peak_mib']:,} MiB, of a worker {figures['worker_mib']:,} MiB",
        flush=True,
    )
    return figures


def write_rows(path: Path, size: int) -> int:
    """Write rows until the file is so large; return how many."""
    from pydoc_data import topics

    rng = random.Random(0)
    found = [s for text in topics.topics.values() for s in SENTENCE.findall(" ".join(text.split()))]
    found = sorted(set(found))
    rows = written = 0
    earlier = ""
    with open(path, "w", encoding="utf-8") as handle:
        while written < size:
            drawn = rng.sample(found, rng.randrange(6, 24))
            text = "\n\n".join(" ".join(drawn[i : i + 3]) for i in range(0, len(drawn), 3))
            if rows % COPY_EVERY == COPY_EVERY - 1:
                text = earlier
            elif rows % COPY_EVERY == 0:
                earlier = text
            written += handle.write(json.dumps({"text": text}) + "\n")
            rows += 1
    return rows


def curate(folder: Path, workers: int) -> dict[str, float]:
    """Curate the file in this process; return rows, seconds and peaks in MiB."""
    from trivium.curate.stage import CurateConfig, run
    from trivium.store.run import StageDir

    began = time.perf_counter()
    stage = StageDir(name="curate", path=folder / "curate", seed=0, workers=workers)
    metrics = run(CurateConfig(installation=False, paths=(str(folder / "rows.jsonl"),)), stage)
    stage.write_drops()
    peaks = [
        resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return {
        "kept": sum(metrics["kept"].values()), "dropped": stage.num_drops,
        "passages": sum(metrics["passages"].values()), "seeds": sum(metrics["seeds"].values()),
        "seconds": round(time.perf_counter() - began, 1), "peak_mib": peaks[0], "worker_mib": peaks[1],
    }  # fmt: skip


if __name__ == "__main__":
    main()
