"""Semantic duplicates on real rephrasings: which vectors find them, and what the flow's threshold removes.

    python benchmarks/semantic_duplicates.py --data ../shared/data

Needs gsm8k-train, gsm8k-test and decontam-gsm8k-rephrase of --data. 250 test questions, each with a
rephrasing by a language model, among 7,473 training questions, which are the clean text and the hardest there
is: many are of one pattern, and some are copies. Two parts:

- vectors: the recall of rephrasings at the cosine that a given part of the training questions reach with
  another one; for TF-IDF as it is, projected by random signs (what `dedup_semantic` keeps), and its singular
  value decomposition.
- the flow's step at --threshold: rephrasings of which one of the two goes, training questions that go.

There is no target: nothing without a model finds most of them. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from trivium.curate.arrays import load
from trivium.curate.dedup_semantic import FOLDER, semantic_duplicates, word_counts
from trivium.store.run import StageDir

NEIGHBOURS = (0.01, 0.02, 0.05)
RANKS = (64, 256, 512)
SHARD = 500


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threshold", type=float, default=0.65)
    args = parser.parse_args()
    train = [row["question"] for row in rows(args.data, "gsm8k-train")]
    test = [row["question"] for row in rows(args.data, "gsm8k-test")]
    said = [row["rephrased"].removeprefix("Question: ") for row in rows(args.data, "decontam-gsm8k-rephrase")]
    texts = [*train, *test, *said]
    shards = [tuple(texts[i : i + SHARD]) for i in range(0, len(texts), SHARD)]
    with tempfile.TemporaryDirectory() as folder:
        stage = StageDir(name="semantic", path=Path(folder), seed=0, workers=1)
        started = time.process_time()
        found = semantic_duplicates(stage, shards, tuple, args.threshold)
        seconds = time.process_time() - started
        kept = np.concatenate([load(stage.scratch / FOLDER, i, "vectors") for i in range(len(shards))])
        hashes, idf = (np.array(load(stage.scratch / FOLDER, 0, name)) for name in ("hashes", "idf"))
    report: dict[str, Any] = {"projected": recalls(kept, len(train), len(test))}
    plain = tf_idf(texts, hashes, idf)
    report["plain"] = recalls(plain, len(train), len(test))
    for rank in RANKS:
        report[f"svd {rank}"] = recalls(decomposed(plain, rank), len(train), len(test))
    for name, value in report.items():
        print(f"{name}: recall {value}")
    gone = {dup.index for dup in found}
    first = len(train)
    hits = sum(first + i in gone or first + len(test) + i in gone for i in range(len(test)))
    clean = sum(index in gone for index in range(first))
    print(f"at {args.threshold}: {hits} of {len(test)} rephrasings, {clean} of {first} training questions go")
    print(f"{len(texts) / seconds:.0f} texts a second of CPU time")
    summary = {"rephrasings": hits, "of": len(test), "training_questions": clean, "among": first}
    print(
        json.dumps({"name": "semantic_duplicates", "recall": report, "threshold": args.threshold, **summary})
    )


def rows(data: Path, name: str) -> list[dict[str, Any]]:
    """Rows of the JSON lines file of a data set."""
    path = next((data / name).glob("*.jsonl"))
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def tf_idf(texts: list[str], hashes: np.ndarray, idf: np.ndarray) -> np.ndarray:
    """Vectors with one dimension a word, shape (texts, words), float32."""
    owners, words, counts = word_counts(texts)
    places = np.minimum(np.searchsorted(hashes, words), len(hashes) - 1)
    known = hashes[places] == words
    vectors = np.zeros((len(texts), len(hashes)), np.float32)
    vectors[owners[known], places[known]] = (1 + np.log(counts[known])) * idf[places[known]]
    return unit(vectors)


def decomposed(vectors: np.ndarray, rank: int) -> np.ndarray:
    """Vectors in the space of the first singular vectors."""
    import torch

    torch.manual_seed(0)
    given = torch.from_numpy(vectors)
    _, _, basis = torch.svd_lowrank(given, q=rank, niter=2)
    return unit((given @ basis).numpy())


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length one."""
    return vectors / np.maximum(1e-9, np.linalg.norm(vectors, axis=1, keepdims=True))


def recalls(vectors: np.ndarray, num_train: int, num_test: int) -> dict[str, float]:
    """Part of the rephrasings above the cosine that so many training questions reach with another one."""
    train = vectors[:num_train]
    nearest = np.zeros(num_train, np.float32)
    for start in range(0, num_train, 1_000):
        cosines = train[start : start + 1_000] @ train.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -1
        nearest[start : start + 1_000] = cosines.max(axis=1)
    test, said = vectors[num_train : num_train + num_test], vectors[num_train + num_test :]
    pairs = (test * said).sum(axis=1)
    return {
        f"at {part:.0%}": round(float((pairs >= np.quantile(nearest, 1 - part)).mean()), 3)
        for part in NEIGHBOURS
    }


if __name__ == "__main__":
    main()
