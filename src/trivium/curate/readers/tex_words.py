"""The commands and environments of LaTeX that the reader knows, by what it does with them."""

from __future__ import annotations

MATHS = frozenset(
    "IEEEeqnarray align alignat displaymath dmath eqnarray equation flalign gather math multline numcases "
    "subnumcases xalignat".split()
)
ONE_LINE = frozenset("displaymath dmath equation math".split())
"""Formulas whose lines, if any, belong to an environment inside of them."""
CODE = frozenset("Verbatim alltt code lstlisting minted semiverbatim verbatim".split())
LISTS = {"itemize": "-", "enumerate": "1.", "description": "-", "compactitem": "-", "compactenum": "1."}
LEFT_OUT = frozenset(
    "CJK comment editorial filecontents picture pspicture thebibliography tikzpicture".split()
)
PLAIN = frozenset(
    "abstract center document doublespace figure flushleft flushright footnotesize frame landscape "
    "minipage multicols quotation quote raggedright singlespace sloppypar small spacing split "
    "subequations subfigure table tablenotes threeparttable titlepage wrapfigure".split()
)
HEADINGS = {
    "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5, "title": 1,
    "olchapter": 1, "olsection": 2, "subparagraph": 6,
}  # fmt: skip
DROPPED = frozenset(
    "Cref addcontentsline addlinespace addtocounter arrayrulecolor author autoref bibitem bibliography "
    "bibliographystyle caption* captionsetup cellcolor cite citeauthor citep citet color columncolor cref "
    "date documentclass end enlargethispage eqref geometry gloss graphicspath hphantom hspace hypersetup "
    "hyphenation include includegraphics index input label linespread lstset newcounter newlength "
    "newtheorem nocite olfileid ollabel olref pagecolor pagenumbering pageref pagestyle phantom ref "
    "refstepcounter rowcolor rowcolors rule setcounter setlength setmainfont settowidth stepcounter "
    "tagged thanks theoremstyle thispagestyle usepackage vphantom vspace".split()
)
"""Commands that say nothing in running text, with their arguments."""
MARKS = {"emph": "*", "textit": "*", "textbf": "**", "texttt": "`", "textsl": "*", "it": "", "bf": ""}
LAST_ARGUMENT = {
    **dict.fromkeys(
        "centerline fbox framebox hbox makebox makecell mathrm mbox rothead shortstack "
        "text textmd textnormal textrm textsc textsf textup thead underline vbox".split(),
        0,
    ),
    **dict.fromkeys(
        "colorbox foreignlanguage href multirowcell multirowthead parbox raisebox "
        "rotatebox scalebox texorpdfstring textcolor".split(),
        1,
    ),
    **dict.fromkeys("fcolorbox multicolumn multirow resizebox".split(), 2),
}
"""Commands that set their last argument as text -> how many arguments stand before it."""
LENGTHS = frozenset(
    "arraycolsep arraystretch baselineskip columnsep evensidemargin hsize hskip jot kern leftskip lower "
    "mkern mskip oddsidemargin parindent parskip raise rightskip tabcolsep textheight textwidth topmargin "
    "vsize vskip".split()
)
"""Commands that a length may follow."""
UNITS = frozenset("nicefrac unit unitfrac".split())
"""A number and its unit, or a fraction in running text: packages units and nicefrac."""
SIGNS = {
    "ldots": "...", "dots": "...", "textellipsis": "...", "LaTeX": "LaTeX", "TeX": "TeX",
    "textbackslash": "\\",
    "S": "\u00a7", "copyright": "\u00a9", "pounds": "\u00a3", "ss": "\u00df", "ae": "\u00e6", "AE": "\u00c6",
    "o": "\u00f8",
    "O": "\u00d8", "aa": "\u00e5", "AA": "\u00c5", "l": "\u0142", "L": "\u0141", "i": "i",
    "textasciitilde": "~", "par": "\n\n",
    "newline": "\n", "quad": " ", "qquad": " ", "textendash": "\u2013", "textemdash": "\u2014",
    "P": "\u00b6", "dag": "\u2020",
}  # fmt: skip
ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "c": "\u0327",
"v": "\u030c",
           "=": "\u0304", "u": "\u0306", "H": "\u030b", ".": "\u0307", "r": "\u030a"}  # fmt: skip
