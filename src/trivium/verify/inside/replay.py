"""Tests run here, in a process that never holds the solution: stand-ins answer for it from a table.

What a test does with a stand-in becomes the text of a small program ("_v0 = Node(1)", then "depth(_v0)"). If
the table holds that program's outcome, the stand-in answers with it; else the program is asked for, the rest
of the test is skipped, and the tests run again with the answers. So the solution never shares a process with
what is expected of it: no trick of comparison, patching or early exit reaches the verdict.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from typing import Any

from .values import literal, read

Answers = dict[str, tuple[str, str]]
"""Outcome by program: ("value", text of (value, arguments after the call)), ("object", ""), ("raised", text)
or ("ended", why)."""

MOST_ASKED = 256
"""Programs asked for in one run of the tests."""


class _Unanswered(BaseException):
    """A stand-in has no answer yet."""


class _Ended(BaseException):
    """The solution's process did not come to an end by itself."""


class Session:
    """One run of the tests over a table of answers."""

    def __init__(self, answers: Answers) -> None:
        """Ask for nothing yet."""
        self.answers = answers
        self.lines: list[str] = []
        self.asked: list[str] = []
        self.ended = ""

    def stand_in(self, name: str) -> Callable[..., Any]:
        """Return what stands for a function or class of the solution."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.call(name, args, kwargs)

        call.__name__ = name
        return call

    def call(self, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call; lists, dictionaries, sets and byte arrays come to be as the call left them."""
        plain = ", ".join([*map(self.spell, args), *(f"{k}={self.spell(v)}" for k, v in kwargs.items())])
        changeable = any(isinstance(one, list | dict | set | bytearray) for one in args)
        if not changeable or any(_holds_object(one) for one in args):
            return self.ask(f"{function}({plain})")
        packed = "".join(f"{self.spell(one)}, " for one in args)
        named = "".join(f", {key}={self.spell(value)}" for key, value in kwargs.items())
        both = f"(lambda _a: ({function}(*_a{named}), _a))(({packed}))"
        answer = self.ask(both, f"{function}({plain})")
        if isinstance(answer, Remote):
            return answer
        value, after = answer
        for mine, theirs in zip(args, after, strict=True):
            _update(mine, theirs)
        return value

    def ask(self, expression: str, as_object: str = "") -> Any:
        """Return the value of an expression over the solution's names, in a process of its own.

        Args:
            expression: What to ask for.
            as_object: What to name where the answer is an object that has no text; default the expression.
        """
        program = "\n".join([*self.lines, expression])
        if program not in self.answers:
            if program not in self.asked:
                self.asked.append(program)
            raise _Unanswered
        kind, text = self.answers[program]
        if kind == "raised":
            raise _error(text)
        if kind == "ended":
            self.ended = text
            raise _Ended(text)
        if kind == "value":
            return read(text)
        name = f"_v{len(self.lines)}"
        self.lines.append(f"{name} = {as_object or expression}")
        return Remote(self, name)

    def spell(self, value: Any) -> str:
        """Spell an argument; an object of the solution is spelled by its name."""
        if isinstance(value, Remote):
            return str(object.__getattribute__(value, "_name"))
        if isinstance(value, type) and value in vars(builtins).values():
            return type.__dict__["__name__"].__get__(value)
        if type(value) in (list, tuple) and _holds_object(value):
            items = "".join(f"{self.spell(item)}, " for item in value)
            return f"[{items}]" if isinstance(value, list) else f"({items})"
        return literal(value, in_order=True)


class Remote:
    """An object of the solution that has no plain text: every use of it is a line of the program."""

    def __init__(self, session: Session, name: str) -> None:
        """Stand for a name in the session's program."""
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_name", name)

    def __getattr__(self, name: str) -> Any:
        return self._session.ask(f"{self._name}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        self._session.lines.append(f"{self._name}.{name} = {self._session.spell(value)}")

    def __setitem__(self, key: Any, value: Any) -> None:
        spell = self._session.spell
        self._session.lines.append(f"{self._name}[{spell(key)}] = {spell(value)}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call a method, or an object that can be called."""
        return self._session.call(self._name, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._session.ask(f"{self._name}[{self._session.spell(key)}]")

    def __len__(self) -> int:
        return int(self._session.ask(f"len({self._name})"))

    def __iter__(self) -> Iterator[Any]:
        return iter([self[index] for index in range(len(self))])

    def __contains__(self, item: Any) -> bool:
        return self._session.ask(f"{self._session.spell(item)} in {self._name}") is True

    def __str__(self) -> str:
        return str(self._session.ask(f"str({self._name})"))

    def __eq__(self, other: object) -> bool:
        """Two objects of the solution are compared by it; plain data of the test is never equal to one."""
        if not isinstance(other, Remote):
            return False
        return self._session.ask(f"{self._name} == {self._session.spell(other)}") is True

    __hash__ = None  # type: ignore[assignment]


def run_tests(tests: str, names: list[str], imports: str, answers: Answers) -> tuple[str, list[str]]:
    """Run the tests with stand-ins for the solution's names.

    Returns:
        ("passed", []), ("failed", [why]) or ("asks", programs to run where the solution is).
    """
    session = Session(answers)
    module: dict[str, Any] = {"__name__": "__tests__", "_Unanswered": _Unanswered}
    for line in imports.splitlines():
        try:
            exec(line, module)
        except ImportError:
            pass
    module.update({name: session.stand_in(name) for name in names})
    tree = ast.fix_missing_locations(_Patient().visit(ast.parse(tests)))
    why = ""
    try:
        exec(compile(tree, "tests.py", "exec"), module)
    except BaseException as error:  # the tests may raise anything; an assertion is the usual thing
        why = f"{type(error).__name__}: {error}"[:300]
    if session.asked:
        return "asks", session.asked[:MOST_ASKED]
    if why or session.ended:
        return "failed", [session.ended or why]
    return "passed", []


class _Patient(ast.NodeTransformer):
    """A missing answer skips an assertion or a round of a loop, so that one run asks for many answers."""

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:  # noqa: N802
        return self._skipping([node])

    def visit_For(self, node: ast.For) -> ast.stmt:  # noqa: N802
        self.generic_visit(node)
        node.body = [self._skipping(node.body)]
        return node

    def _skipping(self, body: list[ast.stmt]) -> ast.stmt:
        name = ast.Name("_Unanswered", ast.Load())
        return ast.Try(body, [ast.ExceptHandler(name, None, [ast.Pass()])], [], [])


def _holds_object(value: Any) -> bool:
    items = value if type(value) in (list, tuple) else [value]
    return any(isinstance(item, Remote) for item in items)


def _update(mine: Any, theirs: Any) -> None:
    if isinstance(mine, list | bytearray) and mine != theirs:
        mine[:] = theirs
    elif isinstance(mine, dict | set) and mine != theirs:
        mine.clear()
        mine.update(theirs)


def _error(text: str) -> BaseException:
    """The exception that the solution raised, as a built-in one of the same name."""
    name, _, message = text.partition(": ")
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return Exception(text)
    try:
        return kind(message)
    except TypeError:  # UnicodeDecodeError and its like want more
        return Exception(text)
