"""What the documents say is what the program does."""

import re
import shlex
from pathlib import Path

import pytest

from trivium.cli import main, manual

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_command_line_page_is_up_to_date():
    written = (ROOT / "docs" / "cli.md").read_text()
    assert written == manual.manual(), "run: python -m trivium.cli.manual > docs/cli.md"


def commands(page: Path) -> list[str]:
    """Every `./trivium ...` in a page, from code blocks and inline code."""
    text = page.read_text()
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(\./trivium[^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    found = [line.strip().removeprefix("$ ") for line in lines] + inline
    return [line for line in found if line.startswith("./trivium")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_pages_can_be_parsed(page):
    for line in commands(page):
        words = shlex.split(line, comments=True)[1:]
        if not words or words[0].startswith("-") or "..." in words:
            continue
        try:
            main.parse(words)
        except SystemExit:
            pytest.fail(f"{page.name}: {line}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_in_the_pages_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_recipes_named_in_the_pages_exist():
    named = {name for page in PAGES for name in re.findall(r"recipes/\w+\.py", page.read_text())}
    assert {name for name in named if not (ROOT / name).exists()} == set()
