"""One model of the grid: pretrain on a mixture, fine-tune briefly, weigh what is held out, forget it.

What is measured is likelihood, not accuracy: it moves long before a small model's answers do (arXiv
2504.11393, DataDecide). A fact counts as known where its value is the likeliest of four of its own table;
the bits of a value would measure how well its form is known, which takes no fact.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium import recipe as recipes
from trivium.claims.grid.data import Ground, quiet
from trivium.claims.grid.mixtures import Arm
from trivium.evaluate.tasks import bits_per_byte
from trivium.mix.plan import plan_mixture
from trivium.models.load import load_model, load_tokenizer
from trivium.models.prompting import make_encoder
from trivium.models.sample_draw import request_seed
from trivium.proxies.world import narrow
from trivium.records import Message
from trivium.store import files
from trivium.store.run import StageDir
from trivium.train import pretrain_stage, sft_stage, tokens
from trivium.train.settings import LoopConfig

if TYPE_CHECKING:
    import pyarrow as pa

Job = tuple[Arm, int]
"""A model: its mixture and the number of its seed."""
DONE = "done.json"
MOST_EPOCHS = 64.0
"""No plan of the grid repeats more; Figure 2 of the report goes to 12."""
TEXT = "text: "
"""Before the source in the name of a measure of the pretraining loss."""


def kept_at(ground: Ground, job: Job) -> Path:
    """File of what was measured on a model."""
    arm, number = job
    return ground.out / "models" / f"{arm.key(number)}.parquet"


def run_job(ground: Ground, job: Job) -> Mapping[str, pa.Table]:
    """Train and measure a model unless that was done; one that was killed goes on from its checkpoint."""
    import pyarrow as pa

    if not kept_at(ground, job).exists():
        arm, number = job
        folder = ground.out / "work" / arm.key(number)
        with quiet():
            base = _pretrain(ground, job, folder)
            tuned = _fine_tune(ground, job, folder, base)
        rows = [*_weigh_texts(ground, base / "model"), *_weigh_items(ground, tuned / "model")]
        files.write_parquet(kept_at(ground, job), pa.Table.from_pylist(rows))
        shutil.rmtree(folder)
    return {}


def _door(ground: Ground, name: str, folder: Path, number: int, inputs: Mapping[str, Path]) -> StageDir:
    return StageDir(
        name=name, path=folder / name, seed=request_seed(ground.seed, "claims grid", number), inputs=inputs
    )


def _pretrain(ground: Ground, job: Job, folder: Path) -> Path:
    """Pretrain by the run's settings at the arm's width and horizon."""
    arm, number = job
    manifest = tokens.read_manifest(ground.store / "tokens")
    unique = {name: int(line["targets"]) for name, line in manifest["sources"].items()}
    budget = round(ground.config.tokens * arm.horizon)
    lines = plan_mixture(dict(arm.shares), unique, budget, MOST_EPOCHS)
    plan = {"budget_tokens": budget, "sources": [dataclasses.asdict(line) for line in lines]}
    files.write_json(folder / "mix" / "plan.json", plan)
    recipe = recipes.load(ground.run / "recipe.json").pretrain
    width = ground.config.narrow if arm.narrow else ground.config.hidden
    config = dataclasses.replace(recipe, model=narrow(recipe.model, width), loop=_small(ground, recipe.loop))
    door = _door(ground, "pretrain", folder, number, {"tokenize": ground.store, "mix": folder / "mix"})
    if not (door.path / DONE).exists():
        files.write_json(door.path / DONE, pretrain_stage.run(config, door)["final_loss_by_source"])
    return door.path


def _fine_tune(ground: Ground, job: Job, folder: Path, base: Path) -> Path:
    """Fine-tune for one pass over the conversations, the same for every model."""
    recipe = recipes.load(ground.run / "recipe.json").sft
    config = dataclasses.replace(
        recipe,
        start="pretrain",
        data="sft_data",
        epochs=1.0,
        flow_epochs={},
        loop=_small(ground, recipe.loop),
    )
    door = _door(ground, "sft", folder, job[1], {"pretrain": base, "sft_data": ground.chats})
    sft_stage.run(config, door)
    return door.path


def _small(ground: Ground, loop: LoopConfig) -> LoopConfig:
    """The run's loop in one process, with smaller steps."""
    return dataclasses.replace(loop, ranks=1, trackers=(), rows=min(loop.rows, ground.config.rows))


def _weigh_texts(ground: Ground, model: Path) -> list[dict[str, Any]]:
    """Bits of every held-out document before fine-tuning, in windows of the context."""
    from trivium.evaluate.likelihood import score

    loaded, rows = load_model(model), files.read_json(ground.texts)
    window = int(loaded.config.max_position_embeddings)
    pieces = [bits_per_byte.windows(row["ids"], window) for row in rows]
    scored = iter(score(loaded, [p for row in pieces for p in row], load_tokenizer(model).pad_id))
    return [
        _row(f"{TEXT}{row['source']}", row["row"], sum(sum(next(scored).bits) for _ in own), row["bytes"])
        for row, own in zip(rows, pieces, strict=True)
    ]


def _weigh_items(ground: Ground, model: Path) -> list[dict[str, Any]]:
    """Bits of every worked reply given its question; of a fact, whether another value is likelier."""
    from trivium.evaluate.likelihood import score

    tokenizer, loaded = load_tokenizer(model), load_model(model)
    encode, items = make_encoder(model, tokenizer), files.read_json(ground.items)
    marked = [
        encode([Message(role="user", content=item["prompt"]), Message(role="assistant", content=reply)])
        for item in items
        for reply in item["replies"]
    ]
    scored = score(loaded, [ids for ids, _ in marked], tokenizer.pad_id)
    bits = iter(
        sum(b for b, said in zip(one.bits, mask[1:], strict=True) if said)
        for one, (_, mask) in zip(scored, marked, strict=True)
    )
    rows = []
    for item in items:
        own = [next(bits) for _ in item["replies"]]
        if len(own) == 1:
            rows.append(_row(item["task"], item["item"], own[0], item["bytes"]))
            continue
        rows.append(_row(item["task"], item["item"], float(own[0] >= min(own[1:])), 1, item["seen"]))
    return rows


def _row(
    measure: str,
    item: str,
    cost: float,
    size: int,
    seen: bool | None = None,
) -> dict[str, Any]:
    return {"measure": measure, "item": item, "cost": float(cost), "size": size, "seen": seen}
