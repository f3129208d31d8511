# ruff: noqa: E501 (one case a line)
"""Planted defects of the flows that work on questions: votes, gaps, trajectories, orders, knowledge."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.synthesize.planted import Case, seed_of

THINGS = ("apples", "pens", "stamps", "shells", "coins", "books", "eggs", "cards", "tiles", "seeds")


class Problem:
    """A word problem of two steps with its solution and tool calls."""

    def __init__(self, number: int) -> None:
        self.a, self.b, self.c = 3 + number % 7, 4 + number % 5 * 2, 2 + number % 3
        self.thing = THINGS[number % len(THINGS)]
        self.product, self.rest = self.a * self.b, self.a * self.b - self.c
        self.total = self.rest + 20
        self.text = (
            f"Mina has {self.a} boxes with {self.b} {self.thing} in each. She gives {self.c} {self.thing} "
            "away and then buys 20 more. How many does she have now?"
        )
        self.solution = (
            f"Mina has {self.a} x {self.b} = <<{self.a}*{self.b}={self.product}>>{self.product} {self.thing} at first.\n"
            f"After giving some away she has {self.product} - {self.c} = <<{self.product}-{self.c}={self.rest}>>{self.rest} left.\n"
            f"In the end she has {self.rest} + 20 = <<{self.rest}+20={self.total}>>{self.total} {self.thing}."
        )

    def seed(self, key: bool = True):
        return seed_of(self.text, answer=str(self.total) if key else "", solution=self.solution)

    def reply(self, answer: int | str) -> str:
        return (
            f"{self.a} x {self.b} = {self.product}. {self.product} - {self.c} = {self.rest}. "
            f"Then 20 more.\nAnswer: {answer}"
        )


def problems() -> list[Problem]:
    return [Problem(number) for number in range(20)]


def plurality() -> Iterator[Case]:
    for number, p in enumerate(problems()):
        right, r = p.reply(p.total), p.reply
        w, x, y, z = p.total + 1, p.total + 7, p.total + 11, p.total + 19
        draws = [right, r(w), right, right, r(x), right, right, r(w)]
        case = Case(flow="plurality", seed=p.seed(key=number % 2 == 0), script={"solve": draws})
        yield case
        yield case.but("too easy", solve=right)
        yield case.but("no two agree", solve=[right, r(w), r(x), r(y), r(z), r(z + 1), r(z + 2), r(z + 3)])
        yield case.but("two answers are as likely", solve=[right, r(w)] * 4)
        yield case.but(
            "no clear plurality", solve=[right, right, r(w), r(x), r(w), r(y), r(z), right and r(z + 5)]
        )
        yield case.but(
            "most replies have no answer", solve=["I do not know."] * 2 + ["It depends."] * 4 + [right, r(w)]
        )
        false = f"{p.a} x {p.b} = {p.product + 3}. So it is done.\nAnswer: {p.total}"
        yield case.but("right by a false equation", solve=[false if d is right else d for d in draws])
        if number % 2 == 0:
            yield case.but("the plurality is wrong", solve=[r(w), r(w), r(x), r(w), r(w), r(x), r(w), r(y)])


def infill() -> Iterator[Case]:
    for p in problems():
        first = f"Mina has {p.a} x {p.b} = {p.product} {p.thing} at first."
        second = f"After giving some away she has {p.product} - {p.c} = {p.rest} left."
        wrong = f"Mina has {p.a} + {p.b} = {p.a + p.b} {p.thing} at first."
        case = Case(flow="infill", seed=p.seed(), script={"fill": []})
        from trivium.synthesize.flows.infill import cut
        from trivium.synthesize.session import Session

        place = Session("infill", case.seed, None, None).random.random()  # type: ignore[arg-type]
        gap = cut(case.seed.solution, place)
        assert not isinstance(gap, str)
        good = first if gap.value == str(p.product) else second
        case = case.but("", fill=[wrong, good, good, wrong])
        yield case
        yield case.but("closed by everybody", fill=good)
        yield case.but("closed by nobody", fill=wrong)
        yield case.but("the value without a step", fill=[wrong, gap.value, gap.value, gap.value])
        false = f"Mina has {p.a} x {p.b + 1} = {gap.value} {p.thing} at first."
        yield case.but("the value by a false equation", fill=[wrong, false, false, wrong])
        yield case.but(
            "talk", fill=[wrong, f"Sure! The missing step is easy, {p.a} and {gap.value}.", wrong, wrong]
        )
        yield case.on(
            "a solution with a false equation",
            solution=p.solution.replace(f"= <<{p.product}-{p.c}", f"+ 1 = <<{p.product}-{p.c}"),
        )
        yield case.on("no step with a value", solution="She counts.\nShe adds.\nShe is done.")
        lines = p.solution.split("\n")
        yield case.on(
            "the step stands elsewhere too", solution="\n".join([lines[0], lines[0], lines[0], lines[2]])
        )


def trajectory() -> Iterator[Case]:
    for p in problems():
        told = (
            f"Mina starts with {p.a} boxes of {p.b} {p.thing}, which makes {p.a} x {p.b} = {p.product}.\n"
            f"She gives {p.c} away, so {p.product} - {p.c} = {p.rest} remain.\n"
            f"Buying 20 more brings her to {p.rest} + 20 = {p.total}.\nAnswer: {p.total}"
        )
        case = Case(flow="trajectory", seed=p.seed(), script={"retell": told})
        yield case
        yield case.but("speaks of the tool", retell=told.replace("which makes", "and the calculator says"))
        yield case.but("speaks of the call", retell=told.replace("remain.", "remain, as the call returned."))
        yield case.but("another answer", retell=told.replace(f"Answer: {p.total}", f"Answer: {p.total + 2}"))
        yield case.but("no answer", retell=told.rpartition("\n")[0])
        yield case.but(
            "false equation", retell=told.replace(f"= {p.rest} remain", f"= {p.rest} remain, and 7 x 8 = 54")
        )
        yield case.but("new number", retell=told.replace("Buying 20 more", "After 3719 days, buying 20 more"))
        yield case.but(
            "a step left out",
            retell=f"Mina ends with {p.rest} + 20 = {p.total} {p.thing} in all.\nAnswer: {p.total}",
        )
        yield case.but("boilerplate", retell=f"Sure! {told}")
        yield case.but("nothing but the answer", retell=f"Answer: {p.total}")
        yield case.on(
            "a call that does not hold",
            solution=p.solution.replace(f"<<{p.a}*{p.b}={p.product}>>", f"<<{p.a}*{p.b}={p.product + 5}>>"),
        )
        yield case.on(
            "a call that cannot be run", solution=p.solution.replace(f"<<{p.a}*{p.b}", "<<boxes*each")
        )
        yield case.on("too few calls", solution=f"{p.rest} + 20 = <<{p.rest}+20={p.total}>>{p.total}")


def curriculum() -> Iterator[Case]:
    good = json.dumps({"fault": "none", "clear": 3, "justified": 3})
    for number, p in enumerate(problems()):
        right, wrong = p.reply(p.total), p.reply(p.total + 1)
        script = {"judge_quality": good, "solve": [right, wrong, right, wrong][: 2 + number % 3]}
        case = Case(flow="curriculum", seed=p.seed(), script=script)
        yield case
        yield case.but(
            "unclear", judge_quality=json.dumps({"fault": "two readings", "clear": 1, "justified": 3})
        )
        yield case.but(
            "unjustified", judge_quality=json.dumps({"fault": "a leap", "clear": 3, "justified": 1})
        )
        yield case.but("scores are not JSON", judge_quality="A good problem.")
        yield case.but("a score is missing", judge_quality=json.dumps({"fault": "none", "clear": 3}))
        yield case.on(
            "a false equation", solution=p.solution.replace(f"{p.a} x {p.b} =", f"{p.a} x {p.b} + 1 =")
        )
        yield case.on("ends in another answer", answer=str(p.total + 9))
        yield case.on("no answer", answer="")
        yield case.on("no solution", solution="")


FACTS = (
    ("Which river flows through Vienna?", "Danube"), ("Who wrote Faust?", "Goethe"),
    ("What is the capital of Peru?", "Lima"), ("Which metal is liquid at room temperature?", "mercury"),
    ("Who painted Guernica?", "Picasso"), ("Which planet has the largest rings?", "Saturn"),
    ("What is the currency of Japan?", "yen"), ("Which gas do plants take in?", "carbon dioxide | CO2"),
    ("Who discovered penicillin?", "Alexander Fleming | Fleming"), ("Which ocean lies east of Brazil?", "Atlantic"),
)  # fmt: skip


def knowledge() -> Iterator[Case]:
    for number, (question, key) in enumerate(FACTS * 2):
        name = key.split(" | ")[0]
        right, wrong = f"It is {name}.", "It is Brunelda."
        asked = question if number < 10 else f"In short, {question[0].lower()}{question[1:]}"
        words = asked.rstrip("?").split()
        bogus = " ".join([*words[:-1], "Brunelda" + str(number % 10) + "?"]).replace(str(number % 10), "")
        script = {"bogus": bogus, "judge_real": "No."}
        seed = seed_of(asked, answer=key)
        known = Case(flow="knowledge", seed=seed, script={**script, "answer": [right] * 5 + [wrong]})
        unknown = known.but("", answer=[wrong, "I do not know.", wrong, wrong, right, wrong])
        yield known
        yield unknown

        def answers(row) -> bool:
            return row.method == "answer"

        def is_bogus(row) -> bool:
            return row.method == "bogus"

        def is_refusal(row) -> bool:
            return row.method == "refusal"

        yield known.but("sometimes right", lambda row: row.method != "bogus", answer=[right, wrong] * 3)
        yield known.but("denied", answers, answer=f"It is not {name}.")
        yield known.but("hedged", answers, answer=f"It is {name} or Brunelda.")
        yield known.but("the key inside another word", answers, answer=f"It is {name}ville.")
        yield known.but("known, and yet refused", is_refusal)
        yield unknown.but("unknown, and yet answered", answers)
        yield known.but("bogus: the same question", is_bogus, bogus=asked)
        yield known.but("bogus: somebody can answer it", is_bogus, judge_real=["No.", "Yes."])
        yield known.but("bogus: another subject", is_bogus, bogus="How do bees find flowers near cold lakes?")
        yield known.but("bogus: no question", is_bogus, bogus="Sure.")
        yield known.on("no key", answer="")
