"""Claim 16: decontamination finds light edits and misses rephrasings; fresh tests show what it missed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from trivium import recipe as recipes
from trivium.claims.lab import Lab
from trivium.claims.results import Finding, change_finding, finding
from trivium.claims.tuned.data import retold
from trivium.claims.tuned.model import OLD
from trivium.claims.tuned.settings import ITSELF, RETOLD, VERBATIM
from trivium.curate.decontaminate import CLEAN, PARTIAL, Index, Item, Row, Rules, check
from trivium.evaluate.tasks import contest
from trivium.records import Example, Question, from_table
from trivium.stats import crossed_mean, ratio_interval
from trivium.store.files import read_parquet

NUMBER = 16
TITLE = "Decontamination misses rephrasings, and a fresh test shows what it missed"
REPORT = (
    "Phi-4 report, section 1.1 and appendix B: the hybrid of 13-grams and 7-grams catches light "
    "paraphrases (its example has a ratio of 15/38) and is admitted to miss rephrasings; AMC problems "
    "of November 2024, after the data were frozen, give 91.8 points and so no sign of overfitting."
)
TEST = (
    "Problems of an old contest are put into web pages verbatim, with one word in twenty replaced, or "
    "retold in other sentences with the same numbers. The run's fine-tuned model answers the old "
    "contest and a fresh one; so do models that trained on the old one's problems, as they are or "
    "retold."
)
LIMITS = (
    "Retold problems come from templates and share no sentence with the old ones, which is harder "
    "than what a person would rephrase. Only the first stage of our detector, the report's, is judged "
    "here; benchmarks/decontamination.py measures the second."
)
EXACT, LIGHT, RARE, FALSE = 0.95, 0.9, 0.5, 0.02
"""Shares that count as found, as found in spite of edits, as missed, and as falsely found."""
EDITED = 0.05
OVERFIT = 0.05
"""Points by which an old test may lie above a fresh one before that counts as overfitting."""


def test(lab: Lab) -> list[Finding]:
    """Measure what the detector finds, and what an old contest says beside a fresh one."""
    tuned = lab.tuned
    tuned.train((ITSELF, VERBATIM, RETOLD))
    items = from_table(Question, read_parquet(tuned.ground.old))
    gaps = {name: tuned.paired(name, OLD, contest.NAME) for name in (ITSELF, VERBATIM, RETOLD)}
    value, low, high = crossed_mean(gaps[ITSELF])
    return [
        *detection(lab, items),
        finding(
            NUMBER,
            "the run's model is less than five points better on the old contest than on the fresh one",
            "old less fresh",
            (value, low, high),
            n=gaps[ITSELF].shape[1],
            seeds=1,
            direction="below",
            threshold=OVERFIT,
        ),
        *(
            change_finding(
                NUMBER,
                f"a model that trained on the old contest {words} is better on it than on the fresh one",
                "old less fresh, over the run's model",
                gaps[name] - gaps[ITSELF],
                main=name == VERBATIM,
            )
            for name, words in ((VERBATIM, "word for word"), (RETOLD, "retold"))
        ),
    ]


def detection(lab: Lab, items: Sequence[Question]) -> list[Finding]:
    """Shares of planted problems that the detector finds."""
    config = recipes.load(lab.run.path / "recipe.json").decontaminate
    rules = Rules(config.partial_ratio, config.contaminated_ratio, ubiquitous_rows=0)
    table = read_parquet(lab.stages(("decontaminate",))["decontaminate"] / "examples.parquet")
    rows = [row for row in from_table(Example, table) if row.source == "web" and row.text]
    pages = [row.text for row in rows] or [""]
    index = Index([Item(row.id, row.prompt, f"{row.prompt}\n{row.solution}") for row in items])
    rng = random.Random(f"claims-planted-{lab.seed}")
    words = sorted({word for page in pages[:50] for word in page.split() if word.isalpha()}) or ["the"]

    def found(texts: Sequence[str]) -> list[float]:
        labels = [one.label for one in check(index, [Row(text) for text in texts], rules).findings]
        return [float(label not in (CLEAN, PARTIAL)) for label in labels]

    def planted(plants: Sequence[str]) -> list[float]:
        hosts = [pages[place % len(pages)] for place in range(len(plants))]
        return found([f"{host}\n{plant}" for host, plant in zip(hosts, plants, strict=True)])

    def share(statement: str, hits: list[float], side: str, bound: float, *, main: bool = True) -> Finding:
        return finding(
            NUMBER,
            statement,
            "share found",
            ratio_interval(hits, [1.0] * len(hits)),
            n=len(hits),
            seeds=1,
            unit="share",
            direction="above" if side == "above" else "below",
            threshold=bound,
            main=main,
        )

    edited = [edit(row.prompt, words, rng) for row in items]
    return [
        share("problems planted verbatim are found", planted([r.prompt for r in items]), "above", EXACT),
        share("those with one word in twenty replaced are found", planted(edited), "above", LIGHT),
        share("retold ones are mostly missed", planted([retold(row) for row in items]), "below", RARE),
        share("pages without a plant are called clean", found(pages), "below", FALSE, main=False),
    ]


def edit(text: str, words: Sequence[str], rng: random.Random) -> str:
    """Replace one word in twenty, at least one, by words of the pages."""
    parts = text.split()
    for place in rng.sample(range(len(parts)), max(1, round(EDITED * len(parts)))):
        parts[place] = rng.choice(words)
    return " ".join(parts)
