"""Programs run and are measured; what they claim is text that is compared outside."""

import pytest

from trivium.errors import DataError
from trivium.verify.sandbox import MAX_TEXT, Sandbox

SORT = "def f(x):\n    x.sort()\n    return {3: 'c', 1: 'a'}, {2, 1}, 0.5, None, (1,)"


def test_a_program_prints_reads_and_has_a_value(sandbox: Sandbox) -> None:
    outcome = sandbox.run("n = int(input())\nprint(n * 7)\nn + 1", stdin="6\n")
    assert (outcome.status, outcome.stdout, outcome.value_repr) == ("ok", "42\n", "7")
    assert sandbox.run("x = 3").value_repr == "None"
    assert sandbox.run("3", want_value=False).value_repr == "None"
    assert sandbox.run("").status == "ok"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("print('a')\nraise SystemExit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("x = (", "SyntaxError"),
        ("def f(): return f()\nf()", "RecursionError"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E: (no message)"),
        ("'\\ud800'.encode()", "UnicodeEncodeError"),
    ],
)
def test_what_raises_is_an_error(sandbox: Sandbox, code: str, error: str) -> None:
    outcome = sandbox.run(code)
    assert outcome.status == "error"
    assert outcome.error.startswith(error)


def test_output_before_an_error_is_kept(sandbox: Sandbox) -> None:
    assert sandbox.run("print('a')\n1 / 0").stdout == "a\n"


def test_refused_without_running(sandbox: Sandbox) -> None:
    assert sandbox.run("print(1)\0").status == "refused"
    assert sandbox.run("1", stdin="x" * (MAX_TEXT + 1)).status == "refused"
    assert sandbox.run("#" * (MAX_TEXT + 1)).status == "refused"


def test_two_runs_print_the_same(sandbox: Sandbox) -> None:
    code = "import random\nprint(random.random(), {'a', 'b', 'c', 'd'}, hash('x'))"
    assert sandbox.run(code).stdout == sandbox.run(code).stdout != ""


def test_calls_are_compared_as_text(sandbox: Sandbox) -> None:
    (outcome,) = sandbox.call(SORT, "f", [([3, 1, 2],)])
    assert outcome.value_repr == "({1: 'a', 3: 'c'}, {1, 2}, 0.5, None, (1,))"
    assert outcome.arguments_repr == "([1, 2, 3],)"


def test_each_call_stands_alone(sandbox: Sandbox) -> None:
    code = "seen = []\nclass A:\n    def f(x):\n        seen.append(x)\n        return len(seen), 6 / x"
    outcomes = sandbox.call(code, "A.f", [(1,), (0,), (2,)])
    assert [outcome.status for outcome in outcomes] == ["ok", "error", "ok"]
    assert [outcome.value_repr for outcome in outcomes] == ["(1, 6.0)", "", "(1, 3.0)"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("return map(str, range(2))", "iterator(['0', '1'])"),
        ("yield from 'ab'", "iterator(['a', 'b'])"),
        ("import collections; return collections.Counter('aab')", "Counter({'a': 2, 'b': 1})"),
        ("import fractions; return fractions.Fraction(1, 2)", "Fraction(1, 2)"),
        ("return float('inf'), -float('inf')", "(1e999, -1e999)"),
        ("return True, 1, 1.0, '1', b'1'", "(True, 1, 1.0, '1', b'1')"),
    ],
)
def test_values_have_one_spelling(sandbox: Sandbox, body: str, text: str) -> None:
    (outcome,) = sandbox.call(f"def f():\n    {body}", "f", [()])
    assert (outcome.status, outcome.value_repr) == ("ok", text)


@pytest.mark.parametrize(
    "body",
    [
        "return object()",
        "x = []; x.append(x); return x",
        "return 'x' * 10**6",
        "import itertools; return itertools.tee([1])",
        "class A:\n        def __repr__(self): return '42'\n    return A()",
    ],
)
def test_what_cannot_be_compared_is_an_error(sandbox: Sandbox, body: str) -> None:
    (outcome,) = sandbox.call(f"def f():\n    {body}", "f", [()])
    assert (outcome.status, outcome.value_repr) == ("error", "")


def test_a_lying_number_is_read_through_its_base(sandbox: Sandbox) -> None:
    code = "class N(int):\n    def __repr__(self): return '42'\n    def __eq__(self, o): return True\nN(7)"
    assert sandbox.run(code).value_repr == "N(7)"


def test_missing_function_and_bad_arguments(sandbox: Sandbox) -> None:
    (outcome,) = sandbox.call("x = 1", "f", [()])
    assert outcome.error == "NameError: the code does not define f"
    with pytest.raises(DataError, match="not plain data"):
        sandbox.call("def f(x): return x", "f", [(object(),)])


def test_arguments_arrive_as_they_were(sandbox: Sandbox) -> None:
    arguments = (1, -2.5, "a\n'\"", b"\xff", None, True, [1, (2,)], {"k": {3, 4}}, set(), 1e400)
    (outcome,) = sandbox.call("def f(*a): return list(a)", "f", [arguments])
    assert outcome.value_repr.startswith(
        "[1, -2.5, 'a\\n\\'\"', b'\\xff', None, True, [1, (2,)], {'k': {3, 4}}, set(), "
    )
    assert outcome.value_repr.endswith("1e999]")
