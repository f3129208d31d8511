r"""A model of one's own: fine-tuning on conversations, the search for pivotal tokens, DPO on what it finds.

    ./trivium run recipes/posttrain.py --set sft.start=models/mine --set sft.data=chats.jsonl \
        --set pivotal.questions=questions.jsonl --set pivotal.verifier=number

Any causal model with safetensors weights and a chat template. Conversations and questions are files: JSON
lines, JSON or Parquet, in the columns that other tools use (docs/howto/model.md).
"""

from __future__ import annotations

from trivium import recipe as recipes
from trivium.pivotal.export_stage import ExportConfig
from trivium.pivotal.stage import PivotalConfig
from trivium.recipe import Recipe
from trivium.train.dpo_stage import DPOConfig
from trivium.train.settings import LoopConfig
from trivium.train.sft_stage import SFTConfig

LEARNING_RATE = 1e-5
"""All weights of a pretrained model move; the same as in benchmarks/sft_any_model.py."""


def recipe() -> Recipe:
    """Return the recipe; the three files it names are placeholders."""
    loop = LoopConfig(
        learning_rate=LEARNING_RATE, weight_decay=0.0, rows=8, row_tokens=1024, micro_tokens=4096
    )
    return recipes.blank(
        name="posttrain",
        stages=("sft", "pivotal", "dpo1", "report", "export"),
        sft=SFTConfig(start="models/mine", data="chats.jsonl", epochs=2.0, loop=loop),
        pivotal=PivotalConfig(
            model="sft", questions="questions.jsonl", max_reply_tokens=256, traces=2, trace_rollouts=24
        ),
        dpo1=DPOConfig(start="sft", replay_from="", loop=loop),
        export=ExportConfig(model="sft"),
    )
