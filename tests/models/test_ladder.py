"""The laws that derive settings from a shape, against the two ends where the answer is known."""

import dataclasses
import itertools

import pytest

from trivium.cli.run import SIZES, load
from trivium.models.ladder import TOKENS_PER_PARAMETER, derive
from trivium.models.phi import LADDER, count_parameters


def test_the_laws_come_near_phi_4() -> None:
    shape = dataclasses.replace(LADDER["phi-4"], context=4096)
    law = derive(shape, tokens=10e12)
    assert law.learning_rate == pytest.approx(3e-4, rel=0.1)  # Phi-4 report, section 3
    assert law.batch_tokens == pytest.approx(5760 * 4096, rel=0.2)


def test_the_laws_come_near_what_pocket_was_tuned_to() -> None:
    assert derive(LADDER["nano"], tokens=3.3e6).learning_rate == pytest.approx(6e-3, rel=0.15)


def test_larger_models_learn_slower_from_larger_batches() -> None:
    laws = [derive(LADDER[name]) for name in SIZES]
    for small, large in itertools.pairwise(laws):
        assert small.learning_rate > large.learning_rate
        assert small.flops < large.flops and small.tokens < large.tokens
    assert laws[0].batch_tokens < laws[-1].batch_tokens


@pytest.mark.parametrize("name", SIZES)
def test_every_size_is_a_recipe_whose_settings_follow_from_its_shape(name: str) -> None:
    recipe = load(name)
    law = derive(LADDER[name])
    assert recipe.name == name and recipe == load(f"ladder:{name}")
    assert recipe.pretrain.model == LADDER[name]
    assert recipe.mix.budget_tokens == round(count_parameters(LADDER[name]) * TOKENS_PER_PARAMETER)
    assert recipe.pretrain.loop.learning_rate == law.learning_rate
    assert recipe.pretrain.loop.rows * recipe.pretrain.loop.row_tokens == law.batch_tokens
    assert law.steps == pytest.approx(law.tokens / law.batch_tokens, rel=0.01)


def test_the_sizes_are_the_ladder_without_phi_4() -> None:
    assert (*SIZES, "phi-4") == tuple(LADDER)


@pytest.mark.parametrize(("name", "size"), [("nano", 1.0e6), ("large", 1.5e9), ("xxl", 7.8e9)])
def test_sizes_are_what_their_recipes_say(name: str, size: float) -> None:
    assert count_parameters(LADDER[name]) == pytest.approx(size, rel=0.05)
