"""How far a preference stage moved the model: held-out margins and the distance to the reference.

Shapes: M marked tokens, K pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from trivium.records import Preference
from trivium.stats import wilson
from trivium.train.dpo_data import Marked, reference_margins
from trivium.train.pairs import make_units
from trivium.train.preference_losses import divergences, pair_losses

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel

MICRO_TOKENS = 4096


def heldout_margins(
    reference: PreTrainedModel,
    policy: PreTrainedModel,
    rows: Sequence[Preference],
    *,
    loss: str,
    beta: float,
) -> tuple[dict[str, Any], pa.Table]:
    """Reward margin and pair accuracy on pairs that were not trained on, and the margins as a table.

    The implicit reward margin of a pair is beta times how much its log-probability difference grew; the pair
    counts as right when it grew at all.
    """
    import pyarrow as pa

    units = make_units(rows)
    mean = loss == "ipo"
    before_K = reference_margins(reference, units, len(rows), MICRO_TOKENS, mean=mean)
    after_K = reference_margins(policy, units, len(rows), MICRO_TOKENS, mean=mean)
    grown_K = after_K - before_K
    table = pa.table(
        {
            "id": [row.id for row in rows],
            "origin": [row.origin for row in rows],
            "margin_before": before_K.double().tolist(),
            "margin_after": after_K.double().tolist(),
        }
    )
    if not rows:
        return {"heldout_pairs": 0}, table
    right = int((grown_K > 0).sum())
    low, high = wilson(right, len(rows))
    return {
        "heldout_pairs": len(rows),
        "heldout_loss": float(pair_losses(loss, grown_K, beta).mean()),
        "heldout_loss_at_start": float(pair_losses(loss, torch.zeros(1), beta)),
        "heldout_reward_margin": float(beta * grown_K.mean()),
        "heldout_accuracy": right / len(rows),
        "heldout_accuracy_low": low,
        "heldout_accuracy_high": high,
        "heldout_preferred_before": float((before_K > 0).double().mean()),
        "heldout_preferred_after": float((after_K > 0).double().mean()),
    }, table


def kl_from_reference(
    reference: PreTrainedModel, policy: PreTrainedModel, documents: Sequence[Marked]
) -> dict[str, Any]:
    """Mean KL(policy || reference) in nats a reply token, on conversations kept apart."""
    from trivium.train.work import fill

    total, count = 0.0, 0
    with torch.no_grad():
        for group in fill(documents, [len(ids) for ids, _ in documents], MICRO_TOKENS):
            nats_M = divergences(reference, policy, group)
            total += float(nats_M.sum())
            count += len(nats_M)
    return {"kl_nats_per_token": total / max(count, 1), "kl_tokens": count}
