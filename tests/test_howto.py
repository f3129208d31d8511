"""The how-to pages are done as they are written: their files are made, commands run, examples tried.

A fenced block with a title is a file. In blocks marked `sh` every `./trivium` line is run, in order, in a
folder of its own that has a tiny model in models/mine; other lines are parsed by tests/test_docs.py.
"""

import doctest
import importlib
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from trivium.cli import main
from trivium.cli.reference import MODULES

sys.path.append(str(Path(__file__).resolve().parent / "pivotal"))
from tiny import make_model  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "howto").glob("*.md"))
BLOCK = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Language, title and text of every fenced block."""
    return BLOCK.findall(page.read_text())


def commands(page: Path) -> list[str]:
    text = "".join(body for language, _, body in blocks(page) if language == "sh")
    return [line for line in text.splitlines() if line.startswith("./trivium")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny")


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
