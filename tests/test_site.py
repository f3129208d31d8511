"""The site: every page has its place, every link leads somewhere, nothing comes from elsewhere."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from trivium.cli import reference

ROOT = Path(__file__).resolve().parents[1]
SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
needs_generator = pytest.mark.skipif(
    importlib.util.find_spec("zensical") is None, reason="zensical is not installed (extra: docs)"
)


def places(nav) -> set[str]:
    """Every file that the navigation names."""
    if isinstance(nav, str):
        return {nav}
    inner = nav.values() if isinstance(nav, dict) else nav
    return {place for one in inner for place in places(one)}


def test_every_page_is_in_the_navigation():
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert places(SITE["nav"]) == pages


@pytest.mark.parametrize("name", ["api.md", "recipe.md"])
def test_the_reference_is_up_to_date(name):
    written = (ROOT / "docs" / "reference" / name).read_text()
    assert written == reference.pages()[name], "run: python -m trivium.cli.reference docs/reference"


def test_every_field_of_a_recipe_is_in_the_reference():
    from trivium.config import field_keys
    from trivium.recipe import shipped

    page = reference.recipe_page()
    assert [key for key in field_keys(shipped("pocket")) if f"| `{key}` |" not in page] == []


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    return tmp_path


@needs_generator
def test_the_site_is_built_without_a_warning(copy):
    done = build(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    html = [path.read_text() for path in (copy / SITE["site_dir"]).rglob("*.html")]
    assert len(html) > len(places(SITE["nav"]))  # and 404.html
    fetched = re.compile(r'<(?:link[^>]*href|script[^>]*src|img[^>]*src)="?(https?://[^" >]+)')
    assert {address for page in html for address in fetched.findall(page)} == set()


@needs_generator
def test_a_broken_link_stops_the_build(copy):
    with (copy / "docs" / "index.md").open("a") as page:
        page.write("\n[gone](nowhere.md)\n")
    assert build(copy).returncode != 0
