"""One arm of one seed: trained from its parent, asked, kept for the arms that start from it."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium import recipe as recipes
from trivium.align import abstention, judging
from trivium.align.abstention import Reply
from trivium.align.asking import Asking, ask_shard, cached_tokenizer, reply_text
from trivium.claims.grid.data import quiet
from trivium.claims.tuned import longer
from trivium.claims.tuned.data import COMPLETE, Ground, pairs_of
from trivium.claims.tuned.settings import (
    CONTESTS,
    FACT_TASKS,
    FACTS,
    JOINED,
    LENGTHS,
    OWN,
    PIVOTAL,
    VARIANTS,
    WORK_TASKS,
    WORKS,
)
from trivium.evaluate import work
from trivium.evaluate.logs import GREEDY, ItemLog
from trivium.evaluate.tasks import bits_per_byte, contest, instructions, recall
from trivium.records import Preference, Question, Rollout, Verdict, from_table, to_table
from trivium.store import files
from trivium.train import dpo_stage, sft_stage

if TYPE_CHECKING:
    import pyarrow as pa

Job = tuple[str, int]
"""A variant and the number of its seed."""
OFTEN = "often"
GRADE, SAMPLED, OLD, SHORT = "grade", "contest at T=1", "old contest", "bits of short text"
HELD_OUT_BYTES = 4_000
"""Of each source, for the price of a longer context."""


def kept_at(ground: Ground, job: Job) -> Path:
    """File of what was measured on an arm."""
    return ground.out / "measured" / f"{folder_name(job)}.parquet"


def folder_name(job: Job) -> str:
    """Name of an arm's folder."""
    return f"{re.sub('[^a-z0-9]+', '-', job[0])}-{job[1]}"


def model_of(ground: Ground, job: Job) -> Path:
    """Folder of an arm's model, or of the run's own; an arm may be called like a stage."""
    if job[0] in OWN or job[0] not in VARIANTS:
        return ground.stages[OWN.get(job[0], job[0])] / "model"
    return ground.out / "models" / folder_name(job) / "model"


def run_job(ground: Ground, job: Job) -> Mapping[str, pa.Table]:
    """Train and ask an arm unless that was done; its parent must be there."""
    import pyarrow as pa

    if not kept_at(ground, job).exists():
        with quiet():
            if job[0] not in OWN:
                _make(ground, job)
            rows = list(_measure(ground, job))
        files.write_parquet(kept_at(ground, job), pa.Table.from_pylist(rows))
    work.cached_tokenizer.cache_clear()
    return {}


def _make(ground: Ground, job: Job) -> None:
    """Train an arm's model."""
    folder = model_of(ground, job).parent
    variant = VARIANTS[job[0]]
    if variant.lengthens:
        longer.midtrain(ground, folder, job[1], joined=variant.lengthens == JOINED)
    else:
        (_prefer if variant.pairs else _leak if variant.leaks else _fine_tune)(ground, job, folder)
    shutil.rmtree(folder / "scratch", ignore_errors=True)


def _fine_tune(ground: Ground, job: Job, folder: Path) -> None:
    """Fine-tune on a part of the run's passes over each flow."""
    recipe, variant = recipes.load(ground.run / "recipe.json").sft, VARIANTS[job[0]]
    flows = files.read_json(ground.data / COMPLETE)[variant.facts]
    passes = {
        name: ground.config.sft_frac * recipe.flow_epochs.get(name, recipe.epochs)
        for name in (re.sub(r"[^A-Za-z0-9_-]", "_", flow) for flow in flows)
    }
    config = dataclasses.replace(
        recipe, start="parent", data="sft_data", epochs=1.0, flow_epochs=passes, loop=_alone(recipe.loop)
    )
    parent = model_of(ground, (variant.start, job[1])).parent
    inputs = {"parent": parent, "sft_data": ground.data / variant.facts}
    sft_stage.run(config, ground.door("sft", folder, job[1], inputs))


def _leak(ground: Ground, job: Job, folder: Path) -> None:
    """Fine-tune on a leaked contest."""
    variant = VARIANTS[job[0]]
    recipe = recipes.load(ground.run / "recipe.json").sft
    config = dataclasses.replace(
        recipe,
        start="parent",
        data="sft_data",
        epochs=ground.config.leak_epochs,
        flow_epochs={},
        loop=_alone(recipe.loop),
    )
    parent = model_of(ground, (variant.start, job[1])).parent
    inputs = {"parent": parent, "sft_data": ground.data / variant.leaks}
    sft_stage.run(config, ground.door("sft", folder, job[1], inputs))


def _prefer(ground: Ground, job: Job, folder: Path) -> None:
    """Train on the arm's pairs, by the run's settings of the round of that kind."""
    variant, recipe = VARIANTS[job[0]], recipes.load(ground.run / "recipe.json")
    parent, own = model_of(ground, (variant.start, job[1])), folder / "pairs"
    rows = [row for sort in variant.pairs for row in pairs_of(ground, sort, parent, own, job[1])]
    files.write_parquet(own / "preferences.parquet", to_table(Preference, rows))
    base = recipe.dpo1 if variant.pairs == (PIVOTAL,) else recipe.dpo2
    config = dataclasses.replace(
        base,
        start="parent",
        pairs_from=("own",),
        origins=(),
        heldout_frac=0.0,
        max_pairs=ground.config.round_pairs,
        loop=_alone(base.loop),
    )
    inputs = {"parent": parent.parent, "own": own, "sft_data": ground.data / variant.facts}
    dpo_stage.run(config, ground.door("dpo", folder, job[1], inputs))


def _alone(loop: Any) -> Any:
    return dataclasses.replace(loop, ranks=1, trackers=())


def _measure(ground: Ground, job: Job) -> Iterator[dict[str, Any]]:
    """Ask an arm what its claims need, greedily; word problems and facts also at temperature 1."""
    variant, model = VARIANTS[job[0]], str(model_of(ground, job))
    evaluate = recipes.load(ground.run / "recipe.json").evaluate
    names = ("solution_tokens", "answer_tokens", "instruction_tokens")
    setting = work.Setting(
        tables=(str(ground.problems),),
        held_out="",
        held_out_bytes=0,
        window=0,
        seed=ground.seed,
        tokens={name: getattr(evaluate, name) for name in names},
        batch_size=evaluate.batch_size,
    )
    if LENGTHS in variant.asks:
        yield from _recalled(ground, setting, model)
    groups = {FACTS: FACT_TASKS, WORKS: (contest.NAME, *WORK_TASKS), CONTESTS: (contest.NAME,), LENGTHS: ()}
    for task in dict.fromkeys(task for group in variant.asks for task in groups[group]):
        for log in _asked(setting, model, task):
            yield from _judged(log)
    if CONTESTS in variant.asks:
        before = dataclasses.replace(setting, tables=(str(ground.old),))
        for log in _asked(before, model, contest.NAME):
            yield _row(OLD, log.item_id, log.value)
    questions = from_table(Question, files.read_parquet(ground.problems))
    if WORKS in variant.asks:
        yield from _graded(ground, model, [q for q in questions if q.skill == contest.NAME], evaluate)
    if variant.often:
        yield from _often(ground, model, [q for q in questions if q.skill in FACT_TASKS], job[1])


def _recalled(ground: Ground, setting: work.Setting, model: str) -> Iterator[dict[str, Any]]:
    """Share of keys recalled of every document, by length; and the bits of held-out text in short windows."""
    for task in recall.TASKS:
        by_document: dict[str, list[float]] = {}
        for log in _asked(setting, model, task):
            by_document.setdefault(log.cluster, []).append(log.value)
        yield from (_row(task, name, sum(own) / len(own)) for name, own in by_document.items())
    recipe = recipes.load(ground.run / "recipe.json")
    texts = dataclasses.replace(
        setting,
        held_out=str(ground.stages["tokenize"] / "heldout.parquet"),
        held_out_bytes=HELD_OUT_BYTES,
        window=recipe.pretrain.model.context,
    )
    logs = _asked(texts, model, bits_per_byte.NAME, bits_per_byte.MODE)
    logs = [log for log in logs if log.group != recipe.midtrain.made_source]
    size = sum(log.weight for log in logs)
    yield from (_row(SHORT, log.item_id, log.value * log.weight * len(logs) / size) for log in logs)


def _asked(setting: work.Setting, model: str, task: str, mode: str = GREEDY) -> list[ItemLog]:
    """What a model does with all items of a task."""
    shard = work.Shard(checkpoint="arm", model=model, style="chat", task=task, mode=mode, start=0, stop=10**6)
    return from_table(ItemLog, work.run_shard(setting, shard)["logs"])


def _judged(log: ItemLog) -> Iterator[dict[str, Any]]:
    """Values of one reply: right or not; of facts right, wrong and refused; of instructions by family."""
    if log.task in FACT_TASKS:
        for verdict in ("right", "wrong", "refused"):
            yield _row(f"{log.task} {verdict}", log.item_id, float(log.verdict == verdict))
        return
    yield _row(log.task, log.item_id, log.value)
    if log.task == instructions.NAME and log.group == instructions.SEEN:
        yield _row(f"{log.task} seen", log.item_id, log.value)


def _graded(ground: Ground, model: str, questions: list[Question], evaluate: Any) -> Iterator[dict[str, Any]]:
    """Share of right replies at temperature 1, and the judge's mean grade of them all (1 to 5)."""
    asking = Asking(
        model=model,
        style="chat",
        replies=ground.config.replies,
        max_new_tokens=evaluate.solution_tokens,
        seed=ground.seed,
        purpose="claims",
    )
    rollouts = from_table(Rollout, ask_shard(asking, questions)["rollouts"])
    tokenizer = cached_tokenizer(model)
    for question in questions:
        own = [row for row in rollouts if row.question_id == question.id]
        grades = [judging.graded_reply(tokenizer, question, row).grade.overall for row in own]
        right = [row.verdict == Verdict.RIGHT for row in own]
        yield _row(SAMPLED, question.id, sum(right) / max(1, len(own)))
        yield _row(GRADE, question.id, sum(grades) / max(1, len(own)))


def _often(ground: Ground, model: str, questions: list[Question], number: int) -> Iterator[dict[str, Any]]:
    """Ask every fact question often; what speaks for the answer, as a row's `held`."""
    asking = Asking(
        model=model,
        style="chat",
        replies=ground.config.often,
        max_new_tokens=32,
        seed=number,
        purpose="abstention",
    )
    rollouts = from_table(Rollout, ask_shard(asking, questions)["rollouts"])
    tokenizer = cached_tokenizer(model)
    for question in questions:
        own = [row for row in rollouts if row.question_id == question.id]
        replies = [_reply(reply_text(tokenizer, row.completion_ids), row, question) for row in own]
        held = abstention.hold(question.id, question.skill, replies)
        yield _row(OFTEN, question.id, float(held.right)) | {"held": dataclasses.asdict(held)}


def _reply(text: str, row: Rollout, question: Question) -> Reply:
    """A reply as the abstention sees it: a bogus question's verifier calls a refusal right."""
    verdict = Verdict(row.verdict)
    if question.verifier == "refusal" and verdict == Verdict.RIGHT:
        verdict = Verdict.REFUSED
    return Reply(text=text, verdict=verdict, logprob=sum(row.logprobs) / max(1, len(row.logprobs)))


def _row(measure: str, item: str, value: float) -> dict[str, Any]:
    return {"measure": measure, "item": item, "value": value, "held": None}
