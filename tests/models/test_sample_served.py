"""Completions from servers: the same as from the model itself, each exactly once, whatever goes wrong."""

from __future__ import annotations

import importlib.util
import math
import os
import random
import socket
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from serving import serving
from transformers import Phi3Config, Phi3ForCausalLM

from trivium.errors import ConfigError, DataError, ResourceError
from trivium.models import sample_vllm
from trivium.models.sample import Request
from trivium.models.sample import sample as sample_here
from trivium.models.sample_served import Server, read, sample
from trivium.models.sampling import Sampler

STOP = 5


@pytest.fixture(scope="module")
def model() -> Phi3ForCausalLM:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    config = Phi3Config(
        vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, initializer_range=0.4, max_position_embeddings=64,
        original_max_position_embeddings=64, bos_token_id=1, eos_token_id=STOP, pad_token_id=0,
    )  # fmt: skip
    return Phi3ForCausalLM(config).eval()


def requests(count: int) -> list[Request]:
    rng = random.Random(3)
    return [
        Request(tuple(rng.randrange(6, 40) for _ in range(rng.randint(2, 12))), rng.getrandbits(31), 12)
        for _ in range(count)
    ]


def server(address: str, **changes: Any) -> Server:
    return Server(**{"endpoint": address, "pause_seconds": 0.01, "concurrency": 4} | changes)


def test_a_server_gives_what_the_model_gives(model: Any) -> None:
    asked = requests(20)
    with serving(model, (STOP,)) as served:
        found = sample(server(served.address), asked, temperature=1.0, stop_ids=(STOP,))
    expected = sample_here(model, asked, temperature=1.0, stop_ids=(STOP,))
    assert [(c.ids, c.finish, c.stop_id) for c in found] == [(c.ids, c.finish, c.stop_id) for c in expected]
    assert [c.logprobs for c in found] == [pytest.approx(c.logprobs) for c in expected]
    assert {c.finish for c in found} == {"eos", "length"}
    body = served.bodies[0]
    assert (body["model"], body["top_p"], body["min_p"], body["top_k"]) == ("tiny", 1.0, 0.0, 0)


@pytest.mark.parametrize("fault", ["500", "503", "429", "drop", "half"])
def test_what_passes_is_tried_again_and_no_rollout_is_lost_or_made_twice(model: Any, fault: str) -> None:
    asked = requests(9)
    told: list[int] = []
    with serving(model, (STOP,), [fault, "", fault, fault, "", fault]) as served:
        found = sample(
            server(served.address), asked, temperature=1.0, stop_ids=(STOP,), on_progress=told.append
        )
    expected = sample_here(model, asked, temperature=1.0, stop_ids=(STOP,))
    assert [c.ids for c in found] == [c.ids for c in expected]
    assert sum(told) == len(asked) == len(served.answered)
    assert set(served.answered.values()) == {1}


def test_a_time_out_is_tried_again(model: Any) -> None:
    with serving(model, (STOP,), ["slow"]) as served:
        found = sample(
            server(served.address, timeout_seconds=0.5), requests(1), temperature=1.0, stop_ids=(STOP,)
        )
    assert found[0].ids == sample_here(model, requests(1), temperature=1.0, stop_ids=(STOP,))[0].ids


def test_a_server_that_stays_away_is_told_in_one_sentence(model: Any) -> None:
    with serving(model, (STOP,), ["500"] * 9) as served:
        with pytest.raises(ResourceError, match="each of 3 tries"):
            sample(server(served.address, attempts=3), requests(1), temperature=1.0, stop_ids=(STOP,))


def test_a_refusal_is_not_tried_again(model: Any) -> None:
    with serving(model, (STOP,), ["400", "400"]) as served:
        with pytest.raises(DataError, match="refuses"):
            sample(server(served.address), requests(1), temperature=1.0, stop_ids=(STOP,))
        assert served.faults == ["400"]


def test_one_of_many_models_is_to_be_named(model: Any) -> None:
    with serving(model, (STOP,)) as served:
        served.names = ["one", "two"]
        with pytest.raises(DataError, match="one, two"):
            sample(server(served.address), requests(1), temperature=1.0, stop_ids=(STOP,))
        sample(server(served.address, name="two"), requests(1), temperature=1.0, stop_ids=(STOP,))
        assert served.bodies[-1]["model"] == "two"


def test_ids_are_read_from_marked_tokens_where_there_are_no_others() -> None:
    logprobs = {"tokens": ["token_id:7", "token_id:5", "token_id:9"], "token_logprobs": [-1.0, -0.5, -2.0]}
    done = read({"choices": [{"finish_reason": "length", "logprobs": logprobs}]}, (STOP,))
    assert (done.ids, done.logprobs, done.finish, done.stop_id) == ((7,), (-1.0, -0.5), "eos", STOP)


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": []},
        {"choices": [{"text": "seven", "logprobs": None}]},
        {"choices": [{"logprobs": {"tokens": ["seven"], "token_logprobs": [-1.0]}}]},
        {"choices": [{"token_ids": [1, 2], "logprobs": {"tokens": ["a"], "token_logprobs": [-1.0]}}]},
        {"content": "seven"},
    ],
)
def test_a_reply_without_ids_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="ids and log-probabilities"):
        read(answer, (STOP,))


def test_an_address_is_an_address() -> None:
    with pytest.raises(ConfigError, match="http"):
        Server(endpoint="localhost:8000")


def test_vllm_is_asked_for_the_whole_distribution_and_read_by_id() -> None:
    asked = sample_vllm.settings(Request((1, 2), 2**63 - 1, 9), 0.6, (STOP,))
    assert (asked["temperature"], asked["top_p"], asked["top_k"], asked["max_tokens"]) == (0.6, 1.0, 0, 9)
    assert sample_vllm.settings(Request((1,), 0, 9, greedy=True), 0.6, ())["temperature"] == 0
    rows = [
        {7: SimpleNamespace(logprob=-0.25), 8: SimpleNamespace(logprob=-3.0)},
        {STOP: SimpleNamespace(logprob=-1.0)},
    ]
    done = sample_vllm.completion(SimpleNamespace(token_ids=[7, STOP], logprobs=rows), (STOP,))
    assert (done.ids, done.logprobs, done.stop_id) == ((7,), (-0.25, -1.0), STOP)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_one_sentence_says_what_to_install() -> None:
    draw = Sampler(engine="vllm").open("model", temperature=1.0, stop_ids=(STOP,), batch_size=1)
    with pytest.raises(ResourceError, match=r"trivium\[vllm\]"):
        draw(requests(1))


@pytest.fixture
def llama_cpp() -> Any:
    weights = os.environ.get("TRIVIUM_TEACHER", "")
    if not os.path.isfile(weights):
        pytest.skip("TRIVIUM_TEACHER names no GGUF file")
    xllamacpp = pytest.importorskip("xllamacpp")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.n_ctx, params.n_parallel, params.n_gpu_layers = 512, 2, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames, params.port = ["127.0.0.1"], port
    params.warmup, params.verbosity, params.ui = False, -1, False
    running = xllamacpp.Server(params)
    yield f"http://127.0.0.1:{port}"
    del running


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_llama_cpps_own_server(llama_cpp: str, temperature: float) -> None:
    prefix = (1, 4093, 198, 1780, 314, 216, 34, 1232, 216, 34, 47, 2, 198, 1, 520, 9531, 198)
    asked = [Request(prefix, seed, 6) for seed in (1, 2, 1)]
    found = sample(Server(endpoint=llama_cpp), asked, temperature=temperature, stop_ids=(2,))
    for done in found:
        assert len(done.logprobs) == len(done.ids) + (done.finish == "eos")
        assert all(-60 < logprob <= 1e-6 and math.isfinite(logprob) for logprob in done.logprobs)
        assert done.ids and max(done.ids) < 49152
    assert found[0] == found[2]
