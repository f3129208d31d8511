# ruff: noqa: E501 (one case a line)
"""Planted defects of the flows that run code: reversal, execution, constraints and their checkers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from tests.synthesize.planted import Case, seed_of

from trivium.synthesize.seeds import Seed
from trivium.verify import constraints

# name, parameters, statement, body, other body, wrong body, asserts (six right ones), another wrong body
FUNCTIONS = (
    ("second_largest", "values", "Return the second largest different value of a list, or None if there is none.",
     "    found = sorted(set(values))\n    return found[-2] if len(found) > 1 else None",
     "    rest = [v for v in values if v != max(values)] if values else []\n    return max(rest) if rest else None",
     "    return sorted(values)[-1] if values else 0",
     ("([1, 2, 3]) == 2", "([5, 5, 4]) == 4", "([1]) == None", "([]) == None", "([9, 1, 9, 3]) == 3", "([-1, -2]) == -2")),
    ("count_vowels", "text", "Return how many vowels a text has, capital letters too.",
     "    return sum(letter in 'aeiouAEIOU' for letter in text)",
     "    total = 0\n    for letter in text.lower():\n        if letter in 'aeiou':\n            total += 1\n    return total",
     "    return len(text)",
     ("('abc') == 1", "('') == 0", "('AEIOU') == 5", "('xyz') == 0", "('banana') == 3", "('Hello World') == 3")),
    ("clamp_value", "value, low, high", "Return the value, but at least low and at most high.",
     "    return max(low, min(value, high))",
     "    bounded = high if value > high else value\n    return low if bounded < low else bounded",
     "    return min(value, high)",
     ("(5, 1, 9) == 5", "(0, 1, 9) == 1", "(12, 1, 9) == 9", "(1, 1, 1) == 1", "(-3, -2, 2) == -2", "(9, 1, 9) == 9")),
    ("running_sums", "values", "Return the list of sums of the first one, two, three values and so on.",
     "    out, total = [], 0\n    for value in values:\n        total += value\n        out.append(total)\n    return out",
     "    return [sum(values[: i + 1]) for i in range(len(values))]",
     "    return list(values)",
     ("([1, 2, 3]) == [1, 3, 6]", "([]) == []", "([5]) == [5]", "([1, -1]) == [1, 0]", "([2, 2, 2]) == [2, 4, 6]", "([0, 3]) == [0, 3]")),
    ("initials_of", "name", "Return the first letters of the words of a name as capitals.",
     "    return ''.join(word[0].upper() for word in name.split())",
     "    out = ''\n    for word in name.split():\n        out += word[:1].upper()\n    return out",
     "    return name[:1].upper()",
     ("('ada lovelace') == 'AL'", "('') == ''", "('a b c') == 'ABC'", "('Grace') == 'G'", "('x  y') == 'XY'", "('jo ann li') == 'JAL'")),
)  # fmt: skip
WORDINGS = ("{}", "{} Do not print anything.", "Without any import: {}", "{} Inputs are as described.")


def code_of(name: str, parameters: str, body: str) -> str:
    return f"def {name}({parameters}):\n{body}"


def documented(name: str, parameters: str, statement: str, body: str) -> str:
    return f'def {name}({parameters}):\n    """{statement}"""\n{body}'


def execution() -> Iterator[Case]:
    for name, parameters, statement, body, other, wrong, calls in FUNCTIONS:
        asserts = [f"assert {name}{call}" for call in calls]
        right, same, bad = (code_of(name, parameters, part) for part in (body, other, wrong))
        for number, wording in enumerate(WORDINGS):
            seed = seed_of(documented(name, parameters, statement, body), solution=wording.format(statement))
            script = {
                "solve": [right, f"```python\n{same}\n```", bad],
                "test": ["\n".join(asserts[:4]), "\n".join(asserts[2:])],
            }
            case = Case(flow="execution", seed=seed, script=script)
            yield case
            none = code_of(name, parameters, "    return None")
            half = code_of(name, parameters, "    raise ValueError")
            yield case.but("one right, the others wrong each in its way", solve=[right, none, half])
            yield case.but("no readable solution", solve="I would sort them first and then look.")
            yield case.but("only one readable solution", solve=[right, "No idea.", "def other(): pass"])
            yield case.but("no tests", test="Test it with a few values.")
            yield case.but("the same test again and again", test="\n".join([asserts[number]] * 6))
            yield case.but(
                "tests that compare nothing",
                test="\n".join(f"assert {name}{call.split(' == ')[0]} or True" for call in calls),
            )
            broken = [line.replace(" == ", " == 'x', ") for line in asserts]
            yield case.but(
                "tests that expect what is wrong",
                test=[
                    "\n".join(f"assert {name}{call.split(' == ')[0]} == {number + 99}" for call in calls),
                    asserts[0],
                ],
            )
            yield case.but("tests that are no tests", test="\n".join(broken[:3]))
            weak = "\n".join(
                f"assert {name}{call.split(' == ')[0]} != {i + 777}" for i, call in enumerate(calls)
            )
            yield case.but("tests that a stub passes", test=weak)
            yield case.on("no function in the seed", text="x = 1")
            yield case.on("a seed that does not parse", text=f"def {name}(:")


def reversal() -> Iterator[Case]:
    for name, parameters, statement, body, other, wrong, _ in FUNCTIONS:
        right, same, bad = (code_of(name, parameters, part) for part in (body, other, wrong))
        for wording in ("Give back {}", "It gives back {}", "The caller gets {}", "This yields {}"):
            told = wording.format(statement.removeprefix("Return ").rstrip(".") + ".")
            seed = seed_of(documented(name, parameters, wording.format(statement), body))
            case = Case(flow="reversal", seed=seed, script={"describe": told, "solve": [bad, same]})
            yield case
            yield case.but("code pasted", describe=f"{told}\n```python\n{right}\n```")
            yield case.but(
                "code line pasted", describe=f"{told} It does this: {body.strip().splitlines()[-1]}."
            )
            yield case.but("statement cut off", describe=told.rstrip("."))
            yield case.but("talk about itself", describe=f"Sure! {told}")
            yield case.but("empty statement", describe="A function.")
            yield case.but("nobody writes it again", solve=bad)
            yield case.but("no such function", solve=same.replace(name, "other_name"))
            yield case.but("a solver that does nothing", solve=code_of(name, parameters, "    return None"))
            if name == "clamp_value" and wording.startswith("Give"):  # two seconds each: once is enough
                yield case.but(
                    "a solver that never ends", solve=code_of(name, parameters, "    while True: pass")
                )
            yield case.but("prose instead of code", solve="First sort the values, then take what is asked.")
            yield case.on("undocumented", text=right)


REQUESTS = (
    "Tell me how bread is made at home.", "Describe a morning in a small harbour town.",
    "Give advice to somebody who starts a garden.", "Explain how a bicycle stays upright.",
    "Write about the sound of rain on a roof.",
)  # fmt: skip
TEXT = (
    "Warm water and flour rest together for an hour. Then the dough is folded and shaped by hand. A hot "
    "oven does the rest while the kitchen fills with a good smell."
)


def obeying(seed: Seed) -> tuple[str, list[constraints.Pick], str]:
    """Return the request with the constraints that this seed draws, these, and a reply that obeys them."""
    from trivium.synthesize.flows.instructions import CONSTRAINTS
    from trivium.synthesize.session import Session

    rng = Session("instructions", seed, None, None).random  # type: ignore[arg-type]
    asked, encoded = constraints.attach(seed.text, rng, rng.randint(*CONSTRAINTS))
    picks = constraints.decode(encoded)
    good = constraints.satisfy(TEXT, picks, random.Random(1))
    return asked, picks, good if constraints.passes(good, picks) else constraints.witness(picks) or ""


def instructions() -> Iterator[Case]:
    for request in REQUESTS:
        for wording in ("{}", "Please help. {}", "{} Thank you.", "A friend asks: {}"):
            seed = seed_of(wording.format(request))
            asked, picks, good = obeying(seed)
            missed = constraints.near_miss(TEXT, good, picks, random.Random(2))
            poor = missed[0] if missed and not constraints.passes(missed[0], picks) else ""
            case = Case(
                flow="instructions", seed=seed, script={"reply": [poor or "No.", good, good], "judge": "Yes."}
            )
            yield case
            if poor:
                yield case.but("a near miss each time", reply=poor)
            yield case.but("an empty reply", reply="")
            yield case.but("the prompt again", reply=asked)
            yield case.but("obeys and answers nothing", judge="No, it does not.")
            yield case.but("the judge says neither", judge="Perhaps.")
            yield case.but("cut off each time", reply="word " * 400)
        yield case.on("too short a request", text="Hi there.")
        yield case.on("too long a request", text=request * 12)


RULES = (
    ("Use exactly three words.", "len(response.split()) == 3", "len([w for w in response.split() if w]) == 3",
     ("one two three", "a b c", "we are here"), ("one two", "a b c d", "no")),
    ("Write only in lowercase letters.", "response == response.lower()", "not any(c.isupper() for c in response)",
     ("all is low", "fine day", "ok"), ("Not low", "ALL CAPS", "mixed Case")),
    ("Do not use any comma in it.", "',' not in response", "response.count(',') == 0",
     ("no mark here", "plain", "also plain"), ("one, two", "a, b, c", ",")),
    ("Begin with the word Note.", "response.startswith('Note')", "response[:4] == 'Note'",
     ("Note this", "Note: well", "Note that"), ("Well, Note", "note this", "This")),
    ("Include at least one digit.", "any(c.isdigit() for c in response)", "sum(c in '0123456789' for c in response) > 0",
     ("7 days", "in 1999", "x1"), ("seven days", "none", "words only")),
)  # fmt: skip


def checkers() -> Iterator[Case]:
    def function(test: str) -> str:
        return f"def evaluate(response):\n    return {test}"

    def cases(good, bad) -> str:
        rows = [{"response": text, "obeys": True} for text in good] + [
            {"response": text, "obeys": False} for text in bad
        ]
        return json.dumps({"cases": rows})

    for rule, one, two, good, bad in RULES:
        for request in REQUESTS[:4]:
            script = {
                "invent": rule,
                "check": [function(one), f"```python\n{function(two)}\n```", function("True")],
                "cases": cases(good, bad),
                "back": rule,
                "judge_same": "Yes.",
                "reply": [bad[0], good[0]],
            }
            case = Case(flow="checkers", seed=seed_of(request), script=script)
            yield case
            yield case.but("nothing to check", invent="Be as warm and friendly as you can.")
            yield case.but("code for a rule", invent=f"```def evaluate(response): return {one}```")
            yield case.but(
                "checkers that always agree",
                check=[function("True"), function("1 == 1"), function("not False")],
            )
            yield case.but(
                "checkers that never agree",
                check=[function(f"not ({one})"), function(f"not ({two})"), function("False")],
            )
            yield case.but(
                "one readable checker", check=[function(one), "Count the words.", "def other(): pass"]
            )
            yield case.but(
                "checkers that fail",
                check=[function("1 / 0"), function("undefined"), function("open('/etc/passwd').read()")],
            )
            yield case.but("one checker three times", check=[function(one)] * 3)
            yield case.but("cases of one kind", cases=cases(good, ()))
            yield case.but("cases the wrong way round", cases=cases(bad, good))
            yield case.but("the checker says another thing", judge_same="No.")
            yield case.but("no reply obeys", reply=bad[0])
