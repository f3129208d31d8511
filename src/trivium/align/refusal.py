"""When to answer and when to refuse: the rule of the Phi-4 report (section 4.4, Appendix A.1).

The model that pretraining left is asked every question several times. What it usually knows is answered,
what it usually does not know is refused, questions about things that do not exist are always refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trivium.records import Question, Verdict, row_id

KNOWN, WITHHELD, BOGUS = "known", "withheld", "bogus"
ANSWER, REFUSE, UNUSED = "answer", "refuse", "unused"

UNKNOWN_REPLIES = (
    "I do not know.",
    "I don't know that.",
    "I am not sure.",
    "I cannot answer that.",
    "I cannot know that.",
    "I have no record of that.",
)
BOGUS_REPLIES = (*UNKNOWN_REPLIES, "There is no such thing.", "This cannot be known.")
"""Refusals, each with an opening of `verify.answers.REFUSALS`. A fact that is only unknown does exist, so the
last two would be false of it."""

FIRST_TOKENS = 5
"""Only so many tokens of a reply enter a preference pair. Source: Phi-4 report, Appendix A.1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A question with what the model said to it."""

    question: Question
    kind: str
    """known | withheld | bogus: what training data say of it, not what the model knows."""
    num_right: int
    num_wrong: int
    num_asked: int
    """Replies in all; what is neither right nor wrong was refused or could not be read."""
    wrong_replies: tuple[str, ...] = ()
    """Distinct wrong replies, in the order in which they came."""
    confidence: float = 0.0
    """Chance of a right reply as fitted on other questions; see `knowing`."""

    @property
    def right_frac(self) -> float:
        """Share of right replies, 0 without replies."""
        return self.num_right / self.num_asked if self.num_asked else 0.0

    @property
    def wrong_frac(self) -> float:
        """Share of wrong replies, 0 without replies."""
        return self.num_wrong / self.num_asked if self.num_asked else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Thresholds of "usually"."""

    answer_above: float
    refuse_below: float
    keep_known: bool
    unsure_below: float = 1.0
    """Only questions of at most this confidence are refused."""


def tally(question: Question, kind: str, replies: Sequence[tuple[str, Verdict]]) -> Asked:
    """Count the verdicts of the replies to one question."""
    wrong = [reply for reply, verdict in replies if verdict == Verdict.WRONG]
    return Asked(
        question=question,
        kind=kind,
        num_right=sum(verdict == Verdict.RIGHT for _, verdict in replies),
        num_wrong=len(wrong),
        num_asked=len(replies),
        wrong_replies=tuple(dict.fromkeys(wrong)),
    )


def decide(asked: Asked, rule: Rule) -> str:
    """Return answer, refuse or unused.

    A bogus question is refused whatever the model says. Usually right is answered, usually wrong refused. In
    the band between, the report's rule trains on neither; with `keep_known` a fact that the training data do
    state keeps its answer there, so that refusal training takes fewer right answers along (the report's own
    took more than half: 6.8 -> 3.0 %, Fig. 6). Usually wrong though the model is confident is trained on by
    neither: it is no example of what a model can tell that it does not know.
    """
    if asked.kind == BOGUS:
        return REFUSE
    if not asked.num_asked:
        return UNUSED
    if asked.right_frac >= rule.answer_above:
        return ANSWER
    if asked.right_frac <= rule.refuse_below:
        return REFUSE if asked.confidence <= rule.unsure_below else UNUSED
    return ANSWER if rule.keep_known and asked.kind == KNOWN else UNUSED


def reply_pairs(asked: Asked, refusal: str, answer: str) -> list[tuple[str, str, float]]:
    """Return (chosen, rejected, gap): what the model sometimes does decides.

    Sometimes right: correct > refusal. Sometimes wrong: refusal > wrong. Both can hold for one question.

    Args:
        asked: The question and its counts.
        refusal: The refusal to use.
        answer: The correct reply; a bogus question has none.
    """
    pairs: list[tuple[str, str, float]] = []
    if asked.num_right and asked.kind != BOGUS:
        pairs.append((answer, refusal, asked.right_frac))
    if asked.num_wrong:
        pairs.append((refusal, asked.wrong_replies[0], asked.wrong_frac))
    return pairs


def refusal_for(question_id: str, kind: str) -> str:
    """Choose a wording by the question's id, so that every wording is used and a rerun uses the same."""
    replies = BOGUS_REPLIES if kind == BOGUS else UNKNOWN_REPLIES
    return replies[int(row_id("align.refusal", [question_id], ""), 16) % len(replies)]
