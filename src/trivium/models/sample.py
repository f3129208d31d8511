"""Sampling: many completions of token prefixes, a batch that stays full, the same result in any batch.

`sample` keeps one scheduler for all requests. Finished rows are replaced by waiting requests, a prefix that
several requests share is prefilled once and its keys and values are copied, and the random number behind
every token is a hash of the request's seed and the token's index. So the completions of a request do not
depend on the batch size, on the other requests or on the number of processes. On the lean path (float32
`Phi3ForCausalLM` or `LlamaForCausalLM` on a CPU, products in float32 or bfloat16) they are equal bit for bit;
elsewhere up to the rounding of the matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from trivium.errors import ConfigError, DataError
from trivium.models.precision import Precision, takes_bfloat16
from trivium.models.sample_draw import draw, uniforms

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from trivium.models.decoder import Decoder

GRAIN = 16
"""Rows come and go in groups of this many; see decode_lean."""

CACHE_BYTES = 1 << 29
"""The key-value cache takes at most this much; fewer rows run at once when the batch does not fit."""

CHUNK = 1024
"""Requests of one piece of work of `sample_parallel`; fixed, so nothing depends on the number of workers."""

Ends = Callable[[Sequence[int]], bool]
"""Whether a completion of these ids is at its end, for ends that are text and no single token."""


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to sample."""

    prefix_ids: tuple[int, ...]
    """Prompt and reply so far; at least one id."""
    seed: int
    """Whole number >= 0; two requests with the same prefix and seed get the same completion."""
    max_new_tokens: int
    """At least 1; the stop token counts."""
    shared: int = 0
    """So many ids many requests begin with: they are read once, the rest with the steps; 0: all at once."""
    greedy: bool = False
    """Take the likeliest tokens, whatever the temperature of the others."""

    @property
    def context(self) -> tuple[int, ...]:
        """What is prefilled; what follows it in the prefix, at least its last id, is fed."""
        return self.prefix_ids[: self.shared or -1]


@dataclass(frozen=True, slots=True)
class Completion:
    """What a request got."""

    ids: tuple[int, ...]
    """New tokens, without the stop token."""
    logprobs: tuple[float, ...]
    """Log-probability of each token when it was drawn; one more than `ids` when a stop token was drawn."""
    finish: str
    """`eos` when a stop token was drawn, `length` when the budget ran out, `ended` where `ends` said so."""
    stop_id: int = -1
    """The stop token that was drawn; -1 when none was."""


def sample(
    model: PreTrainedModel,
    requests: Sequence[Request],
    *,
    temperature: float,
    stop_ids: Sequence[int],
    batch_size: int = 256,
    cache_bytes: int = CACHE_BYTES,
    on_progress: Callable[[int], None] | None = None,
    ends: Ends | None = None,
    precision: Precision = "float32",
) -> list[Completion]:
    """Complete every request.

    Args:
        model: A causal model in evaluation mode.
        requests: Prefixes as token ids; they are never turned into text.
        temperature: Divides the logits; 0 is greedy decoding.
        stop_ids: Drawing one of these ends a completion.
        batch_size: Rows that run at once at most; rounded up to a multiple of 16.
        cache_bytes: Memory for keys and values; lowers the number of rows when needed.
        on_progress: Called with the number of completions finished since the last call.
        ends: Asked after every token with a completion's ids so far; true ends it there.
        precision: Of the products with weights, on the lean path.

    Returns:
        Completions in the order of the requests.

    Raises:
        ConfigError: The temperature is negative or the batch size is below 1.
        DataError: A prefix is empty, has an id outside the vocabulary or does not fit the model's context.
    """
    import torch

    _check(model, requests, temperature, batch_size)
    if not requests:
        return []
    with torch.inference_mode():
        decoder = _open_decoder(model, requests, batch_size, cache_bytes, precision)
        return _Schedule(decoder, requests, temperature, stop_ids, on_progress, ends).run()


def sample_parallel(
    model_path: Path | str,
    requests: Sequence[Request],
    *,
    workers: int,
    temperature: float,
    stop_ids: Sequence[int],
    batch_size: int = 256,
    on_progress: Callable[[int], None] | None = None,
) -> list[Completion]:
    """Complete every request in spawned processes with one thread each; see `sample`.

    Args:
        model_path: A Hugging Face model folder; every process loads it once.
        requests: As for `sample`; cut into fixed chunks, so the result is the same for any `workers`.
        workers: Number of processes; 1 works in this one.
        temperature: As for `sample`.
        stop_ids: As for `sample`.
        batch_size: Rows that run at once in each process.
        on_progress: Called with the number of completions finished since the last call.
    """
    from trivium.store.executors.local import map_ordered

    chunks = [list(requests[i : i + CHUNK]) for i in range(0, len(requests), CHUNK)]
    work = partial(_sample_chunk, str(model_path), temperature, tuple(stop_ids), batch_size)
    found: list[Completion] = []
    for part in map_ordered(work, chunks, min(workers, max(1, len(chunks)))):
        found += part
        if on_progress is not None:
            on_progress(len(part))
    return found


def cached_model(model_path: Path | str, device: str = "cpu") -> PreTrainedModel:
    """Load a model once per process; for worker functions that get many pieces of work."""
    from trivium.models import load, runtime

    key = f"{model_path} on {device}"
    if key not in _MODELS:
        runtime.settle()
        place: Any = runtime.pick_device(device)
        _MODELS.clear()  # one model at a time: a worker serves one stage
        _MODELS[key] = load.load_model(model_path).to(place)
    return _MODELS[key]


_MODELS: dict[str, PreTrainedModel] = {}


def forget_model() -> None:
    """Let go of the cached model, before another is trained in this process."""
    _MODELS.clear()


def _sample_chunk(
    model_path: str, temperature: float, stop_ids: tuple[int, ...], batch_size: int, requests: list[Request]
) -> list[Completion]:
    model = cached_model(model_path)
    return sample(model, requests, temperature=temperature, stop_ids=stop_ids, batch_size=batch_size)


def _check(model: PreTrainedModel, requests: Sequence[Request], temperature: float, batch_size: int) -> None:
    if temperature < 0:
        raise ConfigError(f"sample: temperature got {temperature}, expected 0 or more; 0 is greedy decoding.")
    if batch_size < 1:
        raise ConfigError(f"sample: batch_size got {batch_size}, expected 1 or more; 256 suits a CPU.")
    vocab, context = model.config.vocab_size, getattr(model.config, "max_position_embeddings", None)
    for place, request in enumerate(requests):
        ids, budget = request.prefix_ids, request.max_new_tokens
        if not ids or budget < 1 or not 0 <= request.shared < len(ids):
            raise DataError(
                f"sample: request {place} has {len(ids)} prefix ids, {request.shared} of them shared, and "
                f"{budget} new tokens, expected at least one of each and one id after the shared ones."
            )
        if min(ids) < 0 or max(ids) >= vocab:
            raise DataError(
                f"sample: request {place} has an id outside 0..{vocab - 1}; use this model's own tokenizer."
            )
        if context is not None and len(ids) + budget > context:
            raise DataError(
                f"sample: request {place} needs {len(ids)} + {budget} tokens, the model's context is "
                f"{context}; shorten the prefix or the budget."
            )


def _open_decoder(
    model: PreTrainedModel,
    requests: Sequence[Request],
    batch_size: int,
    cache_bytes: int,
    precision: Precision,
) -> Decoder:
    from trivium.models import decode_any, decode_lean
    from trivium.models.decode_blocks import LANES

    kind: Any = decode_lean.LeanDecoder if decode_lean.supports(model) else decode_any.AnyDecoder
    lean = kind is decode_lean.LeanDecoder
    half = lean and model.device.type == "cpu" and takes_bfloat16(precision, model.num_parameters())
    context = max(len(r.context) + 1 for r in requests)
    new = max(len(r.prefix_ids) - len(r.context) - 1 + r.max_new_tokens for r in requests)
    apart = LANES if lean and all(r.shared for r in requests) else 1
    fitting = cache_bytes // (kind.bytes_per_token(model) * (context // apart + new))
    slots = max(1, min(batch_size, len(requests), fitting))
    return kind(model, -(-slots // GRAIN) * GRAIN, context, new, **({"bfloat16": True} if half else {}))


class _Schedule:
    """Which request sits in which slot. Slots 0..n-1 are busy or hold a finished row (a hole)."""

    def __init__(
        self,
        decoder: Decoder,
        requests: Sequence[Request],
        temperature: float,
        stop_ids: Sequence[int],
        on_progress: Callable[[int], None] | None,
        ends: Ends | None,
    ) -> None:
        self.ends = ends
        self.decoder, self.requests, self.temperature = decoder, requests, temperature
        self.stops = np.array(sorted(set(stop_ids)), dtype=np.int64)
        self.on_progress = on_progress
        self.waiting = sorted(range(len(requests)), key=self._turn, reverse=True)
        self.done: list[Completion | None] = [None] * len(requests)
        slots, longest = decoder.slots, max(r.max_new_tokens for r in requests)
        self.owner_S = np.full(slots, -1, dtype=np.int64)
        self.seed_S = np.zeros(slots, dtype=np.uint64)
        self.token_S = np.zeros(slots, dtype=np.int64)
        self.position_S = np.zeros(slots, dtype=np.int64)
        self.greedy_S = np.zeros(slots, dtype=bool)
        self.count_S = np.zeros(slots, dtype=np.int64)
        self.limit_S = np.zeros(slots, dtype=np.int64)
        self.given: list[tuple[int, ...]] = [()] * slots  # ids of the prefix that are still to be fed
        self.ids_SN = np.zeros((slots, longest), dtype=np.int64)
        self.logprobs_SN = np.zeros((slots, longest), dtype=np.float32)
        self.last_context: tuple[tuple[int, ...], Any] | None = None
        self.rows = 0

    def run(self) -> list[Completion]:
        while self._tidy():
            self._step()
        finished = [completion for completion in self.done if completion is not None]
        assert len(finished) == len(self.requests)
        return finished

    def _turn(self, place: int) -> tuple[int, tuple[int, ...], int, int]:
        """Sort key, taken from the back: longest first, equal contexts side by side, then as asked."""
        request = self.requests[place]
        total = len(request.prefix_ids) + request.max_new_tokens
        return -total, request.context, request.prefix_ids[-1], place

    def _tidy(self) -> bool:
        """Fill or close holes, once enough of them are worth a prefill or a copy; whether rows are left."""
        if self.waiting and self._worth(self._holes()):
            free = self._holes() + list(range(self.rows, self.decoder.slots))
            self._admit(free[: len(self.waiting)])
        if not self.waiting and self._worth(self._holes()):
            self._close(self._holes())
        return self.rows > 0

    def _holes(self) -> list[int]:
        return [int(slot) for slot in np.flatnonzero(self.owner_S[: self.rows] < 0)]

    def _worth(self, holes: list[int]) -> bool:
        return len(holes) >= GRAIN or len(holes) == self.rows

    def _admit(self, slots: list[int]) -> None:
        """Give waiting requests to free slots; every distinct context is prefilled once."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for slot in slots:
            place = self.waiting.pop()
            request = self.requests[place]
            groups.setdefault(request.context, []).append(slot)
            self._seat(slot, place, request)
        for context, kv in zip(groups, self._prefill(list(groups)), strict=True):
            if context:
                self.decoder.place(kv, groups[context])
            else:
                self.decoder.clear(groups[context])
        self._read_tails(slots)
        self.rows = max(self.rows, *(slot + 1 for slot in slots))

    def _read_tails(self, slots: list[int]) -> None:
        """Read at once what follows a shared context, but for the last id, where the decoder can."""
        tails = {s: (int(self.token_S[s]), *self.given[s][:-1]) for s in slots if self.given[s]}
        if tails and self.decoder.extend(tails):
            for slot, tail in tails.items():
                self.token_S[slot], self.given[slot] = self.given[slot][-1], ()
                self.position_S[slot] += len(tail)

    def _prefill(self, contexts: list[tuple[int, ...]]) -> list[Any]:
        """Prefill contexts; the last one of the previous call is remembered, as its requests may be split."""
        known = dict([self.last_context]) if self.last_context is not None else {}
        missing = [context for context in contexts if context and context not in known]
        if missing:
            known |= dict(zip(missing, self.decoder.prefill(missing), strict=True))
        self.last_context = (contexts[-1], known.get(contexts[-1]))
        return [known.get(context) for context in contexts]

    def _seat(self, slot: int, place: int, request: Request) -> None:
        self.owner_S[slot] = place
        self.seed_S[slot], self.greedy_S[slot] = request.seed, request.greedy
        start = len(request.context)
        self.token_S[slot], self.given[slot] = request.prefix_ids[start], request.prefix_ids[start + 1 :]
        self.position_S[slot] = start
        self.count_S[slot] = 0
        self.limit_S[slot] = request.max_new_tokens

    def _close(self, holes: list[int]) -> None:
        """Move the last busy rows into the holes, so that fewer rows are computed."""
        busy = [slot for slot in range(self.rows) if self.owner_S[slot] >= 0]
        for hole in holes:
            if not busy or busy[-1] < hole:
                break
            source = busy.pop()
            self.decoder.move(source, hole, int(self.position_S[source]))
            for state in (
                self.owner_S, self.seed_S, self.token_S, self.position_S, self.count_S, self.limit_S,
                self.ids_SN, self.logprobs_SN, self.greedy_S,
            ):  # fmt: skip
                state[hole] = state[source]
            self.given[hole] = self.given[source]
            self.owner_S[source] = -1
        busy_slots = np.flatnonzero(self.owner_S >= 0)
        self.rows = int(busy_slots[-1]) + 1 if len(busy_slots) else 0

    def _step(self) -> None:
        import torch

        rows = -(-self.rows // GRAIN) * GRAIN
        logits_MV = self.decoder.step(
            torch.from_numpy(self.token_S[:rows]), torch.from_numpy(self.position_S[:rows])
        )
        drawn_M = uniforms(self.seed_S[:rows], self.count_S[:rows])
        chosen_M, logprobs_M = draw(logits_MV, drawn_M, self.temperature, self.greedy_S[:rows])
        busy_M = self.owner_S[:rows] >= 0
        every, counts_M = np.arange(rows), self.count_S[:rows]
        self.ids_SN[every, counts_M] = chosen_M
        self.logprobs_SN[every, counts_M] = logprobs_M
        self.token_S[:rows] = chosen_M
        self.position_S[:rows] += busy_M
        busy_M &= ~self._feed(busy_M)
        self.count_S[:rows] += busy_M
        stopped_M = np.isin(chosen_M, self.stops)
        said_M = self._said(busy_M & ~stopped_M)
        ended_M = busy_M & (stopped_M | said_M | (self.count_S[:rows] >= self.limit_S[:rows]))
        for slot in np.flatnonzero(ended_M):
            self._finish(int(slot), bool(stopped_M[slot]), bool(said_M[slot]))
        if self.on_progress is not None and ended_M.any():
            self.on_progress(int(ended_M.sum()))

    def _feed(self, busy_M: np.ndarray) -> np.ndarray:
        """Which rows are still in their prefix: they go on with its next id, not with what was drawn."""
        fed_M = np.zeros_like(busy_M)
        for slot in np.flatnonzero(busy_M):
            if self.given[slot]:
                self.token_S[slot], self.given[slot] = self.given[slot][0], self.given[slot][1:]
                fed_M[slot] = True
        return fed_M

    def _said(self, asked_M: np.ndarray) -> np.ndarray:
        """Which of these rows `ends` ends."""
        said_M = np.zeros_like(asked_M)
        if self.ends is not None:
            for slot in np.flatnonzero(asked_M):
                said_M[slot] = self.ends(self.ids_SN[slot, : self.count_S[slot]].tolist())
        return said_M

    def _finish(self, slot: int, stopped: bool, said: bool) -> None:
        count = int(self.count_S[slot])
        ids = self.ids_SN[slot, : count - stopped].tolist()
        logprobs = self.logprobs_SN[slot, :count].tolist()
        self.done[self.owner_S[slot]] = Completion(
            ids=tuple(ids),
            logprobs=tuple(logprobs),
            finish="eos" if stopped else "ended" if said else "length",
            stop_id=int(self.ids_SN[slot, count - 1]) if stopped else -1,
        )
        self.owner_S[slot] = -1
        self.position_S[slot] = self.count_S[slot] = 0
