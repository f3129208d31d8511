"""One small valid file of every format that the readers know, as bytes."""

import gzip
import io
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

SENTENCE = "A sentence of some length that stands in every one of these files, so that it can be found again."
HTML = f"<!DOCTYPE html><html><body><h1>T</h1><p>{SENTENCE}</p><pre>x = 1</pre></body></html>".encode()


def warc(count: int = 3) -> bytes:
    parts = []
    for number in range(count):
        http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + HTML
        head = (
            f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:0-0-0-0-{number}>\r\n"
            f"WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Target-URI: http://example.org/{number}\r\n"
            f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
        )
        parts.append(head.encode() + http + b"\r\n\r\n")
    return b"".join(parts)


def warc_gz() -> bytes:
    return b"".join(gzip.compress(warc(1)) for _ in range(3))


def arc() -> bytes:
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + HTML
    version = b"1 0 test\nURL IP-address Archive-date Content-type Archive-length\n"
    first = b"filedesc://x.arc 0.0.0.0 20260101000000 text/plain %d\n" % len(version) + version
    return first + b"\nhttp://example.org/ 127.0.0.1 20260101000000 text/html %d\n" % len(http) + http + b"\n"


def jsonl() -> bytes:
    return b"".join(json.dumps({"text": f"{SENTENCE} {i}"}).encode() + b"\n" for i in range(5))


def zst(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": [SENTENCE] * 4}), sink, row_group_size=2)
    return sink.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return sink.getvalue()


def epub(chapter: bytes = b"") -> bytes:
    page = (
        chapter
        or b'<?xml version="1.0"?><html><body><h1>One</h1><p>' + SENTENCE.encode() + b"</p></body></html>"
    )
    package = (
        b'<package><manifest><item id="b" href="two.xhtml"/><item id="a" href="one.xhtml"/></manifest>'
        b'<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    container = b'<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    return zipped(
        {
            "META-INF/container.xml": container,
            "OEBPS/book.opf": package,
            "OEBPS/two.xhtml": page.replace(b"One", b"Two"),
            "OEBPS/one.xhtml": page,
        }
    )


def docx() -> bytes:
    def paragraph(text: str, style: str = "") -> str:
        properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"

    cells = "".join(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("k", "v"))
    table = f"<w:tbl>{f'<w:tr>{cells}</w:tr>' * 2}</w:tbl>"
    body = paragraph("Head", "Heading2") + paragraph(SENTENCE) + table
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    whole = f'<w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>'
    return zipped({"word/document.xml": whole.encode()})


def cnxml() -> bytes:
    mathml = "http://www.w3.org/1998/Math/MathML"
    return (
        f'<document xmlns="http://cnx.rice.edu/cnxml" xmlns:m="{mathml}"><title>Top</title>'
        "<metadata>gone</metadata><content><section><title>Part</title>"
        f"<para>{SENTENCE} <m:math><m:mi>x</m:mi></m:math></para>"
        '<list list-type="enumerated"><item>first</item><item>second</item></list>'
        '<code display="block">a = 1\nb = 2</code></section></content></document>'
    ).encode()


def posts() -> bytes:
    question = (
        '<row Id="1" PostTypeId="1" AcceptedAnswerId="3" Score="5" Title="Why?" Tags="&lt;a&gt;" Body="{}" />'
    )
    answer = '<row Id="{}" PostTypeId="2" ParentId="1" Score="{}" Body="&lt;p&gt;{}&lt;/p&gt;" />'
    rows = [question.format(SENTENCE), answer.format(2, 9, "Because."), answer.format(3, 1, "Accepted.")]
    return ('<?xml version="1.0"?><posts>' + "".join(rows) + "</posts>").encode()


TEX = (
    r"\documentclass{article}\newcommand{\half}[1]{\frac{#1}{2}} % a comment" + "\n"
    r"\begin{document}\section{Top} " + SENTENCE + r" Take $\half{x}$ and \emph{this}." + "\n"
    r"\begin{align} a &= b \label{l} \\ c &= d \end{align}"
    r"\begin{tabular}{ll} k & v \\ \hline 1 & 2 \end{tabular}"
    r"\begin{itemize}\item one \item two\end{itemize}"
    "\n\\begin{verbatim}\nx % y\n\\end{verbatim}\n\\end{document} after"
).encode()


def pdf() -> bytes:
    stream = f"BT /F1 12 Tf 72 700 Td ({SENTENCE}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    tail = b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 5\n0000000000 65535 f \n" + table + tail


CODE = b"// SPDX-License-Identifier: MIT\n" + b"int twice(int x) {\n  return 2 * x;\n}\n" * 6
PYTHON = b'def twice(x):\n    """Return x two times, as the name says."""\n    return 2 * x\n' * 3
MADE: dict[str, bytes] = {
    "a.txt": SENTENCE.encode(), "b.md": f"# T\n\n{SENTENCE}".encode(), "c.html": HTML, "d.jsonl": jsonl(),
    "d.jsonl.gz": gzip.compress(jsonl()), "d.jsonl.zst": zst(jsonl()), "e.parquet": parquet(),
    "f.warc": warc(),
    "f.warc.gz": warc_gz(), "g.arc": arc(), "h.epub": epub(), "i.docx": docx(), "j.cnxml": cnxml(),
    "k.tex": TEX,
    "l.pdf": pdf(), "Posts.xml": posts(), "m.c": CODE, "n.py": PYTHON,
}  # fmt: skip
"""File name -> bytes."""
