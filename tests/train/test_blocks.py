"""The fast blocks give the numbers of transformers, on packed documents as on single ones."""

from __future__ import annotations

import pytest
import torch

from trivium.models import phi
from trivium.train import blocks
from trivium.train.forward import final_states, head_weight, hidden_states, precision, token_losses

LENGTHS = (3, 140, 20, 41, 5, 300)


def logits(model: torch.nn.Module, ids: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    return final_states(model, hidden_states(model, ids, lengths)) @ head_weight(model).t()


def noisy_model(config: phi.ModelConfig, seed: int = 0) -> torch.nn.Module:
    """A model in which nothing is zero or one, so that every gradient shows."""
    model = phi.build(config, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.08)
    return model


def reference(
    model: torch.nn.Module, ids: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """The weighted loss by transformers, document by document, and its gradients."""
    said = torch.cat([model(input_ids=part[None]).logits[0] for part in ids.split(LENGTHS)]).float()
    loss = (torch.nn.functional.cross_entropy(said, targets, reduction="none") * weights).sum()
    return loss, torch.autograd.grad(loss, list(model.parameters()))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("heads", "kv_heads"), [(2, 1), (4, 2), (2, 2)])
def test_packed_logits_and_gradients_equal_those_of_each_document_alone(
    tied: bool, heads: int, kv_heads: int
) -> None:
    config = phi.ModelConfig(
        hidden=32, layers=2, heads=heads, kv_heads=kv_heads, ffn=48, vocab=90, context=512, tied=tied
    )
    model = noisy_model(config)
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(0, 85, (sum(LENGTHS),), generator=generator)
    targets = torch.randint(0, 85, (sum(LENGTHS),), generator=generator)
    weights = torch.rand(sum(LENGTHS), generator=generator) * (torch.arange(sum(LENGTHS)) % 3 > 0)
    ours = logits(model, ids, LENGTHS)
    theirs = torch.cat([model(input_ids=part[None]).logits[0] for part in ids.split(LENGTHS)])
    torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-5)

    expected, want = reference(model, ids, targets, weights)
    total, each = token_losses(model, hidden_states(model, ids, LENGTHS), targets, weights)
    got = torch.autograd.grad(total, list(model.parameters()))
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(each[weights == 0], torch.zeros(int((weights == 0).sum())))
    for name, a, b in zip(dict(model.named_parameters()), got, want, strict=True):
        assert (a - b).abs().max() <= 2e-5 * b.abs().max(), name


@pytest.mark.parametrize("tied", [True, False])
def test_in_bfloat16_gradients_are_as_near_to_float32_as_those_of_autocast(tied: bool) -> None:
    config = phi.ModelConfig(
        hidden=64, layers=3, heads=4, kv_heads=2, ffn=96, vocab=90, context=512, tied=tied
    )
    model = noisy_model(config)
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(0, 85, (sum(LENGTHS),), generator=generator)
    targets = torch.randint(0, 85, (sum(LENGTHS),), generator=generator)
    weights = torch.rand(sum(LENGTHS), generator=generator) / sum(LENGTHS)
    exact, want = reference(model, ids, targets, weights)
    with torch.autocast("cpu", torch.bfloat16):
        _, theirs = reference(model, ids, targets, weights)
    with precision(model, "bfloat16"):
        total, each = token_losses(model, hidden_states(model, ids, LENGTHS), targets, weights)
        ours = torch.autograd.grad(total, list(model.parameters()))
    assert each.dtype == torch.float32 and 0 < abs(total - exact) < 2e-3 * exact
    for name, a, other, b in zip(dict(model.named_parameters()), ours, theirs, want, strict=True):
        assert a.dtype == torch.float32
        assert 0 < (a - b).norm() < 1.5 * (other - b).norm(), name
        assert (a - b).norm() < 0.06 * b.norm(), name


def test_a_document_does_not_see_its_neighbours() -> None:
    config = phi.ModelConfig(hidden=32, layers=2, heads=2, kv_heads=1, ffn=48, vocab=90, context=64)
    model = noisy_model(config)
    first, other, second = torch.arange(10), torch.arange(30, 40), torch.arange(50, 62)
    a = logits(model, torch.cat([first, second]), (10, 12))[10:]
    b = logits(model, torch.cat([other, second]), (10, 12))[10:]
    c = logits(model, torch.cat([other, second]), (22,))[10:]
    assert torch.equal(a, b)
    assert not torch.allclose(b, c)


def test_slices_cover_every_query_once_and_share_only_short_documents() -> None:
    layout = blocks.make_layout(LENGTHS, heads=2, kv_heads=1, head_size=8, theta=1e4, eps=1e-5)
    covered = [i for part in layout.slices for i in range(part.queries.start, part.queries.stop)]
    assert covered == list(range(sum(LENGTHS)))
    assert max(part.queries.stop - part.queries.start for part in layout.slices) <= blocks.ATTENTION_SLICE
