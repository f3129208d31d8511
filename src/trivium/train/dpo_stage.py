"""DPO: preference pairs in; a model that prefers what was chosen out. Used for both rounds.

Phi-4 report, section 4: round one on pivotal tokens, round two on judged replies. Reads the pairs of earlier
stages, right rollouts (anchor) and conversations (replay). Writes `model/`, losses.parquet, training.json and
heldout.parquet (the margin of every held-out pair before and after).
"""

from __future__ import annotations

import dataclasses
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trivium.errors import ConfigError, StageError
from trivium.store.fingerprint import outside_model
from trivium.store.run import StageDir
from trivium.train.settings import LoopConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from trivium.train.dpo_data import PreferenceData
    from trivium.train.loop import History
    from trivium.train.preference import PreferenceObjective


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DPOConfig:
    """What is preferred and how strongly. The report names no number of its own for DPO."""

    start: str = "sft"
    """Stage whose model is the policy's start and the reference, or a Hugging Face folder."""
    pairs_from: tuple[str, ...] = ("pivotal",)
    """Stages whose table `preferences` is read; one that has none is an error."""
    origins: tuple[str, ...] = ()
    """Origins of pairs to use (pivotal, judge, refusal, constraint); empty uses all."""
    loss: Literal["dpo", "ipo", "sft"] = "dpo"
    """dpo and ipo take pairs; sft takes none and fits the right rollouts alone (rejection sampling)."""
    max_pairs: int = 0
    """Largest number of pairs, drawn from the seed; 0 uses all."""
    beta: float = 3.0
    """Strength of the pull towards the reference, on the difference of log-probabilities."""
    epochs: int = 2
    """Passes over the pairs; with loss sft, over the right rollouts."""
    anchor_from: str = "pivotal"
    """Stage whose right rollouts should stay likely; empty for none."""
    anchor_weight: float = 1.0
    """Weight of the mean loss on right rollouts."""
    anchor_rows: int = 24
    """Right rollouts of one step."""
    replay_from: str = "sft_data"
    """Stage whose conversations should stay likely; empty for none."""
    replay_weight: float = 1.0
    """Weight of the mean loss on conversations: keeps refusals, facts and instruction following."""
    replay_rows: int = 24
    """Conversations of one step."""
    kl_weight: float = 0.0
    """Weight of the mean KL(start || policy) on the start's own rollouts and on conversations; 0 for none."""
    kl_anchor_rows: int = 24
    """Replies of one step for that."""
    heldout_frac: float = 0.1
    """Share of questions whose pairs only measure margin and accuracy."""
    kl_rows: int = 64
    """Held-out conversations on which the distance to the reference is measured."""
    loop: LoopConfig = dataclasses.field(
        default_factory=lambda: LoopConfig(
            learning_rate=1e-4, rows=64, row_tokens=1024, weight_decay=0.0, beta2=0.99, warmup_frac=0.1
        )
    )
    """How weights are updated; rows counts pairs, row_tokens limits prompt and reply together."""

    def __post_init__(self) -> None:
        """Refuse a loss that cannot be."""
        if self.beta <= 0 or self.epochs < 1:
            raise ConfigError(
                f"dpo: got beta={self.beta} and epochs={self.epochs}, expected beta above 0, epochs from 1."
            )
        if min(self.anchor_weight, self.replay_weight, self.kl_weight) < 0 or not 0 <= self.heldout_frac < 1:
            raise ConfigError("dpo: expected weights of 0 or more and heldout_frac from 0 to below 1.")
        if self.loss == "sft" and not (self.anchor_from and self.anchor_weight and self.anchor_rows):
            raise ConfigError(
                "dpo.loss: got sft without right rollouts; expected anchor_from, its weight and its rows."
            )


def outside(config: DPOConfig) -> dict[str, str]:
    """The model, where it is none of the run's."""
    return outside_model(config.start)


def run(config: DPOConfig, stage: StageDir) -> dict[str, Any]:
    """Run the stage on disk; returns counts of pairs, losses, held-out margins and the distance travelled."""
    from trivium.models import export
    from trivium.models.load import find_model, load_model
    from trivium.train import account
    from trivium.train.dpo_data import prepare
    from trivium.train.dpo_report import heldout_margins, kl_from_reference
    from trivium.train.forward import precision

    began = time.perf_counter()
    start = find_model(config.start, stage)
    data = prepare(config, stage)
    if not (data.anchor if config.loss == "sft" else data.training):
        sources = config.anchor_from if config.loss == "sft" else ", ".join(config.pairs_from)
        wanted = "right rollout" if config.loss == "sft" else "usable pair"
        raise StageError(f"{stage.name}: got no {wanted} from {sources}.")
    reference = load_model(start)
    with precision(reference, config.loop.precision):
        model, history, objective = _train(config, stage, start, data)
        held, table = heldout_margins(reference, model, data.heldout, loss=config.loss, beta=config.beta)
        distance = kl_from_reference(reference, model, data.kl)
    export.save_checkpoint(model, start, stage.path / "model", chat_model=True)
    stage.write_table("heldout", table)
    found = account.summary(history, objective.groups)
    facts = account.model_facts(model, 0)
    account.write_training(stage, history, objective.groups, config, facts)
    return {
        "pairs": len(data.training),
        "pairs_by_origin": data.count_by_origin(),
        "forward_passes_shared_by": round(len(data.training) / max(len(objective.units), 1), 3),
        "anchor_documents": len(data.anchor),
        "replay_documents": len(data.replay),
        **{key: found[key] for key in ("steps", "skipped_steps", "final_loss_by_source")},
        **held,
        **distance,
        "train_seconds": round(time.perf_counter() - began, 2),
    }


def _train(
    config: DPOConfig, stage: StageDir, start: Path, data: PreferenceData
) -> tuple[PreTrainedModel, History, PreferenceObjective]:
    """Train; a single rank takes over the objective, whose reference margins are there already."""
    from trivium.train.dpo_data import build_objective
    from trivium.train.loop import Job, run_job

    make = functools.partial(build_objective, start, data, config, stage.seed)
    objective = make()
    alone = config.loop.ranks == 1
    job = Job(
        model=start,
        objective=(lambda: objective) if alone else make,
        config=config.loop,
        scratch=stage.scratch,
        label=stage.name,
    )
    return *run_job(job), objective
