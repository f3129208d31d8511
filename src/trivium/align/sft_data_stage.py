"""SFT data: chat examples, and what the midtrained model knows decides which facts are answered or refused.

Reads decontaminated chat examples, the fact questions of synthesize and the midtrained checkpoint; writes
`examples` (the fine-tuning set), `preferences` (pairs of the first five tokens), `knowledge` (counts a
question) and every sampled reply as `rollouts`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trivium.align.asking import Asking
    from trivium.align.fact_data import Knowledge
    from trivium.align.refusal import Rule
    from trivium.models.load import Tokenizer
    from trivium.records import Example, Preference, Rollout
    from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenDataConfig:
    """Data for a model of one's own, from a folder of public files, instead of the run's; see open_data."""

    data: str = ""
    """Folder with gsm8k-train, mc-core-a and self-instruct-seeds; empty: the run's own chats and facts."""
    model: str = "models/mine"
    """Hugging Face folder of the model, which is asked what it knows and what it can obey."""
    problems: int = 800
    """Word problems with worked solutions."""
    short_problems: int = 1_200
    """Word problems of one or two steps by rule; see `problems.schemas`."""
    sum_sheets: int = 800
    """Sheets of ten sums; a small model knows how to solve a problem long before it can add."""
    more_problems: int = 200
    """Further problems of each of both kinds, for the pivotal search: the table `questions`."""
    facts: int = 500
    """Fact questions asked."""
    unsure_frac: float = 1.0
    """Share of them, those where the model's states say least that it knows, of which the wrong ones may be
    refused; 1: all, as the report's rule. See `knowing`."""
    requests: int = 480
    """Requests with constraints asked."""
    temperature: float = 0.5
    """Of the replies to both; at 1 a small model writes what nobody should learn."""
    request_replies: int = 2
    """Replies to each request."""
    request_tokens: int = 160
    """Token limit of such a reply."""

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not 0 <= self.unsure_frac <= 1:
            raise ConfigError(
                f"sft_data.open.unsure_frac: got {self.unsure_frac}; expected a share in [0, 1]."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SFTDataConfig:
    """How the fine-tuning set is put together."""

    replies: int = 8
    """Replies sampled from the midtrained model for every fact question, at temperature 1."""
    max_new_tokens: int = 32
    """Of a sampled reply to a fact question."""
    answer_above: float = 0.3
    """Share of right replies from which a question counts as usually right and is answered."""
    refuse_below: float = 0.1
    """Share of right replies up to which it counts as usually wrong and is refused; between: unused."""
    keep_known: bool = True
    """Facts that the training data state keep their answer between the two thresholds."""
    refusal_frac: float = 0.1
    """Refusals make up at most this share of the fine-tuning set, so that the model does not over-refuse."""
    preferences: int = 150
    """Pairs of the first five tokens at most: half answer > refusal, then refusal > wrong and > made-up."""
    rejection_questions: int = 0
    """Training problems for which the midtrained model's own right solutions join the set; 0 = none."""
    rejection_replies: int = 4
    """Solutions sampled for each of them."""
    rejection_tokens: int = 224
    """Token limit of such a solution."""
    open: OpenDataConfig = field(default_factory=OpenDataConfig)
    """Public data for a model of one's own."""

    def __post_init__(self) -> None:
        """Refuse thresholds that overlap."""
        if not 0 <= self.refuse_below < self.answer_above <= 1:
            raise ConfigError(
                f"sft_data: got refuse_below={self.refuse_below} and answer_above={self.answer_above}; "
                "expected 0 <= refuse_below < answer_above <= 1."
            )
        if not 0 <= self.refusal_frac < 1:
            raise ConfigError(f"sft_data.refusal_frac: got {self.refusal_frac}; expected a share in [0, 1).")


def outside(config: SFTDataConfig) -> dict[str, str]:
    """The model and the folder of public files, where they are asked for."""
    from trivium.store.fingerprint import content_hash, outside_model

    if not config.open.data:
        return {}
    from trivium.align.open_data import PATTERNS

    paths = {role: sorted(Path(config.open.data).glob(pattern)) for role, pattern in PATTERNS.items()}
    return outside_model(config.open.model) | {
        role: content_hash(found[0]) for role, found in paths.items() if found
    }


def run(config: SFTDataConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk. Returns counts of decisions, examples by flow, and pairs by kind."""
    if config.open.data:
        from trivium.align import open_data

        return open_data.run(config, stage)
    from trivium.align import fact_data
    from trivium.align.asking import ask
    from trivium.models.load import load_tokenizer
    from trivium.records import Example, Preference, Question, Rollout

    questions, leaked = fact_data.without_items(
        stage.rows("synthesize", "fact_questions", Question), stage.rows("items", "questions", Question)
    )
    chat = [row for row in stage.rows("decontaminate", "examples", Example) if row.source == "chat"]
    chat, replaced = fact_data.without_facts(chat, questions)
    model = stage.folder("midtrain") / "model"
    tokenizer = load_tokenizer(model)
    rollouts = ask(stage, _fact_asking(config, stage, str(model)), questions)
    asked = fact_data.tally_all(tokenizer, questions, rollouts)
    facts, knowledge, unused = fact_data.examples_of(asked, _rule(config))
    own, own_rollouts = _own_solutions(config, stage, str(model), tokenizer)
    bounded, cut = fact_data.bound_refusals(facts, len(chat) + len(own), config.refusal_frac)
    pairs, same = fact_data.preferences_of(tokenizer, asked, config.preferences)
    examples = [*chat, *own, *bounded]
    stage.drop([*leaked, *replaced, *unused, *cut, *same])
    stage.write("examples", Example, examples)
    stage.write("preferences", Preference, pairs)
    stage.write("knowledge", fact_data.Knowledge, knowledge)
    stage.write("rollouts", Rollout, [*rollouts, *own_rollouts])
    return _metrics(knowledge, examples, pairs, [*rollouts, *own_rollouts])


def _fact_asking(config: SFTDataConfig, stage: StageDir, model: str) -> Asking:
    from trivium.align.asking import Asking

    return Asking(
        model=model,
        style="plain",
        replies=config.replies,
        max_new_tokens=config.max_new_tokens,
        seed=stage.seed,
        purpose="facts",
    )


def _own_solutions(
    config: SFTDataConfig, stage: StageDir, model: str, tokenizer: Tokenizer
) -> tuple[list[Example], list[Rollout]]:
    """Sample and keep the model's own right solutions; nothing when the recipe asks for none."""
    from trivium.align import own_solutions
    from trivium.align.asking import Asking, ask
    from trivium.records import Question

    if not config.rejection_questions:
        return [], []
    questions = own_solutions.choose(
        stage.rows("synthesize", "questions", Question), config.rejection_questions, stage.seed
    )
    asking = Asking(
        model=model,
        style="plain",
        replies=config.rejection_replies,
        max_new_tokens=config.rejection_tokens,
        seed=stage.seed,
        purpose="own_solutions",
    )
    rollouts = ask(stage, asking, questions)
    examples, drops = own_solutions.examples_of(tokenizer, questions, rollouts)
    stage.drop(drops)
    return examples, rollouts


def _rule(config: SFTDataConfig) -> Rule:
    from trivium.align.refusal import Rule

    return Rule(
        answer_above=config.answer_above, refuse_below=config.refuse_below, keep_known=config.keep_known
    )


def _metrics(
    knowledge: Sequence[Knowledge],
    examples: Sequence[Example],
    pairs: Sequence[Preference],
    rollouts: Sequence[Rollout],
) -> dict[str, Any]:
    asked = sum(row.num_asked for row in knowledge if row.kind == "known")
    right = sum(row.num_right for row in knowledge if row.kind == "known")
    return {
        "examples": len(examples),
        "examples_by_flow": dict(sorted(Counter(row.flow for row in examples).items())),
        "decisions": dict(sorted(Counter(f"{row.kind}: {row.decision}" for row in knowledge).items())),
        "known_right_frac": round(right / asked, 4) if asked else 0.0,
        "preferences": len(pairs),
        "generated_tokens": sum(len(row.logprobs) for row in rollouts),
    }
