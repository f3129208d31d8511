"""The ladder: one recipe a size, from a million parameters to eight billion; phi-4 itself is phi4.py.

    ./trivium plan mini            # the same as ladder:mini
    ./trivium plan large --gpus 64 --price H100=2.20
    ./trivium run nano             # a day's work for a laptop; pocket is the quick one

Learning rate, batch and tokens follow from the shape (trivium.models.ladder); everything else is phi-4's or
the default. Sizes that a laptop cannot feed name folders that you would have to bring.
"""

from __future__ import annotations

from trivium.align.judge_stage import JudgeConfig
from trivium.align.sft_data_stage import SFTDataConfig
from trivium.curate.decontaminate_stage import DecontaminateConfig
from trivium.curate.stage import CurateConfig
from trivium.evaluate.items_stage import ItemsConfig
from trivium.evaluate.stage import EvaluateConfig
from trivium.mix.stage import MixConfig
from trivium.models.ladder import derive
from trivium.models.phi import LADDER
from trivium.pipeline import WHOLE
from trivium.pivotal.stage import PivotalConfig
from trivium.recipe import Recipe
from trivium.report.stage import ReportConfig
from trivium.synthesize.stage import SynthesizeConfig
from trivium.train.dpo_stage import DPOConfig
from trivium.train.midtrain_stage import MidtrainConfig
from trivium.train.pretrain_stage import PretrainConfig
from trivium.train.settings import LoopConfig
from trivium.train.sft_stage import SFTConfig
from trivium.train.tokenize_stage import TokenizeConfig

OWN_DATA = 100_000_000
"""Parameters from which on the Python installation is no corpus any more."""
MIDTRAIN_FRAC = 0.025
"""Phi-4 report: 250B of 10T tokens."""
MICRO_TOKENS = 8192
"""Tokens of one forward pass: memory, not results."""


def rung(name: str) -> Recipe:
    """Return the recipe of a size of `trivium.models.phi.LADDER`."""
    model = LADDER[name]
    law = derive(model)
    large = law.tokens > 20 * OWN_DATA
    loop = LoopConfig(
        learning_rate=law.learning_rate,
        weight_decay=0.1,  # Phi-4 report, section 3
        rows=law.rows,
        row_tokens=model.context,
        micro_tokens=max(MICRO_TOKENS, model.context),
        sharding="fsdp" if large else "none",
        recompute=large,
    )
    longer = LoopConfig(
        rows=max(1, law.rows // 4),
        row_tokens=4 * model.context,
        micro_tokens=4 * model.context,
        sharding=loop.sharding,
        recompute=large,
    )
    return Recipe(
        name=name,
        stages=WHOLE,
        curate=CurateConfig(installation=not large, paths=("data/web", "data/code", "data/books") * large),
        items=ItemsConfig(),
        synthesize=SynthesizeConfig(),
        decontaminate=DecontaminateConfig(),
        tokenize=TokenizeConfig(vocab=model.vocab),
        mix=MixConfig(budget_tokens=law.tokens),
        pretrain=PretrainConfig(model=model, loop=loop),
        midtrain=MidtrainConfig(budget_tokens=max(1, round(law.tokens * MIDTRAIN_FRAC)), loop=longer),
        sft_data=SFTDataConfig(),
        sft=SFTConfig(),
        pivotal=PivotalConfig(),
        dpo1=DPOConfig(),
        judge=JudgeConfig(),
        dpo2=DPOConfig(start="dpo1", pairs_from=("judge",)),
        evaluate=EvaluateConfig(),
        report=ReportConfig(),
    )


def nano() -> Recipe:
    """1M."""
    return rung("nano")


def micro() -> Recipe:
    """3M."""
    return rung("micro")


def mini() -> Recipe:
    """8M."""
    return rung("mini")


def small() -> Recipe:
    """31M."""
    return rung("small")


def base() -> Recipe:
    """118M."""
    return rung("base")


def medium() -> Recipe:
    """360M."""
    return rung("medium")


def large() -> Recipe:
    """1.5B."""
    return rung("large")


def xl() -> Recipe:
    """4.5B."""
    return rung("xl")


def xxl() -> Recipe:
    """7.8B."""
    return rung("xxl")


recipe = nano
