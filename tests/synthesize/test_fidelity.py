"""Behaviour and likeness of regenerated code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trivium.errors import ResourceError
from trivium.synthesize import fidelity
from trivium.synthesize.seeds import Function
from trivium.verify.sandbox import Sandbox


def function(code: str, name: str = "f") -> Function:
    return Function(
        document_id="d", module="m", name=name, signature=name, parameters=("x",), summary="Do it.", code=code
    )


DOUBLE = "def f(x):\n    y = x * 2\n    return y"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        with Sandbox() as box:
            yield box
    except ResourceError as error:
        pytest.skip(str(error))


def test_same_behaviour_agrees_and_a_changed_sign_does_not(sandbox: Sandbox) -> None:
    trial = fidelity.try_out(function(DOUBLE), sandbox)
    assert trial is not None and len(trial.inputs) >= fidelity.LEAST_INPUTS
    assert fidelity.agreement("def f(x):\n    return x + x", "f", trial, sandbox) > 0.5
    assert fidelity.agreement("def f(a):\n    return 2 * a", "f", trial, sandbox) == 1.0
    assert fidelity.agreement("def f(a):\n    return a", "f", trial, sandbox) < 0.5
    assert fidelity.agreement("import sys\nsys.exit(0)", "f", trial, sandbox) == 0.0


def test_changed_arguments_count(sandbox: Sandbox) -> None:
    trial = fidelity.try_out(function("def f(x):\n    x.append(len(x))\n    return len(x)"), sandbox)
    assert trial is not None
    assert fidelity.agreement("def f(x):\n    return len(x) + 1", "f", trial, sandbox) == 0.0


@pytest.mark.parametrize(
    "code",
    ["def f(x):\n    return 1", "def f(x):\n    raise ValueError(x)", "def f(*, x):\n    return x"],
)
def test_too_little_told_gives_no_trial(code: str, sandbox: Sandbox) -> None:
    assert fidelity.try_out(function(code), sandbox) is None


def test_trial_inputs_are_the_same_each_time(sandbox: Sandbox) -> None:
    assert fidelity.try_out(function(DOUBLE), sandbox) == fidelity.try_out(function(DOUBLE), sandbox)


def test_likeness_ignores_own_names_and_sees_structure() -> None:
    assert fidelity.likeness(DOUBLE, "def f(value):\n    twice = value * 2\n    return twice") == 1.0
    other = "def f(x):\n    return [len(item) for item in sorted(x) if item][::-1]"
    assert fidelity.likeness(DOUBLE, other) < fidelity.SIMILAR_TOKENS
    assert fidelity.likeness(DOUBLE, "def f(:") == 0.0


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("```python\ndef f(x):\n    return x\n```", True),
        ("```python\ndef f(x):\n    return x", True),
        ("Here:\n```\ndef g(x):\n    return x\n```\n```\ndef f(x):\n    return x\n```", True),
        ("def f(x):\n    return x\n\nThis returns x.", True),
        ("```python\ndef g(x):\n    return x\n```", False),
        ("I return x.", False),
    ],
)
def test_code_is_found_in_replies(reply: str, found: bool) -> None:
    assert (fidelity.extract_code(reply, "f") is not None) == found


@pytest.mark.parametrize(
    ("code", "name", "alone"),
    [
        (DOUBLE, "f", True),
        ("def f(x):\n    return [len(y) for y in x]", "f", True),
        ("def f(x):\n    return os.path.join(x)", "f", False),
        ("def f(self, x):\n    return x", "f", False),
        ("def f(x):\n    return x", "Class.f", False),
        ("def f(x):\n    import os\n    return x", "f", False),
        ("def f(x):\n    yield x", "f", False),
        ("def f(x):\n    print(x)", "f", False),
    ],
)
def test_self_contained(code: str, name: str, alone: bool) -> None:
    assert fidelity.is_self_contained(function(code, name)) == alone
