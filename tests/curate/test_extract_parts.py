"""Formulas, code, tables, threads and the way back to the source: the smallest page of each kind."""

import pytest

from trivium.curate.extract.html import extract

SENTENCE = "The main text of this page is a paragraph that is long enough to be taken for content by anyone. "
FRACTION = "<mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><msqrt><mi>\u03b1</mi></msqrt></mfrac>"
TEX_NOTE = '<annotation encoding="application/x-tex">{}</annotation>'


def text_of(body: str) -> str:
    return extract(
        f"<!DOCTYPE html><html><body><p>{SENTENCE}</p>{body}<p>{SENTENCE}</p></body></html>".encode()
    ).text


@pytest.mark.parametrize(
    ("markup", "tex"),
    [
        (f"<math>{FRACTION}</math>", r"$\frac{a + 1}{\sqrt{\alpha}}$"),
        (f"<math display=block>{FRACTION}</math>", r"$$\frac{a + 1}{\sqrt{\alpha}}$$"),
        ("<math><msubsup><mo>\u2211</mo><mi>i</mi><mi>n</mi></msubsup></math>", r"$\sum_{i}^{n}$"),
        ("<math><mover><mi>x</mi><mo>\u2192</mo></mover></math>", r"$\vec{x}$"),
        (
            "<math><mo>(</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>0</mn></mtd></mtr></mtable><mo>)</mo></math>",
            r"$\begin{pmatrix} 1 & 0 \end{pmatrix}$",
        ),
        (
            '<span class="katex"><span class="katex-mathml"><math><semantics><mi>x</mi>'
            + TEX_NOTE.format("x_1")
            + '</semantics></math></span><span class="katex-html" aria-hidden="true">x1</span></span>',
            "$x_1$",
        ),
        (
            '<mjx-container class="MathJax" display="true">'
            '<mjx-math aria-hidden="true"><mjx-mi>y</mjx-mi></mjx-math>'
            "<mjx-assistive-mml><math><mi>y</mi></math></mjx-assistive-mml></mjx-container>",
            "$$y$$",
        ),
        ('<span class="MathJax_Preview">E</span><script type="math/tex">E=mc^2</script>', "$E=mc^2$"),
        ('<script type="math/tex; mode=display">F=ma</script>', "$$F=ma$$"),
        ('<script type="math/asciimath">sum_(i=1)^n i</script>', "`sum_(i=1)^n i`"),
        ('<span class="math-inline" data-math="p \\to q">p q</span>', r"$p \to q$"),
        ('<img class="latex" src="eq.png" alt="\\beta^2">', r"$\beta^2$"),
        (r"\(a_1 + b_1\)", "$a_1 + b_1$"),
        (r"\[ a_1 = b_1 \]", "$$a_1 = b_1$$"),
    ],
)
def test_formulas_become_tex_once(markup, tex):
    text = text_of(f"<p>Take {markup} as given, which is all that is to be said of it.</p>")
    assert f"Take {tex} as given" in text
    assert text.count("as given") == 1


def test_a_picture_is_no_formula():
    assert "$" not in text_of(
        '<p>See <img alt="A cat on a mat" src="cat.png"> here, it sits there quite still.</p>'
    )


@pytest.mark.parametrize(
    ("markup", "code"),
    [
        ('<pre><code class="language-python">x = 1\ny = 2</code></pre>', "```python\nx = 1\ny = 2\n```"),
        ('<div class="highlight-source-rust"><pre>fn f() {}</pre></div>', "```rust\nfn f() {}\n```"),
        ('<pre data-lang="sql">select 1</pre>', "```sql\nselect 1\n```"),
        ("<pre><span class=ln>1</span>a<br><span class=ln>2</span>b</pre>", "```\na\nb\n```"),
        ("<pre><div>a</div><div><br></div><div>b</div></pre>", "```\na\n\nb\n```"),
        (
            "<pre><div><span>1</span><div>a</div></div><div><span>2</span><div>b</div></div></pre>",
            "```\na\nb\n```",
        ),
        (
            '<div class="cm-editor"><div class="cm-content"><div>a</div><div>b</div></div></div>',
            "```\na\nb\n```",
        ),
        ("<pre>a\n```\nb</pre>", "````\na\n```\nb\n````"),
    ],
)
def test_code_keeps_lines_and_language(markup, code):
    assert f"\n\n{code}\n\n" in text_of(markup)


def test_cells_that_span_keep_the_columns_in_place():
    rows = "<tr><th rowspan=2>k</th><th colspan=2>v</th></tr><tr><td>1</td><td>a|b</td></tr>"
    assert "| k | v |  |\n| --- | --- | --- |\n|  | 1 | a\\|b |" in text_of(f"<table>{rows}</table>")


def test_a_thread_has_a_rule_between_posts_and_marks_replies():
    reply = f"<div class=comment><p>{SENTENCE}Second.</p></div>"
    first = f"<div class=comment><p>{SENTENCE}First.</p>{reply}</div>"
    posts = f"{first}<div class=comment><p>{SENTENCE}Third.</p></div>"
    text = extract(f"<html><body><h1>T</h1>{posts}</body></html>".encode()).text
    assert text.index("First.") < text.index("Second.") < text.index("Third.")
    assert f"---\n\n> {SENTENCE}Second." in text and f"---\n\n{SENTENCE}Third." in text


def test_a_name_counts_only_while_most_of_the_text_is_elsewhere():
    box = f'<div class="sidebar"><p>{SENTENCE}Boxed.</p></div>'
    assert "Boxed." not in text_of(box)
    assert "Boxed." in extract(f"<html><body>{box}<p>Short.</p></body></html>".encode()).text


def test_the_main_section_is_taken_without_its_neighbours():
    more = f"<div><p>{SENTENCE}Elsewhere.</p></div>"
    body = f'<div>{more}<div class="entry-content">{f"<p>{SENTENCE}</p>" * 8}<p>Short</p></div>{more}</div>'
    text = extract(f"<html><body>{body}</body></html>".encode()).text
    assert "Elsewhere." not in text and text.endswith("Short")


def test_text_in_signs_without_blanks_is_text():
    words = "\u5b50\u4f9b\u7684\u7f8a\u3092\u898b\u305f\u3002" * 4
    assert extract(f"<html><body><p>{words}</p></body></html>".encode()).text == words


def test_every_block_leads_back_to_its_tag():
    body = f"\r\n<nav>\u00e9</nav>\r<h1>Title</h1>\n <p>{SENTENCE}</p><ul><li>{SENTENCE}</li></ul>"
    page = f"<html><body>{body}</body></html>"
    found = extract(page.encode(), offsets=True)
    pairs = [(found.text[a:].split()[0], page[b:].split(">")[0]) for a, b in found.offsets]
    assert pairs == [("#", "<h1"), ("The", "<p"), ("-", "<li")]
