"""Instructions whose obedience a function can check: compose them, write replies that pass or just miss.

    picks = compose(rng, 2, KINDS, context)          # never two that conflict
    prompt = instruct("List three colours.", picks, rng)
    reply = satisfy("Red, blue, green.", picks, rng)
    passes(reply, picks)                             # True

The kinds follow the idea of IFEval (Zhou et al. 2023, arXiv 2311.07911): strict checks, no judge. Ours also
know how to obey and how to fail alone, so they make training data, preference pairs and rewards, and some
kinds are never trained on.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from trivium.errors import DataError
from trivium.records import Question, row_id
from trivium.verify.constraint_formats import FORMAT_KINDS
from trivium.verify.constraint_kinds import WORD_KINDS, Context, Kind, Params, ask
from trivium.verify.constraint_prose import PROSE_KINDS
from trivium.verify.constraint_public import PUBLIC_KINDS
from trivium.verify.constraint_tasks import KEYWORDS, TASK_CHECKS, TASKS, Task

SHORT_KINDS: dict[str, Kind] = {**WORD_KINDS, **FORMAT_KINDS}
"""Kinds for replies of a few words, which the tasks of this room ask for."""
KINDS: dict[str, Kind] = {**SHORT_KINDS, **PROSE_KINDS, **PUBLIC_KINDS}

HELD_OUT_FAMILIES = {
    "order": ("lines_sorted", "unique_words", "same_ends", "word_at"),
    "markup": ("bold_word", "heading", "code_block", "table", "rule", "tagged"),
    "detectable_format": tuple(name for name in PUBLIC_KINDS if name.startswith("detectable_format:")),
}
"""Whole families that no training row asks for: nothing trained is like them."""

HELD_OUT = (
    *("title", "keyword_count", "brackets", "numbered"),
    *(name for family in HELD_OUT_FAMILIES.values() for name in family),
)
"""Kinds that no training row asks for. The first four have trained relatives (upper, include, quotes,
bullets), so they tell what carries over within a family; the others what carries over beyond."""

_ONE_OF = (
    ("upper", "lower", "title"),
    ("quotes", "brackets", "json_key", "repeat_request", "bullets", "numbered"),
    ("bullets", "numbered", "separator", "json_key", "twice", "repeat_request"),
    ("end_mark", "quotes", "brackets", "json_key", "bullets", "numbered"),
    ("no_commas", "separator", "json_key", "repeat_request"),
)
_NOT_WITH = {
    "word_count": (
        "start_word",
        "end_word",
        "include",
        "keyword_count",
        "twice",
        "json_key",
        "repeat_request",
    ),
    "twice": ("start_word", "end_word", "include", "keyword_count", "word_count"),
    "separator": ("include", "keyword_count", "end_word"),
    "numbered": ("start_word", "word_count"),
    "json_key": ("upper", "title", "start_word"),
    "repeat_request": ("upper", "lower", "title", "start_word"),
    "number_only": tuple(name for name in KINDS if name != "number_only"),
    "keyword_count": ("include",),
}

SPLITS = {"train": range(0, 80), "exam": range(80, 90), "contest": range(90, 100)}
"""Percentiles of the content hash: which prompts may stand in which split."""

PLAIN = (
    "The rain falls on the old house. Two children look out of the window, and a cat sleeps near the fire. "
    "They wait for the sun. In the evening it comes out at last, so they run to the garden and play."
)
"""A reply that asks for nothing, from which witnesses are built."""
ROUNDS = 4

MAX_TRIES = 400
"""Draws a wanted question before the space is called exhausted."""


class Pick(NamedTuple):
    """One constraint with its parameters, or a task's own check."""

    kind: str
    params: Params


def conflicts(first: str, second: str) -> bool:
    """Whether two kinds cannot be asked of one reply."""
    if first == second or any(first in group and second in group for group in _ONE_OF):
        return True
    return second in _NOT_WITH.get(first, ()) or first in _NOT_WITH.get(second, ())


def families() -> dict[str, tuple[str, ...]]:
    """Return the kinds by use: `train`, and `held_out` for evaluation only."""
    return {"train": tuple(name for name in KINDS if name not in HELD_OUT), "held_out": HELD_OUT}


def compose(rng: random.Random, count: int, kinds: Iterable[str], context: Context) -> list[Pick]:
    """Draw up to `count` constraints that can be obeyed together.

    Args:
        rng: Source of randomness.
        count: How many are wanted; fewer come back if no further kind fits.
        kinds: Names to draw from.
        context: What parameters may be drawn from; a word is used by one constraint only.
    """
    picks: list[Pick] = []
    free = list(context.words)
    names = sorted(kinds)
    rng.shuffle(names)
    for name in names:
        if len(picks) == count:
            break
        if any(conflicts(name, pick.kind) for pick in picks):
            continue
        here = Context(
            words=tuple(free), members=context.members, request=context.request, items=context.items
        )
        pick = Pick(name, KINDS[name].sample(rng, here))
        if name not in SHORT_KINDS and witness([*picks, pick]) is None:
            continue
        values = pick.params.values()
        used = {word for value in values for word in (value if isinstance(value, list) else [value])}
        free = [word for word in free if word not in used]
        picks.append(pick)
    return picks


def witness(picks: Sequence[Pick], plain: str = PLAIN) -> str | None:
    """Solve a set of constraints: return a reply that obeys all of them, or None if none was built.

    The proof that constraints do not conflict is a reply. What one rewrite spoils the next round mends; a set
    that is not settled after `ROUNDS` is taken for a conflict, so a few that could be obeyed are lost.
    """
    rng, text = random.Random(0), plain
    for _ in range(ROUNDS):
        # From the second round on, only what is broken is mended: doing it twice would break counts.
        broken = [pick for pick in picks if not _obeys(text, pick)]
        if not broken:
            return text
        text = satisfy(text, broken, rng)
    return text if passes(text, picks) else None


def instruct(request: str, picks: Sequence[Pick], rng: random.Random) -> str:
    """Write the request and after it each constraint in one of its wordings, in the given order."""
    return " ".join([request, *(ask(KINDS[name], params, rng) for name, params in picks if name in KINDS)])


def attach(
    request: str,
    rng: random.Random,
    count: int,
    *,
    kinds: Sequence[str] | None = None,
    words: Sequence[str] = KEYWORDS,
) -> tuple[str, str]:
    """Put constraints on a request of your own.

    Args:
        request: Any prompt that asks for text.
        rng: Source of randomness.
        count: How many constraints; 1 to 5 is usual.
        kinds: Names to draw from; default every trained kind that fits any text.
        words: What keywords may be drawn from.

    Returns:
        The prompt with its constraints, and the expected answer for the `constraints` verifier.
    """
    first = re.split(r"(?<=[.!?])\s", request.strip())[0]
    if kinds is None:
        kinds = [name for name in families()["train"] if name not in ("number_only", "forbid")]
    picks = compose(rng, count, kinds, Context(words=tuple(words), request=first))
    return instruct(request.strip(), picks, rng), encode(picks)


def results(reply: str, picks: Sequence[Pick]) -> dict[str, bool]:
    """Check each pick strictly; two of one kind must both be obeyed.

    A repeated request does not count as doing the task.
    """
    repeated = [
        pick.params["request"] for pick in picks if pick.kind == "repeat_request" and _obeys(reply, pick)
    ]
    body = reply.strip()[len(repeated[0]) :] if repeated else reply
    found: dict[str, bool] = {}
    for pick in picks:
        obeyed = _obeys(body if pick.kind in TASK_CHECKS else reply, pick)
        found[pick.kind] = found.get(pick.kind, True) and obeyed
    return found


def passes(reply: str, picks: Sequence[Pick]) -> bool:
    """Whether the reply is not blank and obeys every pick."""
    return bool(reply.strip()) and all(results(reply, picks).values())


def passes_loosely(reply: str, picks: Sequence[Pick]) -> bool:
    """Whether the reply passes as it is, or without its first line, its last line, both, or its asterisks.

    The loose measure of IFEval (arXiv 2311.07911, section 2.2): it forgives an opening like `Sure:`.
    """
    lines = reply.strip().splitlines()
    cuts = ["\n".join(part) for part in (lines, lines[1:], lines[:-1], lines[1:-1])]
    return passes(reply, picks) or any(
        passes(text, picks) for cut in cuts for text in (cut, cut.replace("*", ""))
    )


def satisfy(text: str, picks: Sequence[Pick], rng: random.Random) -> str:
    """Rewrite a plain reply so that it obeys the constraints, words first and frame last.

    The kinds of this file compose, so the result passes wherever the plain reply has enough items; check it
    with `passes` on text that is not yours.
    """
    for name, params in sorted(picks, key=lambda pick: KINDS[pick.kind].rank if pick.kind in KINDS else -1):
        if name in KINDS:
            text = KINDS[name].satisfy(text, params, rng)
    return text


def near_miss(plain: str, reply: str, picks: Sequence[Pick], rng: random.Random) -> tuple[str, str] | None:
    """Make a reply that breaks exactly one constraint and does everything else.

    Args:
        plain: The reply before any constraint.
        reply: A passing reply.
        picks: What was asked, the task's check included.
        rng: Source of randomness.

    Returns:
        The reply and the kind that it breaks, or None if none was found.
    """
    names = [pick for pick in picks if pick.kind in KINDS]
    rng.shuffle(names)
    for broken in names:
        others = [pick for pick in picks if pick is not broken]
        changed = KINDS[broken.kind].near_miss(reply, broken.params, rng)
        for attempt in (changed, satisfy(plain, others, rng)):
            if not _obeys(attempt, broken) and passes(attempt, others):
                return attempt, broken.kind
    return None


def encode(picks: Sequence[Pick]) -> str:
    """Write picks as the JSON that the `constraints` verifier takes as the expected answer."""
    return json.dumps([[name, params] for name, params in picks], sort_keys=True)


def decode(text: str) -> list[Pick]:
    """Read what `encode` wrote.

    Raises:
        DataError: It is not such JSON, or names a kind that does not exist.
    """
    picks: list[Pick] = []
    try:
        picks = [Pick(name, dict(params)) for name, params in json.loads(text)]
        known = picks and all(name in KINDS or name in TASK_CHECKS for name, _ in picks)
    except (ValueError, TypeError):
        known = False
    if not known:
        expected = "a JSON list of [kind, parameters] with known kinds"
        raise DataError(f"constraints: got {text[:80]!r}, expected {expected}; write it with encode().")
    return picks


def make(seed: int, count: int, split: str = "train", *, held_out: bool = False) -> list[Question]:
    """Make instruction questions for the `constraints` verifier, each with a reply that passes.

    Args:
        seed: Same seed, same questions.
        count: How many; prompts do not repeat.
        split: `train`, `exam` or `contest`. A prompt belongs to one split by the hash of its content,
            whatever the seed and the wording, so no exam prompt is ever trained on.
        held_out: Ask one kind of `HELD_OUT` in each prompt; not allowed in `train`.

    Returns:
        Questions with `solution` (a passing reply), `difficulty` (number of constraints), `template` (the
        task) and `meta`: JSON of `near_miss` (a reply that breaks one constraint), `broken` (which), `kinds`.

    Raises:
        DataError: Unknown split, held-out kinds for training, or no room for so many prompts.
    """
    if split not in SPLITS:
        raise DataError(f"constraints: got split {split!r}, expected one of {', '.join(SPLITS)}; pass one.")
    if held_out and split == "train":
        raise DataError(
            "constraints: got held_out=True for train, expected exam or contest; change the split."
        )
    stream = _stream(random.Random(f"constraints/{seed}/{split}/{held_out}"), split, held_out)
    questions = list(itertools.islice(stream, count))
    if len(questions) < count:
        raise DataError(
            f"constraints: got {len(questions)} of {count} different prompts for {split}; ask for fewer."
        )
    return questions


def _stream(rng: random.Random, split: str, held_out: bool) -> Iterator[Question]:
    """Yield questions of the split until `MAX_TRIES` draws in a row bring none."""
    seen: set[str] = set()
    failed = 0
    while failed < MAX_TRIES:
        failed += 1
        task, picks = _draw(rng, held_out)
        if not picks or _bucket(task, picks) not in SPLITS[split]:
            continue
        question = _question(task, picks, rng, split)
        if question is not None and question.prompt not in seen:
            seen.add(question.prompt)
            failed = 0
            yield question


def _draw(rng: random.Random, held_out: bool) -> tuple[Task, list[Pick]]:
    (maker, _, needed, joining) = rng.choices(TASKS, weights=[weight for _, weight, _, _ in TASKS])[0]
    task = maker(rng)
    count = rng.choices((1, 2, 3), weights=(6, 3, 1))[0]
    allowed = KINDS if held_out else families()["train"]
    first_from = [name for name in (needed or joining) if name in allowed]
    if held_out:
        first_from = [name for name in first_from if name in HELD_OUT]
    if not first_from:
        return task, []
    first = rng.choice(first_from)
    rest = [
        name for name in joining if name in allowed and name not in HELD_OUT and not conflicts(first, name)
    ]
    picks = compose(rng, 1, [first], task.context)
    used = [pick.params.get("word") for pick in picks]
    words = tuple(word for word in task.context.words if word not in used)
    here = Context(words=words, members=task.context.members, request=task.request, items=task.context.items)
    return task, picks + compose(rng, count - 1, rest, here)


def _question(task: Task, picks: list[Pick], rng: random.Random, split: str) -> Question | None:
    checked = [Pick(task.name, task.params), *picks]
    forbidden = [pick.params["word"] for pick in picks if pick.kind == "forbid"]
    solution = satisfy(task.without(forbidden[0]) if forbidden else task.reply, picks, rng)
    missed = near_miss(task.reply, solution, checked, rng)
    if not passes(solution, checked) or missed is None:
        return None
    prompt = instruct(task.request, picks, rng)
    meta: dict[str, Any] = {
        "near_miss": missed[0],
        "broken": missed[1],
        "kinds": [pick.kind for pick in picks],
    }
    return Question(
        id=row_id("constraints", [split], prompt),
        prompt=prompt,
        answer=encode(checked),
        verifier="constraints",
        skill="constraints",
        difficulty=len(picks),
        template=task.name,
        solution=solution,
        method="direct",
        meta=json.dumps(meta, sort_keys=True),
    )


def _obeys(reply: str, pick: Pick) -> bool:
    check = KINDS[pick.kind].check if pick.kind in KINDS else TASK_CHECKS[pick.kind]
    return check(reply, **pick.params)


def _bucket(task: Task, picks: list[Pick]) -> int:
    """Hash what is asked, not how: the task and the set of constraints, without wording and order."""
    # The repeated request is wording: it holds the task's sentence.
    asked = [[pick.kind, "" if pick.kind == "repeat_request" else pick.params] for pick in picks]
    content = json.dumps([task.name, task.params, sorted(asked, key=json.dumps)], sort_keys=True)
    return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=8).digest(), "big") % 100
