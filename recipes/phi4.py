"""The numbers of the Phi-4 report (arXiv:2412.08905): a plan to price, and the settings of such a run.

    ./trivium plan phi4

The data stages name folders and a teacher that you would have to bring. What the report does not disclose
(batch sizes after pretraining, everything about DPO) is ours and says so.
"""

from __future__ import annotations

from dataclasses import replace

from trivium.align.judge_stage import JudgeConfig
from trivium.align.sft_data_stage import SFTDataConfig
from trivium.curate.decontaminate_stage import DecontaminateConfig
from trivium.curate.stage import CurateConfig
from trivium.evaluate.items_stage import ItemsConfig
from trivium.evaluate.stage import EvaluateConfig
from trivium.mix.plan import PHI4_BUDGET_TOKENS, PHI4_SHARES, PHI4_UNIQUE_TOKENS
from trivium.mix.stage import MixConfig
from trivium.models.cost import Expected
from trivium.models.phi import LADDER
from trivium.pipeline import WHOLE
from trivium.pivotal.stage import PivotalConfig
from trivium.recipe import Recipe
from trivium.report.stage import ReportConfig
from trivium.synthesize.options import TeacherConfig
from trivium.synthesize.stage import SynthesizeConfig
from trivium.train.dpo_stage import DPOConfig
from trivium.train.midtrain_stage import MidtrainConfig
from trivium.train.pretrain_stage import PretrainConfig
from trivium.train.settings import LoopConfig
from trivium.train.sft_stage import SFTConfig
from trivium.train.tokenize_stage import TokenizeConfig

GPUS = 1920
"""Model card of microsoft/phi-4: 1,920 H100-80G, 21 days."""

BASE = LoopConfig(
    learning_rate=3e-4,  # section 3: peak, linear warm-up and decay
    schedule="linear",
    weight_decay=0.1,  # section 3
    rows=5760,  # section 3: global batch
    row_tokens=4096,
    ranks=GPUS,
    sharding="fsdp",
    recompute=True,
    attention="flash_attention_2",
)

TABLE_7 = {
    "generic multiple choice": 132_859,
    "math": 76_552,
    "python": 16_080,
    "cpp, go, java, js, rust": 21_806,
    "unknown + safety": 3_000,
}
"""Pairs of the first DPO round, from pivotal tokens."""

TABLE_8 = {
    "any vs any, accuracy": 532_000,
    "any vs any, overall": 266_000,
    "unknown + safety": 43_842,
}
"""Pairs of the second DPO round, judged whole replies."""


def recipe() -> Recipe:
    """Return the 14B run."""
    # The 4K stage's RoPE base is not disclosed; 10,000 is Phi-3's.
    model = replace(LADDER["phi-4"], context=4096, rope_theta=10_000.0)
    # Not disclosed: batch and weight decay of the preference rounds, and their learning rate.
    preferences = replace(
        BASE, learning_rate=5e-7, weight_decay=0.0, rows=128, row_tokens=16_384, ranks=128, sharding="none"
    )
    return Recipe(
        name="phi4",
        stages=WHOLE,
        curate=CurateConfig(installation=False, paths=("data/web", "data/code", "data/books")),
        items=ItemsConfig(),
        synthesize=SynthesizeConfig(teacher=TeacherConfig(where="http://localhost:8000/v1", model="teacher")),
        decontaminate=DecontaminateConfig(),
        tokenize=TokenizeConfig(vocab=model.vocab, split_digits=False),
        mix=MixConfig(budget_tokens=int(PHI4_BUDGET_TOKENS), shares=dict(PHI4_SHARES)),  # Table 5
        pretrain=PretrainConfig(model=model, loop=BASE),
        midtrain=MidtrainConfig(  # section 3.3
            budget_tokens=250_000_000_000,
            context_factor=4,
            rope_theta=250_000.0,
            long_frac=0.3,
            peak_lr_frac=0.1,
            loop=replace(BASE, rows=1440, row_tokens=16_384, ranks=1440),  # ours: tokens a step as before
        ),
        sft_data=SFTDataConfig(),
        sft=SFTConfig(  # section 4.1; batch and epochs are ours
            epochs=1.0,
            loop=replace(BASE, learning_rate=1e-6, weight_decay=0.0, rows=128, row_tokens=16_384, ranks=128),
        ),
        pivotal=PivotalConfig(),
        dpo1=DPOConfig(epochs=1, loop=preferences),
        judge=JudgeConfig(),
        dpo2=DPOConfig(start="dpo1", pairs_from=("judge",), epochs=1, loop=preferences),
        evaluate=EvaluateConfig(),
        report=ReportConfig(),
        expected=Expected(
            unique_tokens=dict(PHI4_UNIQUE_TOKENS),  # Table 5
            sft_tokens=8e9,  # section 4.1
            dpo1_pairs=TABLE_7,
            dpo2_pairs=TABLE_8,
            pair_tokens=2_000,  # ours: a prompt with two replies
            reported_gpu_hours=GPUS * 21 * 24,
            reported_by="model card of microsoft/phi-4: 1,920 for 21 days",
        ),
    )
