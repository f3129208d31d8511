"""What midtraining gives: recall at 1, 2, 4 times the context before, after RoPE alone, after training.

    python benchmarks/midtraining.py RUN [--documents 100] [--seeds 1]

RUN is a finished run of a recipe that pretrains (runs/pocket); it is only read. From its base model four are
made: as it is; stretched (positions and RoPE base, no training); stretched and trained on the short mixture
alone; stretched and trained by the run's own settings, long documents in it. The last two get the same tokens
and the same rates, SEEDS times each.

Every model is asked, at each length, for the value beside a key (tasks in the manner of RULER, Hsieh et al.
2024, arXiv:2404.06654, in the words that the model knows): `many` keys, eight questions a document; and
`one` key in a haystack of sums, at the start, in the middle and at the end. All are greedy first choices.
Held-out text, all sources but the long documents that were made, is weighed in windows of the old context:
`bits a byte`. Prints a table with 95 % intervals (Wilson's over documents, seeds joined) and ends with one
JSON line; the targets are recall at 4 times and at most 1 % more bits a byte than the base model.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LENGTHS = {"1x": 14, "2x": 31, "4x": 64}
"""Name -> pairs of a document, or sums of a haystack; about 15 tokens each."""
QUERIES = 8
HELD_OUT_BYTES = 12_000
TARGET_RECALL, TARGET_RATIO = 0.8, 1.01


def main() -> None:
    """Make the models, ask them, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--documents", type=int, default=100, help="of each task and length")
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    from trivium.models.runtime import settle

    settle(threads=1)
    documents = dict(make_documents(args.documents))
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        for name, model in make_models(args.run, args.seeds, Path(folder)):
            for task, values in ask(model, documents, args.run).items():
                found[name][task] += values
    report(found, args.seeds)


def make_documents(count: int) -> Iterator[tuple[str, list[tuple[str, list[tuple[str, str]]]]]]:
    """Yield task -> documents, each the told part and the pairs that are asked for."""
    from trivium.evaluate.tasks import recall
    from trivium.problems.recall import document

    for length, size in LENGTHS.items():
        rng = random.Random(f"midtraining-{length}")
        told = [document(rng, size, 0, filler=True) for _ in range(count)]
        yield f"many {length}", [(text, rng.sample(recall.pairs_in(text), QUERIES)) for text in told]
        for place, share in (("start", 0.0), ("middle", 0.5), ("end", 1.0)):
            yield f"one {length} {place}", [_haystack(rng, size, share) for _ in range(count)]


def _haystack(rng: random.Random, size: int, share: float) -> tuple[str, list[tuple[str, str]]]:
    from trivium.evaluate.tasks import recall
    from trivium.problems.recall import document

    lines = document(rng, size, 0, filler=True).removeprefix("Notes: ").removesuffix(" Recall:").split(". ")
    lines = [line.removesuffix(".") for line in lines]
    place = min(size - 1, int(share * size))
    hay = [line if at == place else line.split(" ", 2)[2] for at, line in enumerate(lines)]
    told = f"Notes: {'. '.join(hay)}. Recall:"
    return told, [recall.pairs_in(f"Notes: {lines[place]}. Recall:")[0]]


def make_models(run: Path, seeds: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and the folder of each model."""
    from trivium.models import export
    from trivium.models.load import load_model
    from trivium.recipe import load
    from trivium.store.run import StageDir
    from trivium.train import account
    from trivium.train.midtrain_stage import run as midtrain
    from trivium.train.midtrain_stage import stretch

    stages = {path.name.split("-", 1)[1]: path for path in sorted(run.glob("[0-9][0-9]-*"))}
    config = load(run / "recipe.json").midtrain
    base, tokenizer = stages["pretrain"] / "model", stages["tokenize"] / "tokenizer"
    yield "base", base
    prepared = account.read_training(stages["pretrain"])["settings"]["previous_token"]
    longer = stretch(load_model(base), config, aim_again=prepared)
    yield "RoPE alone", export.save_checkpoint(longer, tokenizer, folder / "rope", chat_model=False)
    for seed in range(seeds):
        for name, share in (("RoPE + short data", 0.0), ("RoPE + long data", config.long_frac)):
            made = StageDir(name="midtrain", path=folder / f"{share}-{seed}", seed=seed, inputs=stages)
            midtrain(dataclasses.replace(config, long_frac=share), made)
            yield name, made.path / "model"


def ask(model: Path, documents: dict[str, Any], run: Path) -> dict[str, list[float]]:
    """Return task -> a number a document: the share of right answers; and the bits of each held-out byte."""
    from trivium.evaluate import work
    from trivium.evaluate.likelihood import score
    from trivium.evaluate.tasks import bits_per_byte, recall
    from trivium.models.load import load_model, load_tokenizer
    from trivium.recipe import load

    loaded, tokenizer = load_model(model), load_tokenizer(model)
    found = {}
    for task, made in documents.items():
        groups = [recall.questions_of(told, asked, task, len(asked)) for told, asked in made]
        texts = [tokenizer.plain.encode(recall.answered(g[-1]), add_special_tokens=False) for g in groups]
        scored = score(loaded, [text.ids for text in texts], tokenizer.pad_id)
        found[task] = [
            sum(_right(question, text, said.choices) for question in group) / len(group)
            for group, text, said in zip(groups, texts, scored, strict=True)
        ]
    (held_out,) = run.glob("*-tokenize/heldout.parquet")
    made = load(run / "recipe.json").midtrain.made_source
    rows = [row for row in work.held_out_rows(str(held_out), HELD_OUT_BYTES) if row.source != made]
    (base,) = run.glob("*-pretrain/model")
    window = load_model(base).config.max_position_embeddings
    texts = [tokenizer.plain.encode(row.text, add_special_tokens=False) for row in rows]
    pieces = [bits_per_byte.windows(text.ids, window) for text in texts]
    scored = iter(score(loaded, [piece for row in pieces for piece in row], tokenizer.pad_id))
    bits = [sum(sum(next(scored).bits) for _ in row) for row in pieces]
    pairs = zip(rows, texts, strict=True)
    sizes = [bits_per_byte.scored_bytes(row.text, text.offsets) for row, text in pairs]
    found["bits a byte"] = [sum(bits) / sum(sizes)]
    return found


def _right(question: Any, text: Any, choices: list[int]) -> bool:
    from trivium.evaluate.tasks import recall

    places = recall.answer_places(question, text.offsets)
    return all(choices[place - 1] == text.ids[place] for place in places)


def report(found: dict[str, dict[str, list[float]]], seeds: int) -> None:
    """Print the table and the JSON line."""
    from trivium.stats import wilson

    tasks = list(next(iter(found.values())))
    print(f"{'':16}" + "".join(f"{name:>26}" for name in found))
    for task in tasks[:-1]:
        parts = [(sum(values[task]), len(values[task])) for values in found.values()]
        cells = ("{:.3f} [{:.3f}, {:.3f}]".format(r / n, *wilson(r, n)) for r, n in parts)
        print(f"{task:16}" + "".join(f"{cell:>26}" for cell in cells))
    bits = {name: sum(values[tasks[-1]]) / len(values[tasks[-1]]) for name, values in found.items()}
    print(f"{tasks[-1]:16}" + "".join(f"{value:>26.4f}" for value in bits.values()))
    recall = {name: sum(v["many 4x"]) / len(v["many 4x"]) for name, v in found.items()}
    ratio = {name: round(value / bits["base"], 4) for name, value in bits.items()}
    trained = "RoPE + long data"
    line = {
        "name": "midtraining", "seeds": seeds, "recall_4x": {k: round(v, 4) for k, v in recall.items()},
        "bits_a_byte_over_base": ratio, "targets": {"recall_4x": TARGET_RECALL, "bits": TARGET_RATIO},
        "holds": recall[trained] >= TARGET_RECALL and ratio[trained] <= TARGET_RATIO,
    }  # fmt: skip
    print(json.dumps(line))


if __name__ == "__main__":
    main()
