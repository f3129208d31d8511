"""The teacher as the flows see it: one budget, every call kept with its verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from trivium.errors import ConfigError
from trivium.llm import Backend, Budget, CallCache, Reply, Request, ask, prompt_hash
from trivium.llm.teacher import HOW_TO_GET, find_weights
from trivium.records import Drop, row_id
from trivium.store.progress import Progress, SilentProgress
from trivium.synthesize.options import TeacherConfig
from trivium.synthesize.rows import STEP, drop


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One teacher call: what was asked, what came back and what became of it. One row of calls.parquet."""

    id: str
    flow: str
    step: str
    parents: list[str]
    """The seed, and the calls whose replies stand in the prompt."""
    prompt_hash: str
    prompt: str
    reply: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    verdict: str
    """kept (its text is in an example) | used (it decided about another reply) | dropped."""
    reason: str
    """Why it was dropped; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to ask."""

    request: Request
    parents: tuple[str, ...]


@dataclass(kw_only=True)
class Teacher:
    """Asks for the flows and keeps the books; `calls` are in the order in which they were asked."""

    backend: Backend
    cache: CallCache | None
    generated: int
    """Tokens left to write."""
    prompt: int
    """Tokens left to read."""
    calls: list[Call] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    progress: Callable[[str, int, str], Progress] | None = None
    """Makes a progress bar from label, number of calls and unit (`StageDir.progress`)."""
    _index: dict[str, int] = field(default_factory=dict)

    def ask(self, flow: str, step: str, jobs: Sequence[Job], share: float = 1.0) -> list[Call | None]:
        """Ask all jobs under a share of what is left of the budget.

        Returns:
            One call a job, with no verdict yet; None where the budget was spent or the call failed, which is
            booked as a drop of the job's seed.
        """
        if not jobs:
            return []
        budget = Budget(generated=int(self.generated * share), prompt=int(self.prompt * share))
        requests = [job.request for job in jobs]
        make_bar = self.progress or (lambda label, total, unit: SilentProgress())
        with make_bar(f"teacher: {flow}, {step}", len(jobs), "calls") as bar:
            replies = ask(requests, self.backend, self.cache, budget, on_reply=bar.advance)
        self.generated -= budget.generated_spent
        self.prompt -= budget.prompt_spent
        return [self._book(flow, step, job, reply) for job, reply in zip(jobs, replies, strict=True)]

    def keep(self, call: Call) -> None:
        """Book that the reply's text stands in an example."""
        self._judge(call, "kept", "")

    def use(self, call: Call) -> None:
        """Book that the reply decided about another one."""
        self._judge(call, "used", "")

    def reject(self, call: Call, reason: str) -> None:
        """Book that the reply was dropped and why."""
        self._judge(call, "dropped", reason)
        seed = call.parents[0] if call.parents else ""
        self.drops.append(drop(call.id, f"{call.flow}.{call.step}", reason, detail=call.reply, source=seed))

    def unjudged(self) -> list[Call]:
        """Return the calls that no flow has judged; empty when all flows are done."""
        return [call for call in self.calls if not call.verdict]

    def _book(self, flow: str, step: str, job: Job, reply: Reply) -> Call | None:
        where = f"{flow}.{step}"
        if reply.error:
            reason = "budget spent" if reply.finish == "budget" else f"call failed: {reply.error}"
            self.drops.append(drop(job.parents[0], where, reason))
            return None
        request = job.request
        content = f"{prompt_hash(request)} {request.seed} {request.sample}"
        call = Call(
            id=row_id(f"{STEP}.{where}.call", job.parents, content),
            flow=flow,
            step=step,
            parents=list(job.parents),
            prompt_hash=prompt_hash(request),
            prompt=request.text(),
            reply=reply.text,
            finish=reply.finish,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            verdict="",
            reason="",
        )
        self._index[call.id] = len(self.calls)
        self.calls.append(call)
        return call

    def _judge(self, call: Call, verdict: str, reason: str) -> None:
        index = self._index[call.id]
        self.calls[index] = replace(self.calls[index], verdict=verdict, reason=reason)


class Purse:
    """A flow's part of the teacher's budget, given out in parts of what is left of it."""

    def __init__(self, teacher: Teacher, share: float) -> None:
        """Remember what must be left for others."""
        self.teacher = teacher
        self.generated_floor = int(teacher.generated * (1 - share))
        self.prompt_floor = int(teacher.prompt * (1 - share))

    def part(self, share: float) -> float:
        """Return a share of the flow's own rest as a share of the teacher's whole rest."""
        generated = max(self.teacher.generated - self.generated_floor, 0) / max(self.teacher.generated, 1)
        prompt = max(self.teacher.prompt - self.prompt_floor, 0) / max(self.teacher.prompt, 1)
        return share * min(generated, prompt)


def open_backend(config: TeacherConfig, workers: int) -> tuple[Backend | None, str]:
    """Return the configured backend, or None and why there is none.

    Raises:
        ConfigError: `where` is none of its three forms.
    """
    if config.where == "none":
        return None, "the recipe asks for no teacher"
    if config.where == "local":
        weights = find_weights()
        if weights is None:
            return None, f"no teacher weights on this machine; {HOW_TO_GET}"
        from trivium.llm.backends.llama_cpp import LlamaCpp

        return LlamaCpp(weights, servers=max(1, min(workers, os.cpu_count() or 1))), ""
    if config.where.startswith(("http://", "https://")):
        from trivium.llm.backends.openai_http import OpenAIHTTP

        return OpenAIHTTP(config.where, config.model, api_key=os.environ.get(config.key_variable, "")), ""
    raise ConfigError(
        f"synthesize.teacher.where: got {config.where!r}; expected `local`, `none` or an http address; "
        "mend the recipe."
    )
