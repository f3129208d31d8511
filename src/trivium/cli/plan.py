"""plan: what a recipe would train on and what that costs. Runs nothing, needs no torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.console import big, plain, say, show_table, small, trimmed
from trivium.cli.run import load
from trivium.cli.verbs import PlanVerb
from trivium.config import field_keys
from trivium.errors import ConfigError
from trivium.models import cost
from trivium.models.cost import GPUS, REFERENCE, Gpu, Phase
from trivium.models.phi import ModelConfig, count_parameters

if TYPE_CHECKING:
    from trivium.recipe import Recipe
    from trivium.train.settings import LoopConfig

DPO_PASSES = 4 / 3
"""A preference token: forward and backward in the policy (three units), forward in the reference (one)."""

HOW_IT_IS_COUNTED = """FLOPs: 6 a weight and token, plus causal attention. Memory: fully sharded state (fp32
weights, gradients, Adam), layers recomputed, one sequence at a time. Peaks: the makers' data sheets, bf16
without sparsity. Hourly prices are assumptions; --price changes them."""
SMALLEST_HOURS = 0.1
"""A run below this is not priced."""


def plan(command: PlanVerb) -> int:
    """Print the plan of a recipe, or the keys of its fields."""
    recipe = load(command.recipe, command.settings)
    if command.keys:
        return show_keys(recipe)
    if not 0 < command.mfu <= 1:
        raise ConfigError(f"--mfu: got {command.mfu}; expected a share of the peak in (0, 1].")
    if "pretrain" not in recipe.stages:
        show_teacher(recipe)
        return show_brought(recipe)
    gpus = recipe.pretrain.loop.ranks if command.gpus is None else command.gpus
    if gpus < 1:
        raise ConfigError(f"--gpus: got {gpus}; expected 1 or more.")
    priced = with_prices(command.prices)
    model, phases = recipe.pretrain.model, phases_of(recipe)
    show_model(recipe.name, model)
    show_teacher(recipe)
    show_mixture(recipe)
    show_phases(model, phases, command.mfu)
    show_pairs(recipe)
    show_price(recipe, phases, command.mfu, gpus, priced)
    return 0


def show_brought(recipe: Recipe) -> int:
    """Print stages and inputs of a recipe that pretrains nothing: its size is that of one's files."""
    say(f"{recipe.name}: {', '.join(recipe.stages)}", style="bold")
    wanted = (("sft", "start"), ("sft", "data"), ("pivotal", "model"), ("pivotal", "questions"))
    rows = []
    for stage, field in wanted:
        value = getattr(getattr(recipe, stage), field)
        if stage in recipe.stages and value not in recipe.stages:
            rows.append((f"{stage}.{field}", value, "here" if Path(value).exists() else "not here"))
    if rows:
        show_table(("brought", "place", "state"), rows)
    say("It pretrains nothing, so what it costs follows from these files; nothing is priced.")
    return 0


def with_prices(settings: tuple[str, ...]) -> list[Gpu]:
    """Return the GPUs we know with the prices of the command line, e.g. H100=2.20."""
    found = list(GPUS)
    for setting in settings:
        name, _, dollars = setting.partition("=")
        known = {gpu.name.split()[0].lower(): number for number, gpu in enumerate(found)}
        number = known.get(name.strip().split(" ")[0].lower())
        try:
            price = float(dollars)
        except ValueError:
            price = -1.0
        if number is None or price < 0:
            names = ", ".join(gpu.name.split()[0] for gpu in GPUS)
            raise ConfigError(f"--price {setting}: expected GPU=DOLLARS with one of: {names}.")
        found[number] = dataclasses.replace(found[number], dollars_per_hour=price)
    return found


def show_keys(recipe: Recipe) -> int:
    """Print every key that --set takes, with its value."""
    for key in field_keys(recipe):
        value: Any = recipe
        for name in key.split("."):
            value = getattr(value, name)
        print(f"{key}={plain(value)}")
    return 0


def phases_of(recipe: Recipe) -> list[Phase]:
    """Return the training phases that the recipe's stages name, as far as their tokens are known."""
    base = recipe.pretrain.model.rope_theta
    theta = recipe.midtrain.rope_theta if "midtrain" in recipe.stages else base
    pairs = {"dpo1": recipe.expected.dpo1_pairs, "dpo2": recipe.expected.dpo2_pairs}
    phases = [
        phase("pretrain", recipe.mix.budget_tokens, recipe.pretrain.loop, base),
        phase("midtrain", recipe.midtrain.budget_tokens, midtrain_loop(recipe), theta),
        phase("sft", recipe.expected.sft_tokens * recipe.sft.epochs, recipe.sft.loop, theta),
    ]
    for name, kinds in pairs.items():
        config = getattr(recipe, name)
        tokens = sum(kinds.values()) * recipe.expected.pair_tokens * config.epochs
        phases.append(phase(name, tokens, config.loop, theta, DPO_PASSES))
    return [found for found in phases if found.name in recipe.stages and found.tokens]


def midtrain_loop(recipe: Recipe) -> LoopConfig:
    """Return midtraining's loop with the peak that it takes from pretraining's."""
    loop, share = recipe.midtrain.loop, recipe.midtrain.peak_lr_frac
    peak = recipe.pretrain.loop.learning_rate * share if share else loop.learning_rate
    return dataclasses.replace(loop, learning_rate=peak)


def phase(name: str, tokens: float, loop: LoopConfig, theta: float, passes: float = 1.0) -> Phase:
    """Return a phase with the settings of its loop."""
    return Phase(
        name=name,
        tokens=tokens,
        context=loop.row_tokens,
        learning_rate=loop.learning_rate,
        weight_decay=loop.weight_decay,
        batch=loop.rows,
        rope_theta=theta,
        passes=passes,
    )


def show_model(name: str, model: ModelConfig) -> None:
    """Print the shape and its parameters."""
    say(f"{name}: {big(count_parameters(model))} parameters", style="bold")
    say(
        f"{model.layers} layers of {model.hidden:,}, {model.heads} heads over {model.kv_heads} key-value "
        f"heads, feed-forward {model.ffn:,}, vocabulary {model.vocab:,}{'' if model.tied else ', untied'}"
    )


def show_teacher(recipe: Recipe) -> None:
    """Print what the teacher may cost at most, and the flows that are ordered."""
    from trivium.synthesize.teacher import most

    config = recipe.synthesize
    if "synthesize" not in recipe.stages or config.teacher.where == "none":
        return
    say(f"\n{most(config.teacher).capitalize()}")
    for name, flow in config.flows.ordered().items():
        tokens = f"at most {flow.generated_tokens:,} tokens written"
        say(f"{name}: {flow.count:,} rows from {flow.data or 'what the run has'}, {tokens}")


def show_mixture(recipe: Recipe) -> None:
    """Print share, unique tokens and epochs of every source, as the mix stage would place them."""
    from trivium.mix.plan import plan_mixture, unplaced

    mix, unique = recipe.mix, {name: int(n) for name, n in recipe.expected.unique_tokens.items()}
    say(f"\nPretraining mixture, {big(mix.budget_tokens)} tokens", style="bold")
    if not unique:
        wanted = [
            (name, f"{share:.0%}", big(share * mix.budget_tokens)) for name, share in mix.shares.items()
        ]
        show_table(("source", "share", "tokens"), wanted, numbers=("share", "tokens"))
        say("Epochs follow from the unique tokens, which are known once the data is made.")
        return
    lines = plan_mixture(mix.shares, unique, mix.budget_tokens, mix.max_epochs)
    rows = [
        (one.source, f"{one.share_got:.0%}", big(one.tokens), big(one.unique_tokens), f"{one.epochs:.1f}")
        for one in lines
    ]
    headers = ("source", "share", "tokens", "unique", "epochs")
    show_table(headers, rows, numbers=headers[1:])
    for one in lines:
        if one.note:
            say(f"{one.source}: {one.note}")
    if left := unplaced(lines, mix.budget_tokens):
        say(f"{big(left)} tokens find no source: more than {mix.max_epochs:g} epochs of every one.")


def show_phases(model: ModelConfig, phases: list[Phase], mfu: float) -> None:
    """Print every training phase with its settings, FLOPs and hours."""
    say("\nTraining", style="bold")
    headers = (
        "phase",
        "tokens",
        "context",
        "rows a step",
        "peak lr",
        "decay",
        "RoPE base",
        "FLOPs",
        f"{REFERENCE.name} hours",
    )
    rows = []
    for one in phases:
        flops = cost.phase_flops(model, one)
        hours = cost.gpu_hours(flops, REFERENCE, mfu)
        settings = (small(one.learning_rate), small(one.weight_decay), f"{one.rope_theta:,.0f}")
        sizes = (big(one.tokens), f"{one.context:,}", f"{one.batch:,}")
        rows.append((one.name, *sizes, *settings, f"{flops:.2e}", hours_text(hours)))
    show_table(headers, rows, numbers=headers[1:])


def show_pairs(recipe: Recipe) -> None:
    """Print the preference pairs that are expected, by kind."""
    rounds = (("dpo1", recipe.expected.dpo1_pairs), ("dpo2", recipe.expected.dpo2_pairs))
    rows = [
        (name if first else "", kind, f"{pairs:,}", f"{pairs / sum(kinds.values()):.1%}")
        for name, kinds in rounds
        for first, (kind, pairs) in zip([True] + [False] * len(kinds), kinds.items(), strict=False)
    ]
    if rows:
        say("\nPreference pairs", style="bold")
        show_table(("round", "kind", "pairs", "share"), rows, numbers=("pairs", "share"))


def show_price(recipe: Recipe, phases: list[Phase], mfu: float, gpus: int, priced: list[Gpu]) -> None:
    """Print hours, days, memory and money for every kind of GPU we know."""
    model = recipe.pretrain.model
    flops = sum(cost.phase_flops(model, one) for one in phases)
    longest = max(one.context for one in phases)
    need_alone = cost.memory_per_gpu(model, 1, longest) / 2**30
    if cost.gpu_hours(flops, REFERENCE, mfu) < SMALLEST_HOURS:
        hours = flops / cost.CPU_CORE_FLOPS / 3600
        say(
            f"\n{flops:.2e} FLOPs in all: {core_time(hours)} of one processor core and "
            f"{need_alone * 1024:,.0f} MiB; too little to price on GPUs."
        )
        return
    need = cost.memory_per_gpu(model, gpus, longest) / 2**30
    say(f"\nPrice of {flops:.2e} FLOPs at {mfu:.0%} of peak, on {gpus:,} GPUs", style="bold")
    headers = ("GPU", "GPU-hours", "days", "memory a GPU", "fits", "dollars")
    rows = []
    for gpu in priced:
        hours = cost.gpu_hours(flops, gpu, mfu)
        fits = "yes" if need < gpu.memory_gib else "no"
        money = f"{big(hours * gpu.dollars_per_hour)} at {gpu.dollars_per_hour:.2f}/h"
        rows.append(
            (gpu.name, hours_text(hours), trimmed(hours / gpus / 24, 1), f"{need:,.1f} GiB", fits, money)
        )
    show_table(headers, rows, numbers=headers[1:4])
    say(HOW_IT_IS_COUNTED)
    show_reported(recipe, flops)


def show_reported(recipe: Recipe, flops: float) -> None:
    """Print what somebody reported for this run, and the share of the peak at which we agree."""
    reported = recipe.expected.reported_gpu_hours
    if reported:
        mfu = flops / (reported * 3600 * REFERENCE.peak_flops)
        hours = f"{reported:,.0f} {REFERENCE.name} hours"
        say(f"Reported: {hours} ({recipe.expected.reported_by}), which is {mfu:.0%} of peak.")


def core_time(hours: float) -> str:
    """Write hours of a processor core, in minutes where that is shorter."""
    return f"{max(1, round(hours * 60))} minutes" if hours < 2 else f"{hours:,.0f} hours"


def hours_text(hours: float) -> str:
    """Write hours: whole above ten, two digits below."""
    if hours < SMALLEST_HOURS:
        return f"<{SMALLEST_HOURS}"
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"
