"""What can be typed: one dataclass a verb. tyro makes the parser and the help from the fields and docstrings.

Only the standard library and tyro are imported, so that `--help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from trivium.cli.verb_classify import ClassifyVerb
from trivium.cli.verb_evaluate import EvaluateVerb
from trivium.cli.verb_grow import ApprenticeVerb, GrowVerb
from trivium.cli.verb_mix_search import MixSearchVerb
from trivium.cli.verb_more import CompletionVerb, DatasetVerb, DiffVerb, InitVerb

RecipeArg = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
RunArg = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Settings = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE")
]
StageFrom = Annotated[str | None, tyro.conf.arg(name="from", metavar="STAGE", help_behavior_hint="")]
StageName = Annotated[str | None, tyro.conf.arg(metavar="STAGE", help_behavior_hint="")]
Folder = Annotated[str | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]
File = Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
Count = Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")]
Executor = Annotated[Literal["local", "ray"], tyro.conf.arg(metavar="EXECUTOR")]
Url = Annotated[str | None, tyro.conf.arg(metavar="URL", help_behavior_hint="")]
Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
DEFAULT_RUN = "runs/pocket"


@dataclass(frozen=True, kw_only=True)
class RecipeVerb:
    """What run and the stage verbs have in common."""

    recipe: RecipeArg
    """A recipe file, a run's recipe.json, or a name such as pocket."""
    settings: Settings = ()
    """Change one field, e.g. --set sft.epochs=2; plan --keys lists them all."""
    out: Folder = None
    """Run folder; runs/<name of the recipe> when not given."""
    start: StageFrom = None
    """Run this stage and the later ones anew; the earlier ones must be finished."""
    workers: Count = None
    """Processes for sharded work; the results do not depend on it."""
    executor: Executor = "local"
    """local: processes of this machine; ray: a cluster (RAY_ADDRESS), whose nodes see the run folder."""
    publish: Url = None
    """Copy the finished stages to an fsspec store as well, e.g. s3://bucket/run."""


@dataclass(frozen=True, kw_only=True)
class RunVerb(RecipeVerb):
    """Run a recipe; stages that have not changed are kept, and a run that was cut short goes on."""

    until: StageName = None
    """Stop after this stage."""


@dataclass(frozen=True, kw_only=True)
class StageVerb(RecipeVerb):
    """Run a recipe up to one step; the base of the stage verbs."""

    only: tyro.conf.FlagCreatePairsOff[bool] = False
    """Take every earlier stage as it is and run this step anew."""


@dataclass(frozen=True, kw_only=True)
class CurateVerb(StageVerb):
    """Files and folders of one's own, in any mix of formats, to filtered documents and scored seed passages.

    With the name of a recipe it runs that recipe's stage.
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]
    """A file, a folder or an fsspec URL; or a recipe."""
    more: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[PATH ...]")] = ()
    """Further files, folders and URLs."""


@dataclass(frozen=True, kw_only=True)
class SynthesizeVerb(StageVerb):
    """Stage: seeds to verified problems, rewrites and exercises."""


@dataclass(frozen=True, kw_only=True)
class DecontaminateVerb(StageVerb):
    """Stage: remove what overlaps the evaluation items."""


@dataclass(frozen=True, kw_only=True)
class MixVerb(StageVerb):
    """Stage: tokens, shares and epochs of every source; `mix search` looks for better shares."""


@dataclass(frozen=True, kw_only=True)
class TrainVerb(StageVerb):
    """Stage: pretraining and midtraining to the longer context."""


@dataclass(frozen=True, kw_only=True)
class PivotVerb:
    """Search for the tokens that decide between right and wrong: of any model, or as a recipe's stage.

    With --model and --questions no recipe is needed; the folder --out is then a run folder of its own, with
    report.html, the tables and an exports folder. The same command goes on where it was stopped.
    """

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")] = ""
    """A recipe whose stage is run, as with the other stage verbs; leave it out with --model."""
    model: Folder = None
    """A Hugging Face model folder with safetensors weights; with --endpoint, that of its tokenizer."""
    endpoint: Annotated[str | None, tyro.conf.arg(metavar="URL", help_behavior_hint="")] = None
    """Server that samples: http://host:port/v1 (vLLM), http://host:port (llama.cpp's server)."""
    served_name: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Name of the model there, where it serves more than one."""
    engine: Annotated[Literal["torch", "vllm"], tyro.conf.arg(metavar="ENGINE")] = "torch"
    """What samples without a server: torch, or vllm where that extra is installed."""
    questions: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """Questions with answers: .jsonl, .json or .parquet; the usual names of columns are found."""
    question_column: Text = None
    """Column of the question, where its name is an unusual one."""
    answer_column: Text = None
    """Column of the answer, where its name is an unusual one."""
    verifier: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """number, last_number, maths, choice, exact, text, regex, program_tests, judge, module:function, ..."""
    judge_endpoint: Annotated[str | None, tyro.conf.arg(metavar="URL", help_behavior_hint="")] = None
    """OpenAI-compatible server of the verifier judge."""
    judge_model: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Name of the judging model there."""
    style: Annotated[Literal["auto", "chat", "raw"], tyro.conf.arg(metavar="STYLE")] = "auto"
    """chat asks through the model's own template, raw with the text alone; auto is chat where it can."""
    prompt: Text = None
    """What is asked, with {question} in it, e.g. "{question} End with: Answer: N"."""
    system: Text = None
    """System turn of the chat."""
    search: Annotated[Literal["tree", "bisect", "scan"], tyro.conf.arg(metavar="SEARCH")] = "tree"
    """tree (cheapest), bisect (the report's own), scan (every eligible token of a reply)."""
    gap: Annotated[float, tyro.conf.arg(metavar="P")] = 0.2
    """Least change of the success probability that counts."""
    fdr: Annotated[float, tyro.conf.arg(metavar="RATE")] = 0.0
    """Keep only pairs within this false-discovery rate, such as 0.1; 0 keeps every confirmed pair."""
    effort: Annotated[Literal["thorough", "quick"], tyro.conf.arg(metavar="EFFORT")] = "thorough"
    """thorough finds narrower pivots; quick leaves them and spends about a quarter less on each it finds."""
    traces: Count = None
    """Replies of each question that are walked along; 2, or 0 for the tree as it is found."""
    rollouts: Count = None
    """Rollouts for each prefix of such a walk; 24."""
    limit: Count = None
    """Questions searched at most; all of the file when not given."""
    max_tokens: Annotated[int, tyro.conf.arg(metavar="N")] = 256
    """Longest reply, in tokens."""
    temperature: Annotated[float, tyro.conf.arg(metavar="T")] = 1.0
    """Sampling temperature."""
    layer: Count = None
    """Write steering vectors of this layer (0: the embeddings)."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Seed of all rollouts."""
    device: Annotated[Literal["cpu", "cuda", "auto"], tyro.conf.arg(metavar="DEVICE")] = "cpu"
    """Where the model runs; auto takes a GPU where there is one."""
    settings: Settings = ()
    """Change one field of the recipe, e.g. --set pivotal.looks=8,16,32."""
    out: Folder = None
    """Run folder; runs/pivot-<model>-<questions>, or runs/<name of the recipe>."""
    start: StageFrom = None
    """Run this stage and the later ones anew; the earlier ones must be finished."""
    only: tyro.conf.FlagCreatePairsOff[bool] = False
    """With a recipe: take every earlier stage as it is and run this step anew."""
    workers: Count = None
    """Processes for sharded work, each with the model in memory; the results do not depend on it."""


@dataclass(frozen=True, kw_only=True)
class AlignVerb(StageVerb):
    """Stage: fine-tuning and both rounds of preference optimisation."""


@dataclass(frozen=True, kw_only=True)
class PlanVerb:
    """Price a recipe: tokens, mixture, FLOPs, GPU-hours, memory, money. Runs nothing."""

    recipe: RecipeArg
    """A recipe file, a run's recipe.json, or a name such as phi4, mini or large."""
    settings: Settings = ()
    """Change one field, e.g. --set pretrain.tokens=1000000."""
    mfu: Annotated[float, tyro.conf.arg(metavar="SHARE")] = 0.4
    """Share of a GPU's peak that the run reaches; 0.33 to 0.46 are reported for dense models on H100s."""
    gpus: Count = None
    """GPUs that share model and optimizer; the recipe's pretrain.loop.ranks when not given."""
    prices: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="price", metavar="GPU=DOLLARS")
    ] = ()
    """Dollars an hour of one GPU, e.g. --price H100=2.20; what is assumed otherwise stands in the plan."""
    keys: tyro.conf.FlagCreatePairsOff[bool] = False
    """List every field that --set can change, with its value, and stop."""


@dataclass(frozen=True, kw_only=True)
class StatusVerb:
    """Show a run: which stages are done, partial or out of date, and what they made."""

    run: RunArg = DEFAULT_RUN
    """Run folder."""


@dataclass(frozen=True, kw_only=True)
class TraceVerb:
    """Walk from a row back to the bytes it came from."""

    id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ID")]
    """Id of a row of any table, or the first digits of one."""
    run: Annotated[str, tyro.conf.arg(metavar="RUN")] = DEFAULT_RUN
    """Run folder."""


@dataclass(frozen=True, kw_only=True)
class ReportVerb:
    """Write a run's report anew and print where it is."""

    run: RunArg = DEFAULT_RUN
    """Run folder."""
    table: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the stage table and the checks as Markdown instead."""


@dataclass(frozen=True, kw_only=True)
class ViewVerb:
    """Look at a run in the browser, also while it goes on: progress, rows, lineage, pivots, replies, chat."""

    run: RunArg = DEFAULT_RUN
    """Run folder."""
    port: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Port on this machine; 0 takes any free one."""
    beside: Folder = None
    """Another run, whose losses are drawn into the same charts, dotted."""
    open: tyro.conf.FlagCreatePairsOff[bool] = False
    """Open the page in the browser as well."""


@dataclass(frozen=True, kw_only=True)
class ChatVerb:
    """Talk to a trained model in the terminal."""

    model: RunArg = DEFAULT_RUN
    """Run folder (its last checkpoint answers) or a Hugging Face model folder."""
    stage: StageName = None
    """Talk to the checkpoint of this stage of the run instead."""
    say: Text = None
    """Ask this once, print the reply and stop."""
    temperature: Annotated[float, tyro.conf.arg(metavar="T")] = 0.0
    """0 always takes the likeliest token; above 0 replies are drawn."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Seed of drawn replies."""
    max_tokens: Annotated[int, tyro.conf.arg(metavar="N")] = 256
    """Longest reply, in tokens."""


@dataclass(frozen=True, kw_only=True)
class ExportVerb:
    """Write a checkpoint for llama.cpp (GGUF) or vLLM, with a model card written from its run."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")] = DEFAULT_RUN
    """Run folder (its last checkpoint) or a Hugging Face model folder, e.g. runs/pocket/10-sft/model."""
    format: Annotated[Literal["gguf", "vllm"], tyro.conf.arg(metavar="FORMAT")] = "gguf"
    """gguf: one file for llama.cpp and what is built on it; vllm: a folder that vLLM serves, checked."""
    out: Folder = None
    """Folder to write; exports/<run>-<stage>-<format> when not given."""
    stage: StageName = None
    """Take the checkpoint of this stage of the run instead."""
    precision: Annotated[
        Literal["f32", "f16", "bf16", "q8_0"] | None, tyro.conf.arg(metavar="P", help_behavior_hint="")
    ] = None
    """f32, f16, bf16, or q8_0 (gguf only); not given: f32 for gguf, as they are for vllm."""
    licence: Annotated[str, tyro.conf.arg(metavar="ID")] = ""
    """Licence of the weights for the card, e.g. apache-2.0."""
    check: tyro.conf.FlagCreatePairsOff[bool] = False
    """gguf: ask 24 prompts of both and compare token ids, greedy replies and the chat endpoint's replies."""


@dataclass(frozen=True, kw_only=True)
class DoctorVerb:
    """Check this machine and say how to mend what is missing."""


@dataclass(frozen=True, kw_only=True)
class TestVerb:
    """Run the test suite; what follows the verb goes to pytest, e.g. test -k ledger."""

    arguments: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PYTEST-OPTION")] = ()
    """Options and paths for pytest."""


@dataclass(frozen=True, kw_only=True)
class ClaimsVerb:
    """Put claims of the Phi-4 report to the test on a run; without numbers, list them.

    Claims 1 to 6 and 17 read one grid of small models that are trained on named mixtures of the run's data.
    Claims 11 to 13 also take any model.

    A finished run brings its model and makes its problems. With --model, --questions FILE and
    --heldout-questions FILE it is any Hugging Face model with questions that can be checked: nothing that is
    reported is trained on, and settings are chosen on questions of the first file that are not trained on.
    """

    numbers: Annotated[tuple[int, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CLAIM")] = ()
    """Numbers of claims, as the list shows them."""
    run: Annotated[str, tyro.conf.arg(metavar="RUN")] = DEFAULT_RUN
    """Run folder; its SFT model, questions and fine-tuning data are used and left as they are."""
    out: Folder = None
    """Folder of the experiment, which goes on where it was cut short; RUN-claims when not given."""
    seeds: Count = None
    """Independent seeds; when not given, 5 for claims 11 to 13 and 3 for the others."""
    model: Folder = None
    """A Hugging Face folder instead of a run."""
    questions: Annotated[str | None, tyro.conf.arg(metavar="N|FILE", help_behavior_hint="")] = None
    """Questions a seed that rollouts are spent on (1000 when not given); with --model, their file."""
    limit: Count = None
    """With a file: questions of it a seed; 1000 when not given."""
    heldout_questions: File = None
    """With --model: questions that are reported."""
    untouched: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FILE")] = ()
    """With --model: a file of multiple-choice or last-word items that should not suffer. (repeatable)"""
    verifier: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """With --model: how replies are judged, as in pivot; each row's own, else number, when not given."""
    style: Literal["auto", "chat", "raw"] = "auto"
    """With --model: ask through its chat template (auto: where it has one) or with the text alone."""
    system: Text = None
    """With --model: a system turn before each question."""
    prompt: Text = None
    """With --model: what is asked, with {question} in it."""
    max_tokens: Annotated[int, tyro.conf.arg(metavar="N")] = 256
    """With --model: tokens of a reply."""
    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """With --model: seed of every draw; a run has its own."""
    heldout: Count = None
    """Held-out problems; 2000 when not given."""
    dev: Count = None
    """Problems that choose settings and are never reported; 600 when not given."""
    samples: Count = None
    """Replies at T=1 to every held-out problem; 8 when not given."""
    traces: Count = None
    """Solutions whose every token is estimated, for claims 11 and 12; 60 when not given."""
    scan_rollouts: Count = None
    """Rollouts behind each of these estimates; 100 when not given."""
    dev_samples: Count = None
    """Replies at T=1 to every problem that chooses settings; 4 when not given."""
    drift: Count = None
    """Held-out problems on which the distance to SFT is measured; 2000 when not given."""
    grid: Annotated[
        Literal["full", "rates", "small", "given"] | None, tyro.conf.arg(help_behavior_hint="")
    ] = None
    """Settings that each arm chooses from; full when not given. rates: learning rates alone; small: one,
    tried on the development problems; given: the same one, untried."""
    after: tyro.conf.FlagCreatePairsOff[bool] = False
    """One arm more: rejection-sampled SFT first, then pivotal DPO, as the report orders its rounds."""
    merged: tyro.conf.FlagCreatePairsOff[bool] = False
    """Two arms more: what rejection-sampled SFT and DPO (pivotal, whole replies) change, added up."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Tiny sizes, to see in minutes that it runs; decides nothing. Without numbers, all claims."""
    settings: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE")
    ] = ()
    """Change one size, e.g. --set grid.tokens=240000, --set tuned.sft_frac=0.25. (repeatable)"""
    workers: Annotated[int, tyro.conf.arg(metavar="N")] = 2
    """Processes; the results do not depend on it."""


VERBS: dict[str, type] = {
    "run": RunVerb,
    "plan": PlanVerb,
    "init": InitVerb,
    "status": StatusVerb,
    "report": ReportVerb,
    "view": ViewVerb,
    "trace": TraceVerb,
    "chat": ChatVerb,
    "export": ExportVerb,
    "dataset": DatasetVerb,
    "diff": DiffVerb,
    "claims": ClaimsVerb,
    "doctor": DoctorVerb,
    "completion": CompletionVerb,
    "test": TestVerb,
    "curate": CurateVerb,
    "synthesize": SynthesizeVerb,
    "grow": GrowVerb,
    "apprentice": ApprenticeVerb,
    "classify": ClassifyVerb,
    "decontaminate": DecontaminateVerb,
    "mix": MixVerb,
    "mix-search": MixSearchVerb,
    "train": TrainVerb,
    "pivot": PivotVerb,
    "align": AlignVerb,
    "evaluate": EvaluateVerb,
}
"""Verb -> its dataclass, in the order of the help."""
