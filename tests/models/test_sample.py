"""The sampler against the Hugging Face forward, against `generate`, and against itself in other batches."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
)

from trivium.errors import ConfigError, DataError
from trivium.models import decode_any, decode_lean
from trivium.models.sample import Completion, Request, sample, sample_parallel
from trivium.models.sample_draw import draw, request_seed, uniforms

VOCAB = 97
STOP = 5


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def phi3(**changes: Any) -> Phi3ForCausalLM:
    torch.manual_seed(1)
    sizes: dict[str, Any] = dict(
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    context = dict(max_position_embeddings=160, original_max_position_embeddings=160)
    ids = dict(vocab_size=VOCAB, bos_token_id=1, eos_token_id=STOP, pad_token_id=0)
    config = Phi3Config(**(sizes | context | ids | {"initializer_range": 0.4} | changes))
    return Phi3ForCausalLM(config).eval()


def llama() -> LlamaForCausalLM:
    torch.manual_seed(2)
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=160, initializer_range=0.4,
        bos_token_id=1, eos_token_id=STOP, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=VOCAB, n_embd=32, n_layer=2, n_head=4, n_positions=160, initializer_range=0.4,
        bos_token_id=1, eos_token_id=STOP, pad_token_id=0,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()


def make_requests(count: int, seed: int, *, longest: int = 60, new: int = 24) -> list[Request]:
    """Prefixes of many lengths; about half of them are shared by two to five requests."""
    rng = random.Random(seed)
    found: list[Request] = []
    while len(found) < count:
        prefix = tuple(rng.randrange(6, VOCAB) for _ in range(rng.randint(1, longest)))
        for _ in range(rng.choice([1, 1, 2, 5])):
            found.append(Request(prefix, rng.getrandbits(63), rng.randint(1, new)))
    return found[:count]


def reference_logits(model: Any, prefix: tuple[int, ...], completion: Completion) -> torch.Tensor:
    """Logits (n, V) before each drawn token, from one plain forward."""
    ids = [*prefix, *completion.ids]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
    return logits[len(prefix) - 1 : len(prefix) - 1 + len(completion.logprobs)].float()


PHI3_VARIANTS = {
    "grouped": {},
    "multi-query": {"num_key_value_heads": 1},
    "all heads": {"num_key_value_heads": 4},
    "tied": {"tie_word_embeddings": True},
    "partial rope": {
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "rope_parameters": {"rope_type": "default", "rope_theta": 250_000.0, "partial_rotary_factor": 0.5},
    },
}


@pytest.mark.parametrize("changes", PHI3_VARIANTS.values(), ids=PHI3_VARIANTS.keys())
def test_phi3_logits_equal_the_hugging_face_forward(changes: dict[str, Any]) -> None:
    model = phi3(**changes)
    assert decode_lean.supports(model)
    prefixes = [request.prefix_ids for request in make_requests(20, 7, longest=70)]
    rows = 32
    with torch.inference_mode():
        decoder = decode_lean.LeanDecoder(model, rows, 80, 20)
        contexts = [prefix[:-1] for prefix in prefixes]
        for slot, kv in enumerate(decoder.prefill([c for c in contexts if c])):
            decoder.place(kv, [[i for i, c in enumerate(contexts) if c][slot]])
        tokens = torch.zeros(rows, dtype=torch.int64)
        positions = torch.zeros(rows, dtype=torch.int64)
        for slot, prefix in enumerate(prefixes):
            tokens[slot], positions[slot] = prefix[-1], len(prefix) - 1
        first = decoder.step(tokens, positions)
        second = decoder.step(torch.full((rows,), 9), positions + 1)
        for slot, prefix in enumerate(prefixes):
            expected = model(input_ids=torch.tensor([[*prefix, 9]])).logits[0, -2:]
            torch.testing.assert_close(first[slot], expected[0], atol=1e-4, rtol=0)
            torch.testing.assert_close(second[slot], expected[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("make", [phi3, llama, gpt2])
def test_greedy_equals_generate(make: Any) -> None:
    model = make()
    assert decode_lean.supports(model) == (make is not gpt2)
    requests = [Request(r.prefix_ids, 0, 20) for r in make_requests(12, 3)]
    ours = sample(model, requests, temperature=0.0, stop_ids=(STOP,), batch_size=8)
    for request, completion in zip(requests, ours, strict=True):
        with torch.inference_mode():
            ids = torch.tensor([request.prefix_ids])
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False, pad_token_id=0
            )
        expected = out[0, len(request.prefix_ids) :].tolist()
        stopped = STOP in expected
        assert list(completion.ids) == (expected[: expected.index(STOP)] if stopped else expected)
        assert completion.finish == ("eos" if stopped else "length")
        assert completion.stop_id == (STOP if stopped else -1)


@pytest.mark.parametrize("make", [phi3, llama, gpt2])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_logprobs_are_those_of_the_distribution_drawn_from(make: Any, temperature: float) -> None:
    model = make()
    requests = make_requests(30, 11)
    for request, completion in zip(
        requests, sample(model, requests, temperature=temperature, stop_ids=(STOP,)), strict=True
    ):
        drawn = [*completion.ids, STOP] if completion.finish == "eos" else list(completion.ids)
        assert len(completion.logprobs) == len(drawn) <= request.max_new_tokens
        logits = reference_logits(model, request.prefix_ids, completion) / temperature
        expected = logits.log_softmax(-1)[torch.arange(len(drawn)), torch.tensor(drawn)]
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("make", [phi3, llama, gpt2])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_greedy_requests_may_stand_among_others(make: Any, temperature: float) -> None:
    model, requests = make(), make_requests(40, 17)
    mixed = [dataclasses.replace(r, greedy=n % 3 == 0) for n, r in enumerate(requests)]
    found = sample(model, mixed, temperature=temperature, stop_ids=(STOP,), batch_size=16)
    drawn = sample(model, requests, temperature=temperature, stop_ids=(STOP,))
    firm = sample(model, requests, temperature=0.0, stop_ids=(STOP,))
    assert [c.ids for c in found] == [(firm if n % 3 == 0 else drawn)[n].ids for n in range(40)]
    assert [c.ids for c in firm] != [c.ids for c in drawn]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("make", [phi3, lambda: phi3(num_key_value_heads=4), llama])
def test_lean_decoding_is_bit_identical_in_batches_of_1_7_64_and_256(make: Any, precision: Any) -> None:
    model = make()
    assert decode_lean.supports(model)
    requests = make_requests(90, 5)
    draw = functools.partial(sample, model, temperature=1.0, stop_ids=(STOP,), precision=precision)
    results = [draw(requests, batch_size=size) for size in (1, 7, 64, 256)]
    assert results[0] == results[1] == results[2] == results[3]
    assert {c.finish for c in results[0]} == {"eos", "length"}
    alone = [draw([r])[0] for r in requests[:12]]
    assert alone == results[0][:12]
    backwards = draw(requests[::-1], batch_size=20)
    assert backwards[::-1] == results[0]


@pytest.mark.parametrize("make", [phi3, llama])
def test_bfloat16_rounds_products_and_follows_changed_weights(make: Any) -> None:
    model = make()
    requests = make_requests(40, 5)
    draw = functools.partial(sample, model, requests, temperature=0.0, stop_ids=(STOP,))
    whole, half = draw(), draw(precision="bfloat16")
    first = [(one.logprobs[0], other.logprobs[0]) for one, other in zip(whole, half, strict=True)]
    np.testing.assert_allclose(*zip(*first, strict=True), atol=0.3)
    assert whole != half and draw(precision="auto") == whole  # a small model stays in float32
    with torch.no_grad():
        model.lm_head.weight.mul_(-1)
    assert draw(precision="bfloat16") != half


def test_any_architecture_gives_the_same_tokens_in_batches_of_1_7_and_64() -> None:
    model = gpt2()
    requests = make_requests(90, 6)
    results = [
        sample(model, requests, temperature=1.0, stop_ids=(STOP,), batch_size=size) for size in (1, 7, 64)
    ]
    assert [c.ids for c in results[0]] == [c.ids for c in results[1]] == [c.ids for c in results[2]]
    for one, other in zip(results[0], results[2], strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-3)


@pytest.mark.parametrize("make", [phi3, llama])
def test_both_decoders_sample_the_same(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    requests = make_requests(60, 8)
    lean = sample(model, requests, temperature=1.0, stop_ids=(STOP,))
    monkeypatch.setattr(decode_lean, "supports", lambda model: False)
    general = sample(model, requests, temperature=1.0, stop_ids=(STOP,), batch_size=16)
    assert [c.ids for c in lean] == [c.ids for c in general]


def test_a_shared_context_is_prefilled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = phi3()
    seen: Counter[tuple[int, ...]] = Counter()
    prefill = decode_lean.LeanDecoder.prefill

    def counted(self: Any, contexts: Any) -> Any:
        seen.update(contexts)
        return prefill(self, contexts)

    monkeypatch.setattr(decode_lean.LeanDecoder, "prefill", counted)
    prefixes = [tuple(range(10 + i, 40 + i)) for i in range(4)]
    requests = [Request(prefix, 100 * i + j, 30) for i, prefix in enumerate(prefixes) for j in range(25)]
    sample(model, requests, temperature=1.0, stop_ids=(STOP,), batch_size=32)
    assert set(seen) == {prefix[:-1] for prefix in prefixes}
    assert max(seen.values()) == 1


@pytest.mark.parametrize("make", [phi3, llama, gpt2])
def test_shared_ids_are_read_once_and_change_no_token(make: Any) -> None:
    model, rng = make(), random.Random(4)
    common = tuple(rng.randrange(6, VOCAB) for _ in range(40))
    requests = [
        Request((*common, *(rng.randrange(6, VOCAB) for _ in range(rng.randint(1, 30)))), i, 20, shared=40)
        for i in range(50)
    ]
    plain = [dataclasses.replace(request, shared=0) for request in requests]
    expected = sample(model, plain, temperature=1.0, stop_ids=(STOP,))
    assert {completion.finish for completion in expected} == {"eos", "length"}
    for size in (5, 64):
        found = sample(model, requests, temperature=1.0, stop_ids=(STOP,), batch_size=size)
        assert [c.ids for c in found] == [c.ids for c in expected]
        assert [c.finish for c in found] == [c.finish for c in expected]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-3)


def test_shared_ids_give_the_same_bits_in_any_batch() -> None:
    model, rng = phi3(), random.Random(5)
    common = tuple(range(10, 60))
    requests = [
        Request((*common, *(rng.randrange(6, VOCAB) for _ in range(9))), i, 12, 50) for i in range(40)
    ]
    together = sample(model, requests, temperature=1.0, stop_ids=(STOP,))
    assert together == sample(model, requests, temperature=1.0, stop_ids=(STOP,), batch_size=16)
    assert together[:5] == [sample(model, [r], temperature=1.0, stop_ids=(STOP,))[0] for r in requests[:5]]


def test_a_completion_ends_where_it_is_told_to() -> None:
    model = phi3()
    requests = make_requests(40, 12)
    free = sample(model, requests, temperature=1.0, stop_ids=(STOP,))
    found = sample(
        model,
        requests,
        temperature=1.0,
        stop_ids=(STOP,),
        ends=lambda ids: len(ids) >= 2 and ids[-1] % 7 == 0,
    )
    assert {completion.finish for completion in found} == {"eos", "length", "ended"}
    for one, whole in zip(found, free, strict=True):
        assert one.ids == whole.ids[: len(one.ids)]
        hits = [n for n, token in enumerate(whole.ids) if n >= 1 and token % 7 == 0]
        assert len(one.ids) == (hits[0] + 1 if hits else len(whole.ids))


def test_rollouts_follow_the_model() -> None:
    """4,000 first tokens: a chi-square statistic within five deviations of its mean."""
    model, prefix, count = phi3(initializer_range=0.15), (8, 9, 10), 4000
    requests = [Request(prefix, request_seed("chi", i), 1) for i in range(count)]
    drawn = Counter(c.ids[0] for c in sample(model, requests, temperature=1.0, stop_ids=()))
    with torch.inference_mode():
        probs = model(input_ids=torch.tensor([prefix])).logits[0, -1].softmax(-1).numpy()
    large = [i for i in range(VOCAB) if probs[i] * count >= 5]
    statistic = sum((drawn[i] - count * probs[i]) ** 2 / (count * probs[i]) for i in large)
    assert abs(statistic - len(large)) < 5 * np.sqrt(2 * len(large))
    assert len(large) > 10


def test_uniforms_are_uniform_and_belong_to_seed_and_index() -> None:
    seeds = np.arange(200, dtype=np.uint64).repeat(100)
    indices = np.tile(np.arange(100), 200)
    values = uniforms(seeds, indices)
    assert values.min() >= 0.0 and values.max() < 1.0
    assert len(np.unique(values)) > 19_900
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    assert abs(counts - 1000).max() < 5 * np.sqrt(1000)
    grid = values.reshape(200, 100)
    assert abs(np.corrcoef(grid[:-1].ravel(), grid[1:].ravel())[0, 1]) < 0.04
    assert abs(np.corrcoef(grid[:, :-1].ravel(), grid[:, 1:].ravel())[0, 1]) < 0.04
    assert uniforms(seeds[150:151], indices[150:151])[0] == values[150]


def test_draw_never_picks_an_impossible_token() -> None:
    logits = torch.full((3, 6), -torch.inf)
    logits[:, 2], logits[:, 4] = 0.0, 0.0
    tokens, logprobs = draw(logits, np.array([0.0, 0.499, 1 - 2**-24], dtype=np.float32), 1.0)
    assert tokens.tolist() == [2, 2, 4]
    np.testing.assert_allclose(logprobs, np.log(0.5), rtol=1e-6)


def test_request_seed_separates_its_parts() -> None:
    assert request_seed("ab", "c") != request_seed("a", "bc")
    assert 0 <= request_seed(1, "x") < 2**63


def test_a_small_cache_only_lowers_the_number_of_rows() -> None:
    model = phi3()
    requests = make_requests(40, 9)
    wide = sample(model, requests, temperature=1.0, stop_ids=(STOP,))
    assert wide == sample(model, requests, temperature=1.0, stop_ids=(STOP,), cache_bytes=1)


def test_chunks_of_a_model_folder_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phi3().save_pretrained(tmp_path)
    monkeypatch.setattr("trivium.models.sample.CHUNK", 16)
    requests = make_requests(40, 10)
    expected = sample(phi3(), requests, temperature=1.0, stop_ids=(STOP,))
    told: list[int] = []
    found = sample_parallel(
        tmp_path, requests, workers=1, temperature=1.0, stop_ids=(STOP,), on_progress=told.append
    )
    assert found == expected
    assert told == [16, 16, 8]


@pytest.mark.slow
def test_two_processes_give_the_same(tmp_path: Path) -> None:
    phi3().save_pretrained(tmp_path)
    requests = make_requests(1100, 12, new=4)
    expected = sample(phi3(), requests, temperature=1.0, stop_ids=(STOP,))
    found = sample_parallel(tmp_path, requests, workers=2, temperature=1.0, stop_ids=(STOP,))
    assert found == expected


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (Request((), 0, 4), "at least one"),
        (Request((7,), 0, 0), "at least one"),
        (Request((VOCAB,), 0, 4), "tokenizer"),
        (Request((7,) * 100, 0, 100), "context"),
    ],
)
def test_bad_requests_are_refused(request_: Request, text: str) -> None:
    with pytest.raises(DataError, match=text):
        sample(phi3(), [request_], temperature=1.0, stop_ids=())


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="temperature"):
        sample(phi3(), [], temperature=-1.0, stop_ids=())
    with pytest.raises(ConfigError, match="batch_size"):
        sample(phi3(), [], temperature=1.0, stop_ids=(), batch_size=0)


def test_no_requests_no_completions() -> None:
    assert sample(phi3(), [], temperature=1.0, stop_ids=()) == []


def test_decoders_agree_on_the_interface() -> None:
    for decoder in (decode_lean.LeanDecoder, decode_any.AnyDecoder):
        for name in ("prefill", "place", "move", "step", "bytes_per_token"):
            assert callable(getattr(decoder, name))
