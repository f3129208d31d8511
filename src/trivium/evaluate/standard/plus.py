"""HumanEval+ and MBPP+: the same problems on many more inputs, against reference solutions (EvalPlus).

Source: Liu et al. 2023, arXiv 2305.01210; rows as EvalPlus publishes them (`base_input`, `plus_input`,
`contract`, `atol`), or as `evalplus/humanevalplus` and `evalplus/mbppplus` of the hub do (a field `test`,
whose inputs are read and whose code is not run). Everything runs in the sandbox; what is expected is what the
reference gives there.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trivium import verify
from trivium.errors import DataError
from trivium.evaluate.standard.programs import MBPP_SHOTS, mbpp_prompt, program_of
from trivium.evaluate.standard.task import (
    GENERATE,
    HARNESS,
    Item,
    Judged,
    Output,
    Rows,
    Score,
    StandardTask,
    make_item,
)  # fmt: skip
from trivium.records import Verdict
from trivium.verify.differential import Differential, encode
from trivium.verify.inside.values import Opaque, literal, read

ORACLES = {
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), "given"),
    **dict.fromkeys(
        ("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
         "intersection_array", "find_dissimilar", "Diff"), "set"),
    "are_equivalent": "any", "sum_div": "or_zero", "surface_Area": "pyramid",
    "digit_distance_nums": "digits",
}  # fmt: skip
"""Functions of MBPP+ that equality does not judge; source: EvalPlus 0.3.1, eval/_special_oracle.py."""
HUMANEVAL_ORACLES = {"find_zero": "root"}


def _all_tuples(value: Any) -> Any:
    return tuple(_all_tuples(one) for one in value) if isinstance(value, list) else value


def _tuples(value: Any) -> Any:
    return tuple(value)


def _rows(value: Any) -> Any:
    return [tuple(row) for row in value]


def _sets(value: Any) -> Any:
    return [set(row) if isinstance(row, list) and row else {} for row in value]


def _each(change: Callable[[Any], Any]) -> Callable[[Sequence[Any]], list[Any]]:
    return lambda args: [change(one) for one in args]


def _first(change: Callable[[Any], Any], place: int = 0) -> Callable[[Sequence[Any]], list[Any]]:
    return lambda args: [change(one) if n == place else one for n, one in enumerate(args)]


SHAPES: tuple[tuple[tuple[int, ...], Callable[[Sequence[Any]], list[Any]]], ...] = (
    ((2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744,
      809), _each(_tuples)),
    ((63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780), _each(_rows)),
    ((75, 413, 444, 753), _first(_rows)),
    ((106, 750), _first(_tuples, 1)),
    ((115,), _first(_sets)),
    ((124,), lambda args: [float(args[0]), complex(args[1])]),
    ((250, 307, 405, 446, 617, 720, 763, 808), _first(_tuples)),
    ((252,), _first(complex)),
    ((259, 401, 445), _each(lambda one: tuple(_rows(one)))),
    ((278,), _first(lambda one: tuple(_tuples(row) if isinstance(row, list) else row for row in one))),
    ((580, 615, 791), _each(_all_tuples)),
    ((722,), _first(lambda one: {key: tuple(value) for key, value in one.items()})),
)  # fmt: skip
"""Numbers of MBPP+ whose arguments JSON cannot spell, and how they are made again; source: EvalPlus 0.3.1,
`mbpp_deserialize_inputs`."""
SHAPE_OF = {number: change for numbers, change in SHAPES for number in numbers}


def read_humaneval(rows: Rows) -> list[Item]:
    """Rows with `prompt`, `canonical_solution`, `entry_point` and inputs; the reply goes on after that."""
    items = []
    for n, row in enumerate(rows["test"]):
        entry, prompt = row["entry_point"], row["prompt"]
        base, more, atol = inputs_of(row, n)
        facts = _facts(prompt, prompt + row["canonical_solution"], entry, base, more, atol, HUMANEVAL_ORACLES)
        items.append(make_item("humaneval_plus", n, prompt=prompt, facts=facts))
    return items


def read_mbpp(rows: Rows) -> list[Item]:
    """Rows of EvalPlus, or of the hub with `prompt`, `code`, `test_list` and `test`."""
    shots = "".join(f"{mbpp_prompt(text, tests)}{code}\n[DONE]\n\n" for text, code, tests in MBPP_SHOTS)
    items = []
    for n, row in enumerate(rows["test"]):
        text, tests = mbpp_words(row)
        base, more, atol = inputs_of(row, n)
        reference = row.get("code") or row["canonical_solution"]
        entry = row.get("entry_point") or called(tests, reference)
        facts = _facts("", reference, entry, base, more, atol, ORACLES)
        items.append(make_item("mbpp_plus", n, prompt=shots + mbpp_prompt(text, tests), facts=facts))
    return items


def mbpp_words(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What is asked, and the assertions that are shown; EvalPlus puts both into a docstring."""
    if "test_list" in row:
        return str(row["prompt"]).strip(), list(row["test_list"])
    inner = str(row["prompt"]).strip().strip("\"'").strip()
    text = inner.split("\nassert ")[0].strip()
    tests = [line for line in str(row.get("assertion", "")).splitlines() if line.startswith("assert ")]
    return text, tests or [f"assert {part}" for part in inner.split("\nassert ")[1:]]


def called(tests: Sequence[str], reference: str) -> str:
    """Return the function of the reference that the tests call."""
    names = [node.name for node in ast.parse(reference).body if isinstance(node, ast.FunctionDef)]
    found = [name for name in names if any(re.search(rf"\b{name}\(", test) for test in tests)]
    return found[-1] if found else names[-1]


def inputs_of(row: Mapping[str, Any], n: int) -> tuple[list[str], list[str], float]:
    """Return the calls of the base and of the plus inputs as literals, and the tolerance.

    Raises:
        DataError: The row has neither inputs nor a readable `test`.
    """
    if "base_input" in row:
        shape = _shape(str(row.get("task_id", "")))
        base, more = (
            [_call(shape(args)) for args in row[name] or []] for name in ("base_input", "plus_input")
        )
        return _spelled(base), _spelled(more), float(row.get("atol") or 0)
    found = re.search(r"^\s*inputs\s*=\s*(\[.*\])\s*$", str(row.get("test", "")), re.M)
    if not found:
        raise DataError(
            f"task humaneval_plus or mbpp_plus: row {n + 1} got neither base_input nor a test with inputs; "
            "expected a file of EvalPlus, or of evalplus/humanevalplus or evalplus/mbppplus."
        )
    calls = [_call(args) for args in read(found[1])]
    told = re.search(r"assertion\(.*,\s*([\d.eE+-]+)\)\s*$|<=\s*([\d.eE+-]+)\s*$", str(row["test"]), re.M)
    return [], _spelled(calls), float(next((part for part in told.groups() if part), 0) if told else 0)


def _shape(task_id: str) -> Callable[[Sequence[Any]], Sequence[Any]]:
    number = re.fullmatch(r"Mbpp/(\d+)", task_id)
    return SHAPE_OF.get(int(number[1]), list) if number else list


def _call(args: Sequence[Any]) -> str | None:
    try:
        return literal(tuple(args), in_order=True)
    except Opaque:
        return None


def _spelled(calls: Sequence[str | None]) -> list[str]:
    return [call for call in calls if call is not None]


def _facts(
    before: str, reference: str, entry: str, base: list[str], more: list[str], atol: float,
    oracles: Mapping[str, str],
) -> str:  # fmt: skip
    told: dict[str, Any] = {
        "reference": reference,
        "function": entry,
        "atol": atol,
        "oracle": oracles.get(entry, ""),
    }
    parts = {
        name: encode(Differential(calls=tuple(calls), **told)) if calls else ""
        for name, calls in (("base", base), ("more", more))
    }
    return json.dumps({"before": before, **parts})


def judge(item: Item, output: Output) -> Judged:
    """Call the reply's function on the base inputs, and where those pass on the plus inputs."""
    facts = json.loads(item.facts)
    code = program_of(output.reply, facts["before"])
    verdict = base = _verdict(code, facts["base"])
    if base == Verdict.RIGHT:
        verdict = _verdict(code, facts["more"])
    right, known = float(verdict == Verdict.RIGHT), float(bool(facts["base"]))
    parts = [verify.compared(facts[name]) for name in ("base", "more") if facts[name]]
    scores = [
        Score("accuracy", right),
        Score("accuracy_base", float(base == Verdict.RIGHT), known),
        Score("compared", sum(parts) / max(1, len(parts))),
    ]
    return Judged(verdict=verdict, scores=scores, answer=code.strip())


def _verdict(code: str, answer: str) -> Verdict:
    return verify.judge("same_outputs", f"```python\n{code}\n```", answer) if answer else Verdict.RIGHT


TASKS = (
    StandardTask(
        name="humaneval_plus",
        follows=f"humaneval_plus 1.0 of {HARNESS}; inputs, tolerances and oracles of EvalPlus 0.3.1",
        kind=GENERATE,
        files={"test": "humaneval-plus/*.jsonl*"},
        hub={"test": ("evalplus/humanevalplus", "", "test")},
        read=read_humaneval,
        judge=judge,
        metrics=("accuracy", "accuracy_base", "compared"),
        stops=("\nclass", "\ndef", "\n#", "\nif", "\nprint"),
        max_tokens=1024,
    ),
    StandardTask(
        name="mbpp_plus",
        follows=f"mbpp_plus 1.0 of {HARNESS}, 3 examples; inputs, tolerances and oracles of EvalPlus 0.3.1",
        kind=GENERATE,
        files={"test": "mbpp-plus/*.jsonl*"},
        hub={"test": ("evalplus/mbppplus", "", "test")},
        read=read_mbpp,
        judge=judge,
        metrics=("accuracy", "accuracy_base", "compared"),
        stops=("[DONE]",),
    ),
)
