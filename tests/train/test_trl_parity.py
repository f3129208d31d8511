"""Our preference losses are those of TRL's DPOTrainer, on the same ids. Needs the extra `parity`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from trivium.models import export, phi
from trivium.models.load import load_model
from trivium.records import Preference
from trivium.train.dpo_data import reference_margins
from trivium.train.pairs import make_units
from trivium.train.preference_losses import document_losses, margins, pair_losses

trl = pytest.importorskip("trl", reason="TRL is not installed; pip install trivium[parity]")

pytestmark = pytest.mark.filterwarnings("default")  # TRL's own warnings are not ours


def pair(prompt: list[int], chosen: list[int], rejected: list[int]) -> Preference:
    return Preference(
        id=f"{prompt}{chosen}{rejected}",
        question_id="q",
        prompt_ids=prompt,
        chosen_ids=chosen,
        rejected_ids=rejected,
        origin="test",
        gap=0.5,
    )


SINGLE = [pair([3, 9, 4, 1, 5, 9], [7], [8]), pair([3, 9, 4], [5], [6]), pair([2, 2, 7, 1], [9], [4])]
WHOLE = [pair([3, 9, 4], [7, 1, 1, 2], [8, 2]), pair([5, 5], [6], [4, 4, 4]), pair([1, 8], [2, 3], [9, 9, 1])]


@pytest.fixture
def folder(tmp_path: Path, tokenizer_folder: Path, tiny: phi.ModelConfig) -> Path:
    """A checkpoint as other programs load it."""
    export.save_checkpoint(phi.build(tiny, 0), tokenizer_folder, tmp_path / "model", chat_model=True)
    return tmp_path / "model"


def models(folder: Path) -> tuple[Any, Any]:
    reference = load_model(folder)
    policy = copy.deepcopy(reference)
    with torch.no_grad():
        for model, seed in ((reference, 1), (policy, 2)):
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed)) * 0.1)
    return reference, policy


def theirs(folder: Path, reference: Any, policy: Any, rows: list[Preference], loss: str, beta: float) -> Any:
    """TRL's loss and the gradient of the policy's head."""
    import datasets
    import transformers

    class AsIds(trl.DPOTrainer):
        """Takes ids as they are: TRL itself would tokenise text and append an end token."""

        def _prepare_dataset(self, dataset: Any, *rest: Any, **named: Any) -> Any:
            return dataset

    columns = {
        "prompt_ids": [row.prompt_ids for row in rows],
        "chosen_ids": [row.chosen_ids for row in rows],
        "rejected_ids": [row.rejected_ids for row in rows],
    }
    trainer = AsIds(
        model=policy,
        ref_model=reference,
        args=trl.DPOConfig(
            output_dir=str(folder / "trl"),
            beta=beta,
            loss_type=[loss],
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            per_device_train_batch_size=len(rows),
        ),
        train_dataset=datasets.Dataset.from_dict(columns),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder),
    )
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(len(rows))])
    policy.zero_grad()
    value = trainer.compute_loss(policy, batch)
    value.backward()
    return value.item(), policy.lm_head.weight.grad.clone()


def ours(reference: Any, policy: Any, rows: list[Preference], loss: str, beta: float) -> Any:
    units, mean = make_units(rows), loss == "ipo"
    known_K = reference_margins(reference, units, len(rows), 4096, mean=mean)
    policy.zero_grad()
    moved_K = margins(policy, units, mean=mean) - known_K[[n for unit in units for n in unit.pairs]]
    value = pair_losses(loss, moved_K, beta).mean()
    value.backward()
    return value.item(), policy.lm_head.weight.grad.clone()


@pytest.mark.parametrize(
    ("rows", "loss"),
    [(SINGLE, "dpo"), (SINGLE, "ipo"), (WHOLE, "dpo"), (WHOLE, "ipo")],
    ids=["single-token dpo", "single-token ipo", "whole-reply dpo", "whole-reply ipo"],
)
def test_pair_losses_equal_trl(folder: Path, rows: list[Preference], loss: str) -> None:
    reference, policy = models(folder)
    value, grad = ours(reference, policy, rows, loss, 0.7)
    name = {"dpo": "sigmoid", "ipo": "ipo"}[loss]
    their_value, their_grad = theirs(folder, reference, policy, rows, name, 0.7)
    print(f"{loss}: ours {value:.7f}, TRL {their_value:.7f}")
    assert value == pytest.approx(their_value, abs=1e-5)
    assert grad.abs().max() > 1e-4
    torch.testing.assert_close(grad, their_grad, rtol=1e-3, atol=1e-5)


def test_the_likelihood_anchor_equals_trl(folder: Path) -> None:
    reference, policy = models(folder)
    documents = [
        ([*row.prompt_ids, *row.chosen_ids], [False] * len(row.prompt_ids) + [True] * len(row.chosen_ids))
        for row in WHOLE
    ]
    total, _, weights = document_losses(policy, documents)
    value = (total / weights.sum()).item()
    their_value, _ = theirs(folder, reference, policy, WHOLE, "sft", 0.7)
    print(f"likelihood: ours {value:.7f}, TRL {their_value:.7f}")
    assert value == pytest.approx(their_value, abs=1e-5)
