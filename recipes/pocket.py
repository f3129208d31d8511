"""The whole recipe on a laptop: raise a one-million-parameter tutor from the Python installation alone.

    ./trivium run recipes/pocket.py

No data set, no service and no account. Its organic sources are the Python it runs in; the teacher of the
language flows is SmolLM2-135M-Instruct in process, and without its weights those flows are skipped and the
report says so. About 14 minutes on two cores.
"""

from __future__ import annotations

import dataclasses

from trivium.align.judge_stage import JudgeConfig
from trivium.align.sft_data_stage import SFTDataConfig
from trivium.curate.decontaminate_stage import DecontaminateConfig
from trivium.curate.stage import CurateConfig
from trivium.evaluate.items_stage import ItemsConfig
from trivium.evaluate.stage import EvaluateConfig
from trivium.mix.stage import MixConfig
from trivium.models.phi import PREVIOUS_TOKEN_LAYER, ModelConfig
from trivium.models.precision import Precision
from trivium.pipeline import WHOLE
from trivium.pivotal.stage import PivotalConfig
from trivium.recipe import Recipe
from trivium.report.stage import ReportConfig
from trivium.synthesize.options import ProblemsConfig
from trivium.synthesize.stage import SynthesizeConfig
from trivium.train.dpo_stage import DPOConfig
from trivium.train.midtrain_stage import MidtrainConfig
from trivium.train.pretrain_stage import PretrainConfig
from trivium.train.settings import LoopConfig
from trivium.train.sft_stage import SFTConfig
from trivium.train.tokenize_stage import TokenizeConfig

RANKS = 2
"""Two processes share every training step: one for each core of a small machine."""
PRECISION: Precision = "float32"
"""On every processor, so that the figures of two machines can be laid side by side; `auto` may be faster."""


def recipe() -> Recipe:
    """Return the pocket recipe."""
    preference = dataclasses.replace(DPOConfig().loop, learning_rate=5e-5, precision=PRECISION)
    return Recipe(
        name="pocket",
        seed=0,
        workers=2,
        stages=WHOLE,
        # Reference entries are fragments by nature: too few of them read well by themselves.
        curate=CurateConfig(max_books_bytes=500_000, readable_seeds=False),
        items=ItemsConfig(facts_unknown=200),
        synthesize=SynthesizeConfig(
            problems=ProblemsConfig(
                word=8_000,
                arithmetic=2_000,
                drills=2_000,
                programs=1_000,
                recall=6_000,
                long_recall=1_500,
                chat_word=9_000,
                chat_arithmetic=2_000,
                chat_programs=1_000,
                steps=(1, 4),
                question_steps=(1, 4),
            ),
            docstring_reversals=500,
            chat_reversals=150,
            fact_rounds=110,
            fact_drills=30,
            constraints=1_000,
            chat_constraints=3_500,
        ),
        decontaminate=DecontaminateConfig(),
        tokenize=TokenizeConfig(vocab=1024),
        mix=MixConfig(budget_tokens=3_300_000),
        pretrain=PretrainConfig(
            model=ModelConfig(hidden=128, layers=4, heads=4, kv_heads=4, ffn=448, context=256),
            previous_token=True,
            curriculum=0.7,
            loop=LoopConfig(
                learning_rate=6e-3,
                frozen=PREVIOUS_TOKEN_LAYER,
                optimizer="muon",
                final_lr_frac=0.2,
                rows=8,
                row_tokens=256,
                micro_tokens=1024,
                ranks=RANKS,
                precision=PRECISION,
            ),
        ),
        midtrain=MidtrainConfig(
            budget_tokens=850_000,
            natural_sources=("code",),
            loop=LoopConfig(
                optimizer="muon",
                frozen=PREVIOUS_TOKEN_LAYER,
                rows=2,
                row_tokens=1024,
                micro_tokens=1024,
                ranks=RANKS,
                precision=PRECISION,
            ),
        ),
        sft_data=SFTDataConfig(refusal_frac=0.08),
        sft=SFTConfig(
            epochs=2.0,
            flow_epochs={"fact_answer": 6.0, "fact_refusal": 4.0},
            loop=LoopConfig(
                learning_rate=2e-3,
                optimizer="muon",
                frozen=PREVIOUS_TOKEN_LAYER,
                weight_decay=0.0,
                rows=8,
                row_tokens=256,
                micro_tokens=1024,
                ranks=RANKS,
                precision=PRECISION,
            ),
        ),
        pivotal=PivotalConfig(difficulty=(1, 4), num_questions=700),
        dpo1=DPOConfig(start="sft", pairs_from=("pivotal",), loop=preference),
        judge=JudgeConfig(),
        dpo2=DPOConfig(start="dpo1", pairs_from=("judge",), beta=1.0, loop=preference),
        evaluate=EvaluateConfig(contest_steps=(1, 4)),
        report=ReportConfig(title="Trivium pocket: a tutor raised from a Python installation"),
    )
