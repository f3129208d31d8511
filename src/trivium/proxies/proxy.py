"""One run of the search: pretrain on a mixture, fine-tune briefly, and weigh held-out worked solutions.

The score is a likelihood, not an accuracy: it moves long before a small model's answers do (arXiv 2504.11393,
DataDecide: continuous likelihood metrics).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trivium.evaluate.tasks import bits_per_byte
from trivium.mix.plan import plan_mixture
from trivium.models.load import load_model, load_tokenizer
from trivium.models.prompting import make_encoder
from trivium.models.sample_draw import request_seed
from trivium.proxies.world import MORE_THAN_CAP, Size, World, turns
from trivium.records import Example, Question, from_table
from trivium.store import files
from trivium.store.run import StageDir
from trivium.train import pretrain_stage, sft_stage, tokens

if TYPE_CHECKING:
    import pyarrow as pa

DONE = "done.json"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A mixture to train on."""

    label: str
    size: str
    shares: tuple[float, ...]
    number: int
    """Of the seed: one number shares initial weights and order, whatever the mixture."""

    @property
    def key(self) -> str:
        """Name of its folder."""
        named = hashlib.sha256(repr(self.shares).encode()).hexdigest()[:12]
        return f"{self.size}-{named}-{self.number}"


def run_trial(world: World, trial: Trial) -> Mapping[str, pa.Table]:
    """Train, score and forget the model; a trial that was killed goes on from its last checkpoint."""
    import pyarrow as pa

    size, folder = world.sizes[trial.size], world.out / "trials" / trial.key
    epochs = write_plan(world, trial, folder / "mix")
    data = world.folder(size.name)
    inputs = {"tokenize": data / "tokenize", "sft_data": data / "sft_data", "mix": folder / "mix"}
    seed = request_seed(world.seed, "mix search", trial.number)
    base = folder / "pretrain"
    with contextlib.redirect_stderr(io.StringIO()):  # the bar of the ledger stands for all of them
        if not (base / DONE).exists():
            door = StageDir(name="pretrain", path=base, seed=seed, inputs=inputs)
            files.write_json(base / DONE, pretrain_stage.run(size.pretrain, door)["final_loss_by_source"])
        door = StageDir(name="sft", path=folder / "sft", seed=seed, inputs={**inputs, "pretrain": base})
        sft_stage.run(size.sft, door)
    row = {
        **dataclasses.asdict(trial),
        "epochs": epochs,
        "text_bits": weigh_texts(world, size, base / "model"),
        "bits": weigh_solutions(world, folder / "sft" / "model"),
    }
    shutil.rmtree(folder)
    return {"runs": pa.Table.from_pylist([row])}


def write_plan(world: World, trial: Trial, folder: Path) -> list[float]:
    """Write the plan that the pretraining stage follows; returns its epochs over every source."""
    size = world.sizes[trial.size]
    manifest = tokens.read_manifest(world.folder(size.name) / "tokenize" / "tokens")
    unique = {name: int(line["targets"]) for name, line in manifest["sources"].items()}
    shares = dict(zip(world.space.sources, trial.shares, strict=True))
    lines = plan_mixture(shares, unique, size.tokens, world.config.max_epochs + MORE_THAN_CAP)
    rows = [dataclasses.asdict(line) for line in lines]
    files.write_json(folder / "plan.json", {"budget_tokens": size.tokens, "sources": rows})
    return [line.epochs for line in lines]


def weigh_solutions(world: World, model: Path) -> list[float]:
    """Bits of every held-out problem's worked solution, given the problem, after fine-tuning."""
    from trivium.evaluate.likelihood import score

    tokenizer = load_tokenizer(model)
    encode = make_encoder(model, tokenizer)
    problems = from_table(Question, files.read_parquet(world.problems))
    marked = [encode(turns(problem)) for problem in problems]
    scored = score(load_model(model), [ids for ids, _ in marked], tokenizer.pad_id)
    return [
        sum(bits for bits, said in zip(one.bits, mask[1:], strict=True) if said)
        for one, (_, mask) in zip(scored, marked, strict=True)
    ]


def weigh_texts(world: World, size: Size, model: Path) -> list[float]:
    """Bits of every held-out text of the sources, before fine-tuning, in windows of the context."""
    from trivium.evaluate.likelihood import score

    tokenizer = load_tokenizer(model)
    rows = from_table(Example, files.read_parquet(world.texts))
    pieces = [bits_per_byte.windows(tokenizer.encode(row.text), size.pretrain.model.context) for row in rows]
    scored = iter(score(load_model(model), [piece for row in pieces for piece in row], tokenizer.pad_id))
    return [sum(sum(next(scored).bits) for _ in row) for row in pieces]
