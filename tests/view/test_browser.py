"""The pages in a real browser: Debian's chromium, driven by playwright (`pip install trivium[browser]`)."""

import contextlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from trivium.report.collect import collect
from trivium.report.page import render
from trivium.store import files
from trivium.store.progress import PROGRESS_FILE
from trivium.view.render import NAVIGATION

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: browser)")
CHROMIUM = shutil.which("chromium") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine (apt install chromium)")
ADDRESSES = [place for place, _, _ in NAVIGATION] + [
    "/data?table=01-curate/passages", "/row?table=01-curate/passages&n=119", "/trace?id=" + "a" * 20,
    "/pivots?question=" + "e" * 20, "/evaluation?kind=all", "/review?queue=calls",
]  # fmt: skip
SECONDS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextlib.contextmanager
def looking(browser, served, **screen):
    """A page that is let in; fails at the end on anything the console complained of."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | screen)
    context.set_default_timeout(SECONDS)
    page, complaints = context.new_page(), []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(served.address)
    yield page
    assert complaints == []
    context.close()


def open_page(page, served, address: str) -> None:
    page.goto(f"http://127.0.0.1:{served.port}{address}")
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page_fits_its_screen_and_no_row_acts(browser, served, width, scheme):
    screen = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with looking(browser, served, **screen) as page:
        for address in ADDRESSES:
            open_page(page, served, address)
            assert page.locator("h1").count() == 1, address
            assert "owned" not in page.title(), address
            wide = "document.documentElement.scrollWidth - window.innerWidth"
            assert page.evaluate(wide) <= 0, address
            marked = "document.querySelectorAll('main script:not([type]), [onerror], img').length"
            assert page.evaluate(marked) == 0, address


OUTSIDE = """() => [...document.querySelectorAll("[data-plot]")].filter(chart => {
    const box = chart.getBoundingClientRect();
    const parts = [...chart.querySelectorAll(".main-svg, .legend, .xtitle")];
    return !parts.length || parts.some(part => part.getBoundingClientRect().bottom > box.bottom + 1);
}).map(chart => chart.dataset.plot)"""
"""Names of charts that were not drawn, or whose legend or axis lies below them."""


def test_charts_are_drawn_and_stay_in_their_boxes(browser, served):
    with looking(browser, served) as page:
        open_page(page, served, "/")
        assert page.locator("[data-plot]").count() > 1
        page.wait_for_function(f"!({OUTSIDE})().length", timeout=SECONDS)


def violations(page) -> list[str]:
    """What axe-core complains of on the page that is open: rule, element, and why."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("axe-playwright-python, which carries axe-core, is not installed (extra: browser)")
    page.evaluate(Path(found.submodule_search_locations[0], "axe.min.js").read_text())
    broken = page.evaluate("axe.run().then(found => found.violations)")
    return [f"{rule['id']}: {node['html'][:99]}" for rule in broken for node in rule["nodes"]]


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_axe_finds_nothing_on_any_page(browser, served, width, scheme):
    screen = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with looking(browser, served, **screen) as page:
        for address in ADDRESSES:
            open_page(page, served, address)
            assert violations(page) == [], address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_report(browser, served, tmp_path, scheme):
    stages = {path.name[3:]: path for path in served.run.glob("[0-9]*-*")}
    file = tmp_path / "report.html"
    file.write_text(render(collect(served.run, stages)))
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(file.as_uri())
    assert violations(page) == []
    context.close()


def test_axe_complains_of_what_it_should(browser):
    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><main><h1>t</h1><img src='data:,'></main></html>")
    assert [line.split(":")[0] for line in violations(page)] == ["image-alt"]
    page.close()


def test_every_page_has_a_key(browser, served):
    with looking(browser, served) as page:
        for place, _, key in NAVIGATION:
            page.wait_for_load_state("networkidle")
            page.keyboard.press("g")
            with page.expect_navigation():
                page.keyboard.press(key)
            assert page.url == f"http://127.0.0.1:{served.port}{place}"


def test_everything_can_be_done_by_keyboard(browser, served):
    with looking(browser, served) as page:
        page.keyboard.press("?")
        assert page.locator("dialog[open]").count() == 1
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("d")
        page.wait_for_url("**/data")
        open_page(page, served, "/data?table=01-curate/passages")
        page.keyboard.press("/")
        page.keyboard.type("apples")
        playwright.expect(page.locator(".count")).to_contain_text("59 of 120", timeout=SECONDS)
        assert "q=apples" in page.url
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("]")
        page.wait_for_url("**page=2**")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/row**")
        assert "apples" in page.locator("main").inner_text()


def test_labels_are_given_by_keyboard(browser, served):
    with looking(browser, served) as page:
        open_page(page, served, "/review?queue=seeds")
        for key, answer, count in (("1", "yes", 1), ("2", "no", 2), ("3", "unsure", 3)):
            page.keyboard.press(key)
            playwright.expect(page.locator("#desk")).to_contain_text(f"{count} labelled", timeout=SECONDS)
            assert f"You said {answer}" in page.locator("#desk").inner_text()
        page.keyboard.press("u")
        playwright.expect(page.locator("#desk")).to_contain_text("2 labelled", timeout=SECONDS)
    answers = [json.loads(line)["answer"] for line in (served.run / "labels.jsonl").read_text().splitlines()]
    assert answers[-4:] == ["yes", "no", "unsure", ""]


def test_a_run_that_goes_on_is_shown_as_it_goes(browser, served):
    recipe = files.read_json(served.run / "recipe.json")
    files.write_json(served.run / "recipe.json", recipe | {"stages": [*recipe["stages"], "dpo2"]})
    folder = served.run / "14-dpo2"
    files.write_json(folder / "started.json", {})
    state = {"label": "train", "total": 800, "unit": "steps", "words": "", "done_at_start": 0, "started": 1.0,
             "updated": 101.0, "pid": os.getpid(), "peak_memory_mib": 77}  # fmt: skip
    files.write_json(folder / "scratch" / PROGRESS_FILE, state | {"done": 200})
    with looking(browser, served) as page:
        open_page(page, served, "/")
        assert "train, 200 of 800 steps" in page.locator(".now").inner_text()
        assert "10 of 11" in page.locator(".facts").first.inner_text()
        page.evaluate("window.same = true")
        files.write_json(folder / "scratch" / PROGRESS_FILE, state | {"done": 640})
        playwright.expect(page.locator(".now")).to_contain_text("640 of 800", timeout=SECONDS)
        assert page.evaluate("window.same") is True
        files.write_json(folder / "stage.json", {"seconds": 5.0})
        playwright.expect(page.locator(".now")).to_contain_text("All stages are done", timeout=SECONDS)
    shutil.rmtree(folder)
    files.write_json(served.run / "recipe.json", recipe)
