"""The pages over a real run: TRIVIUM_RUN names it, finished or going on; it is only read.

With TRIVIUM_SHOTS, a folder, every page is photographed into it. A finished run is copied (links to its
files), because labels are written beside its stages.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: browser)")

from tests.view.conftest import start  # noqa: E402
from tests.view.test_browser import (  # noqa: E402
    OUTSIDE,
    SECONDS,
    browser,
    looking,
    open_page,
    playwright,
    violations,
)

from trivium.store import files  # noqa: E402
from trivium.view.render import NAVIGATION  # noqa: E402

__all__ = ["browser"]
RUN = Path(os.environ.get("TRIVIUM_RUN", ""))
SHOTS = os.environ.get("TRIVIUM_SHOTS")
FINISHED = (RUN / "16-report" / "stage.json").exists()
pytestmark = [
    pytest.mark.skipif(not (RUN / "recipe.json").exists(), reason="TRIVIUM_RUN names no run folder"),
    pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine"),
]
whole = pytest.mark.skipif(not FINISHED, reason="TRIVIUM_RUN is not a finished run of pocket")
SCREENS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
WIDE = "document.documentElement.scrollWidth - window.innerWidth"
TABLES = "all => [...new Set(all.map(one => new URL(one.href).searchParams.get('table')))]"
QUESTION = "Tom has 12 apples. He buys 5 more and eats 3. How many apples does Tom have now?"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A server over the run; over links to its files where it is finished."""
    run = RUN.resolve()
    if FINISHED:
        run = tmp_path_factory.mktemp("real") / RUN.name
        shutil.copytree(RUN, run, copy_function=os.link)
    yield from start(run)


def settled(page, served, address: str) -> None:
    """Open an address and wait for what is fetched later: counts, charts."""
    open_page(page, served, address)
    playwright.expect(page.locator("main")).not_to_contain_text("Counting...", timeout=SECONDS)
    page.wait_for_function(f"!({OUTSIDE})().length", timeout=SECONDS)


@whole
@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_every_page_of_the_run_is_clean(browser, real, width, scheme):
    screen = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with looking(browser, real, **screen) as page:
        settled(page, real, "/data")
        tables = page.locator("a[href^='/data?table=']").evaluate_all(TABLES)
        assert "01-curate/passages" in tables and len(tables) > 10
        for address in [place for place, _, _ in NAVIGATION] + [f"/data?table={name}" for name in tables]:
            settled(page, real, address)
            assert page.evaluate(WIDE) <= 0, address
            assert violations(page) == [], address
            if SHOTS and "=" not in address:
                name = address.strip("/") or "run"
                page.screenshot(path=Path(SHOTS, f"{name}-{width}-{scheme}.png"), full_page=True)


@whole
def test_from_a_search_to_the_row_and_where_it_came_from(browser, real):
    with looking(browser, real) as page:
        settled(page, real, "/data?table=03-synthesize/examples")
        everything = page.locator(".count").inner_text()
        page.keyboard.press("/")
        page.keyboard.type("apples")
        playwright.expect(page.locator(".count")).not_to_have_text(everything, timeout=SECONDS)
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/row**")
        assert "apples" in page.locator("main").inner_text().lower()
        page.locator("main a[href^='/trace?']").first.click()
        page.wait_for_url("**/trace?**")
        assert "pretrain" in page.locator("main").inner_text()


@whole
def test_its_own_checkpoints_answer(browser, real):
    with looking(browser, real) as page:
        open_page(page, real, "/chat")
        page.fill("#text", QUESTION)
        page.locator("summary", has_text="How often").click()
        page.fill("[name=answer]", "14")
        page.locator("button.strong").click()
        replies = page.locator("#replies .reply")
        playwright.expect(replies).to_have_count(2, timeout=SECONDS)
        assert all(re.search(r"\d", text) for text in replies.all_inner_texts())
        assert page.locator("#replies", has_text="p(right)").count() == 1
        page.locator("#replies .token").first.hover()
        playwright.expect(page.locator("#box-1")).to_contain_text("%", timeout=SECONDS)
        assert violations(page) == []
        if SHOTS:
            page.screenshot(path=Path(SHOTS, "chat-replies.png"), full_page=True)


@whole
def test_labels_of_its_seeds_are_kept(browser, real):
    with looking(browser, real) as page:
        open_page(page, real, "/review?queue=seeds")
        for key, count in (("1", 1), ("2", 2)):
            page.keyboard.press(key)
            playwright.expect(page.locator("#desk")).to_contain_text(f"{count} labelled", timeout=SECONDS)
    assert len((real.run / "labels.jsonl").read_text().splitlines()) == 2
    assert not (RUN / "labels.jsonl").exists()


@pytest.mark.skipif(FINISHED, reason="TRIVIUM_RUN is finished")
def test_a_run_at_work_is_shown_as_it_goes(browser, real):
    """No reload: the page's own object outlives what the run writes."""
    with looking(browser, real) as page:
        open_page(page, real, "/")
        page.evaluate("window.same = true")
        before = page.locator(".now").inner_text()
        playwright.expect(page.locator(".now")).not_to_have_text(before, timeout=5 * SECONDS)
        assert page.evaluate("window.same") is True
        assert files.read_json(RUN / "recipe.json")["stages"]
        if SHOTS:
            page.screenshot(path=Path(SHOTS, "live.png"), full_page=True)
