"""The launcher and its installer, without installing anything large."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from trivium.cli import install

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path):
    """A checkout with the real launcher and installer and an environment that is already whole."""
    home = tmp_path / "a checkout"
    (home / "src" / "trivium" / "cli").mkdir(parents=True)
    for name in ("trivium", "requirements.lock", "teacher.lock", "src/trivium/cli/install.py"):
        shutil.copy(ROOT / name, home / name)
    (home / "src/trivium/__init__.py").touch()
    (home / "src/trivium/__main__.py").write_text(
        "import json, os, sys; print(json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ)}))"
    )
    return home


def make_whole(home: Path) -> None:
    """Put the running Python and a current stamp where the launcher looks."""
    (home / ".venv" / "bin").mkdir(parents=True)
    (home / ".venv" / "bin" / "python").symlink_to(sys.executable)
    lock = (home / "requirements.lock").read_bytes()
    stamp = subprocess.run(["cksum"], input=lock, capture_output=True, check=True).stdout.decode()
    (home / ".venv" / install.STAMP).write_text(stamp)


def start(launcher: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), **environment}
    return subprocess.run([str(launcher), *words], capture_output=True, text=True, env=env, check=False)


def test_a_whole_environment_starts_at_once_with_the_settings(checkout):
    import json

    make_whole(checkout)
    done = start(checkout / "trivium", "run", "two words", OMP_NUM_THREADS="3")
    told = json.loads(done.stdout)
    assert told["argv"] == ["run", "two words"]
    assert told["env"]["OMP_NUM_THREADS"] == "3"  # what the user set stays
    assert told["env"]["OMP_WAIT_POLICY"] == "PASSIVE"
    assert told["env"]["MALLOC_TOP_PAD_"] == str(256 << 20)
    assert told["env"]["HF_HUB_OFFLINE"] == "1"


def test_the_launcher_sets_what_every_process_needs(checkout):
    import json

    from trivium.models.runtime import SETTINGS

    make_whole(checkout)
    environment = json.loads(start(checkout / "trivium").stdout)["env"]
    assert {name: environment.get(name) for name in SETTINGS} == SETTINGS


def test_the_launcher_can_be_started_through_a_link(checkout, tmp_path):
    make_whole(checkout)
    link = tmp_path / "link"
    link.symlink_to(checkout / "trivium")
    assert start(link, "status").returncode == 0


def test_no_python_is_one_sentence(checkout):
    done = start(checkout / "trivium", "status", TRIVIUM_PYTHON="python-that-is-not-there")
    assert done.returncode == 2
    assert done.stderr.startswith("error: install: found no Python 3.11 or newer")
    assert done.stderr.count("\n") == 1


def test_an_old_python_is_named(checkout, tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$2" in *version_info\\[:2*) echo 3.9;; *) exit 1;; esac\n')
    old.chmod(0o755)
    done = start(checkout / "trivium", "status", TRIVIUM_PYTHON=str(old))
    assert done.returncode == 2
    assert f"{old} is 3.9" in done.stderr


def test_an_environment_of_someone_else_is_left_alone(checkout):
    theirs = checkout / ".venv" / "bin"
    theirs.mkdir(parents=True)
    done = start(checkout / "trivium", "status", TRIVIUM_PYTHON=sys.executable)
    assert done.returncode == 2
    assert "was not made by this launcher" in done.stderr
    assert theirs.exists()


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(install.os, "access", lambda path, mode: False)
    with pytest.raises(install.InstallError, match="cannot be written to"):
        install.require_writable(tmp_path / ".venv")


def test_no_network_is_one_sentence(checkout):
    env = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_NO_CACHE_DIR": "1",
    }
    env |= {"PIP_DEFAULT_TIMEOUT": "2", "PIP_RETRIES": "0", "XDG_CONFIG_DIRS": str(checkout)}
    done = start(checkout / "trivium", "status", TRIVIUM_PYTHON=sys.executable, **env)
    assert done.returncode == 2
    assert "the package index could not be reached" in done.stderr
    assert not (checkout / ".venv" / install.STAMP).exists()


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("... [Errno 28] No space left on device", "the disk of"),
        ("NewConnectionError('<...>: Failed to establish')", "the package index could not be reached"),
        ("ERROR: No matching distribution found for torch==2.13.0", "No matching distribution found"),
        ("", "pip failed"),
    ],
)
def test_a_failed_log_is_explained(tmp_path, log, words):
    assert words in install.explain(log, tmp_path)
    assert (tmp_path / "install.log").read_text() == log


def test_an_unfinished_environment_is_not_current(tmp_path):
    (tmp_path / install.UNFINISHED).touch()
    assert not install.is_current(tmp_path, "stamp")
    install.write_stamp(tmp_path, "stamp")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    assert install.is_current(tmp_path, "stamp")
    assert not install.is_current(tmp_path, "another")
    assert not (tmp_path / install.UNFINISHED).exists()


def test_two_first_starts_take_turns(tmp_path, capsys):
    folder, order = tmp_path / ".venv", []

    def second():
        with install.alone(folder):
            order.append("second")

    with install.alone(folder):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert "waiting for it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  Downloading pyarrow-26.0.1-cp311-cp311-manylinux_2_28_x86_64.whl (55.0 MB)", "pyarrow (55.0 MB)"),
        ("  Downloading torch-2.13.0-cp311-none-macosx_11_0_arm64.whl (1.1 GB)", "torch (1.1 GB)"),
        ("  Downloading yarl-1.25.1-cp311.whl (140 kB)", ""),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
    ],
)
def test_only_large_downloads_are_shown(line, shown, capsys):
    install.show(line)
    err = capsys.readouterr().err
    assert (shown in err) if shown else err == ""
