"""The nouns of Trivium: one frozen dataclass and one Arrow schema each.

A row's id is a hash of the step that made it, the rows it came from and its content, so lineage lives in
the ids and two runs that make the same row give it the same name. Token sequences travel as ids, never as
text to be tokenised again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import types
import typing
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

Row = TypeVar("Row")


class Verdict(StrEnum):
    """What a verifier said of a reply; the five are never folded together."""

    RIGHT = "right"
    WRONG = "wrong"
    REFUSED = "refused"
    UNPARSED = "unparsed"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """Organic text, traceable to the bytes it came from."""

    id: str
    kind: str
    """code | books | web | facts."""
    text: str
    source: str
    """File path or URI; files of the running Python are `python:Lib/...`."""
    start: int
    """First byte in the source."""
    end: int
    """One past the last byte in the source."""
    licence: str
    language: str
    label: str = ""
    """Known label of a made page (`good`, `spam`, ...); empty for everything else."""
    meta: str = ""
    """JSON text."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A scored span of a document: the seed. Scores lie in [0, 1]; start and end are character offsets."""

    id: str
    document_id: str
    kind: str
    text: str
    start: int
    end: int
    quality: float
    reasoning: float
    factual: float
    tags: list[str]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A prompt with a checkable answer."""

    id: str
    prompt: str
    answer: str
    verifier: str
    """A key of `trivium.verify.VERIFIERS`."""
    skill: str
    difficulty: int
    """Number of reasoning steps."""
    template: str
    solution: str = ""
    """A worked solution that ends with `Answer: X`; empty when there is none."""
    method: str = ""
    parents: list[str] = dataclasses.field(default_factory=list)
    meta: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One training row: plain text for pretraining, or messages for fine-tuning."""

    id: str
    source: str
    """Mixture source: web | web_rewrites | synthetic | code | acquired | long | chat."""
    flow: str
    text: str = ""
    messages: list[Message] = dataclasses.field(default_factory=list)
    depth: int = 0
    """Generation depth: 0 organic, 1 grown from organic text, and so on."""
    difficulty: float = 0.0
    method: str = ""
    parents: list[str] = dataclasses.field(default_factory=list)
    meta: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """Two continuations of one prompt, as token ids; the chosen one is better."""

    id: str
    question_id: str
    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    origin: str
    """pivotal | judge | refusal | constraint."""
    gap: float
    """Difference in success probability or score, in [0, 1]."""
    parents: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """One sampled completion with the log-probability of every token and its verdict."""

    id: str
    question_id: str
    prefix_ids: list[int]
    completion_ids: list[int]
    logprobs: list[float]
    verdict: str
    finish: str
    """eos | length."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """A token tried after a prefix: how many rollouts went through it and how many of those were right."""

    token_id: int
    num_rollouts: int
    num_right: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PivotalToken:
    """A token that moves the probability of success by at least the gap (Phi-4 report, section 4.3)."""

    id: str
    question_id: str
    prefix_ids: list[int]
    token_id: int
    token_prob: float
    """Sampling probability of the token; |prob_after - prob_before| <= 1 - token_prob always holds."""
    prob_before: float
    prob_after: float
    low: float
    high: float
    """Interval of prob_after - prob_before."""
    alternatives: list[Alternative]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Drop:
    """What was removed, by which step and why."""

    id: str
    step: str
    reason: str
    detail: str = ""
    source: str = ""


def row_id(step: str, parents: Sequence[str], content: str | bytes) -> str:
    """Return the 20-hex-digit id of a row made by `step` from `parents` with this content.

    >>> row_id("demo", ["parent"], "content")
    '93b3eb0806af4ff37381'
    """
    digest = hashlib.blake2b(digest_size=10)
    for part in (step, *parents):
        digest.update(part.encode())
        digest.update(b"\0")
    digest.update(b"\1")
    digest.update(content.encode() if isinstance(content, str) else content)
    return digest.hexdigest()


def schema_of(cls: Any) -> pa.Schema:
    """Return the Arrow schema of a record class, one field per dataclass field, in order."""
    import pyarrow as pa

    return pa.schema([pa.field(name, _arrow_type(hint)) for name, hint in _field_hints(cls)])


def to_table(cls: type[Row], rows: Iterable[Row]) -> pa.Table:
    """Turn records into an Arrow table with the schema of their class."""
    import pyarrow as pa

    names = [name for name, _ in _field_hints(cls)]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for row in rows:
        for name in names:
            columns[name].append(_plain(getattr(row, name)))
    schema = schema_of(cls)
    return pa.table([pa.array(columns[name], type=schema.field(name).type) for name in names], schema=schema)


def from_table(cls: type[Row], table: pa.Table) -> list[Row]:
    """Turn an Arrow table back into records; columns that the class does not know are ignored."""
    hints = _field_hints(cls)
    builders = [_builder(hint) for _, hint in hints]
    lists = [table.column(name).to_pylist() for name, _ in hints]
    names = [name for name, _ in hints]
    return [
        cls(**{n: (b(v) if b else v) for n, b, v in zip(names, builders, values, strict=True)})
        for values in zip(*lists, strict=True)
    ]


_HINTS: dict[type, list[tuple[str, Any]]] = {}
"""Field hints by class: reading annotations is slow and classes do not change."""


def _field_hints(cls: Any) -> list[tuple[str, Any]]:
    if cls not in _HINTS:
        hints = typing.get_type_hints(cls)
        _HINTS[cls] = [(field.name, hints[field.name]) for field in dataclasses.fields(cls)]
    return _HINTS[cls]


def _arrow_type(hint: Any) -> Any:
    import pyarrow as pa

    simple = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), bytes: pa.binary()}
    if hint in simple:
        return simple[hint]
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        return pa.list_({int: pa.int32(), float: pa.float32()}.get(item) or _arrow_type(item))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return pa.struct([(name, _arrow_type(inner)) for name, inner in _field_hints(hint)])
    if isinstance(hint, types.UnionType):
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return _arrow_type(inner[0])
    raise TypeError(f"records: no Arrow type for {hint!r}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list) and value and dataclasses.is_dataclass(value[0]):
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return str(value)
    return value


def _builder(hint: Any) -> Any:
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        if dataclasses.is_dataclass(item) and isinstance(item, type):
            return lambda values: [item(**value) for value in values]
    return None
