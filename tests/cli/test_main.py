"""Errors become one sentence; the parser gives what was typed."""

import errno
import sys

import pytest

from trivium.cli import main, verbs
from trivium.cli.run import STEPS, resume_command
from trivium.errors import ConfigError
from trivium.pipeline import STAGES


def fail_with(monkeypatch, error):
    """Let the status verb raise; return what main does then."""

    def work(command):
        raise error

    monkeypatch.setattr(main, "work_of", lambda command: work)


def test_a_user_error_is_one_sentence_and_exit_2(monkeypatch, capsys):
    fail_with(monkeypatch, ConfigError("mix.shares: got -1; expected more."))
    assert main.main(["status"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: mix.shares: got -1; expected more.\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/x/a.parquet"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "runs"), "read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), "permission denied"),
        (RuntimeError("Error while serializing: No space left on device (os error 28)"), "the disk is full"),
        (MemoryError(), "memory"),
    ],
)
def test_the_machines_errors_are_one_sentence_and_exit_2(monkeypatch, capsys, error, words):
    fail_with(monkeypatch, error)
    assert main.main(["status"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and words in err and err.count("\n") == 1


def test_a_bug_keeps_its_traceback(monkeypatch):
    fail_with(monkeypatch, ValueError("our bug"))
    with pytest.raises(ValueError, match="our bug"):
        main.main(["status"])


def test_a_missing_file_is_not_taken_for_a_disk_error(monkeypatch):
    fail_with(monkeypatch, FileNotFoundError(errno.ENOENT, "No such file", "x"))
    with pytest.raises(FileNotFoundError):
        main.main(["status"])


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys):
    fail_with(monkeypatch, KeyboardInterrupt())
    assert main.main(["run", "pocket", "--set", "seed=1", "--out", "a b", "--from", "sft"]) == 130
    assert "./trivium run pocket --set seed=1 --out 'a b'\n" in capsys.readouterr().err


def test_resuming_does_not_start_the_stage_anew():
    command = main.parse(["run", "pocket", "--from", "sft", "--until", "dpo1", "--workers", "1"])
    assert resume_command(command) == "./trivium run pocket --until dpo1 --workers 1"


def test_settings_are_kept_in_order():
    command = main.parse(["run", "pocket", "--set", "a=1", "--set", "b.c=2,3"])
    assert command == verbs.RunVerb(recipe="pocket", settings=("a=1", "b.c=2,3"))


def test_what_follows_test_goes_to_pytest():
    assert main.parse(["test", "-k", "ledger", "--co"]) == verbs.TestVerb(arguments=("-k", "ledger", "--co"))


@pytest.mark.parametrize(
    "words", [["runx"], ["run"], ["run", "pocket", "--frm", "x"], ["chat", "--seed", "x"]]
)
def test_a_wrong_command_line_exits_2(words, capsys):
    with pytest.raises(SystemExit) as left:
        main.parse(words)
    assert left.value.code == 2
    assert "help" in capsys.readouterr().err


def test_an_unknown_name_of_a_recipe_lists_the_known_ones(capsys):
    assert main.main(["plan", "phi5"]) == 2
    assert "phi5: got no such recipe; expected a file, or one of: " in capsys.readouterr().err


def test_every_verb_has_work():
    assert set(main.WORK) == set(verbs.VERBS.values())
    for cls in verbs.VERBS.values():
        module, function = main.WORK[cls].split(":")
        __import__(f"trivium.cli.{module}")
        assert callable(getattr(sys.modules[f"trivium.cli.{module}"], function))


def test_the_stage_verbs_cover_the_pipeline_in_order():
    covered = {stage for step in STEPS.values() for stage in step}
    assert covered | {"report", "export", "guard"} == {stage.name for stage in STAGES}
    order = [stage.name for stage in STAGES]
    for step in STEPS.values():
        assert [order.index(stage) for stage in step] == sorted(order.index(stage) for stage in step)
