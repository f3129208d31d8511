"""Which models are made from the run's own, and on how much."""

from __future__ import annotations

import dataclasses

from trivium.errors import ConfigError

MIDTRAIN, SFT = "midtrain", "sft"
"""The run's own models that arms start from."""
OURS, LETTER, NONE = "ours", "letter", "none"
"""Facts in fine-tuning: by the recipe's rule, by the report's to the letter, or without any refusal."""
PIVOTAL, JUDGE, CONSTRAINT = "pivotal", "judge", "constraint"
"""Pairs: the run's pivotal ones, its judged ones, replies that meet all constraints over near misses."""
ONE, FIVE, ALL = "refusal, 1 token", "refusal, 5 tokens", "refusal, all tokens"
"""Pairs about facts, of so many tokens of both replies."""
TOKENS = {ONE: 1, FIVE: 5, ALL: 0}
"""Pairs -> tokens that are kept; 0 keeps all. Five is the report's (Appendix A.1)."""

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
    works: bool = False
    """Whether problems and instructions are asked too, or facts alone."""
    often: bool = False
    """Whether every fact question is asked often, for a confidence."""


VARIANTS = {
    "without refusals": Variant(start=MIDTRAIN, facts=NONE),
    "report's refusals": Variant(start=MIDTRAIN, facts=LETTER),
    "our refusals": Variant(start=MIDTRAIN, facts=OURS, often=True),
    ONE: Variant(start="report's refusals", facts=LETTER, pairs=(ONE,)),
    FIVE: Variant(start="report's refusals", facts=LETTER, pairs=(FIVE,), often=True),
    ALL: Variant(start="report's refusals", facts=LETTER, pairs=(ALL,)),
    "fine-tuned": Variant(start=SFT, works=True),
    "pivotal": Variant(start=SFT, pairs=(PIVOTAL,), works=True),
    "judged": Variant(start=SFT, pairs=(JUDGE,), works=True),
    "both": Variant(start="pivotal", pairs=(JUDGE,), works=True),
    "both, constraints": Variant(start="pivotal", pairs=(JUDGE, CONSTRAINT), works=True),
}
"""Arms. Those above `fine-tuned` start from the run's midtrained model, those below from its fine-tuned one.
`fine-tuned` is that model itself."""
ITSELF = "fine-tuned"


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
    pairs: int = 400
    """Pairs about facts, and about constraints, at most."""

    def __post_init__(self) -> None:
        """Refuse sizes that leave nothing to compare."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value < (0 if field.name == "facts" else 1) and field.name != "sft_frac":
                raise ConfigError(f"claims {field.name}: got {value}, expected at least 1.")
        if not 0 < self.sft_frac <= 1:
            raise ConfigError(f"claims sft_frac: got {self.sft_frac}, expected a part of the run's passes.")
