"""Extraction: made pages of known truth, tricky hand-written ones, and pages meant to break the parser."""

import gzip
import json
import time
from pathlib import Path

import pytest

from trivium.curate.extract import score
from trivium.curate.extract.decode import decode
from trivium.curate.extract.html import extract, is_truncated
from trivium.curate.readers.made_web import layouts, maker

SENTENCE = "The main text of this page is a paragraph that is long enough to be taken for content by anyone. "
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def page(body: str) -> bytes:
    return f"<!DOCTYPE html><html><head><title>t</title></head><body>{body}</body></html>".encode()


def test_made_pages_are_extracted_whole_and_clean(prose):
    pairs = []
    for spec in maker.plan_pages(prose(60), 9):
        made = maker.render(spec)
        if made.main_text:
            pairs.append(score.word_overlap(extract(made.html).text, made.main_text))
    result = score.summarise(pairs)
    assert len(pairs) > 20
    assert result["precision"] > 0.97 and result["recall"] > 0.97


@pytest.mark.parametrize("layout", layouts.PROSE_LAYOUTS, ids=lambda layout: layout.__name__)
def test_no_layout_leaks_its_boilerplate(layout):
    import random

    frame = layouts.Frame("Title", [f"<p>{SENTENCE}</p>"] * 3, random.Random(1), ("queue", "socket"), 3)
    text = extract(layout(frame).encode()).text
    assert text.count(SENTENCE.strip()) == 3
    for noise in ("cookie", "All rights reserved", "Sitemap", "css-", "var q"):
        assert noise not in text


def test_code_keeps_its_lines_without_line_numbers():
    code = '<pre><span class="k">def</span> f(x):\n    <span class="k">return</span> x &lt; 1</pre>'
    numbers = '<td class="linenos"><pre>1\n2</pre></td>'
    table = f'<table class="highlighttable"><tr>{numbers}<td>{code}</td></tr></table>'
    text = extract(page(f"<p>{SENTENCE}</p>{table}")).text
    assert "```\ndef f(x):\n    return x < 1\n```" in text
    assert "1\n2" not in text


def test_line_breaks_in_code_may_be_tags():
    assert "```\na = 1\nb = 2\n```" in extract(page(f"<p>{SENTENCE}</p><pre>a = 1<br>b = 2</pre>")).text


def test_data_tables_become_markdown_and_layout_tables_do_not():
    data = "<table><tr><th>n</th><th>square</th></tr><tr><td>2</td><td>4</td></tr></table>"
    text = extract(page(f"<table><tr><td><p>{SENTENCE}</p>{data}</td></tr></table>")).text
    assert "| n | square |\n| --- | --- |\n| 2 | 4 |" in text
    assert text.startswith(SENTENCE.strip())


def test_lists_and_headings_keep_their_form():
    steps = "<h2>Steps</h2><ol><li>Open the file.</li><li>Read it.</li></ol>"
    text = extract(page(f"<h1>Top</h1><p>{SENTENCE}</p>{steps}<p>{SENTENCE}</p>")).text
    assert text.startswith("# Top\n\n")
    assert "## Steps\n\n1. Open the file.\n2. Read it.\n\n" in text


def test_formulas_come_as_tex():
    maths = '<math alttext="x^2"><mi>x</mi></math>'
    note = '<annotation encoding="application/x-tex">y_1</annotation>'
    note = f"<math><semantics><mi>y</mi>{note}</semantics></math>"
    script = '<script type="math/tex">z+1</script>'
    text = extract(page(f"<p>{SENTENCE} Take {maths} and {note} and {script} here.</p>")).text
    assert "$x^2$" in text and "$y_1$" in text and "$z+1$" in text


def test_threads_keep_their_posts_and_pages_lose_their_comments():
    post = '<div class="post"><div class="post-meta">neo 3 votes</div><div class="body"><p>{}</p></div></div>'
    text = extract(page(post.format(SENTENCE + "Why?") + post.format(SENTENCE + "Because."))).text
    assert "Why?" in text and "Because." in text and "votes" not in text
    text = extract(page(f'<p>{SENTENCE}</p><div class="comments"><p>{SENTENCE}First!</p></div>')).text
    assert "First!" not in text


def test_a_list_of_links_goes_and_a_list_with_a_link_stays():
    menu = (
        "<ul>"
        + "".join(f'<li><a href="/{i}">A fairly long title of page {i}.</a></li>' for i in range(8))
        + "</ul>"
    )
    notes = (
        '<ul><li>A first note that explains a thing.</li><li>A second with <a href="/">a link</a>.</li></ul>'
    )
    text = extract(page(f"{menu}<p>{SENTENCE}</p>{notes}<p>{SENTENCE}</p>{menu}")).text
    assert "fairly long title" not in text
    assert "- A first note that explains a thing.\n- A second with a link." in text


def test_hidden_text_is_left_out():
    hidden = f'<p style="display: none">{SENTENCE}Hidden.</p><div hidden>{SENTENCE}Hidden.</div>'
    assert "Hidden." not in extract(page(f"<p>{SENTENCE}</p>{hidden}")).text


@pytest.mark.parametrize(
    ("tail", "cut"),
    [("</body></html>", False), ("</div></p>", False), ("<p>and th", True), ("</p><a hre", True)],
)
def test_truncation_is_an_open_element_or_tag(tail, cut):
    assert is_truncated(f"<!DOCTYPE html><html><body><div>{SENTENCE}{tail}") is cut
    assert is_truncated(f"<p>{SENTENCE}") is False


@pytest.mark.parametrize(
    "opening", ["<div>", "<b><i>", "<table><tr><td>", "<ul><li>", "<span class=math>", "<p class=ad>"]
)
def test_deep_nesting_is_read_in_linear_time(opening):
    started = time.process_time()
    assert SENTENCE.strip() in extract(page(opening * 10_000 + SENTENCE)).text
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no markup at all",
        b"<",
        b"<html",
        b"\x00" * 1_000,
        b"<html><body>" + bytes(range(256)) * 50,
        b"<table><tr><td>" * 300,
        b"</div>" * 5_000,
        b"<p>" + b"<b><i>" * 700 + b"x",
        b"<!--" * 10_000,
        b"<a href='" + b"x" * 100_000,
        b"<pre>" + b"\n" * 10_000,
        "<p>\ud7ff\u0000\uffff&#0;&#x110000;&notanentity;</p>".encode(),
    ],
    ids=range(13),
)
def test_hostile_pages_do_not_crash(data):
    extract(data)


def test_a_line_of_five_megabytes_is_read_in_linear_time():
    started = time.perf_counter()
    text = extract(page("<p>" + "many words in one line. " * 210_000 + "</p>")).text
    assert len(text) > 5_000_000
    assert time.perf_counter() - started < 20


def test_charsets():
    assert decode("ä".encode("latin-1") + b"<") == "ä<"
    assert decode(b'<meta charset="utf-8">\xc3\xa4') == '<meta charset="utf-8">ä'
    assert decode(b"<meta charset=windows-1251>\xe4").endswith("д")
    assert decode("\ufeffä".encode("utf-16-le")) == "ä"
    assert decode(b"<meta charset=hex>ab").endswith("ab")


def test_the_score_counts_words_with_repetition():
    assert score.word_overlap("a a b", "a b c") == (2 / 3, 2 / 3)
    assert score.word_overlap("", "a") == (0.0, 0.0)
    assert score.code_kept("x\ny", "```\nx\ny\n```\n\n```\nz\n```") == (1, 2)


@pytest.mark.parametrize(("name", "floor"), [("html-trafilatura-cc", 0.96), ("html-trafilatura-a", 0.93)])
def test_real_pages(name, floor):
    """Segments that annotators wanted or not, from trafilatura's evaluation; see benchmarks/extraction.py."""
    folder = SHARED / name
    if not folder.exists():
        pytest.skip(f"no {folder}")
    right = wrong = missed = 0
    for entry in json.loads((folder / "gold.json").read_text()).values():
        text = extract(gzip.decompress((folder / "html" / entry["file"]).read_bytes())).text
        right += sum(segment in text for segment in entry["with"])
        missed += sum(segment not in text for segment in entry["with"])
        wrong += sum(segment in text for segment in entry["without"])
    assert score.f1(right / (right + wrong), right / (right + missed)) > floor
