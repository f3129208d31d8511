"""What the stage can be told; the defaults are those of the pocket recipe."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from trivium.errors import ConfigError

if TYPE_CHECKING:
    from trivium.llm.budget import Prices


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemsConfig:
    """Verified problems: how many of each, in plain form for pretraining and as chats for fine-tuning."""

    word: int = 12_500
    """Word problems in plain form."""
    arithmetic: int = 8_000
    """Bare calculations in plain form."""
    drills: int = 2_500
    """Drills in plain form: chains of calculations without words."""
    drill_equations: int = 16
    """Equations of one drill; 16 take about 170 tokens."""
    programs: int = 3_000
    """Program-output problems in plain form; each program is run once in the sandbox."""
    recall: int = 2_000
    """Short key-value recall documents, for the pretraining context."""
    recall_pairs: tuple[int, int] = (2, 8)
    """Fewest and most pairs of one; induction is found on few pairs and then holds for more."""
    recall_filled: float = 0.2
    """Share of them with sums between the pairs; with half of them filled, induction was not found."""
    long_recall: int = 600
    """Long key-value recall documents, for midtraining."""
    long_tokens: int = 1_000
    """Length of a long recall document in tokens, about (see problems.recall.TOKENS_PER_LINE)."""
    chat_word: int = 10_000
    """Word problems as chats; other problems than the plain ones."""
    chat_arithmetic: int = 3_000
    """Bare calculations as chats."""
    chat_programs: int = 1_500
    """Program-output problems as chats."""
    questions: int = 4_000
    """Word problems that are shown nowhere: for rejection sampling and the pivotal search."""
    steps: tuple[int, int] = (1, 6)
    """Fewest and most steps of a training word problem; 1-8."""
    question_steps: tuple[int, int] = (2, 6)
    """Fewest and most steps of the problems in `questions`."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("steps", "question_steps"):
            low, high = getattr(self, name)
            if not 1 <= low <= high <= 8:
                raise ConfigError(
                    f"synthesize.problems.{name}: got {low}-{high}; expected 1 <= fewest <= most <= 8; "
                    "mend the recipe."
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherConfig:
    """The language model behind the reversal, rewrite and question flows, and what it may cost."""

    where: str = "local"
    """`local` (a GGUF file, see trivium.llm.teacher), `none`, or the address of an OpenAI-style endpoint."""
    model: str = ""
    """Name of the model at an endpoint."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key; may be unset."""
    generated_tokens: int = 2_800
    """Most tokens that the teacher may write in all flows together."""
    prompt_tokens: int = 7_000
    """Most tokens that it may read in all flows together."""
    price: tuple[float, float] | None = None
    """What the endpoint asks for a million tokens read and written, in any currency."""
    money: float | None = None
    """Most that all flows together may cost at that price: a hard stop."""
    shares: tuple[float, float, float] = (0.2, 0.45, 0.35)
    """Parts of the budget for reversal, rewriting and questions; what one leaves the next may use."""
    temperature: float = 0.2
    """For writing; judging is greedy. Nemotron-CC rephrases at 0.5, at which a 135M model wanders off."""
    top_p: float = 0.9
    """Nucleus for writing. Source: the rephrasing prompts of Nemotron-CC."""
    reversal_seeds: int = 60
    """Functions to try to reverse at most."""
    reversal_solvers: int = 2
    """Independent regenerations of the code from a statement; 4 would be better, 2 is what pocket can pay."""
    reversal_agreement: float = 0.9
    """Share of trial inputs on which a regenerated function must behave like the original."""
    rewrite_seeds: int = 60
    """Passages to try to rewrite at most."""
    revision_rounds: int = 1
    """Critique-and-revise rounds a rewrite may have. Phi-4 report, appendix D.1.2, shows 2."""
    question_seeds: int = 60
    """Passages to try to ask about at most."""
    passage_chars: tuple[int, int] = (120, 450)
    """Length of the passages that a small teacher can hold on to."""

    def __post_init__(self) -> None:
        """Check that money can be counted."""
        if self.money is not None and self.price is None:
            raise ConfigError(
                f"synthesize.teacher.money: got {self.money:g} and no price; expected what a million tokens "
                "read and written cost at the endpoint; give synthesize.teacher.price."
            )

    @property
    def prices(self) -> Prices | None:
        """Return the price as what counts costs."""
        from trivium.llm.budget import Prices

        return None if self.price is None else Prices(prompt=self.price[0], generated=self.price[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowConfig:
    """One flow of `trivium grow` as a part of the stage."""

    count: int = 0
    """Rows wanted, never one more; 0 leaves the flow out."""
    data: str = ""
    """Seeds: a file or folder as for `trivium grow --data`; empty takes what the run itself has."""
    max_candidates: int | None = None
    """Most seeds to use."""
    generated_tokens: int = 50_000
    """Most tokens that the teacher may write for this flow: a hard stop, since a recipe must end."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if min(self.count, self.generated_tokens, self.max_candidates or 0) < 0:
            raise ConfigError(
                f"synthesize.flows: got count {self.count}, generated_tokens {self.generated_tokens} and "
                f"max_candidates {self.max_candidates}; expected none below 0; mend the recipe."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowsConfig:
    """The flows that need a teacher, each ordered by its count."""

    tagging: FlowConfig = FlowConfig()
    """Tag a passage."""
    conversation: FlowConfig = FlowConfig()
    """Let personas talk about a passage."""
    taxonomy: FlowConfig = FlowConfig()
    """Transform a passage, pose a task of a taxonomy, make it harder."""
    revision: FlowConfig = FlowConfig()
    """Write, criticise by a rubric, revise."""
    reversal: FlowConfig = FlowConfig()
    """Say what code does; kept if others write it again from that."""
    rewrite: FlowConfig = FlowConfig()
    """Say a passage in another style."""
    questions: FlowConfig = FlowConfig()
    """Ask for a conclusion that a passage draws."""
    plurality: FlowConfig = FlowConfig()
    """Answer often; keep what is neither trivial nor noise."""
    execution: FlowConfig = FlowConfig()
    """Write solutions and tests apart, cross-check, plant mutants."""
    infill: FlowConfig = FlowConfig()
    """Take a step out of a solution and reason it back."""
    instructions: FlowConfig = FlowConfig()
    """Add checkable constraints to a request, and obey."""
    checkers: FlowConfig = FlowConfig()
    """Invent a constraint with its checker, prove both."""
    knowledge: FlowConfig = FlowConfig()
    """Answer what the model knows, refuse what it does not."""
    trajectory: FlowConfig = FlowConfig()
    """Turn calculator calls into reasoning that stands alone."""
    curriculum: FlowConfig = FlowConfig()
    """Score difficulty, depth and quality for an order."""

    def ordered(self) -> dict[str, FlowConfig]:
        """Return the flows that are wanted, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: config for name, config in named.items() if config.count}


@dataclass(frozen=True, kw_only=True, slots=True)
class SynthesizeConfig:
    """Everything that is grown from seeds or made by verified makers."""

    problems: ProblemsConfig = field(default_factory=ProblemsConfig)
    """Verified problems."""
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    """The language model, and what the three flows of the stage's own may take."""
    flows: FlowsConfig = FlowsConfig()
    """Flows of `trivium grow`, behind the stage's own."""
    docstring_reversals: int = 3_000
    """Documented functions turned into instruction and source, at most."""
    chat_reversals: int = 300
    """How many of them become chats too; long replies of code, so a few go far."""
    reversal_chars: int = 800
    """Longest instruction and source together: about one pretraining context."""
    rule_rewrite_chars: int = 500_000
    """Characters of prose rewritten by rules (source web_rewrites), at most."""
    fact_rounds: int = 50
    """Times that every known fact is stated, each time in other wording and company (source acquired)."""
    fact_drills: int = 0
    """Times that every known fact is asked and answered in plain text, beside once in every wording."""
    bogus: int = 500
    """Questions about things that do not exist."""
    constraints: int = 2_000
    """Requests with checkable constraints, in plain form."""
    chat_constraints: int = 2_000
    """Requests with checkable constraints, as chats."""
