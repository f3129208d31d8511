"""How many tokens our pretraining saves against a default recipe of Hugging Face's Trainer.

    python benchmarks/quality_for_compute.py RUN [--tokens 1200000] [--seeds 3] [--rates 0.001 0.003 0.006]
        [--tuning alike|own] [--tuning-rates 0.001 0.002 0.004]

RUN is a finished run of a recipe that pretrains (runs/pocket); it is only read. Needs accelerate beside our
own packages (pip install accelerate, in an environment of its own). Both sides train the same shape from
nothing on the same documents in the same shares:

- ours: the run's own pretraining (optimizer, schedule, packing, initial layer, curriculum) on TOKENS;
- Trainer: AdamW with its defaults, linear decay, documents joined and cut into rows as `run_clm.py` does it,
  transformers' initialisation, the run's batch; on TOKENS and on 1.5 times as many. Its learning rate is the
  best of RATES by held-out bits on a seed that is not reported, which is kinder than its default of 5e-5.

All models are then fine-tuned, with the run's passes scaled by SFT, in one of two ways. `--tuning alike`: all
by the run's own stage, so that only pretraining differs. `--tuning own`: each by its own recipe, ours
by the stage, Trainer's as before (AdamW, linear decay, padded batches of as many conversations, loss on
replies only) with 1.5 times the passes where it had 1.5 times the tokens, at the best of TUNING_RATES by a
development contest on the seed that is not reported.

Prints bits a byte of held-out text of each base model, accuracy on a contest drawn for the purpose (greedy),
and the paired differences with 95 % intervals over seeds and problems. The target: ours is not worse than
Trainer with 1.5 times the tokens. Killed, it goes on where it was (OUT keeps what was measured and the base
models, which `--tuning` does not change). Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIMES = (1.0, 1.5)
DEV_SEED = 1_000
CONTEST_SEED = 424_242
DEV_CONTEST_SEED = 737_373
HELD_OUT_BYTES = 12_000


def main() -> None:
    """Train, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--tokens", type=int, default=1_200_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-3, 6e-3])
    parser.add_argument("--sft", type=float, default=0.5, help="share of the run's passes in fine-tuning")
    parser.add_argument("--tuning", choices=("alike", "own"), default="alike")
    parser.add_argument("--tuning-rates", type=float, nargs="+", default=[1e-3, 2e-3, 4e-3])
    parser.add_argument("--problems", type=int, default=1_200)
    parser.add_argument("--out", type=Path, default=Path("runs/quality-for-compute"))
    args = parser.parse_args()
    from trivium.models.runtime import settle

    settle()
    bench = Bench(args, args.out)
    rate = bench.best_rate() if len(args.rates) > 1 else args.rates[0]
    if args.tuning == "own":
        bench.tuning_rate = (
            bench.best_tuning_rate(rate) if len(args.tuning_rates) > 1 else args.tuning_rates[0]
        )
    bits, right = {}, {}
    for name, times in {"ours": 0.0, **{f"trainer x{times:g}": times for times in TIMES}}.items():
        found = [bench.arm(name, times, seed, rate) for seed in range(args.seeds)]
        bits[name], right[name] = ([pair[i] for pair in found] for i in range(2))
        print(
            f"{name:14} bits a byte {', '.join(f'{b:.4f}' for b in bits[name])}; contest "
            f"{', '.join(f'{sum(r) / len(r):.3f}' for r in right[name])}",
            flush=True,
        )
    report(bits, right, rate, args)


class Bench:
    """The run that is read, and where new models go."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        """Read the recipe and draw the contest."""
        from trivium.evaluate.tasks import contest
        from trivium.recipe import load
        from trivium.records import Question, to_table
        from trivium.store.files import write_parquet

        self.args, self.folder = args, folder
        self.stages = {p.name.split("-", 1)[1]: p for p in sorted(args.run.glob("[0-9][0-9]-*"))}
        self.recipe = load(args.run / "recipe.json")
        self.tuning_rate = 0.0
        self.problems, self.dev_problems = (
            write_parquet(
                folder / f"{name}.parquet",
                to_table(Question, contest.items(seed, args.problems, self.recipe.evaluate.contest_steps)),
            )
            for name, seed in (("contest", CONTEST_SEED), ("dev-contest", DEV_CONTEST_SEED))
        )

    def arm(self, name: str, times: float, seed: int, rate: float) -> tuple[float, list[float]]:
        """Return one model's bits a byte and which problems it solves, measured now or before."""
        own = f"-own-{self.tuning_rate:g}" if self.tuning_rate and times else ""

        def work() -> tuple[float, list[float]]:
            base = self.trainer(seed, times, rate) if times else self.ours(seed)
            return self.measure(base, name, times, seed)

        return self.kept(f"{name}{own}-{seed}", work)

    def kept(self, name: str, work: Callable[[], Any]) -> Any:
        """Return what was measured under these settings before, or measure it and keep it."""
        from trivium.store.files import read_json, write_json

        sizes = f"{self.args.tokens}-{self.args.sft}-{self.args.problems}"
        file = self.folder / f"{sizes}-{name}.json"
        return read_json(file if file.exists() else write_json(file, work()))

    def ours(self, seed: int) -> Path:
        """Pretrain by the run's own stage."""
        from trivium.train import pretrain_stage

        mix = self._stage("mix", f"mix-{seed}", seed)
        self._plan(mix, 1.0)
        stage = self._stage("pretrain", f"ours-{seed}", seed, mix=mix.path)
        pretrain_stage.run(self.recipe.pretrain, stage)
        return stage.path / "model"

    def trainer(self, seed: int, times: float, rate: float) -> Path:
        """Pretrain by Trainer on joined and cut documents."""
        import torch
        from transformers import Phi3ForCausalLM, Trainer, TrainingArguments, default_data_collator

        from trivium.models import export

        target = self.folder / f"trainer-{self.args.tokens}-{seed}-{times}-{rate}"
        if (target / "model.safetensors").exists():
            return target
        base = Phi3ForCausalLM.from_pretrained(self.stages["pretrain"] / "model")
        base.config.tie_word_embeddings = self.recipe.pretrain.model.tied
        torch.manual_seed(seed)
        model = Phi3ForCausalLM(base.config)
        loop = self.recipe.pretrain.loop
        settings: Any = TrainingArguments(
            output_dir=str(self.folder / "scratch"), use_cpu=True, seed=seed, num_train_epochs=1,
            per_device_train_batch_size=loop.rows, learning_rate=rate, logging_strategy="no",
            save_strategy="no", report_to=[], disable_tqdm=True,
        )  # fmt: skip
        rows = self._rows(seed, times, loop.row_tokens)
        Trainer(model, settings, train_dataset=rows, data_collator=default_data_collator).train()
        tokenizer = self.stages["tokenize"] / "tokenizer"
        return export.save_checkpoint(model, tokenizer, target, chat_model=False)

    def tuned_by_trainer(self, base: Path, name: str, times: float, seed: int, rate: float) -> Path:
        """Fine-tune by Trainer on padded conversations, the loss on replies only."""
        import torch
        from transformers import (
            AutoTokenizer,
            DataCollatorForSeq2Seq,
            Phi3ForCausalLM,
            Trainer,
            TrainingArguments,
        )  # fmt: skip

        from trivium.models import export

        tokenizer = AutoTokenizer.from_pretrained(base)
        torch.manual_seed(seed)
        model = Phi3ForCausalLM.from_pretrained(base)
        settings: Any = TrainingArguments(
            output_dir=str(self.folder / "scratch"), use_cpu=True, seed=seed, num_train_epochs=1,
            per_device_train_batch_size=self.recipe.sft.loop.rows, learning_rate=rate,
            logging_strategy="no", save_strategy="no", report_to=[], disable_tqdm=True,
        )  # fmt: skip
        collator = DataCollatorForSeq2Seq(tokenizer, padding=True)
        rows = self._chats(base, times, seed)
        Trainer(model, settings, train_dataset=rows, data_collator=collator).train()
        target = self.folder / f"tuned-{name}-{seed}-{rate}"
        shutil.rmtree(target, ignore_errors=True)
        return export.save_checkpoint(model, base, target, chat_model=True)

    def best_tuning_rate(self, rate: float) -> float:
        """Return Trainer's rate of fine-tuning that solves most of the development contest."""

        def solved(tuning: float) -> float:
            base = self.trainer(DEV_SEED, 1.0, rate)
            right = self._contest(
                self.tuned_by_trainer(base, "dev", 1.0, DEV_SEED, tuning), self.dev_problems
            )
            return sum(right) / len(right)

        found = {
            tuning: self.kept(f"tuning-rate-{tuning}", lambda tuning=tuning: solved(tuning))
            for tuning in self.args.tuning_rates
        }
        shares = ", ".join(f"{r:g}: {share:.3f} solved" for r, share in found.items())
        print(f"development, Trainer's fine-tuning: {shares}", flush=True)
        return max(found, key=lambda tuning: found[tuning])

    def best_rate(self) -> float:
        """Return the rate with the fewest held-out bits on a seed of its own."""
        found = {
            rate: self.kept(f"rate-{rate}", lambda rate=rate: self.bits(self.trainer(DEV_SEED, 1.0, rate)))
            for rate in self.args.rates
        }
        print(
            "development: " + ", ".join(f"{r:g}: {b:.4f} bits a byte" for r, b in found.items()), flush=True
        )
        return min(found, key=lambda rate: found[rate])

    def measure(self, base: Path, name: str, times: float, seed: int) -> tuple[float, list[float]]:
        """Return the base model's bits a byte, and which problems it solves after fine-tuning."""
        if self.tuning_rate and times:
            tuned = self.tuned_by_trainer(base, name, times, seed, self.tuning_rate)
        else:
            tuned = self._tuned_by_stage(base, name, seed)
        return self.bits(base), self._contest(tuned, self.problems)

    def _tuned_by_stage(self, base: Path, name: str, seed: int) -> Path:
        from trivium.train import sft_stage

        stage = self._stage("sft", f"sft-{name}-{seed}", seed)
        config = self.recipe.sft
        frozen = config.loop.frozen if name == "ours" else ()
        passes = {flow: count * self.args.sft for flow, count in config.flow_epochs.items()}
        config = dataclasses.replace(
            config, start=str(base), epochs=config.epochs * self.args.sft, flow_epochs=passes,
            loop=dataclasses.replace(config.loop, frozen=frozen),
        )  # fmt: skip
        sft_stage.run(config, stage)
        return stage.path / "model"

    def bits(self, model: Path) -> float:
        """Return the bits of a byte of held-out text."""
        from trivium.evaluate.tasks import bits_per_byte

        values = self._ask(model, "plain", bits_per_byte.NAME, bits_per_byte.MODE, self.problems)
        return sum(values) / len(values)

    def _contest(self, model: Path, problems: Path) -> list[float]:
        from trivium.evaluate.tasks import contest

        return self._ask(model, "chat", contest.NAME, "greedy", problems)

    def _ask(self, model: Path, style: str, task: str, mode: str, problems: Path) -> list[float]:
        from trivium.evaluate.work import Setting, Shard, run_shard

        config = self.recipe.evaluate
        setting = Setting(
            tables=(str(problems),), held_out=str(self.stages["tokenize"] / "heldout.parquet"),
            held_out_bytes=HELD_OUT_BYTES, window=self.recipe.pretrain.model.context, seed=0,
            tokens={"solution_tokens": config.solution_tokens}, batch_size=config.batch_size,
        )  # fmt: skip
        shard = Shard(checkpoint="", model=str(model), style=style, task=task, mode=mode, start=0, stop=10**9)
        return run_shard(setting, shard)["logs"]["value"].to_pylist()

    def _stage(self, name: str, folder: str, seed: int, **inputs: Path) -> Any:
        from trivium.store.run import StageDir

        path = self.folder / folder
        shutil.rmtree(path, ignore_errors=True)
        return StageDir(name=name, path=path, seed=seed, inputs={**self.stages, **inputs})

    def _plan(self, stage: Any, times: float) -> None:
        from trivium.mix import stage as mix

        budget = round(self.args.tokens * times)
        mix.run(dataclasses.replace(self.recipe.mix, budget_tokens=budget), stage)

    def _rows(self, seed: int, times: float, size: int) -> list[dict[str, Any]]:
        """Draw whole documents of each source up to its share, shuffle, join and cut."""
        import numpy as np

        from trivium.store.files import read_json
        from trivium.train.tokens import open_source

        plan = self._stage("mix", f"plan-{times}", seed)
        self._plan(plan, times)
        rng, documents = np.random.default_rng(seed), []
        for line in read_json(plan.path / "plan.json")["sources"]:
            source, left = open_source(self.stages["tokenize"] / "tokens", line["source"]), line["tokens"]
            order: list[int] = []
            while left > 0:
                order = order or rng.permutation(len(source)).tolist()
                place = order.pop()
                documents.append(np.array(source.ids[source.starts[place] : source.starts[place + 1]]))
                left -= len(documents[-1])
        joined = np.concatenate([documents[i] for i in rng.permutation(len(documents))]).astype(np.int64)
        cut = joined[: len(joined) // size * size].reshape(-1, size)
        return [{"input_ids": row.tolist(), "labels": row.tolist()} for row in cut]

    def _chats(self, base: Path, times: float, seed: int) -> list[dict[str, Any]]:
        """Every conversation as often as the run's passes ask for, with labels on the reply."""
        import random

        from trivium.models.load import load_tokenizer
        from trivium.models.prompting import make_encoder
        from trivium.records import Example
        from trivium.train.conversations import encode_all

        config, rng = self.recipe.sft, random.Random(seed)
        rows = self._stage("rows", f"rows-{seed}", seed).rows(config.data, "examples", Example)
        found: list[dict[str, Any]] = []
        for row, (ids, reply) in encode_all(rows, make_encoder(base, load_tokenizer(base)), "sft")[0]:
            if len(ids) > config.loop.row_tokens + 1 or not sum(reply):
                continue
            passes = config.flow_epochs.get(row.flow, config.epochs) * self.args.sft * times
            labels = [token if said else -100 for token, said in zip(ids, reply, strict=True)]
            copies = int(passes) + (rng.random() < passes % 1)
            found += [{"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels}] * copies
        return found


def report(bits: dict[str, Any], right: dict[str, Any], rate: float, args: argparse.Namespace) -> None:
    """Print the differences and the JSON line."""
    import numpy as np

    from trivium.stats import crossed_mean

    gains = {}
    for name in list(bits)[1:]:
        values = crossed_mean(np.array(right["ours"]) - np.array(right[name]))
        fewer = float(np.mean(bits[name]) - np.mean(bits["ours"]))
        gains[name] = {"accuracy": [round(v, 4) for v in values], "bits_saved": round(fewer, 4)}
        print(
            f"ours - {name}: {100 * values[0]:+.1f} points [{100 * values[1]:.1f}, {100 * values[2]:.1f}], "
            f"{fewer:+.4f} bits a byte saved"
        )
    last = gains[f"trainer x{TIMES[-1]:g}"]
    line = {
        "name": "quality_for_compute", "tokens": args.tokens, "seeds": args.seeds, "trainer_rate": rate,
        "tuning": args.tuning,
        "bits": {k: round(float(np.mean(v)), 4) for k, v in bits.items()},
        "accuracy": {k: round(float(np.mean(v)), 4) for k, v in right.items()}, "ours_minus": gains,
        "target": f"not worse than Trainer with {TIMES[-1]} times the tokens",
        "holds": last["accuracy"][1] >= 0 and last["bits_saved"] >= 0,
    }  # fmt: skip
    print(json.dumps(line))


if __name__ == "__main__":
    main()
