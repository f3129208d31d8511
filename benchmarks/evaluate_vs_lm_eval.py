"""Our evaluation against lm-evaluation-harness: processor time, and the same scores item by item.

    python benchmarks/evaluate_vs_lm_eval.py models/SmolLM2-135M-Instruct --data ../shared/data \
        --peer-python VENV/bin/python --tasks lambada,gsm8k --items 60
    ... --tasks lambada,gsm8k,arc_easy,piqa,openbookqa,winogrande,mmlu,mgsm_en --items 24    # agreement

The peer is lm_eval in an environment of its own (with `datasets`). Both read the same rows of the same files;
the peer runs its own task definitions (prompts, examples, stops, filters) on them. One thread and float32 on
both sides, the model loaded before the clock starts, the peer's batch size by --batch-size (its default is 1)
and without its bootstrap. Of likelihood tasks every option's log-probability is compared as well. Items that
differ are printed with both replies. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TARGET = 3.0
Row = Mapping[str, Any]

PEER = """
import json, sys, time, logging, pathlib
logging.disable(logging.WARNING)
told = json.loads(sys.argv[1])
import torch
torch.set_num_threads(1)
import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
lm = HFLM(pretrained=told["model"], dtype="float32", device="cpu", batch_size=told["batch_size"])
manager = TaskManager(include_path=told["folder"])
for name in told["tasks"]:
    began = time.process_time()
    done = lm_eval.simple_evaluate(
        model=lm, tasks=["ours_" + name], task_manager=manager, bootstrap_iters=0, log_samples=True
    )
    seconds = time.process_time() - began
    rows = []
    for one in done["samples"]["ours_" + name]:
        metrics = {k: v for k, v in one.items() if k in ("acc", "acc_norm", "exact_match")}
        rows.append({"doc": one["doc_id"], "filter": one.get("filter", "none"), "metrics": metrics,
                     "said": one["resps"]})
    print("RESULT " + json.dumps({"task": name, "seconds": seconds, "rows": rows}, default=str), flush=True)
"""


def gsm8k(row: Row) -> Row:
    """As it is."""
    return {"question": row["question"], "answer": row["answer"]}


def lambada(row: Row) -> Row:
    """One text, whose last word is asked for."""
    return {"text": f"{row['context'].rstrip(' ')} {row['continuation'].strip()}"}


def arc(row: Row) -> Row:
    """Labelled choices."""
    labels = list("ABCDE"[: len(row["choices"])])
    question = row["query"].strip().removeprefix("Question:").strip()
    choices = {"text": row["choices"], "label": labels}
    return {"question": question, "choices": choices, "answerKey": labels[row["gold"]]}


def piqa(row: Row) -> Row:
    """Two solutions."""
    goal = row["query"].strip().removeprefix("Question:").strip()
    return {"goal": goal, "sol1": row["choices"][0], "sol2": row["choices"][1], "label": row["gold"]}


def openbookqa(row: Row) -> Row:
    """Labelled choices of a stem."""
    choices = {"text": row["choices"], "label": list("ABCD")}
    return {"question_stem": row["query"], "choices": choices, "answerKey": "ABCD"[row["gold"]]}


def winogrande(row: Row) -> Row:
    """A sentence with a gap."""
    one, two = row["context_options"]
    same = os.path.commonprefix([one, two])
    same = same[: same.rfind(" ") + 1]
    options = {"option1": one[len(same) :], "option2": two[len(same) :]}
    return {"sentence": f"{same}_ {row['continuation']}", **options, "answer": str(row["gold"] + 1)}


def mgsm(row: Row) -> Row:
    """A question and a number; no worked answer."""
    return {"question": row["question"], "answer": None, "answer_number": int(row["answer"].replace(",", ""))}


PEERS: dict[str, tuple[str, Callable[[Row], Row], str]] = {
    "lambada": ("lambada/lambada_openai.yaml", lambada, "test"),
    "gsm8k": ("gsm8k/gsm8k-cot.yaml", gsm8k, "test"),
    "arc_easy": ("arc/arc_easy.yaml", arc, "test"),
    "piqa": ("piqa/piqa.yaml", piqa, "validation"),
    "openbookqa": ("openbookqa/openbookqa.yaml", openbookqa, "test"),
    "winogrande": ("winogrande/default.yaml", winogrande, "validation"),
    "mgsm_en": ("mgsm/direct/mgsm_direct_en.yaml", mgsm, "test"),
}
"""Our task -> the peer's definition, how a row is written for it, and the split that it reads."""

METRICS = {
    "accuracy": (("acc", "none"), ("exact_match", "flexible-extract")),
    "accuracy_norm": (("acc_norm", "none"),),
    "accuracy_marked": (("exact_match", "strict-match"),),
}
"""Our metric -> the peer's, with its filter."""


def main() -> None:
    """Measure both sides, compare and print."""
    args = arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    names = args.tasks.split(",")
    with tempfile.TemporaryDirectory() as folder:
        where = peer_tasks(Path(folder), names, args)
        theirs = run_peer(where, names, args)
    found = {}
    for name in names:
        one = found[name] = compare(name, run_ours(name, args), theirs[name])
        print(
            f"{name}: ratio of processor time {one['ratio']:.2f} (ours {one['ours_seconds']:.1f} s, peer "
            f"{one['peer_seconds']:.1f} s), equal scores {one['equal']}/{one['scores']}"
            + (f", log-probabilities within {one['widest']:.4f}" if one["widest"] is not None else ""),
            flush=True,
        )
    sums = [sum(one[key] for one in found.values()) for key in ("ours_seconds", "peer_seconds")]
    ratio = sums[1] / sums[0]
    same = all(one["equal"] == one["scores"] for one in found.values())
    print(f"together: ratio {ratio:.2f}, target {TARGET}; scores {'equal' if same else 'NOT equal'}")
    line = {"name": "evaluate_vs_lm_eval", "ratio": round(ratio, 2), "target": TARGET, "same_scores": same}
    print(json.dumps(line | {"items": args.items, "batch_size": args.batch_size, "tasks": found}))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="folder of the tasks' files")
    parser.add_argument("--peer-python", required=True, help="python of an environment with lm_eval")
    parser.add_argument("--tasks", default="lambada,gsm8k")
    parser.add_argument("--items", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=16, help="the peer's")
    return parser.parse_args()


def peer_tasks(folder: Path, names: list[str], args: argparse.Namespace) -> Path:
    """Write the rows and, for each task, a definition that includes the peer's own and reads them."""
    from trivium.evaluate.standard import sources, tasks

    place = "import lm_eval, pathlib; print(pathlib.Path(lm_eval.__file__).parent / 'tasks')"
    told = subprocess.run([args.peer_python, "-c", place], capture_output=True, text=True, check=True)
    root = told.stdout.strip().splitlines()[-1]
    for name in names:
        definition, convert, split = PEERS[name]
        rows = sources.load(tasks.find(name), args.data).rows["test"][: args.items]
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(convert(row)) + "\n" for row in rows))
        other = "validation" if split == "test" else "test"
        lines = [
            f"include: {root}/{definition}",
            f"task: ours_{name}",
            "dataset_path: json",
            "dataset_name: null",
            "training_split: null",
            f"{other}_split: null",
            *(["fewshot_split: null"] if name != "gsm8k" else []),
            f"dataset_kwargs: {{data_files: {{{split}: {file}}}}}",
        ]
        (folder / f"{name}.yaml").write_text("\n".join(lines) + "\n")
    return folder


def run_peer(folder: Path, names: list[str], args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Run the peer in its own environment: task -> seconds and rows."""
    told = {"model": args.model, "tasks": names, "folder": str(folder), "batch_size": args.batch_size}
    own = {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [args.peer_python, "-c", PEER, json.dumps(told)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": "", **own},
    )
    rows = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or len(rows) < len(names):
        raise SystemExit(f"the peer failed:\n{done.stderr[-3000:]}")
    return {row["task"]: row for row in rows}


def run_ours(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Run one task with us, nothing kept before: seconds, items and outputs."""
    from trivium import records
    from trivium.evaluate.standard import ask, run
    from trivium.evaluate.standard.results import ItemRow
    from trivium.evaluate.standard.task import Output
    from trivium.models.runtime import settle
    from trivium.store.files import read_parquet

    settle(threads=1)
    who = ask.contestant(args.model, label="ours")
    ask.cached_model(who.folder, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        what = run.Evaluation(models=(who,), tasks=(name,), data=args.data, limit=args.items, style="raw")
        began = time.process_time()
        run.evaluate(what, out)
        seconds = time.process_time() - began
        rows = records.from_table(ItemRow, read_parquet(out / "items.parquet"))
        outputs = records.from_table(Output, read_parquet(out / "outputs.parquet"))
    return {"seconds": seconds, "rows": rows, "outputs": outputs}


def compare(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Compare every score of every item, and log-probabilities where there are any."""
    by_key = {(row["doc"], row["filter"]): row for row in theirs["rows"]}
    equal, scores, widest = 0, 0, None
    for doc, (row, output) in enumerate(zip(ours["rows"], ours["outputs"], strict=True)):
        for score in row.scores:
            for metric, how in METRICS.get(score.metric, ()):
                peer = by_key.get((doc, how))
                if peer is None or metric not in peer["metrics"]:
                    continue
                scores += 1
                same = float(peer["metrics"][metric]) == score.value
                equal += same
                if not same:
                    print(f"{name} item {doc} {score.metric}: ours {score.value}, peer {peer['metrics']}")
                    print(f"  ours said {row.reply!r}\n  peer said {peer['said']!r}")
        if output.options:
            said = by_key[doc, "none"]["said"]
            pairs = zip(output.options, [one[0] for one in said], strict=True)
            gap = max(abs(option.logprob - float(peer[0])) for option, peer in pairs)
            widest = max(widest or 0.0, gap)
    ratio = theirs["seconds"] / ours["seconds"]
    found = {"ratio": round(ratio, 2), "equal": equal, "scores": scores, "widest": widest}
    return found | {"ours_seconds": round(ours["seconds"], 2), "peer_seconds": round(theirs["seconds"], 2)}


if __name__ == "__main__":
    main()
