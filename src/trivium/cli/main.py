"""The entry point: parse, start the verb's module, and turn what goes wrong into one sentence."""

from __future__ import annotations

import errno
import functools
import importlib
import operator
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

from trivium import __version__
from trivium.cli import verbs
from trivium.errors import TriviumError

ABOUT = (
    "Trivium raises a small language model on data quality: the Phi-4 recipe as software.\n\n"
    "Start here:  ./trivium run recipes/pocket.py    (a model from nothing, in minutes, on two cores)"
)

WORK: dict[type, str] = {
    verbs.RunVerb: "run:run_recipe",
    verbs.PlanVerb: "plan:plan",
    verbs.InitVerb: "init:init",
    verbs.StatusVerb: "status:status",
    verbs.ReportVerb: "run:report",
    verbs.ViewVerb: "view:view",
    verbs.TraceVerb: "trace:trace",
    verbs.ChatVerb: "chat:chat",
    verbs.ExportVerb: "export:export",
    verbs.DatasetVerb: "dataset:dataset",
    verbs.DiffVerb: "diff:diff",
    verbs.ClaimsVerb: "claims:claims",
    verbs.DoctorVerb: "doctor:doctor",
    verbs.CompletionVerb: "completion:completion",
    verbs.TestVerb: "run_tests:run_tests",
    verbs.CurateVerb: "curate:curate",
    verbs.SynthesizeVerb: "run:run_step",
    verbs.GrowVerb: "grow:grow",
    verbs.ApprenticeVerb: "apprentice:apprentice",
    verbs.ClassifyVerb: "classify:classify",
    verbs.DecontaminateVerb: "run:run_step",
    verbs.MixVerb: "run:run_step",
    verbs.MixSearchVerb: "mix_search:mix_search",
    verbs.TrainVerb: "run:run_step",
    verbs.PivotVerb: "pivot:pivot",
    verbs.AlignVerb: "run:run_step",
    verbs.EvaluateVerb: "evaluate:evaluate",
}
"""Verb -> module and function under trivium.cli; imported only when the verb is used."""

DISK_ERRORS = {
    errno.ENOSPC: "the disk is full; expected room for the run. Free some and run this again",
    errno.EDQUOT: "the disk quota is used up; expected room for the run. Free some and run this again",
    errno.EROFS: "the folder is read-only; expected to write there. Choose another with --out",
    errno.EACCES: "permission denied; expected to write there. Choose another folder with --out",
}
FULL_DISK_TEXTS = ("No space left on device", "database or disk is full")
"""How libraries say it that do not raise OSError: Arrow, safetensors, SQLite, DuckDB."""


def main(argv: Sequence[str]) -> int:
    """Run one command line; return the exit code: 0 done, 2 the user can mend it, 130 stopped by Ctrl-C.

    An exception that nobody here foresaw keeps its traceback: it is our bug.
    """
    command: Any = None
    try:
        command = parse(argv)
        return work_of(command)(command)
    except TriviumError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        print(f"\n{stopped(command)}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        return fail(sentence)


def console_script() -> NoReturn:
    """Entry point of an installed package: the launcher's settings first, which take a new start."""
    from trivium.models.runtime import leave, reexec_with_settings

    reexec_with_settings()
    leave(main(sys.argv[1:]))


def parse(argv: Sequence[str]) -> Any:
    """Parse a command line into a verb's dataclass; help and wrong options leave with SystemExit."""
    import tyro

    if list(argv) == ["--version"]:
        print(f"trivium {__version__}")
        raise SystemExit(0)
    if argv and argv[0] == "test" and not {"-h", "--help"} & set(argv):
        return verbs.TestVerb(arguments=tuple(argv[1:]))  # pytest's options are not ours to parse
    if list(argv[:2]) == ["mix", "search"]:
        argv = ["mix-search", *argv[2:]]
    return tyro.cli(
        command_line(),
        args=list(argv) or ["--help"],
        prog="trivium",
        description=ABOUT,
        config=(tyro.conf.OmitArgPrefixes,),
    )


@functools.cache
def command_line() -> Any:
    """Return the union of all verbs, as tyro reads it."""
    import tyro

    options = [
        Annotated[cls, tyro.conf.subcommand(name, prefix_name=False)] for name, cls in verbs.VERBS.items()
    ]
    return functools.reduce(operator.or_, options)


def work_of(command: Any) -> Any:
    """Return the function that does a verb's work; it takes the dataclass and returns an exit code."""
    module, function = WORK[type(command)].split(":")
    return getattr(importlib.import_module(f"trivium.cli.{module}"), function)


def fail(sentence: str) -> int:
    """Print one sentence on standard error and return exit code 2."""
    print(f"error: {sentence}", file=sys.stderr)
    return 2


def explain(error: Exception) -> str | None:
    """Turn an error of the machine into one sentence, or return None for what may be our bug."""
    number = getattr(error, "errno", None)
    if any(text in str(error) for text in FULL_DISK_TEXTS):
        number = errno.ENOSPC
    if number in DISK_ERRORS:
        place = getattr(error, "filename", None) or "disk"
        return f"{place}: {DISK_ERRORS[number]}."
    if type(error).__name__ == "ArrowInvalid" and "arquet" in str(error):
        return "table: got a truncated Parquet file; expected a whole one. ./trivium status RUN names it."
    if isinstance(error, MemoryError):
        return (
            "memory: the machine has no more; expected about 4 GB. Close other programs or use --workers 1."
        )
    return None


def stopped(command: Any) -> str:
    """Say what Ctrl-C left behind, and how to go on."""
    if isinstance(command, verbs.ClaimsVerb | verbs.MixSearchVerb):
        return "stopped; nothing is lost. The same command goes on."
    if isinstance(command, verbs.PivotVerb):
        from trivium.cli.pivot import resume_command as resume_pivot

        return f"stopped; nothing is lost. Go on with: {resume_pivot(command)}"
    if isinstance(command, verbs.EvaluateVerb):
        from trivium.cli.evaluate import resume_command as resume_evaluate

        return f"stopped; nothing is lost. Go on with: {resume_evaluate(command)}"
    if not isinstance(command, verbs.RunVerb | verbs.StageVerb):
        return "stopped."
    from trivium.cli.run import resume_command

    return f"stopped; nothing is lost. Go on with: {resume_command(command)}"
