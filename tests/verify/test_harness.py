"""The two ways to find a program's last expression agree wherever the quick one answers at all."""

from __future__ import annotations

import contextlib
import io

import pytest

from trivium.verify.inside.harness import _last_expression_apart, _last_line_apart

QUICK = [
    "x = 1\nx", "x=1\n\n\nx\n\n", "'''\na'''\n1", "if 1:\n  a=1\nelse:\n  a=2\na", "a = 1\n-a", "a = 1\n(a)",
    "from __future__ import annotations\ndef f(a: int): pass\nstr(f.__annotations__)", "x=1\nx # last", "3",
    "x=1\r\nx", "x = 5\nx if x else 2", "try:\n  1\nfinally:\n  2\n3", "x = 3\n(y := x)", "x=1\nundefined",
]  # fmt: skip
SLOW = [
    "x = 1 \\\n+ 2", "x = (1,\n2)", "x = '''a\nb'''", "'''\nfoo\n'''", "f = 3 ; f", "def f():\n    return 1",
    "x = 1\n# c", "x = [\n1,\n2]", "y = '''\nx'''\n", "a = (\n-1)", "x='a' \\\n'b'", "if 1:\n  x = 1\n  x",
    "",
    "print(1,\n  2)", "x = 1\nx;", "x = 1", "def f():\n  return '''\n1\n'''",
]  # fmt: skip


def outcome(code: str, quick: bool) -> tuple[str, str, list[str]]:
    """Return value or error, output and the names left."""
    parts = _last_line_apart(code) if quick else _last_expression_apart(code)
    assert parts is not None
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            exec(parts[0], names)
            value = repr(eval(parts[1], names)) if parts[1] is not None else "no value"
        except NameError as error:
            value = str(error)
    return value, said.getvalue(), sorted(names)


@pytest.mark.parametrize("code", QUICK)
def test_both_ways_agree(code: str) -> None:
    assert outcome(code, quick=True) == outcome(code, quick=False)
    assert outcome(code, quick=True)[0] != "no value"


@pytest.mark.parametrize("code", SLOW)
def test_a_last_line_that_is_not_all_of_the_last_statement_is_left_to_the_tree(code: str) -> None:
    assert _last_line_apart(code) is None
    outcome(code, quick=False)


def test_lines_keep_their_numbers() -> None:
    _, last = _last_line_apart("x = 1\n\nx\n") or (None, None)
    assert last is not None and max(line or 0 for *_, line in last.co_lines()) == 3
