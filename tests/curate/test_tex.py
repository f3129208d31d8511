"""TeX to Markdown: macros, tables, formulas, each with its smallest case."""

import pytest

from trivium.curate.readers.tex import tex_text
from trivium.curate.readers.tex_macros import expanded


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"\newcommand{\a}[2][x]{#1+#2}\a{b} \a[c]{d}", "x+b c+d"),
        (r"\providecommand{\a}{1}\providecommand{\a}{2}\a", "1"),
        (r"\let\x\phi\let\phi\varphi$\x\phi$", r"$\phi\varphi$"),
        (r"\def\a{1}\a\def\a{2}\a", "12"),
        (r"\def\f(#1,#2){<#1|#2>}\f({a,b},c)", "<a,b|c>"),
        (r"\def\a{\b}\def\b#1{[#1]}\a{z}", "[z]"),
        (r"\DeclareMathOperator*{\am}{arg\,min}\am_x", r"\operatorname*{arg\,min}_x"),
        (
            r"\DeclarePairedDelimiter\abs{|}{|}\abs{x}\abs*{y}\abs[\big]{z}",
            r"| x |\left| y \right|\big| z \big|",
        ),
        (
            r"\newenvironment{eqn}[1]{\begin{equation}\tag{#1}}{\end{equation}}\begin{eqn}{3}x\end{eqn}",
            r"\begin{equation}\tag{3}x\end{equation}",
        ),
        (r"\def\a{x}\begin{verbatim}\a\end{verbatim}", r"\begin{verbatim}\a\end{verbatim}"),
        (r"\renewcommand{\section}[1]{#1}\section{Top}", r"\section{Top}"),
        (r"\def\a{\a}\a", r"\a"),
    ],
)
def test_the_authors_macros_are_applied(source, text):
    assert expanded(source) == text


def test_macros_that_double_come_to_an_end():
    doubling = "".join(f"\\def\\{chr(97 + i)}{{\\{chr(98 + i)}\\{chr(98 + i)}}}" for i in range(24))
    assert len(expanded(doubling + "\\a" * 50)) < 3_000_000


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        (
            r"\begin{tabular}{ll}{\bf A} & B \\ \hline 1 & 2\end{tabular}",
            ["| A | B |", "| --- | --- |", "| 1 | 2 |"],
        ),
        (
            r"\begin{tabular*}{5cm}[t]{ll}a & b\\c & d\end{tabular*}",
            ["| a | b |", "| --- | --- |", "| c | d |"],
        ),
        (r"\begin{tabular}{r@{--}l>{$}c<{$}}1 & 2 & x_1\end{tabular}", ["| 1\u2013 | 2 | $x_1$ |"]),
        (r"\begin{tabular}{*{2}{>{\tt}l|}}a & --- \\ c & d\end{tabular}", ["| a | --- |", "| c | d |"]),
        (r"\begin{tabular}{@{(}l@{)}l}\multicolumn{2}{c}{h}\\1&2\end{tabular}", ["| h | |", "| (1) | 2 |"]),
        (
            r"\begin{tabular}{ll}\multirow{2}*{m} & \makecell[l]{a\\b}\\ & c\end{tabular}",
            ["| m | a b |", "| | c |"],
        ),
        (
            r"\begin{tabular}{ll}a & \begin{tabular}{l}b\\c\end{tabular}\\d & e\end{tabular}",
            ["| a | b c |", "| d | e |"],
        ),
        (
            r"\begin{tabbing}xx \= yy \= \kill a \> b \> c \\ d \> e\end{tabbing}",
            ["| a | b | c |", "| d | e | |"],
        ),
        (r"\halign{[#]&&(#)\cr a&b&c\cr d&e&f\cr}", ["| [a] | (b) | (c) |", "| [d] | (e) | (f) |"]),
    ],
)
def test_tables_keep_what_their_preamble_prints(source, rows):
    lines = tex_text(source).splitlines()
    assert [row for row in rows if row in lines] == rows


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"$a\hbox{if $b$}c$ end", r"$a\hbox{if $b$}c$ end"),
        ("costs 5$ a day.\n\nMore, $x$.", "costs 5 a day.\n\nMore, $x$."),
        (r"\begin{equation}\begin{cases}a & b\\c & d\end{cases}\end{equation}",
         r"$$\begin{cases}a & b\\c & d\end{cases}$$"),
        (r"\begin{numcases}{f=}1 & if $x$\\2 & else\end{numcases}",
         r"$$f= \begin{cases} 1 & \text{if $x$} \\ 2 & \text{else} \end{cases}$$"),
        (r"\begin{subequations}\begin{align}a&=b\end{align} and "
         r"\begin{equation}c\end{equation}\end{subequations}",
         "$$\\begin{aligned}a&=b\\end{aligned}$$\n\n and\n\n$$c$$"),
        (r"\textcolor{red}{Stop} \parbox[t]{3cm}{here}\vskip 1.2pt plus 1fil\rule{1pt}{2pt}", "Stop here"),
        (r"A speed of \unitfrac[3]{m}{s}.", r"A speed of $3\,\nicefrac{\mathrm{m}}{\mathrm{s}}$."),
        (r"See \lstinline!a_b! and \ensuremath{x^2}.", "See `a_b` and $x^2$."),
        (r"\texttt{--flag} 1--2", "`--flag` 1\u20132"),
    ],
)  # fmt: skip
def test_formulas_and_arguments(source, text):
    assert tex_text(source) == text
