"""The search's arithmetic: planted optima are found, pure noise is called noise, bounds hold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.errors import ConfigError
from trivium.mix.search import design, gaussian, laws, propose, regression
from trivium.mix.search.space import Space, distance, divergence, make_space
from trivium.mix.search.study import Objective, Study, noise_floor, spearman, study

NAMES = ("web", "web_rewrites", "synthetic", "code", "acquired")
SHARES = dict(zip(NAMES, (0.15, 0.15, 0.4, 0.2, 0.1), strict=True))
UNIQUE = dict(zip(NAMES, (500_000, 150_000, 900_000, 700_000, 400_000), strict=True))


def space_of(budget: int = 3_000_000, max_epochs: float = 16.0, floor: float = 0.02) -> Space:
    return make_space(SHARES, UNIQUE, budget, max_epochs=max_epochs, floor=floor, floors={})


def planted(space: Space, rows: np.ndarray) -> np.ndarray:
    """Losses (n, 2) of two tasks with one optimum between what each likes: epochs help less and less."""
    epochs = space.epochs(rows)
    likes = np.array([[0.2, 0.1, 0.9, 0.5, 0.1], [0.9, 0.6, 0.1, 0.2, 0.3]])
    return 0.3 + 1.2 * np.exp(-np.log1p(epochs) @ likes.T)


def scored(space: Space) -> Objective:
    reference = planted(space, np.asarray(space.prior)[None])[0]
    return Objective(name="after", tasks=("a", "b"), weights=(0.5, 0.5), reference=tuple(reference.tolist()))


def first_runs(space: Space, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Twenty-four mixtures and three more seeds at the prior, with noise on every loss."""
    rows = np.array([made.shares for made in design.first_round(space, 24, seed)])
    rows = np.concatenate([rows, np.repeat(rows[:1], 3, axis=0)])
    losses = planted(space, rows)
    return rows, losses * (1 + noise * np.random.default_rng(seed).normal(size=losses.shape))


def test_a_planted_optimum_is_found_and_the_law_is_trusted() -> None:
    space = space_of()
    objective = scored(space)
    rows, losses = first_runs(space, 0.005, 1)
    found = study(space, objective, rows, losses)
    assert found.trusted
    assert found.best.rho > 0.9
    best = propose.optimum(space, found.value, 0.0)
    truth = propose.optimum(space, lambda w: objective.score(planted(space, w)), 0.0)
    scores = objective.score(planted(space, np.stack([best, truth, np.asarray(space.prior)])))
    assert scores[1] <= scores[0] < scores[2]
    # At least nine tenths of what there is to gain over the prior.
    assert scores[2] - scores[0] > 0.9 * (scores[2] - scores[1])


def test_pure_noise_is_not_mistaken_for_a_law() -> None:
    space = space_of()
    trusted = []
    for seed in range(6):
        rows, losses = first_runs(space, 0.0, seed)
        rng = np.random.default_rng(100 + seed)
        flat = np.ones_like(losses) + 0.02 * rng.normal(size=losses.shape)
        objective = Objective(name="n", tasks=("a", "b"), weights=(0.5, 0.5), reference=(1.0, 1.0))
        found = study(space, objective, rows, flat)
        # Noise of 2 % a task, averaged over two; four runs at the prior tell it within a factor of three.
        assert 0.004 < found.noise < 0.04
        gain = 1 - float(found.value(propose.optimum(space, found.value)[None])[0])
        trusted.append(found.trusted and gain > 2 * found.noise)
    assert not any(trusted)


def test_the_optimum_is_exact_on_a_grid_of_three_sources() -> None:
    space = make_space(
        {"a": 0.5, "b": 0.3, "c": 0.2},
        {"a": 900, "b": 300, "c": 200},
        1000,
        max_epochs=2,
        floor=0.05,
        floors={},
    )
    low, high = np.asarray(space.low), np.asarray(space.high)
    assert high[2] == pytest.approx(0.4)

    def value(rows: np.ndarray) -> np.ndarray:
        return ((rows - np.array([0.1, 0.2, 0.7])) ** 2).sum(-1) + 0.05 * np.sin(9 * rows[:, 0])

    steps = np.arange(0, 1.0001, 0.002)
    grid = np.array([(a, b, 1 - a - b) for a, b in itertools.product(steps, steps)])
    grid = grid[((grid >= low - 1e-9) & (grid <= high + 1e-9)).all(axis=1)]
    for penalty in (0.0, 0.02, 0.5):
        cost = value(grid) + penalty * divergence(grid, np.asarray(space.prior))
        found = propose.optimum(space, value, penalty)
        assert (found >= low - 1e-9).all() and (found <= high + 1e-9).all()
        assert found.sum() == pytest.approx(1)
        mine = value(found[None]) + penalty * divergence(found[None], np.asarray(space.prior))
        assert mine[0] <= cost.min() + 1e-5
    # The penalty pulls towards the prior.
    near, far = propose.optimum(space, value, 5.0), propose.optimum(space, value, 0.0)
    assert distance(near, np.asarray(space.prior)) < distance(far, np.asarray(space.prior))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=5, max_size=5), st.floats(2, 20), st.floats(0, 0.1))
def test_projection_keeps_the_bounds(weights: list[float], max_epochs: float, floor: float) -> None:
    space = space_of(max_epochs=max_epochs, floor=floor)
    shares = space.project(np.asarray(weights))
    assert shares.sum() == pytest.approx(1, abs=1e-6)
    assert (shares >= np.asarray(space.low) - 1e-6).all()
    assert (shares <= np.asarray(space.high) + 1e-6).all()


def test_epochs_and_shares_are_two_names_of_one_mixture() -> None:
    space = space_of()
    shares = np.asarray(space.prior)
    assert space.epochs(shares)[1] == pytest.approx(0.15 * 3_000_000 / 150_000)
    assert np.allclose(space.shares(space.epochs(shares)), shares)
    natural = space.epochs(space.natural())
    assert natural.max() == pytest.approx(natural.min(), rel=1e-6)


def test_the_first_round_spans_the_space_and_is_the_seeds() -> None:
    space = space_of()
    made = design.first_round(space, 24, 3)
    labels = [mixture.label for mixture in made]
    assert labels[:8] == ["prior", "natural", "uniform", *(f"corner {name}" for name in NAMES)]
    assert len(made) == 24
    assert made == design.first_round(space, 24, 3) != design.first_round(space, 24, 4)
    rows = np.array([mixture.shares for mixture in made])
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-5)
    assert (rows >= 0.02 - 1e-5).all()
    assert rows.max(axis=0).min() > 0.6  # every source dominates somewhere


def test_ridge_is_ordinary_least_squares_where_nothing_is_to_be_held_back() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 3))
    targets = features @ np.array([1.0, -2.0, 0.5]) + 3 + 0.01 * rng.normal(size=60)
    line = regression.fit_ridge(features, targets, np.ones(60))
    design_matrix = np.column_stack([features, np.ones(60)])
    exact = np.linalg.lstsq(design_matrix, targets, rcond=None)[0]
    assert np.allclose(line.coefficients / line.scale, exact[:3], atol=1e-4)
    errors = []
    for i in range(60):  # the closed form is what leaving out one by one gives
        kept = np.arange(60) != i
        solved = np.linalg.lstsq(design_matrix[kept], targets[kept], rcond=None)[0]
        errors.append(targets[i] - design_matrix[i] @ solved)
    assert line.press == pytest.approx(float(np.mean(np.square(errors))), rel=0.02)


def test_the_process_knows_its_points_and_is_unsure_elsewhere() -> None:
    space = space_of()
    rows = np.array([made.shares for made in design.first_round(space, 24, 0)])
    values = planted(space, rows)[:, 0]
    process = gaussian.fit_process(rows, values)
    assert np.abs(process.predict(rows) - values).max() < 0.1 * values.std()
    assert process.deviation(rows).max() < process.deviation(np.eye(5)).min()


@pytest.mark.parametrize("name", laws.LAWS)
def test_every_law_follows_a_smooth_loss(name: str) -> None:
    space = space_of()
    rows, losses = first_runs(space, 0.002, 5)
    law = laws.LAWS[name](space, rows, losses[:, 0])
    fresh = design.dirichlet(space, np.asarray(space.prior), 200, 77, (1.0, 5.0))
    truth = planted(space, fresh)[:, 0]
    assert spearman(law(fresh), truth) > 0.9


def made_study(seed: int = 2) -> Study:
    space = space_of()
    rows, losses = first_runs(space, 0.005, seed)
    return study(space, scored(space), rows, losses)


def test_the_next_round_holds_new_mixtures_that_differ() -> None:
    found = made_study()
    wanted = found.space.corner(0, 0.3)
    chosen = propose.next_round(found, 8, 0, also=[wanted])
    assert len(chosen) == 8
    assert any(np.allclose(row, wanted) for row in chosen)
    for one, other in itertools.combinations([*chosen, *found.mixtures], 2):
        assert distance(one, other) >= 0.0099
    again = propose.next_round(found, 8, 0, also=[wanted])
    assert all(np.array_equal(a, b) for a, b in zip(chosen, again, strict=True))
    # They promise more than mixtures drawn as the first round was.
    drawn = design.dirichlet(found.space, np.asarray(found.space.prior), 200, 9)
    assert found.value(np.stack(chosen)).mean() < found.value(drawn).mean()


def test_expected_improvement_wants_low_scores_and_doubt() -> None:
    gains = propose.expected_improvement(np.array([0.9, 1.0, 1.0]), np.array([0.01, 0.01, 0.2]), 1.0)
    assert gains[0] > gains[1]
    assert gains[2] > gains[1]
    assert propose.expected_improvement(np.array([0.5]), np.array([1e-15]), 1.0)[0] == pytest.approx(0.5)


def test_the_noise_floor_pools_repeated_mixtures_only() -> None:
    scores, group = np.array([1.0, 1.2, 5.0, 2.0, 2.4]), np.array([0, 0, 1, 2, 2])
    assert noise_floor(scores, group) == pytest.approx(np.sqrt((0.02 + 0.08) / 2))
    assert noise_floor(scores[:1], group[:1]) == 0.0


def test_spearman_is_the_rank_correlation() -> None:
    assert spearman([1, 2, 3, 4], [10, 20, 30, 99]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 1, 1], [1, 2, 3]) == 0
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(np.sqrt(0.9))


def test_mistakes_are_one_sentence() -> None:
    with pytest.raises(ConfigError, match="expected at least 2"):
        make_space({"web": 1.0}, UNIQUE, 1000, max_epochs=4, floor=0, floors={})
    with pytest.raises(ConfigError, match="above its cap"):
        space_of(floor=0.5, max_epochs=1.0)
    with pytest.raises(ConfigError, match="caps that sum"):
        space_of(budget=30_000_000, max_epochs=1.0, floor=0.0)
    with pytest.raises(ConfigError, match="expected some of web"):
        make_space(SHARES, UNIQUE, 1000, max_epochs=4, floor=0, floors={"wed": 0.1})
