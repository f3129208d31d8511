"""The prepared first layer looks one token back at every distance, and training leaves it alone."""

import pytest
import torch
from transformers import Phi3ForCausalLM

from trivium.errors import ConfigError
from trivium.models.phi import PREVIOUS_TOKEN_LAYER, ModelConfig, build
from trivium.train.midtrain_stage import MidtrainConfig, stretch
from trivium.train.optimizers import freeze, trainable

SHAPE = ModelConfig(hidden=64, layers=2, heads=4, kv_heads=4, ffn=96, vocab=200)


def _least_share_on_previous(model: Phi3ForCausalLM) -> float:
    ids = torch.randint(0, 190, (2, 120), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        attention_BHTT = model(input_ids=ids, output_attentions=True).attentions[0]
    return float(attention_BHTT[:, :3].diagonal(-1, 2, 3).min())


def test_the_first_layer_attends_to_the_previous_token() -> None:
    assert _least_share_on_previous(build(SHAPE, 0, previous_token=True).eval()) > 0.9


def test_it_carries_who_stood_there() -> None:
    model = build(SHAPE, 0, previous_token=True).eval()
    first, second = torch.tensor([[5, 9]]), torch.tensor([[6, 9]])
    with torch.no_grad():
        one, other = (model.model(input_ids=ids).last_hidden_state[0, -1] for ids in (first, second))
    plain = build(SHAPE, 0).eval()
    with torch.no_grad():
        same, too = (plain.model(input_ids=ids).last_hidden_state[0, -1] for ids in (first, second))
    assert torch.equal(same, too), "a plain start knows nothing of its neighbours"
    assert (one - other).norm() > 0.3 * one.norm()


def test_shared_key_heads_are_refused() -> None:
    with pytest.raises(ConfigError, match="kv_heads"):
        build(
            ModelConfig(hidden=64, layers=2, heads=4, kv_heads=2, ffn=96, vocab=200), 0, previous_token=True
        )


def test_frozen_parameters_are_not_trained() -> None:
    model = build(SHAPE, 0, previous_token=True)
    freeze(model, PREVIOUS_TOKEN_LAYER)
    names = set(trainable(model))
    assert "model.layers.0.self_attn.qkv_proj.weight" not in names
    assert "model.layers.1.self_attn.qkv_proj.weight" in names
    freeze(model, ())
    assert "model.layers.0.self_attn.qkv_proj.weight" in set(trainable(model))
    with pytest.raises(ConfigError, match="loop.frozen"):
        freeze(model, ("model.layers.9.",))


def test_aimed_again_the_layer_works_at_another_rope_base() -> None:
    config = stretch(build(SHAPE, 0, previous_token=True), MidtrainConfig()).config
    backs = []
    for again in (False, True):
        model = stretch(build(SHAPE, 0, previous_token=True), MidtrainConfig(), aim_again=again)
        other = type(model)(config).eval()  # a fresh one, so that its rotary tables are those of the new base
        other.load_state_dict(model.state_dict())
        backs.append(_least_share_on_previous(other))
    assert backs[1] > max(backs[0], 0.9)
