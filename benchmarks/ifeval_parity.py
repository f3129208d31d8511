"""Verdicts of our instruction checks against the public IFEval checkers, reply by reply.

    python benchmarks/ifeval_parity.py --peer-python VENV/bin/python --nltk-data FOLDER --data ../shared/data

The peer is the package `if-verifiable` (the released checkers of IFEval, arXiv 2311.07911) in an
environment of its own, with nltk's `punkt_tab` in FOLDER; langdetect is seeded there. Replies to the prompts
of ifeval-140: made by rule so that they obey or just miss each instruction and all of them, the same changed
in ways that upset checkers (case, quotes, bullets, commas, headings, doubled), and texts of other data sets
in several languages; with --teacher N also N replies of the local teacher. Every instruction of every reply
is judged by both; each disagreement is printed with its instruction and what both counted. Ends with one JSON
line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trivium.verify import constraints, ifeval
from trivium.verify.constraints import Pick, near_miss, satisfy

ROOT = Path(__file__).parents[1]
TARGET_REPLIES, TARGET_KINDS = 2000, 60
POOLS = (
    ("dolly-hhrlhf-small", ("response", "output", "chosen", "completion")),
    ("gsm8k-train", ("answer",)),
    ("xquad-4", ("context", "paragraph")),
    ("mt-bench", ("reference", "prompt", "turns")),
    ("self-instruct-seeds", ("output", "instances")),
)

PEER = """
import json, sys, logging
import langdetect
langdetect.DetectorFactory.seed = 0
logging.disable(logging.CRITICAL)
from if_verifiable.ifeval import instructions_util
from if_verifiable.ifeval.instructions_registry import INSTRUCTION_DICT
def note(name, reply):
    try:
        if name.startswith(("language", "change_case:english")):
            return f"langdetect reads {langdetect.detect(reply)!r}"
    except langdetect.LangDetectException:
        return "langdetect reads nothing"
    if name.endswith("number_sentences"):
        return f"Punkt counts {instructions_util.count_sentences(reply)}"
    if name.endswith("capital_word_frequency"):
        return f"nltk counts {sum(word.isupper() for word in instructions_util.nltk.word_tokenize(reply))}"
    return ""

for line in sys.stdin:
    row = json.loads(line)
    verdicts = []
    notes = []
    for name, params in zip(row["names"], row["params"]):
        checker = INSTRUCTION_DICT[name](name)
        checker.build_description(**params)
        try:
            verdicts.append(bool(row["reply"].strip() and checker.check_following(row["reply"])))
        except Exception as error:
            verdicts.append(f"{type(error).__name__}: {error}")
        notes.append(note(name, row["reply"]))
    print(json.dumps([verdicts, notes]))
"""

CHANGES: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.lower,
    lambda text: f'"{text.strip()}"',
    lambda text: "\n".join(f"- {line}" for line in text.splitlines()),
    lambda text: text.replace(",", ""),
    lambda text: f"# Title\n\n**Note:** {text}\n\nP.S. That's all, e.g. for Mr. Smith.",
    lambda text: f"{text}\n******\n{text}!",
    lambda text: text.replace(". ", ".\n\n"),
    lambda text: f"Sure, here it is:\n{text}",
    lambda text: text[: len(text) // 2],
)


def main() -> None:
    """Judge with both and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", required=True, help="a Python that has if-verifiable")
    parser.add_argument("--nltk-data", required=True, help="folder with tokenizers/punkt_tab")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--teacher", type=int, default=0, help="replies of the local teacher")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows = list(replies(args.data, args.seed, args.teacher))
    theirs = peer_verdicts(args.peer_python, args.nltk_data, rows)
    judged, obeyed, differ, errors = 0, 0, [], 0
    for row, (verdicts, notes) in zip(rows, theirs, strict=True):
        for name, params, verdict, note in zip(row["names"], row["params"], verdicts, notes, strict=True):
            ours = ifeval.check(name, row["reply"], **params)
            errors += isinstance(verdict, str)
            judged += 1
            obeyed += ours
            if ours is not verdict:
                differ.append(name)
                print(explain(name, params, row["reply"], ours, verdict, note))
    print(f"{len(rows)} replies (target {TARGET_REPLIES}), {judged} verdicts, {obeyed} of them obeyed")
    print(f"{len(differ)} disagreements (target 0, or explained above): {dict(Counter(differ))}")
    print(f"{len(constraints.KINDS)} kinds of constraints to compose (target {TARGET_KINDS})")
    line = {
        **{
            "kinds": len(constraints.KINDS),
            "name": "ifeval_parity",
            "replies": len(rows),
            "verdicts": judged,
            "obeyed": obeyed,
        },
        **{"disagreements": len(differ), "by_instruction": dict(Counter(differ)), "peer_errors": errors},
    }
    print(json.dumps(line))


def replies(data: Path, seed: int, teacher: int) -> Iterator[dict[str, Any]]:
    """Yield rows of reply, instruction names and parameters."""
    rng = random.Random(seed)
    texts = pool(data, rng)
    lines = (data / "ifeval-140" / "ifeval.140.jsonl").read_text().splitlines()
    prompts = [json.loads(line) for line in lines]
    said = teacher_replies([row["prompt"] for row in prompts[:teacher]]) if teacher else []
    for index, row in enumerate(prompts):
        params = [{k: v for k, v in given.items() if v is not None} for given in row["kwargs"]]
        names = row["instruction_id_list"]
        picks = [Pick(name, given) for name, given in zip(names, params, strict=True)]
        made = [said[index]] if index < len(said) else []
        for _ in range(4):
            plain = rng.choice(texts)
            made += [plain, rng.choice(CHANGES)(plain), *by_rule(plain, picks, rng)]
        made += [rng.choice(CHANGES)(text) for text in rng.sample(made, 4)]
        for reply in dict.fromkeys(made):
            yield {"reply": reply, "names": names, "params": params}


def by_rule(plain: str, picks: list[Pick], rng: random.Random) -> list[str]:
    """Replies that obey, all instructions and one of them, and one that just misses."""
    full = satisfy(plain, picks, rng)
    missed = near_miss(plain, full, picks, rng)
    one = satisfy(plain, [rng.choice(picks)], rng)
    return [full, one, *([missed[0]] if missed else [])]


def pool(data: Path, rng: random.Random) -> list[str]:
    """Texts of other data sets, of 3 to 300 words."""
    texts: list[str] = []
    for name, columns in POOLS:
        found = [text for path in sorted((data / name).glob("*.json*")) for text in strings(path, columns)]
        found = [text[:2000] for text in found if 3 <= len(text.split()) and len(text) < 4000]
        texts += rng.sample(found, min(120, len(found)))
    return texts


def strings(path: Path, columns: tuple[str, ...]) -> Iterator[str]:
    """The texts under some keys of a JSON or JSON-lines file, at any depth."""
    if path.name == "ORIGIN.json":
        return
    text = path.read_text()
    parts = text.split("\n") if path.suffix == ".jsonl" else [text]
    stack: list[tuple[str, Any]] = [("", json.loads(part)) for part in parts if part.strip()]
    while stack:
        key, value = stack.pop()
        if isinstance(value, dict):
            stack += value.items()
        elif isinstance(value, list):
            stack += [(key, item) for item in value]
        elif isinstance(value, str) and key in columns:
            yield value


def teacher_replies(prompts: list[str]) -> list[str]:
    """Ask the local teacher."""
    from trivium.llm import Request, ask
    from trivium.llm.backends.llama_cpp import LlamaCpp
    from trivium.llm.teacher import find_weights
    from trivium.records import Message

    weights = find_weights()
    if weights is None:
        raise SystemExit("no teacher weights on this machine: leave --teacher out")
    backend = LlamaCpp(weights, servers=1)
    asked = [Request(messages=(Message(role="user", content=prompt),), max_tokens=160) for prompt in prompts]
    try:
        return [reply.text for reply in ask(asked, backend)]
    finally:
        backend.close()


def peer_verdicts(python: str, nltk_data: str, rows: list[dict[str, Any]]) -> list[list[Any]]:
    """Let the public checkers judge every row."""
    done = subprocess.run(
        [python, "-c", PEER],
        input="\n".join(json.dumps(row) for row in rows),
        capture_output=True,
        text=True,
        env={**os.environ, "NLTK_DATA": nltk_data, "PYTHONPATH": ""},
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"the peer failed: {done.stderr.strip().splitlines()[-1]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def explain(name: str, params: dict[str, Any], reply: str, ours: bool, theirs: object, note: str) -> str:
    """One disagreement in one line."""
    measured = {
        "length_constraints:number_sentences": lambda: f"we count {ifeval.sentences(reply)} sentences",
        "change_case:capital_word_frequency": lambda: f"we count {ifeval.capital_words(reply)} words",
        "language:response_language": lambda: f"we read {ifeval.language_of(reply)!r}",
    }
    default = f"we read {ifeval.language_of(reply)!r}" if name.startswith("change_case") else ""
    told = measured[name]() if name in measured else default
    return f"{name} {params}: ours {ours}, theirs {theirs}; {told}, {note}; {reply[:160]!r}"


if __name__ == "__main__":
    main()
