"""Preferences: ln 2 at the start, the single-token form, shared trajectories, what anchors add."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from trivium.errors import DataError
from trivium.models import phi
from trivium.records import Preference
from trivium.train.pairs import ReplyUnit, TokenUnit, choose_pairs, make_units, split_by_question
from trivium.train.preference import Anchor, make_objective
from trivium.train.preference_losses import divergences, margins, pair_losses, reply_logps
from trivium.train.settings import LoopConfig


def pair(prompt: list[int], chosen: list[int], rejected: list[int], question: str = "q") -> Preference:
    name = f"{question}{prompt}{chosen}{rejected}"
    return Preference(
        id=name,
        question_id=question,
        prompt_ids=prompt,
        chosen_ids=chosen,
        rejected_ids=rejected,
        origin="pivotal",
        gap=0.5,
    )


@pytest.fixture
def model() -> torch.nn.Module:
    config = phi.ModelConfig(hidden=32, layers=2, heads=2, kv_heads=1, ffn=48, vocab=60, context=64)
    made = phi.build(config, 0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    return made.double().float()


TRAJECTORY = [3, 9, 4, 1, 5, 9, 2, 6]
ROWS = [
    pair(TRAJECTORY, [7], [8]),
    pair(TRAJECTORY[:3], [5], [6]),
    pair(TRAJECTORY[:5], [1], [2]),
    pair([3, 9, 8, 8], [4], [5]),
    pair([3, 9, 4], [5], [6], question="other"),
    pair([2, 2, 7], [5, 6, 1], [6, 3]),
]


def test_single_token_pairs_of_one_trajectory_share_a_forward_pass() -> None:
    units = make_units(ROWS)
    shared = [unit for unit in units if isinstance(unit, TokenUnit)]
    assert sorted(len(unit.pairs) for unit in shared) == [1, 1, 3]
    assert [unit.pairs for unit in units if isinstance(unit, ReplyUnit)] == [(5,)]
    assert sorted(p for unit in units for p in unit.pairs) == list(range(len(ROWS)))
    longest = max(shared, key=lambda unit: len(unit.pairs))
    for number, position, chosen in zip(longest.pairs, longest.positions, longest.chosen, strict=True):
        assert list(longest.ids[: position + 1]) == ROWS[number].prompt_ids
        assert [chosen] == ROWS[number].chosen_ids


def test_the_single_token_margin_equals_the_difference_of_log_probabilities(model: torch.nn.Module) -> None:
    units = [unit for unit in make_units(ROWS) if isinstance(unit, TokenUnit)]
    numbers = [number for unit in units for number in unit.pairs]
    exact = margins(model, units)
    for number, margin in zip(numbers, exact, strict=True):
        row = ROWS[number]
        logps = model(input_ids=torch.tensor([row.prompt_ids])).logits[0, -1].log_softmax(-1)
        expected = logps[row.chosen_ids[0]] - logps[row.rejected_ids[0]]
        torch.testing.assert_close(margin, expected, rtol=1e-4, atol=1e-5)
    sides = [(ROWS[n].prompt_ids, s) for n in numbers for s in (ROWS[n].chosen_ids, ROWS[n].rejected_ids)]
    whole = reply_logps(model, sides).view(-1, 2)
    torch.testing.assert_close(exact, whole[:, 0] - whole[:, 1], rtol=1e-4, atol=1e-5)


def test_a_whole_reply_is_the_sum_of_its_tokens(model: torch.nn.Module) -> None:
    row = ROWS[5]
    logps = model(input_ids=torch.tensor([row.prompt_ids + row.chosen_ids])).logits[0].log_softmax(-1)
    expected = sum(logps[len(row.prompt_ids) - 1 + i, token] for i, token in enumerate(row.chosen_ids))
    got = reply_logps(model, [(row.prompt_ids, row.chosen_ids)])
    torch.testing.assert_close(got[0], expected, rtol=1e-4, atol=1e-5)


def test_the_loss_is_ln_2_at_the_start_and_a_hand_computed_number_later() -> None:
    assert pair_losses("dpo", torch.zeros(3), 0.7).tolist() == pytest.approx([math.log(2)] * 3)
    # beta 2, margin 0.5: -ln(1 / (1 + e^-1)) = ln(1 + 0.36788) = 0.31326
    assert pair_losses("dpo", torch.tensor([0.5]), 2.0).item() == pytest.approx(0.313262, abs=1e-6)
    # IPO, beta 2: the margin should be 1 / 4; (0.5 - 0.25)^2 = 0.0625
    assert pair_losses("ipo", torch.tensor([0.5, 0.25]), 2.0).tolist() == pytest.approx([0.0625, 0.0])


def objective_of(model: torch.nn.Module, rows: list[Preference], **changes: object):  # noqa: ANN201
    units = make_units(rows)
    reference = torch.zeros(len(rows))
    with torch.no_grad():
        for unit in units:
            reference[list(unit.pairs)] = margins(model, [unit])
    loop = LoopConfig(rows=3, micro_tokens=changes.pop("micro_tokens", 64))  # type: ignore[arg-type]
    anchors = changes.pop("anchors", ())
    return make_objective(
        units,
        ["pivotal"] * len(rows),
        reference,
        anchors,  # type: ignore[arg-type]
        loss=changes.pop("loss", "dpo"),  # type: ignore[arg-type]
        beta=2.0,
        epochs=1,
        loop=loop,
        seed=0,
    )


def gradient(model: torch.nn.Module, objective, step: int, ranks: int = 1) -> tuple[float, torch.Tensor]:  # noqa: ANN001
    model.zero_grad()
    total = 0.0
    for rank in range(ranks):
        for batch in objective.micro_batches(step, rank, ranks):
            loss, _ = objective.loss(model, batch)
            loss.backward()
            total += loss.item()
    return total, torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None])


def test_every_step_starts_at_ln_2_whatever_the_micro_batches_and_ranks(model: torch.nn.Module) -> None:
    whole = objective_of(model, ROWS)
    parts = objective_of(model, ROWS, micro_tokens=1)
    assert sum(whole.step_size(step) for step in range(whole.num_steps)) == len(ROWS)
    for step in range(whole.num_steps):
        loss, grad = gradient(model, whole, step)
        assert loss == pytest.approx(math.log(2), abs=1e-5)
        for other, ranks in ((parts, 1), (whole, 2)):
            loss_again, grad_again = gradient(model, other, step, ranks)
            assert loss_again == pytest.approx(loss, abs=1e-5)
            torch.testing.assert_close(grad, grad_again, rtol=1e-3, atol=1e-5)


def test_swapping_chosen_and_rejected_flips_the_gradient(model: torch.nn.Module) -> None:
    swapped = [pair(row.prompt_ids, row.rejected_ids, row.chosen_ids) for row in ROWS[:1]]
    _, forth = gradient(model, objective_of(model, ROWS[:1]), 0)
    _, back = gradient(model, objective_of(model, swapped), 0)
    torch.testing.assert_close(forth, -back, rtol=1e-4, atol=1e-6)
    assert forth.abs().max() > 1e-3


def test_an_anchor_adds_its_weighted_mean_loss(model: torch.nn.Module) -> None:
    document = ([5, 6, 7, 8, 9], [False, False, True, True, True])
    anchor = Anchor("anchor", (document,), weight=0.5, rows=2)
    loss, _ = gradient(model, objective_of(model, ROWS[:1], anchors=(anchor,)), 0)
    logps = model(input_ids=torch.tensor([document[0]])).logits[0].log_softmax(-1)
    mean = -sum(logps[i - 1, document[0][i]] for i in (2, 3, 4)) / 3
    assert loss == pytest.approx(math.log(2) + 0.5 * float(mean.detach()), abs=1e-4)


def moved(model: torch.nn.Module) -> torch.nn.Module:
    """A policy a little away from the model."""
    policy = copy.deepcopy(model)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)) * 0.02)
    return policy


DOCUMENT = ([5, 6, 7, 8, 9], [False, False, True, True, True])


def test_the_divergence_is_that_of_the_whole_distributions(model: torch.nn.Module) -> None:
    policy = moved(model)
    theirs, ours = (
        m(input_ids=torch.tensor([DOCUMENT[0]])).logits[0].log_softmax(-1) for m in (model, policy)
    )
    expected = torch.stack([(theirs[i].exp() * (theirs[i] - ours[i])).sum() for i in (1, 2, 3)])
    got = divergences(policy, model, [DOCUMENT])
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-6)
    assert got.min() > 1e-6
    assert divergences(model, model, [DOCUMENT]).abs().max() < 1e-6


def test_a_kl_anchor_pulls_back_and_costs_nothing_at_the_start(model: torch.nn.Module) -> None:
    anchor = Anchor("kl", (DOCUMENT,), weight=0.5, rows=1, reference=model)
    expected = float(divergences(moved(model), model, [DOCUMENT]).mean().detach())
    loss, _ = gradient(moved(model), objective_of(model, [], anchors=(anchor,), loss="sft"), 0)
    assert loss == pytest.approx(0.5 * expected, rel=1e-4)
    start = copy.deepcopy(model)
    loss, grad = gradient(start, objective_of(model, [], anchors=(anchor,), loss="sft"), 0)
    assert loss == pytest.approx(0, abs=1e-6)
    assert grad.abs().max() < 1e-5


def test_without_pairs_the_steps_are_passes_over_the_first_anchor(model: torch.nn.Module) -> None:
    right = tuple(([n, n + 1], [False, True]) for n in range(5))
    anchors = (Anchor("anchor", right, 1.0, 2), Anchor("replay", (DOCUMENT,), 1.0, 1))
    objective = objective_of(model, [], anchors=anchors, loss="sft")
    assert (objective.num_steps, objective.unit, objective.step_size(0)) == (3, "documents", 3)
    assert objective.groups == ("anchor", "replay")
    with pytest.raises(DataError, match="neither pairs nor documents"):
        objective_of(model, [], loss="sft")


def test_ipo_takes_the_mean_over_a_reply(model: torch.nn.Module) -> None:
    row = ROWS[5]
    objective = objective_of(model, [row], loss="ipo")
    loss, _ = gradient(moved(model), objective, 0)
    sides = [(row.prompt_ids, row.chosen_ids), (row.prompt_ids, row.rejected_ids)]
    now = reply_logps(moved(model), sides)
    margin = float((now[0] / 3 - now[1] / 2).detach()) - float(objective.reference_K[0])
    assert loss == pytest.approx((margin - 0.25) ** 2, rel=1e-4)


def test_every_document_of_an_anchor_is_used_before_one_is_used_again(model: torch.nn.Module) -> None:
    documents = tuple(([n, n + 1], [False, True]) for n in range(5))
    rows = [pair([1, 2, n], [7], [8], question=str(n)) for n in range(15)]
    objective = objective_of(model, rows, anchors=(Anchor("replay", documents, 1.0, 2),))
    drawn = [
        batch.documents[i][0][0]
        for step in range(5)
        for batch in objective.micro_batches(step, 0, 1)
        for i in range(len(batch.documents))
    ]
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == [0, 1, 2, 3, 4]


def test_pairs_left_out_are_named_with_a_reason() -> None:
    rows = [*ROWS, pair([1], [2], [2]), pair([], [2], [3]), pair([1] * 90, [2], [3])]
    kept, drops = choose_pairs(rows, origins=(), most=4, longest=50, seed=0, step="dpo1")
    assert len(kept) == 4
    assert sorted(drop.reason for drop in drops) == [
        "both replies are the same",
        "empty prompt or reply",
        "longer than row_tokens",
        *["more pairs than max_pairs"] * 2,
    ]
    kept, drops = choose_pairs(ROWS, origins=("judge",), most=0, longest=50, seed=0, step="dpo1")
    assert not kept
    assert {drop.reason for drop in drops} == {"origin not asked for"}


def test_held_out_pairs_share_no_question_with_training() -> None:
    rows = [pair([1, n], [2], [3], question=f"q{n % 40}") for n in range(200)]
    training, heldout = split_by_question(rows, 0.25, seed=1)
    assert len(training) + len(heldout) == 200
    assert heldout
    assert not {row.question_id for row in training} & {row.question_id for row in heldout}
