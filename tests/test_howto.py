"""The how-to pages are done as they are written: their files are made, commands run, examples tried.

A fenced block with a title is a file. In blocks marked `sh` every `./trivium` line is run, in order, in a
folder of its own that has a tiny model in models/mine; other lines are parsed by tests/test_docs.py.
"""

import doctest
import importlib
import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from trivium.cli import main
from trivium.cli.reference import MODULES

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))
sys.path += [str(ROOT / "tests" / "pivotal"), str(ROOT / "benchmarks")]
import newcomer  # noqa: E402
from newcomer import blocks, commands  # noqa: E402
from tiny import make_model  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny", context=256)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_can_be_typed(page, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TRIVIUM_TEACHER", "none")
    shutil.copytree(model, tmp_path / "models" / "mine")
    for _, title, body in blocks(page):
        if title:
            (tmp_path / title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / title).write_text(body)
    assert commands(page)
    for line in commands(page):
        code = main.main(shlex.split(line, comments=True)[1:])
        assert code == 0, f"{line}\n{capsys.readouterr().err}"


def test_the_crawl_page_keeps_text_and_drops_an_advertisement(tmp_path, monkeypatch):
    from trivium.store.files import read_parquet

    page = ROOT / "docs" / "howto" / "crawl.md"
    monkeypatch.chdir(tmp_path)
    for _, title, body in blocks(page):
        if title:
            (tmp_path / title).parent.mkdir(exist_ok=True)
            (tmp_path / title).write_text(body)
    assert main.main(shlex.split(commands(page)[0])[1:]) == 0
    kept = read_parquet(tmp_path / "runs/mine/01-curate/documents.parquet")["text"].to_pylist()
    assert any("two tides a day" in text for text in kept) and any("lever" in text for text in kept)
    assert not any("click here" in text or "Shop" in text for text in kept)


def pages_with_examples() -> list[Path]:
    """Written pages; those of docs/reference repeat docstrings, which are tried where they stand."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *PAGES]
    return [page for page in pages if ">>>" in page.read_text()]


@pytest.mark.parametrize("page", pages_with_examples(), ids=lambda page: page.name)
def test_examples_in_the_pages(page):
    body = "\n".join(text for _, _, text in blocks(page) if ">>>" in text)
    test = doctest.DocTestParser().get_doctest(body, {}, page.name, str(page), 0)
    found = doctest.DocTestRunner().run(test)
    assert found.attempted and not found.failed


def test_examples_in_the_docstrings():
    attempted = 0
    for module in (name for names in MODULES.values() for name in names):
        found = doctest.testmod(importlib.import_module(f"trivium.{module}"))
        assert not found.failed, module
        attempted += found.attempted
    assert attempted >= 10


def test_a_newcomer_types_what_the_pages_say_in_their_order(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Text ./trivium no\n```sh\n./trivium one --a  # note\nls\n```\n```\n./trivium two\n```\n"
        '```json title="questions.jsonl"\n{}\n```\n```sh\n./trivium three\n```\n'
    )
    assert commands(page) == ["./trivium one --a  # note", "./trivium three"]
    assert commands(page, ("", "sh")) == ["./trivium one --a  # note", "./trivium two", "./trivium three"]
    assert commands(ROOT / "README.md", ("", "sh"))[0] == newcomer.RAISE
    titles = {title.split("/")[0] for page in PAGES for _, title, _ in blocks(page)}
    assert set(newcomer.BRING) <= titles


def test_a_newcomers_files_are_those_of_the_page_or_public_data(tmp_path):
    task = {"instruction": "Add.", "instances": [{"input": "1 1", "output": "2"}]}
    source = tmp_path / "data" / "self-instruct-seeds" / "seed_tasks.jsonl"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps(task) + "\n")
    (tmp_path / "data" / "svamp").mkdir()
    problem = {"Body": "Tom has 3 pears. ", "Question": "How many?", "Answer": 3.0}
    (tmp_path / "data" / "svamp" / "SVAMP.json").write_text(json.dumps([problem] * 99))
    page = ROOT / "docs" / "howto" / "model.md"
    newcomer.lay_out(page, tmp_path / "own", None)
    newcomer.lay_out(page, tmp_path / "public", tmp_path / "data")
    assert "how many" in (tmp_path / "own" / "questions.jsonl").read_text()
    asked = (tmp_path / "public" / "questions.jsonl").read_text().splitlines()
    assert asked == ['{"question": "Tom has 3 pears. How many?", "answer": "3"}'] * 40
    row = {"instruction": "Add.", "input": "1 1", "output": "2"}
    assert json.loads((tmp_path / "public" / "chats.jsonl").read_text()) == row


def test_a_newcomer_has_an_account_without_settings_and_failures_are_counted(tmp_path, capsys):
    caller = {"PATH": "/bin:/usr/bin", "HOME": "/root", "PYTHONPATH": "x", "TRIVIUM_TEACHER": "y",
              "PIP_CERT": "c", "https_proxy": "p", "SSL_CERT_FILE": "s", "MY_PIP_CERT": "n"}  # fmt: skip
    account = newcomer.plain_environment(caller, tmp_path)
    kept = {"PATH", "HOME", "PIP_CERT", "https_proxy", "SSL_CERT_FILE"}
    assert set(account) == kept and account["HOME"] == str(tmp_path)
    typed = [newcomer.type_in("a.md", line, tmp_path, account) for line in ("echo $HOME; cat", "exit 3")]
    assert f"    {tmp_path}\n    {newcomer.SAID}" in capsys.readouterr().out
    found = newcomer.summary(typed)
    assert (found["commands"], found["failed"], list(found["seconds"])) == (2, ["exit 3"], ["a.md"])
