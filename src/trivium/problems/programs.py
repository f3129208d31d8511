"""Small Python programs whose printed output is asked; the answer is what the sandbox printed.

Each shape draws a program and traces it by hand: a short worked solution with the output that it expects.
The real answer comes from running the program; a trace that disagrees is a bug of the shape, so it raises.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from trivium.problems.word import held_out
from trivium.records import Question, row_id

Run = Callable[[list[str]], list[str]]
"""Runs programs, each alone, and returns what each printed, in order."""

_ASKED = {
    "train": (
        "What does this program print?\n{p}",
        "What is printed?\n{p}",
        "Read the program and give its output.\n{p}",
        "{p}\nWhat does it print?",
        "Run this in your head:\n{p}",
    ),
    "contest": ("{p}\nWhat is the output of this program?", "Give what is printed.\n{p}"),
}
_NAMES = {"train": "abckmntxyz", "contest": "defghpqrsw"}
_WORDS = "ant bee cat dog elk fox hen jay owl pig ram yak".split()


@dataclass(frozen=True, slots=True)
class Program:
    """A drawn program with its trace and the output that the trace expects."""

    lines: tuple[str, ...]
    trace: tuple[str, ...]
    output: str


def make(seed: int, count: int, *, split: str = "train", run: Run) -> list[Question]:
    """Return `count` distinct program-output questions whose answers come from `run`.

    Args:
        seed: decides every program; the same seed gives the same list.
        count: how many.
        split: `train`, `exam` (same wordings, other programs) or `contest` (other wordings and
            variable names).
        run: executes programs, normally `trivium.verify.sandbox`; called once with all of them.

    Raises:
        ValueError: a program printed something else than its trace expects.
    """
    rng = random.Random(f"programs-{split}-{seed}")
    drawn: dict[str, tuple[str, Program]] = {}
    while len(drawn) < count:
        shape = rng.choice(_SHAPES)
        names = rng.sample(_NAMES["contest" if split == "contest" else "train"], 2)
        program = shape(rng, *names)
        text = "\n".join(program.lines)
        if held_out(text) == (split != "train"):
            drawn.setdefault(text, (shape.__name__.strip("_"), program))
    outputs = run(list(drawn))
    rows = zip(drawn.items(), outputs, strict=True)
    return [_question(rng, split, text, name, program, out) for (text, (name, program)), out in rows]


def _question(
    rng: random.Random, split: str, text: str, shape: str, program: Program, printed: str
) -> Question:
    answer = printed.strip()
    if answer != program.output:
        raise ValueError(f"the trace of {text!r} expects {program.output!r} but it printed {answer!r}")
    asked = _ASKED["contest" if split == "contest" else "train"]
    index = rng.randrange(len(asked))
    prompt = asked[index].format(p=text)
    return Question(
        id=row_id("problems.programs", [], prompt),
        prompt=prompt,
        answer=answer,
        verifier="exact",
        skill="program",
        difficulty=len(program.lines) - 1,
        template=f"{'contest ' if split == 'contest' else ''}{shape} ask{index}",
        solution=f"Trace: {' '.join(f'{step}.' for step in program.trace)} Answer: {answer}",
        method="steps",
    )


def _assign(rng: random.Random, x: str, y: str) -> Program:
    first, second, third = (rng.randint(2, 20) for _ in range(3))
    total = first + second
    return Program(
        (f"{x} = {first}", f"{y} = {x} + {second}", f"{x} = {y} * 2 - {third}", f"print({x})"),
        (f"{x}={first}", f"{y}={first}+{second}={total}", f"{x}={total}*2-{third}={total * 2 - third}"),
        str(total * 2 - third),
    )


def _swap(rng: random.Random, x: str, y: str) -> Program:
    first, second = rng.sample(range(2, 60), 2)
    shown, value = rng.choice(((x, second), (y, first)))
    return Program(
        (f"{x} = {first}", f"{y} = {second}", f"{x}, {y} = {y}, {x}", f"print({shown})"),
        (f"{x}={first}", f"{y}={second}", f"swap: {x}={second}, {y}={first}"),
        str(value),
    )


def _loop(rng: random.Random, x: str, y: str) -> Program:
    start, low, factor = rng.randint(0, 20), rng.randint(1, 4), rng.randint(1, 4)
    high = low + rng.randint(2, 4)
    total, trace = start, [f"{x}={start}"]
    for i in range(low, high):
        trace.append(f"{y}={i}: {total}+{i * factor}={total + i * factor}")
        total += i * factor
    body = f"    {x} += {y} * {factor}" if factor > 1 else f"    {x} += {y}"
    lines = (f"{x} = {start}", f"for {y} in range({low}, {high}):", body, f"print({x})")
    return Program(lines, tuple(trace), str(total))


def _while(rng: random.Random, x: str, y: str) -> Program:
    start, step, bound = rng.randint(10, 40), rng.randint(3, 9), rng.randint(2, 8)
    value, trace = start, [f"{x}={start}"]
    while value > bound:
        value -= step
        trace.append(f"{x}={value}")
    del y
    lines = (f"{x} = {start}", f"while {x} > {bound}:", f"    {x} -= {step}", f"print({x})")
    return Program(lines, tuple(trace), str(value))


def _branch(rng: random.Random, x: str, y: str) -> Program:
    first, second, extra = rng.randint(2, 50), rng.randint(2, 50), rng.randint(2, 20)
    value = first + extra if first > second else second - extra
    lines = (
        f"{x} = {first}",
        f"{y} = {second}",
        f"if {x} > {y}:",
        f"    print({x} + {extra})",
        "else:",
        f"    print({y} - {extra})",
    )
    taken = f"{first}+{extra}={value}" if first > second else f"{second}-{extra}={value}"
    sign = ">" if first > second else "<" if first < second else "="
    return Program(lines, (f"{first}{sign}{second}", taken), str(value))


def _list(rng: random.Random, x: str, y: str) -> Program:
    values = [rng.randint(1, 30) for _ in range(rng.randint(3, 4))]
    new = rng.randint(1, 30)
    change, after = rng.choice(
        (
            (f"{x}.append({new})", [*values, new]),
            (f"{x}.reverse()", values[::-1]),
            (f"{x}.sort()", sorted(values)),
            (f"{x}.pop(0)", values[1:]),
            (f"{x}.insert(0, {new})", [new, *values]),
            (f"{x} = {x}[1:]", values[1:]),
        )
    )
    index = rng.choice((0, 1, -1))
    shown, value = rng.choice(
        ((f"{x}[{index}]", after[index]), (f"len({x})", len(after)), (f"max({x})", max(after)))
    )
    del y
    return Program((f"{x} = {values}", change, f"print({shown})"), (f"{x}={after}",), str(value))


def _count(rng: random.Random, x: str, y: str) -> Program:
    values, bound = [rng.randint(1, 20) for _ in range(rng.randint(3, 5))], rng.randint(4, 16)
    kept = [value for value in values if value > bound]
    shown, value = rng.choice(((f"len({y})", len(kept)), (f"sum({y})", sum(kept)), (y, kept)))
    lines = (f"{x} = {values}", f"{y} = [v for v in {x} if v > {bound}]", f"print({shown})")
    return Program(lines, (f"{y}={kept}",), str(value))


def _string(rng: random.Random, x: str, y: str) -> Program:
    first, second = rng.sample(_WORDS, 2)
    times = rng.randint(2, 3)
    change, after = rng.choice(
        (
            (f"{x} = {x} + '{second}'", first + second),
            (f"{x} = '{second}' + {x}", second + first),
            (f"{x} = {x} * {times}", first * times),
            (f"{x} = {x}.upper()", first.upper()),
            (f"{x} = {x}.replace('{first[0]}', 'o')", first.replace(first[0], "o")),
        )
    )
    shown, value = rng.choice(((x, after), (f"len({x})", len(after)), (f"{x}[0]", after[0])))
    del y
    return Program((f"{x} = '{first}'", change, f"print({shown})"), (f"{x}='{after}'",), str(value))


def _dict(rng: random.Random, x: str, y: str) -> Program:
    first, second = rng.sample(_WORDS, 2)
    one, two, more = (rng.randint(2, 30) for _ in range(3))
    del y
    lines = (f"{x} = {{'{first}': {one}, '{second}': {two}}}", f"{x}['{first}'] += {more}")
    shown, value = rng.choice(((f"{x}['{first}']", one + more), (f"{x}['{second}']", two)))
    trace = (f"{first}: {one}+{more}={one + more}", f"{second}: {two}")
    return Program((*lines, f"print({shown})"), trace, str(value))


_SHAPES = (_assign, _swap, _loop, _while, _branch, _list, _count, _string, _dict)
