"""The doctor finds what is planted, and only that."""

from pathlib import Path

import pytest

from trivium.cli import doctor
from trivium.cli.doctor import Check

ROOT = Path(__file__).resolve().parents[2]


def test_pins_are_read_with_their_markers(tmp_path):
    lock = tmp_path / "lock"
    lock.write_text(
        '# words\nrich==15.0.0  # why\n\nother==1.0; sys_platform == "nowhere"\nx==2 --hash=sha256:00\n'
    )
    assert doctor.pinned(lock) == {"rich": "15.0.0", "x": "2"}


def test_a_wrong_version_and_an_absent_package_are_named_with_the_command(tmp_path, monkeypatch):
    lock = tmp_path / "lock"
    lock.write_text("rich==15.0.0\ntyro==9\nabsent==1\n")
    monkeypatch.setattr(doctor, "installed", {"rich": "15.0.0", "tyro": "1", "absent": ""}.get)
    check = doctor.check_packages(lock)
    assert check.found == "tyro 1 (lock: 9), absent absent (lock: 1)"
    assert "pip install -r" in check.mend


def test_a_local_version_counts_as_the_pinned_one(monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "2.13.0+cpu")
    assert doctor.installed("torch") == "2.13.0"


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (Check("teacher", "there"), "ok"),
        (Check("teacher", "none", "get it"), "missing"),
        (Check("packages", "old", "install"), "wrong"),
    ],
)
def test_only_what_is_needed_is_wrong(check, state):
    assert doctor.state(check) == state


def test_no_teacher_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("TRIVIUM_TEACHER", "none")
    assert doctor.check_teacher().mend == "./trivium --reinstall"


def test_a_wrong_teacher_is_said(monkeypatch):
    monkeypatch.setenv("TRIVIUM_TEACHER", "not/there.gguf")
    assert "not/there.gguf" in doctor.check_teacher().found


def test_exit_code_tells_whether_anything_runs(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: iter([Check("packages", "old", "mend it")]))
    assert doctor.doctor(None) == 1
    assert "packages: mend it" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "examine", lambda: iter([Check("teacher", "none", "get it")]))
    assert doctor.doctor(None) == 0


def test_it_runs_here(capsys):
    checks = {check.name for check in doctor.examine()}
    assert checks >= {"python", "packages", "cores", "memory", "disk", "teacher", "sandbox", "gpu"}


def test_without_a_lock_file_the_packages_own_words_count(tmp_path, monkeypatch):
    asked = ["rich>=15", "tyro<2,>=1.0.17", "absent>=1", "ray>=2; extra == 'ray'"]
    monkeypatch.setattr(doctor, "installed", {"rich": "15.0.0", "tyro": "2.1", "absent": ""}.get)
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: asked)
    check = doctor.check_packages(tmp_path / "lock")
    assert check.found == "tyro 2.1 (asked: <2,>=1.0.17), absent absent (asked: >=1)"
    assert "pip install 'tyro<2,>=1.0.17' 'absent>=1'" in check.mend


def test_the_teachers_wheel_has_one_version():
    from trivium.llm.teacher import PACKAGE

    assert PACKAGE in (ROOT / "teacher.lock").read_text()
