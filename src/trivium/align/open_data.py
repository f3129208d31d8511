"""Fine-tuning data for any model: public problems, what it knows, and instructions that it can obey.

Word problems come with their worked solutions, public ones and short ones by rule. Fact questions are asked
of the model first: what it usually gets right is answered, in its own words, so that knowing is not unlearnt,
what it usually gets wrong is refused (Phi-4 report, section 4.4). Constraints are put on real requests and
only replies of the model's own that a program finds to obey them are learnt, or, where none does, one of them
after a small change that makes it obey; a reply that obeys against one that does not makes a preference pair,
so that DPO raises instruction following.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium import verify
from trivium.align import fact_data, knowing
from trivium.align.asking import (
    MODEL_STYLE,
    Asking,
    ask,
    by_question,
    cached_asker,
    cached_tokenizer,
    reply_text,
)
from trivium.align.refusal import Asked, Rule
from trivium.errors import DataError
from trivium.models.prompting import stop_ids
from trivium.models.sample import forget_model
from trivium.problems import arithmetic, schemas
from trivium.records import Drop, Example, Message, Preference, Question, Rollout, Verdict, row_id
from trivium.store.row_files import read_rows
from trivium.verify import constraints

if TYPE_CHECKING:
    from trivium.align.sft_data_stage import SFTDataConfig
    from trivium.models.load import Tokenizer
    from trivium.store.run import StageDir

STEP = "align.open_data"
PATTERNS = {
    "problems": "gsm8k-train/*.jsonl",
    "facts": "mc-core-a/triviaqa*.jsonl",
    "requests": "self-instruct-seeds/*.jsonl",
}
"""Below the data folder. None of them is evaluated on: TriviaQA's questions are for training here."""
CALCULATOR = re.compile(r"<<[^>]*>>")
SUMS = 10
"""Of a sheet."""
ALIASES = 40
"""Accepted names of one answer at most."""
LEAST_KEPT, MOST_ADDED = 0.8, 12
"""Of a mended reply: share of its words that stay, but for their case, and number of those that are new."""


def run(config: SFTDataConfig, stage: StageDir) -> dict[str, Any]:
    """Make the tables that the stage writes; see `sft_data_stage`."""
    told = config.open
    public = problems(rows_of(told.data, "problems"), told.problems + told.more_problems, stage.seed)
    short = schemas.make(stage.seed, told.short_problems + told.more_problems)
    words = [solved("word_problems", one) for one in public[: told.problems]]
    words += [solved("short_problems", one) for one in short[: told.short_problems]]
    words += [solved("sums", one) for one in arithmetic.sheets(stage.seed, told.sum_sheets, length=SUMS)]
    facts = fact_questions(rows_of(told.data, "facts"), told.facts, stage.seed)
    requests = constrained(rows_of(told.data, "requests"), told.requests, stage.seed)
    fact_rollouts = ask(stage, asking(config, stage, "facts", config.max_new_tokens, config.replies), facts)
    how = asking(config, stage, "requests", told.request_tokens, told.request_replies)
    request_rollouts = ask(stage, how, requests)
    tokenizer = cached_tokenizer(told.model)
    replies = by_question(fact_rollouts)
    facts = [in_own_words(tokenizer, one, replies.get(one.id, [])) for one in facts]
    asked = with_confidence(told.model, fact_data.tally_all(tokenizer, facts, fact_rollouts), stage.seed)
    rule = Rule(
        answer_above=config.answer_above,
        refuse_below=config.refuse_below,
        keep_known=config.keep_known,
        unsure_below=unsure_below([one.confidence for one in asked], told.unsure_frac),
    )
    known, knowledge, unused = fact_data.examples_of(asked, rule)
    obeyed, pairs, missed = instructions(told.model, requests, request_rollouts)
    bounded, cut = fact_data.bound_refusals(known, len(words) + len(obeyed), config.refusal_frac)
    stage.drop([*unused, *cut, *missed])
    stage.write("examples", Example, [*words, *bounded, *obeyed])
    stage.write("preferences", Preference, pairs)
    stage.write("questions", Question, [*public[told.problems :], *short[told.short_problems :]])
    stage.write("knowledge", fact_data.Knowledge, knowledge)
    stage.write("rollouts", Rollout, [*fact_rollouts, *request_rollouts])
    right = sum(one.num_right for one in asked) / max(1, sum(one.num_asked for one in asked))
    return {
        "problems": len(words),
        "facts": len(bounded),
        "facts_refused": sum(fact_data.is_refusal_row(row) for row in bounded),
        "fact_right_frac": round(right, 4),
        "instructions": len(obeyed),
        "preferences": len(pairs),
    }


def with_confidence(model: str, asked: Sequence[Asked], seed: int) -> list[Asked]:
    """Fit how likely each question is answered rightly, from all others."""
    to_ids = cached_asker(model)
    prompts = [to_ids(one.question.prompt) for one in asked]
    found = knowing.confidence(model, prompts, [one.right_frac for one in asked], seed)
    forget_model()  # this process trains next
    return [dataclasses.replace(one, confidence=chance) for one, chance in zip(asked, found, strict=True)]


def unsure_below(confidences: Sequence[float], share: float) -> float:
    """Return the confidence up to which a share of the questions lie."""
    return sorted(confidences)[round(share * (len(confidences) - 1))] if confidences else 1.0


def asking(config: SFTDataConfig, stage: StageDir, purpose: str, tokens: int, replies: int) -> Asking:
    """How the model is asked: through its own chat template."""
    return Asking(
        model=config.open.model,
        style=MODEL_STYLE,
        replies=replies,
        max_new_tokens=tokens,
        seed=stage.seed,
        purpose=f"open_data_{purpose}",
        temperature=config.open.temperature,
        batch_size=64,
    )


def rows_of(data: str, role: str) -> list[Mapping[str, Any]]:
    """Read one of the files.

    Raises:
        DataError: It is not there.
    """
    found = sorted(Path(data).glob(PATTERNS[role]))
    if not found:
        raise DataError(
            f"sft_data.open: got no {PATTERNS[role]} in {data}; expected that file, or set "
            f"sft_data.open.{role}=0."
        )
    return list(read_rows(found[0]))


def drawn(rows: Sequence[Mapping[str, Any]], count: int, seed: int) -> list[tuple[int, Mapping[str, Any]]]:
    """Draw rows with their numbers; the same seed and file give the same ones."""
    places = sorted(range(len(rows)), key=lambda n: row_id(STEP, [str(seed)], str(n)))
    return [(n, rows[n]) for n in places[:count]]


def problems(rows: Sequence[Mapping[str, Any]], count: int, seed: int) -> list[Question]:
    """Worked solutions, ending in `The answer is N.`, without the notes of a calculator."""
    found = []
    for number, row in drawn(rows, count, seed):
        body, _, answer = (part.strip() for part in str(row["answer"]).partition("####"))
        prompt = str(row["question"]).strip()
        found.append(
            Question(
                id=row_id(f"{STEP}.problems", [f"problems:{number}"], prompt),
                prompt=prompt,
                answer=answer.replace(",", ""),
                verifier="last_number",
                skill="word",
                difficulty=body.count("\n") + 1,
                template="public",
                solution=f"{CALCULATOR.sub('', body)}\nThe answer is {answer}.",
                parents=[f"problems:{number}"],
            )
        )
    return found


def solved(flow: str, problem: Question) -> Example:
    """A problem and its worked solution as a conversation."""
    return chat_row(
        flow, problem.prompt, problem.solution, problem.parents[0] if problem.parents else problem.id
    )


def chat_row(flow: str, prompt: str, reply: str, parent: str) -> Example:
    """One turn and its reply."""
    return Example(
        id=row_id(f"{STEP}.{flow}", [parent], prompt + reply),
        source="chat",
        flow=flow,
        messages=[Message(role="user", content=prompt), Message(role="assistant", content=reply)],
        parents=[parent],
    )


def fact_questions(rows: Sequence[Mapping[str, Any]], count: int, seed: int) -> list[Question]:
    """Questions whose right replies name the answer or one of its other names as whole words.

    A name that the question itself says is none (`Capital of Papua New Guinea` stands among those of Port
    Moresby): every reply that repeats the question would be right.
    """
    found = []
    for _, row in drawn(rows, count, seed):
        text = str(row.get("question") or row["context"].removeprefix("Question: ").split("\nAnswer:")[0])
        named = {str(row["answer"]), *map(str, row.get("aliases", ()))}
        names = sorted((name for name in named if name and not re.search(said([name]), text)), key=len)
        if not names:
            continue
        pattern = said(names[:ALIASES])
        found.append(
            Question(
                id=row_id(f"{STEP}.facts", [], text),
                prompt=text,
                answer=pattern,
                verifier="regex",
                skill="facts",
                difficulty=1,
                template="trivia",
                solution=f"{row['answer']}.",
                meta=json.dumps({"status": "known"}),
            )
        )
    return found


def said(names: Sequence[str]) -> str:
    """The pattern that finds one of the names as whole words, in capitals or not."""
    return r"(?i)(?<!\w)(?:" + "|".join(re.escape(name) for name in names) + r")(?!\w)"


def in_own_words(tokenizer: Tokenizer, question: Question, replies: Sequence[Rollout]) -> Question:
    """Let the likeliest right reply be the solution; where there is none, the bare answer stays.

    What the model would say anyway moves it least. A reply that ran out of tokens counts up to its last whole
    sentence.
    """
    right = []
    for one in replies:
        text = whole_text(tokenizer, one)
        if text and verify.judge(question.verifier, text, question.answer) == Verdict.RIGHT:
            right.append((sum(one.logprobs) / len(one.logprobs), text))
    return dataclasses.replace(question, solution=max(right)[1]) if right else question


def whole_text(tokenizer: Tokenizer, reply: Rollout) -> str:
    """Return what a reply says; up to its last whole sentence where it ran out of tokens."""
    text = reply_text(tokenizer, reply.completion_ids)
    return text if reply.finish == "eos" else up_to_a_sentence(text)


def constrained(rows: Sequence[Mapping[str, Any]], count: int, seed: int) -> list[Question]:
    """Requests with one or two constraints each; a request may come again with others."""
    texts = [str(row["instruction"]).strip() for row in rows if not row.get("is_classification")]
    found = []
    for number in range(count):
        rng = random.Random(f"{STEP} {seed} {number}")
        request = texts[number % len(texts)] if texts else ""
        prompt, answer = constraints.attach(request, rng, rng.choice((1, 1, 2)))
        found.append(
            Question(
                id=row_id(f"{STEP}.requests", [], f"{number} {prompt}"),
                prompt=prompt,
                answer=answer,
                verifier="constraints",
                skill="instructions",
                difficulty=1,
                template="request",
            )
        )
    return found


def instructions(
    model: str, requests: Sequence[Question], rollouts: Sequence[Rollout]
) -> tuple[list[Example], list[Preference], list[Drop]]:
    """Learn a reply that obeys, and prefer it to one of the same request that does not."""
    tokenizer = cached_tokenizer(model)
    to_ids, end = cached_asker(model), stop_ids(model, tokenizer)[0]
    grouped = by_question(rollouts)
    examples, pairs, drops = [], [], []
    for one in requests:
        replies = grouped.get(one.id, [])
        bad = [row for row in replies if row.finish == "eos" and row.verdict == Verdict.WRONG]
        chosen = obeying(tokenizer, end, one, replies)
        if chosen is None:
            drops.append(Drop(id=one.id, step=STEP, reason="no reply obeys"))
            continue
        examples.append(
            chat_row("constraints", one.prompt, reply_text(tokenizer, chosen.completion_ids), chosen.id)
        )
        if bad:
            nearest = min(bad, key=lambda row: abs(len(row.completion_ids) - len(chosen.completion_ids)))
            pairs.append(
                Preference(
                    id=row_id(f"{STEP}.pair", [chosen.id, nearest.id], ""),
                    question_id=one.id,
                    prompt_ids=list(to_ids(one.prompt)),
                    chosen_ids=chosen.completion_ids,
                    rejected_ids=nearest.completion_ids,
                    origin="constraint",
                    gap=1.0,
                    parents=[chosen.id, nearest.id],
                )
            )
    return examples, pairs, drops


def obeying(
    tokenizer: Tokenizer, end_id: int, request: Question, replies: Sequence[Rollout]
) -> Rollout | None:
    """Return the first reply that obeys, else the first that does after a small change."""
    whole = [row for row in replies if row.finish == "eos"]
    for row in whole:
        if row.verdict == Verdict.RIGHT:
            return row
    picks = constraints.decode(request.answer)
    for row in (*whole, *(row for row in replies if row.finish != "eos")):
        text = mended(whole_text(tokenizer, row), picks)
        if text:
            ids = [*tokenizer.encode(text), end_id]
            return dataclasses.replace(row, completion_ids=ids, logprobs=[], verdict=str(Verdict.RIGHT))
    return None


def up_to_a_sentence(text: str) -> str:
    """Cut a reply that ran out of tokens after its last whole sentence; nothing if it has none."""
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", text)]
    return text[: ends[-1]] if ends else ""


def mended(reply: str, picks: Sequence[constraints.Pick]) -> str:
    """Change a reply so that it obeys; nothing where that would make another reply of it."""
    text = constraints.witness(picks, reply) if reply else None
    if text is None:
        return ""
    before, after = (re.findall(r"\w+", one.lower()) for one in (reply, text))
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    kept = sum(block.size for block in blocks)
    return text if kept >= LEAST_KEPT * len(before) and len(after) - kept <= MOST_ADDED else ""
