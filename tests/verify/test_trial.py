"""Tests and solution in processes of their own: honest solutions pass, and only these."""

import pytest

from trivium.errors import DataError
from trivium.verify import trial
from trivium.verify.inside.values import literal, read
from trivium.verify.sandbox import Sandbox
from trivium.verify.trial import try_out

NODE = "class Node:\n    def __init__(self, value):\n        self.value, self.next = value, None\n"


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        ("def f(a, b=2, *, c=3): return a + b + c", "assert f(1) == 6 and f(1, 1, c=1) == 3"),
        ("def f(x): x.sort()", "a = [3, 1]\nassert f(a) is None\nassert a == [1, 3]"),
        (
            "def f(x):\n    x['n'] = 1\n    return x",
            "d = {'z': 0}\nassert list(f(d)) == ['z', 'n'] == list(d)",
        ),
        ("def f(x): return 10 / x", "try:\n    f(0)\nexcept ZeroDivisionError: pass\nelse: raise ValueError"),
        ("def f(n): return [i * i for i in range(n)]", "for n in range(40):\n    assert len(f(n)) == n"),
        ("def f(x): return x", "def check(g):\n    assert g(1) == 1\n    assert g('a') == 'a'\ncheck(f)"),
        ("def f(x, t): return [i for i in x if type(i) is t]", "assert f((1, 'a', 2), int) == [1, 2]"),
        ("import math\ndef f(x): return math.pi * x", "assert abs(f(2) - 2 * math.pi) < 1e-9"),
        ("R = 3\ndef f(): return R", "assert f() == 3"),
        (
            NODE + "def f(n): return 1 + f(n.next) if n else 0",
            "a = Node(1)\na.next = Node(2)\nassert f(a) == 2",
        ),
        (NODE + "def f(ns): return [n.value for n in ns]", "assert f([Node(5), Node(7)]) == [5, 7]"),
        (
            "class S:\n    n = 0\n    def add(self):\n        self.n += 1\n        return self.n",
            "assert S().add() == 1",
        ),
        (
            "import collections\ndef f(x): return collections.Counter(x)",
            "assert f('aab') == {'a': 2, 'b': 1}",
        ),
        ("def f(): return 1 + 2j, 1e400, {1}, b'x', frozenset(), range(3)", "assert f()[0].imag == 2\nf()"),
    ],
)
def test_an_honest_solution_passes_and_its_stub_does_not(sandbox: Sandbox, code: str, tests: str) -> None:
    found = try_out(sandbox, code, tests)
    assert (found.status, found.why) == ("passed", "")
    wrong = (
        code.replace("return ", "return None if True else ")
        .replace("x.sort()", "pass")
        .replace("R = 3", "R = 4")
    )
    if tests != "assert f()[0].imag == 2\nf()":
        assert try_out(sandbox, wrong, tests).status == "failed"


def test_what_is_expected_never_enters_the_solutions_process(sandbox: Sandbox) -> None:
    found = try_out(sandbox, "def f(x): return x", "assert f(1) == 987654321\nassert f(2) == 987654321 + 1")
    assert found.status == "failed"
    assert sorted(found.calls) == ["f(1)", "f(2)"]
    assert not any("98765" in call for call in found.calls)


@pytest.mark.parametrize(
    ("code", "tests", "status"),
    [
        ("def f(", "assert f(1)", "unreadable"),
        ("def f(x): return x", "assert f(", "bad_tests"),
        ("def f(g): return g(1)", "assert f(lambda x: x) == 1", "bad_tests"),
        ("def f(x): return x", "n = 0\nwhile True:\n    n = f(n) + 1", "bad_tests"),
        ("x = 1", "assert f(1) == 1", "failed"),
        ("def f(x): return 'a' * 60000 + str(x)", "assert [f(n) for n in range(9)] == 0", "failed"),
        ("def f(x):\n    while True: pass", "try:\n    f(1)\nexcept BaseException: pass", "failed"),
        ("def f(x): raise SystemExit", "try:\n    f(1)\nexcept BaseException: pass", "failed"),
    ],
)
def test_other_ends(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, code: str, tests: str, status: str
) -> None:
    monkeypatch.setattr(trial, "MOST_ROUNDS", 12)
    assert try_out(sandbox, code, tests, seconds=0.5).status == status


@pytest.mark.parametrize(
    "value",
    [
        None, True, -1, 2.5, float("inf"), -1 - 2j, "a'\n", b"\xff", bytearray(b"x"), [], (1,),
        {"b": 1, "a": [2]},
        set(), {3, 1}, frozenset({1}), range(1, 9, 2), slice(1, None),
    ],
)  # fmt: skip
def test_values_are_read_as_they_were_spelled(value: object) -> None:
    again = read(literal(value, in_order=True))
    assert again == value
    assert type(again) is type(value)
    assert not isinstance(value, dict) or list(again) == list(value)


@pytest.mark.parametrize("text", ["__import__('os')", "f(1", "x", "[i for i in 'a']", "9**9"])
def test_nothing_in_a_spelling_is_run(text: str) -> None:
    if text == "__import__('os')":
        assert read(text) == "os"
        return
    with pytest.raises(ValueError, match="value"):
        read(text)


def test_arguments_keep_their_order(sandbox: Sandbox) -> None:
    (outcome,) = sandbox.call("def f(d): return list(d)", "f", [({"b": 1, "a": 2},)])
    assert outcome.value_repr == "['b', 'a']"
    with pytest.raises(DataError):
        sandbox.call("def f(d): return d", "f", [(print,)])
