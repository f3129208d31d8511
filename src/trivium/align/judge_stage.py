"""Judge: whole-reply preference pairs for the second DPO round, from replies of the model after the first.

A verifier (accuracy) and a rubric (style, detail) judge every reply. Writes `judged` (every reply), `grades`,
`constraint_questions`, and `preferences`: right > wrong, better > worse among right ones, constraints met >
narrowly missed, and some refusal pairs, so that the round does not undo what fine-tuning taught.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trivium.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trivium.align.pairs import Pair
    from trivium.records import Preference, Rollout
    from trivium.store.run import StageDir


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeConfig:
    """How many replies are judged and which pairs are kept."""

    policy: str = "dpo1"
    """Stage whose model replies."""
    questions: int = 500
    """Training word problems asked, none of which the pivotal search looked at."""
    replies: int = 6
    """Replies to each, at temperature 1."""
    solution_tokens: int = 160
    """Token limit of a reply to a problem."""
    accuracy_pairs: int = 240
    """Pairs of a right and a wrong reply, at most; one a question."""
    overall_pairs: int = 120
    """Pairs of right replies of unequal style and detail, at most. Source of 2 : 1: Phi-4 report, Tab. 8."""
    overall_gap: float = 0.6
    """Least difference of the mean grade (1 to 5) of such a pair."""
    max_length_ratio: float = 1.5
    """The longer reply of a pair has at most this many times the tokens of the shorter."""
    constraint_questions: int = 150
    """Requests with checkable constraints asked."""
    constraint_replies: int = 4
    """Replies to each, at temperature 1."""
    constraint_tokens: int = 64
    """Token limit of such a reply."""
    constraint_pairs: int = 150
    """Pairs of a reply that meets every constraint and one that misses, at most; one a request."""
    refusal_frac: float = 0.05
    """Share of refusal pairs in the mix. Source: Phi-4 report, caption of Tab. 9: 1-5 % a round."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.replies < 2:
            raise ConfigError(f"judge.replies: got {self.replies}; expected at least 2, a pair needs two.")
        if self.max_length_ratio < 1:
            raise ConfigError(f"judge.max_length_ratio: got {self.max_length_ratio}; expected at least 1.")
        if not 0 <= self.refusal_frac < 1:
            raise ConfigError(f"judge.refusal_frac: got {self.refusal_frac}; expected a share in [0, 1).")


def run(config: JudgeConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk. Returns replies by verdict, pairs by kind and their mean length change."""
    from trivium.align import constraint_pairs, judging
    from trivium.models.load import load_tokenizer
    from trivium.records import Preference, Rollout

    model = stage.folder(config.policy) / "model"
    tokenizer = load_tokenizer(model)
    problems = judging.choose_questions(config, stage)
    graded, grades, solved = judging.judge_problems(config, stage, str(model), tokenizer, problems)
    accuracy, overall = judging.problem_pairs(config, stage, graded)
    obeyed, replies = constraint_pairs.pairs(config, stage, str(model), tokenizer)
    problem_rows = [judging.preference_of(pair) for pair in (*accuracy, *overall)]
    refusals = judging.some_refusals(config, stage, len(problem_rows) + len(obeyed))
    preferences = [*problem_rows, *obeyed, *refusals]
    stage.write("judged", Rollout, [*solved, *replies])
    stage.write("grades", judging.GradeRow, grades)
    stage.write("preferences", Preference, preferences)
    return _metrics([*solved, *replies], accuracy, overall, preferences)


def _metrics(
    rollouts: Sequence[Rollout],
    accuracy: Sequence[Pair],
    overall: Sequence[Pair],
    preferences: Sequence[Preference],
) -> dict[str, Any]:
    whole = [*accuracy, *overall]
    change = sum(pair.length_change for pair in whole) / len(whole) if whole else 0.0
    return {
        "replies": len(rollouts),
        "verdicts": dict(sorted(Counter(row.verdict for row in rollouts).items())),
        "generated_tokens": sum(len(row.logprobs) for row in rollouts),
        "preferences": len(preferences),
        "by_origin": dict(sorted(Counter(row.origin for row in preferences).items())),
        "accuracy_pairs": len(accuracy),
        "overall_pairs": len(overall),
        "mean_length_change": round(change, 4),
    }
