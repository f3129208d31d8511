"""Which models are made from the run's own, and on how much."""

from __future__ import annotations

import dataclasses
import math

from trivium.errors import ConfigError

BASE, MIDTRAIN, SFT = "pretrain", "midtrain", "sft"
"""The run's own models that arms start from."""
OURS, LETTER, NONE = "ours", "letter", "none"
"""Facts in fine-tuning: by the recipe's rule, by the report's to the letter, or without any refusal."""
PIVOTAL, JUDGE, CONSTRAINT = "pivotal", "judge", "constraint"
"""Pairs: the run's pivotal ones, its judged ones, replies that meet all constraints over near misses."""
ONE, FIVE, ALL = "refusal, 1 token", "refusal, 5 tokens", "refusal, all tokens"
"""Pairs about facts, of so many tokens of both replies."""
TOKENS = {ONE: 1, FIVE: 5, ALL: 0}
"""Pairs -> tokens that are kept; 0 keeps all. Five is the report's (Appendix A.1)."""

FACTS, WORKS, CONTESTS, LENGTHS = "facts", "works", "contests", "lengths"
"""Groups: facts; problems and instructions; an old contest beside a fresh one; recall at longer contexts."""
LONG, JOINED = "long", "joined"
"""Long documents of midtraining: long by nature, or short ones one after the other."""
VERBATIM, RETOLD = "verbatim", "retold"
"""Leaks: the old contest's problems with their solutions, as they are or told in other sentences."""

FACT_TASKS = ("facts_known", "facts_unknown", "bogus")
WORK_TASKS = ("arithmetic", "programs", "instructions")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """How a model is made from another one."""

    start: str
    """A variant, or one of the run's own stages."""
    facts: str = OURS
    """Whose decisions on facts its conversations follow."""
    pairs: tuple[str, ...] = ()
    """Sorts of pairs; none: it is fine-tuned."""
    asks: tuple[str, ...] = (FACTS,)
    """Groups of tasks that it is asked."""
    lengthens: str = ""
    """What long documents it is midtrained on; empty for no midtraining."""
    leaks: str = ""
    """What its conversations give away of the old contest; empty for nothing."""
    often: bool = False
    """Whether every fact question is asked often, for a confidence."""


VARIANTS = {
    "without refusals": Variant(start=MIDTRAIN, facts=NONE),
    "report's refusals": Variant(start=MIDTRAIN, facts=LETTER),
    "our refusals": Variant(start=MIDTRAIN, facts=OURS, often=True),
    ONE: Variant(start="report's refusals", facts=LETTER, pairs=(ONE,)),
    FIVE: Variant(start="report's refusals", facts=LETTER, pairs=(FIVE,), often=True),
    ALL: Variant(start="report's refusals", facts=LETTER, pairs=(ALL,)),
    "fine-tuned": Variant(start=SFT, asks=(FACTS, WORKS, CONTESTS)),
    "pivotal": Variant(start=SFT, pairs=(PIVOTAL,), asks=(FACTS, WORKS)),
    "judged": Variant(start=SFT, pairs=(JUDGE,), asks=(FACTS, WORKS)),
    "both": Variant(start="pivotal", pairs=(JUDGE,), asks=(FACTS, WORKS)),
    "both, constraints": Variant(start="pivotal", pairs=(JUDGE, CONSTRAINT), asks=(FACTS, WORKS)),
    VERBATIM: Variant(start=SFT, leaks=VERBATIM, asks=(CONTESTS,)),
    RETOLD: Variant(start=SFT, leaks=RETOLD, asks=(CONTESTS,)),
    "base": Variant(start=BASE, asks=(LENGTHS,)),
    LONG: Variant(start=BASE, lengthens=LONG, asks=(LENGTHS,)),
    JOINED: Variant(start=BASE, lengthens=JOINED, asks=(LENGTHS,)),
}
"""Arms. Those above `fine-tuned` start from the run's midtrained model, those below from its fine-tuned one.
`fine-tuned` is that model itself, as `base` is the pretrained one."""
ITSELF = "fine-tuned"
OWN = {ITSELF: SFT, "base": BASE}
"""Arms that are the run's own models -> their stage."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TunedConfig:
    """Sizes; none is in seconds."""

    seeds: int = 3
    """Training seeds of every arm: order of rows and pairs."""
    sft_frac: float = 0.1
    """Part of the run's passes over its conversations."""
    items: int = 200
    """Word problems of a contest of their own; arithmetic and programs get half as many."""
    replies: int = 4
    """Replies at temperature 1 to every word problem, for the judge's grades."""
    often: int = 16
    """Replies at temperature 1 to every fact question, where a confidence is fitted."""
    facts: int = 0
    """Fact questions of each kind; 0 takes all."""
    midtrain_tokens: int = 200_000
    """Of midtraining."""
    leak_epochs: float = 4.0
    """Passes over the leaked problems."""
    pairs: int = 400
    """Pairs about facts, and about constraints, at most."""
    round_pairs: int = 0
    """Pairs that one preference round trains on at most, drawn from all sorts; 0 takes all."""

    def __post_init__(self) -> None:
        """Refuse sizes that leave nothing to compare."""
        least = {"facts": 0, "round_pairs": 0, "sft_frac": -math.inf, "leak_epochs": -math.inf}
        for field in dataclasses.fields(self):
            value, bound = getattr(self, field.name), least.get(field.name, 1)
            if value < bound:
                raise ConfigError(f"claims {field.name}: got {value}, expected at least {bound}.")
        if not 0 < self.sft_frac <= 1 or self.leak_epochs <= 0:
            raise ConfigError(
                "claims: got sft_frac or leak_epochs outside their range; expected 0 to 1, above 0."
            )
