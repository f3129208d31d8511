# ruff: noqa: E501 (one case a line)
"""Scripted seeds with planted defects, for every flow: what a filter must catch and what it must let through.

A case is a seed, the replies to each of the flow's prompts, and the defect that was planted in one of them;
a clean case has none. `outcome` runs a case on the scripted backend through the same code as a real teacher.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trivium.llm.backends.scripted import Scripted
from trivium.llm.calls import Request
from trivium.llm.generate import FRESH_SAMPLE, Harvest
from trivium.records import Example, row_id
from trivium.synthesize.grow import grow
from trivium.synthesize.prompts import FOLDER
from trivium.synthesize.seeds import Seed
from trivium.synthesize.session import Tools
from trivium.synthesize.words import STOPWORDS

Script = Mapping[str, "str | Sequence[str]"]
"""Step -> the reply, or one reply a draw."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One seed with its scripted teacher."""

    flow: str
    seed: Seed
    script: Script
    defect: str = ""
    """What is wrong; empty for a clean case."""
    spoiled: Callable[[Example], bool] = field(default=lambda row: True)
    """Whether an accepted row carries the defect; most defects must cost the whole seed."""

    def but(self, defect: str, spoiled: Callable[[Example], bool] | None = None, **replies: Any) -> Case:
        """Return the case with other replies to some steps."""
        changed = {"script": {**self.script, **replies}, "defect": defect}
        return dataclasses.replace(self, **changed, **({"spoiled": spoiled} if spoiled else {}))

    def on(self, defect: str, **fields: Any) -> Case:
        """Return the case with another seed."""
        return dataclasses.replace(self, seed=dataclasses.replace(self.seed, **fields), defect=defect)


def seed_of(text: str, **more: str) -> Seed:
    return Seed(id=row_id("planted", [], text + more.get("solution", "")), text=text, **more)


def step_of(flow: str, request: Request) -> str:
    """Recognise the prompt file that a request was filled from."""
    said = "\n\0\n".join(f"{m.role}:{m.content}" for m in request.messages)
    fits = []
    for path in sorted((FOLDER / flow).glob("*.md")):
        _, *pieces = re.split(r"^# (system|user|assistant)\n", path.read_text(), flags=re.MULTILINE)
        parts = [f"{role}:{body.strip()}" for role, body in zip(pieces[::2], pieces[1::2], strict=True)]
        pattern = re.sub(r"\\\$(?:\w+)", "(?s:.*?)", re.escape("\n\0\n".join(parts)))
        if re.fullmatch(pattern + "(?s:(\n\0\nassistant:.*)?)", said):
            fits.append((len(pattern), path.stem))
    assert fits, f"{flow}: no prompt file fits {said[:200]!r}"
    return max(fits)[1]


def teacher(case: Case) -> Scripted:
    """Return the scripted teacher of a case."""

    def answer(request: Request) -> str:
        reply = case.script[step_of(case.flow, request)]
        if isinstance(reply, str):
            return reply
        return reply[min(request.sample % FRESH_SAMPLE, len(reply) - 1)]

    return Scripted(function=answer)


def outcome(case: Case, tools: Tools) -> Harvest:
    """Run one case."""
    return grow(case.flow, [case.seed], teacher(case), target=9, ahead=1, tools=tools)


def is_caught(case: Case, harvest: Harvest) -> bool:
    """Say whether no accepted row carries the defect."""
    return not any(case.spoiled(row) for row in harvest.accepted)


# --- what can be wrong with prose ---


def spoiled_prose(text: str, foreign: str) -> Iterator[tuple[str, str]]:
    """Yield defects of a text that must be grounded in a passage: name and text."""
    words = text.split()
    middle = len(words) // 2
    yield "new number", " ".join([*words[:middle], "37", *words[middle:]])
    yield "new name", " ".join([*words[:middle], "as Hartley showed", *words[middle:]])
    yield "boilerplate", f"Sure! {text}"
    yield "talk about itself", f"{text} I hope this helps."
    yield "cut off", " ".join(words[:-2]).rstrip(".,?!")
    yield "repeats itself", f"{text} {text} {text}"
    yield "foreign sentence", f"{text} {foreign}"
    yield "another topic", foreign
    yield "refusal", "I'm sorry, but I cannot help with that request."
    yield "empty", "Yes."


TOPICS: tuple[dict[str, Any], ...] = (
    {
        "names": (("tank", "valve", "water"), ("bin", "lid", "grain"), ("pool", "gate", "oil"), ("silo", "hatch", "corn")),
        "passage": "When the {0} is full, the {1} closes, because any further {2} would be lost. A closed {1} stays shut until half of the {2} has been used. So the {0} is filled again only when there is room.",
        "rewrite": "Because further {2} would be lost, the {1} closes once the {0} is full. It then stays shut until half of the {2} has been used, so the {0} is filled again only when it has room.",
        "explain": "The {1} closes as soon as the {0} is full, so that further {2} is saved from being lost. It stays shut until half of the {2} is used. The {0} is then filled again because it has room.",
        "steps": (("the {0} is full", "the {1} closes"), ("half of the {2} has been used", "the {0} is filled again")),
        "question": "What happens to the {1} when the {0} is full?",
        "answer": "The {1} closes when the {0} is full, because any further {2} would be lost.",
        "talk": (
            "Why does the {1} close when the {0} is full?",
            "It closes because any further {2} would be lost from a full {0}.",
            "How long does a closed {1} stay shut?",
            "The closed {1} stays shut until half of the {2} has been used, and then there is room.",
            "So when is the {0} filled again?",
            "Only when there is room in the {0} is it filled again.",
        ),
        "material": "A full {0} makes the {1} close, because further {2} would be lost. The {1} stays shut until half of the {2} is used, and the {0} is filled again when there is room.",
        "task": "Explain why the {1} closes.",
        "harder": "Explain why the {1} closes, and say when the {0} is filled again.",
        "reply": "The {1} closes because further {2} would be lost from the full {0}. The {0} is filled again when half of the {2} is used and there is room.",
    },
    {
        "names": (("clerk", "letter", "drawer"), ("nurse", "chart", "cabinet"), ("guard", "ticket", "box"), ("cook", "order", "tray")),
        "passage": "If a {1} has been read, the {0} marks it and lays it into the {2}. Marked sheets are sorted every evening, so that the {0} finds each {1} quickly on the next day. A {1} without a mark is read again.",
        "rewrite": "The {0} marks each {1} that has been read and lays it into the {2}. Since marked sheets are sorted every evening, the {0} finds a {1} quickly on the next day, while one without a mark is read again.",
        "explain": "After a {1} has been read, the {0} marks it and lays it into the {2}. Sorting the marked sheets in the evening lets the {0} find each {1} quickly the next day. One without a mark is simply read again.",
        "steps": (("a {1} has been read", "the {0} marks it"), ("marked sheets are sorted every evening", "the {0} finds each {1} quickly")),
        "question": "What does the {0} do if a {1} has been read?",
        "answer": "The {0} marks the {1} that has been read and lays it into the {2}.",
        "talk": (
            "What does the {0} do with a {1} that has been read?",
            "The {0} marks it and lays it into the {2} without delay.",
            "Why are marked sheets sorted every evening without fail?",
            "They are sorted so that the {0} finds each {1} quickly, without searching on the next day.",
            "And a {1} without a mark?",
            "A {1} without any mark must be read again by the {0}.",
        ),
        "material": "The {0} marks a {1} that has been read and lays it into the {2}. Marked sheets are sorted every evening, so the {0} finds each {1} quickly. One without a mark is read again.",
        "task": "Explain why marked sheets are sorted.",
        "harder": "Explain why marked sheets are sorted every evening, and say what becomes of a {1} without a mark.",
        "reply": "Marked sheets are sorted every evening so that the {0} finds each {1} quickly. A {1} without a mark is read again by the {0}.",
    },
    {
        "names": (("root", "leaf", "sugar"), ("bulb", "stem", "starch"), ("tuber", "shoot", "juice"), ("trunk", "branch", "resin")),
        "passage": "The {1} makes {2} while the sun shines and sends it down to the {0}. Because the {0} stores the {2}, the plant lives through winter. When spring comes, the stored {2} rises again and feeds every new {1}.",
        "rewrite": "While the sun shines, {2} is made by the {1} and goes down to the {0}. The plant lives through winter because the {0} stores this {2}, which rises again when spring comes to feed each new {1}.",
        "explain": "In sunshine the {1} makes {2} and sends it to the {0}, which stores it. The plant lives through winter because of this stored {2}. In spring it rises and feeds the new {1}.",
        "steps": (("the {0} stores the {2}", "the plant lives through winter"), ("spring comes", "the stored {2} rises again")),
        "question": "What happens to the stored {2} when spring comes?",
        "answer": "The stored {2} rises again when spring comes and feeds every new {1}.",
        "talk": (
            "Where does the {2} go that the {1} makes?",
            "The {1} sends the {2} down to the {0} while the sun shines.",
            "How does the plant live through winter?",
            "It lives because the {0} stores the {2} that was made in sunshine.",
            "What happens when spring comes?",
            "The stored {2} rises again in spring and feeds every new {1}.",
        ),
        "material": "While the sun shines, the {1} makes {2} and sends it to the {0}. The {0} stores it, so the plant lives through winter. In spring the {2} rises and feeds each new {1}.",
        "task": "Say how the plant lives through winter.",
        "harder": "Say how the plant lives through winter, and explain what feeds each new {1} in spring.",
        "reply": "The plant lives through winter because the {0} stores the {2}. In spring the stored {2} rises and feeds each new {1}.",
    },
    {
        "names": (("bridge", "beam", "load"), ("roof", "rafter", "snow"), ("shelf", "bracket", "weight"), ("floor", "joist", "crowd")),
        "passage": "A {0} rests on more than one {1}, so that the {2} is shared between them. If one {1} bends, the others carry its part of the {2}. Builders therefore test each {1} before the {0} is opened.",
        "rewrite": "Since a {0} rests on more than one {1}, the {2} is shared between them. The others carry the part of a {1} that bends, and builders therefore test each {1} before they open the {0}.",
        "explain": "More than one {1} carries the {0}, which means that they share the {2}. If one {1} bends, its part of the {2} goes to the others. Therefore builders test every {1} before opening the {0}.",
        "steps": (("a {0} rests on more than one {1}", "the {2} is shared between them"), ("one {1} bends", "the others carry its part")),
        "question": "Why does a {0} rest on more than one {1}?",
        "answer": "A {0} rests on more than one {1} so that the {2} is shared.",
        "talk": (
            "Why does a {0} rest on more than one {1}?",
            "So that the {2} is shared between them and each {1} carries a part.",
            "What happens if one {1} bends?",
            "Then the others carry its part of the {2}, so the {0} still rests.",
            "Is that why builders test each {1}?",
            "Builders therefore test each {1} before the {0} is opened to anybody.",
        ),
        "material": "A {0} rests on more than one {1} that share the {2}. If one {1} bends, the others carry its part, so builders test each {1} before the {0} is opened.",
        "task": "Explain why builders test each {1}.",
        "harder": "Explain why builders test each {1}, and say who carries the {2} if one bends.",
        "reply": "Builders test each {1} before the {0} is opened, because it must carry the {2}. If one {1} bends, the others carry its part.",
    },
    {
        "names": (("teacher", "pupil", "word"), ("coach", "player", "move"), ("master", "apprentice", "grip"), ("tutor", "singer", "song")),
        "passage": "The {0} repeats a {2} until every {1} can say what it is for. When a {1} explains the {2} to another, both remember it longer. Hence the {0} lets them explain each new {2} in pairs.",
        "rewrite": "A {2} is repeated by the {0} until every {1} can say what it is for. Both remember the {2} longer when a {1} explains it to another; hence the {0} lets them explain each new one in pairs.",
        "explain": "Every {1} must be able to say what a {2} is for, so the {0} repeats it until then. Explaining the {2} to another makes both remember it longer. Hence the {0} lets them work on each new {2} in pairs.",
        "steps": (("a {1} explains the {2} to another", "both remember it longer"), ("both remember it longer", "the {0} lets them explain each new {2} in pairs")),
        "question": "What happens when a {1} explains the {2} to another?",
        "answer": "When a {1} explains the {2} to another, both remember it longer.",
        "talk": (
            "How long does the {0} repeat a {2}?",
            "The {0} repeats it until every {1} can say what it is for.",
            "What helps a {1} to remember the {2} longer?",
            "When one {1} explains the {2} to another, both remember it longer.",
            "So what does the {0} let them do?",
            "The {0} lets them explain each new {2} to another in pairs.",
        ),
        "material": "The {0} repeats a {2} until every {1} can say what it is for. Both remember a {2} longer when a {1} explains it to another, hence each new {2} is explained in pairs.",
        "task": "Explain why each new {2} is explained in pairs.",
        "harder": "Explain why each new {2} is explained in pairs, and say how long the {0} repeats it.",
        "reply": "Each new {2} is explained in pairs because both remember a {2} longer when a {1} explains it to another. The {0} repeats it until every {1} can say what it is for.",
    },
)  # fmt: skip


def filled(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, str):
        text = value.format(*names)
        return text[:1].upper() + text[1:] if value[:1] == "{" and value[-1] in ".?" else text
    return tuple(filled(part, names) for part in value)


def worlds() -> list[dict[str, Any]]:
    """Twenty small worlds: a passage with everything a good teacher would make of it."""
    found = [
        {key: filled(value, names) for key, value in topic.items() if key != "names"}
        for topic in TOPICS
        for names in topic["names"]
    ]
    for number, world in enumerate(found):
        world["foreign"] = found[(number + 7) % len(found)]["rewrite"]
    return found


def tagging() -> Iterator[Case]:
    for number, world in enumerate(worlds()):
        steps = [{"assumption": a, "conclusion": c} for a, c in world["steps"]]
        tags = {
            "steps": steps,
            "information": "argument",
            "complexity": 1 + number % 4,
            "obscurity": number % 4,
        }
        said = json.dumps(tags)
        near = json.dumps({**tags, "complexity": tags["complexity"] - 1})
        case = Case(flow="tagging", seed=seed_of(world["passage"]), script={"tag": [said, near]})
        yield case

        def broken(defect: str, case: Case = case, tags: dict[str, Any] = tags, **more: Any) -> Case:
            return case.but(defect, tag=json.dumps({**tags, **more}))

        yield broken("no deduction", steps=[])
        yield broken("a deduction twice", steps=[steps[0], steps[0]])
        wrong = {"assumption": "the moon attracts oceans", "conclusion": "tides follow the calendar"}
        yield broken("a foreign deduction", steps=[steps[0], wrong])
        yield broken(
            "a foreign number",
            steps=[steps[0], {**steps[1], "conclusion": steps[1]["conclusion"] + " 37 times"}],
        )
        yield broken(
            "says its assumption again", steps=[steps[0], {**steps[1], "conclusion": steps[1]["assumption"]}]
        )
        yield broken("too obscure", obscurity=5)
        yield broken("no such kind", information="poem")
        yield broken("off the scale", complexity=9)
        yield case.but(
            "the second tagging parts", tag=[said, json.dumps({**tags, "information": "narrative"})]
        )
        yield case.but(
            "the levels part",
            tag=[
                said,
                json.dumps({**tags, "complexity": tags["complexity"] + 2 if tags["complexity"] < 4 else 0}),
            ],
        )
        yield case.but("not JSON", tag="The passage is an argument of medium complexity.")


def conversation() -> Iterator[Case]:
    def turn(say: str, move: str = "explain", accuracy: int = 3, novelty: int = 3) -> str:
        return json.dumps({"move": move, "accuracy": accuracy, "novelty": novelty, "say": say})

    for world in worlds():
        said = [turn(text) for text in world["talk"]]
        case = Case(flow="conversation", seed=seed_of(world["passage"]), script={"turn": said})
        yield case

        def at_third(defect: str, reply: str, case: Case = case, said: list[str] = said) -> Case:
            return case.but(defect, turn=[*said[:3], reply, *said[4:]])

        for name, text in spoiled_prose(world["talk"][3], world["foreign"]):
            yield at_third(name, turn(text))
        yield at_third("merely agrees", turn("I agree with you, that is true and well said."))
        yield at_third("says a turn again", turn(world["talk"][1]))
        yield at_third("doubts itself", turn(world["talk"][3], accuracy=1))
        yield at_third("falls out of its role", turn(f"As an AI I would say this. {world['talk'][3]}"))
        yield at_third("no such move", turn(world["talk"][3], move="sing"))
        yield at_third("not JSON", world["talk"][3])
        yield case.but(
            "nothing new to say", turn=[said[0], *(turn(text, novelty=1) for text in world["talk"][1:])]
        )


def taxonomy() -> Iterator[Case]:
    for world in worlds():
        script = {
            "transform": world["material"],
            "instruct": world["task"],
            "refine": world["harder"],
            "answer": world["reply"],
        }
        case = Case(flow="taxonomy", seed=seed_of(world["passage"]), script=script)
        yield case
        for name, text in spoiled_prose(world["material"], world["foreign"]):
            yield case.but(f"material: {name}", transform=text)
        for name, text in spoiled_prose(world["reply"], world["foreign"]):
            yield case.but(f"answer: {name}", answer=text)
        yield case.but("task: none", instruct=world["material"])
        yield case.but("task: new name", instruct="Explain what Hartley wrote about it.")
        yield case.but("task: talks about itself", refine=f"The rewritten task: {world['harder']}")
        yield case.but("task: not refined", refine=world["task"])
        yield case.but(
            "task: grown too much",
            refine=world["harder"]
            + " Say it in plain words, then say it again for a child, then list the points, and say what it means for you.",
        )
        yield case.but(
            "task: new number", refine=world["task"].rstrip(".") + " in 37 words, and say what follows."
        )


def revision() -> Iterator[Case]:
    def scores(quote: str, *levels: int) -> str:
        named = zip(("faithful", "complete", "teaches", "clear"), levels, strict=True)
        return json.dumps({"quote": quote, "fault": "one sentence is long", **dict(named)})

    for world in worlds():
        quote = " ".join(world["explain"].split()[:4])
        good, poor = scores(quote, 3, 2, 3, 3), scores(quote, 2, 1, 2, 2)
        draft = world["explain"]
        other = world["rewrite"]
        fine = scores(" ".join(other.split()[:4]), 3, 3, 3, 2)
        case = Case(
            flow="revision", seed=seed_of(world["passage"]), script={"write": draft, "critique": good}
        )
        yield case
        revised = case.but("", write=draft, critique=[poor, fine], revise=other, judge_pair=["A", "B"])
        yield revised
        bad = {"revise": ["", draft, draft, draft], "judge_pair": ["A", "B"]}
        for name, text in spoiled_prose(draft, world["foreign"]):
            yield case.but(f"every version: {name}", write=text, revise=["", text, text, text], critique=good)
            yield revised.but(
                f"revision praised by the critic: {name}",
                revise=["", text, text, text],
                critique=[poor, good, good, good],
            )
        yield case.but("copied", write=world["passage"], revise=["", *[world["passage"]] * 3])
        yield case.but(
            "critic quotes what is not there", critique=scores("the purple elephant sings", 3, 3, 3, 3), **bad
        )
        yield case.but("below the floors", critique=poor, **bad)
        yield case.but("critique is not JSON", critique="Very good work.", **bad)
        yield revised.but("loses blind against its first version", judge_pair=["B", "A"])


def rewrite() -> Iterator[Case]:
    scores = json.dumps({"fault": "none", "faithful": 3, "complete": 3, "clear": 3})
    for world in worlds():
        case = Case(
            flow="rewrite",
            seed=seed_of(world["passage"]),
            script={"write": world["rewrite"], "critique": scores, "revise": world["rewrite"]},
        )
        yield case
        text = world["rewrite"]
        yield case.but(
            "negation gained", write=f"It is never said why. {text}", revise=f"It is never said why. {text}"
        )
        short = " ".join(text.split()[:7]) + "."
        yield case.but("most is lost", write=short, revise=short)
        yield case.but("copied", write=world["passage"], revise=world["passage"])
        for name, bad in spoiled_prose(text, world["foreign"]):
            yield case.but(name, write=bad, revise=bad)


def questions() -> Iterator[Case]:
    for world in worlds():
        case = Case(
            flow="questions",
            seed=seed_of(world["passage"]),
            script={
                "ask": world["question"],
                "answer": world["answer"],
                "blind": "Nobody could say that for sure.",
            },
        )
        yield case
        asked = world["question"]
        yield case.but("needs the text", ask=f"According to the text, {asked[0].lower()}{asked[1:]}")
        yield case.but("needs the text", ask="What does the passage say about it?")
        yield case.but("open reference", ask="Why does it do that with them?")
        yield case.but("two questions", ask=f"{asked} And why?")
        yield case.but("no question", ask=world["answer"])
        yield case.but("new number", ask=asked.rstrip("?") + " after 37 days?")
        yield case.but("new name", ask=asked.rstrip("?") + " of Hartley?")
        yield case.but("strays", ask="What do distant planets and oceans share with calendars?")
        yield case.but("boilerplate", ask=f"Sure, here is a question: {asked}")
        yield case.but("does not lead back", answer="The moon moves the oceans, and calendars follow.")
        from trivium.synthesize.flows.questions import key_sentence

        yield case.but("answered without the text", blind=key_sentence(world["passage"]))
        yield case.on("no sentence to ask for", text="It does so. That is why. See below.")


def with_roles_swapped(text: str, passage: str) -> str:
    """Exchange the two nouns that the passage names most: the words stay, who does what does not."""
    said = re.findall(r"[a-z]{4,}", text.lower())
    counts = Counter(re.findall(r"[a-z]{4,}", passage.lower()))
    one, other = [word for word, _ in counts.most_common() if word in said and word not in STOPWORDS][:2]
    swapped = re.sub(rf"\b{one}\b", "\0", text)
    return re.sub(rf"\b{other}\b", one, swapped).replace("\0", other)
