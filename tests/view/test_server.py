"""Who may ask, what they get, and that no row of a run can act in the browser."""

import gc
import re
import socket
import weakref

import pytest

from trivium.inert import inert
from trivium.view import guard, routes
from trivium.view.site import Site

TRACED = "/trace?id=" + "a" * 20
ADDRESSES = [*routes.PAGES, TRACED, "/data?table=01-curate/passages", "/row?table=01-curate/passages&n=119",
             "/data?table=01-curate/passages&part=rows&q=script", "/?part=1", "/?part=figures",
             "/data?table=01-curate/dropped/drops&part=facets", "/row?table=03-synthesize/examples&n=1",
             "/pivots?question=" + "e" * 20, "/evaluation?kind=all", "/review?queue=calls",
             "/review?queue=judged"]  # fmt: skip
ADDRESSES.remove("/row")


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_answers_and_no_row_is_markup(served, address):
    status, headers, text = served.ask(address)
    assert status == 200, text
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<script>document" not in text and "<img src=x" not in text and 'onerror="' not in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", text)


def test_hostile_rows_can_still_be_read(served):
    text = served.ask("/row?table=01-curate/passages&n=119")[2]
    assert "&lt;script&gt;document.title" in text and "abc[U+202E]def[U+2066]ghi[U+200B]" in text


def test_no_page_runs_or_loads_anything_but_our_own_files(served):
    for address in ADDRESSES:
        text = served.ask(address)[2]
        sources = re.findall(r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=\"([^\"]*)\"", text)
        assert {source for source in sources if not source.startswith(("/static/", "data:,"))} == set()
        inline = re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>", text)
        assert inline == [] and not re.search(r"\son\w+=\"|\sstyle=\"|<style", text)


def test_without_the_token_nothing_is_shown(served):
    for headers in ({"Cookie": ""}, {"Cookie": f"trivium-view-{served.port}=guess"}):
        status, _, text = served.ask("/data", **headers)
        assert status == 401 and "passages" not in text
    assert served.ask("/static/view.js", Cookie="")[0] == 401
    assert served.ask("/?token=guess", Cookie="")[0] == 401


def test_the_token_moves_from_the_address_to_a_cookie_that_scripts_and_other_sites_lack(served):
    status, headers, _ = served.ask(f"/data?token={served.token}&table=x", Cookie="")
    assert status == 303 and headers["Location"] == "/data?table=x"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(headers["Set-Cookie"].split("; "))
    assert served.ask(f"//evil.example/?token={served.token}", Cookie="")[1]["Location"] == "/evil.example/"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "a@127.0.0.1", ""]
)
def test_a_name_that_was_pointed_at_this_machine_is_refused(served, host):
    assert served.ask("/", Host=host)[0] in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:9"])
def test_this_machine_may_be_called_by_its_names(served, host):
    assert served.ask("/", Host=host)[0] == 200


def test_other_sites_can_neither_read_nor_write(served):
    form = "queue=seeds&id=x&answer=yes"
    own = f"http://127.0.0.1:{served.port}"
    before = served.ask("/review")[2]
    assert served.ask("/", Origin="http://evil.example")[0] == 403
    assert served.ask("/review", method="POST", body=form)[0] == 403
    assert served.ask("/review", method="POST", body=form, Origin="null")[0] == 403
    assert served.ask("/review", method="POST", body=form, Origin="http://127.0.0.1:1")[0] == 403
    assert served.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert served.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    assert served.ask("/review", method="POST", body=form, Origin=own, Sec_Fetch_Site="cross-site")[0] == 403
    assert served.ask("/", method="PUT", Origin=own)[0] == 403
    assert served.ask("/review")[2] == before


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2f..%2fserver.py", "/static//etc/passwd",
     "/../../etc/passwd", "/data?table=../small/01-curate/passages", "/data?table=/etc/passwd",
     "/recipe.json", "/row?table=01-curate/../03-synthesize/calls&n=0", "/static/view.css%00.js"],
)  # fmt: skip
def test_no_path_of_a_request_meets_the_disk(served, path):
    status, _, text = served.ask(path)
    assert status in (400, 404) and "root:" not in text and "import " not in text


def test_it_listens_on_the_loopback_address_alone(served):
    assert guard.ADDRESS == "127.0.0.1"
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", served.port), timeout=5):
        pass


def test_the_database_reads_the_run_and_nothing_else(site, tmp_path):
    import duckdb

    (tmp_path / "other.csv").write_text("a\n1\n")
    cursor = site.tables.cursor()
    for query in (f"SELECT * FROM '{tmp_path}/other.csv'", f"COPY (SELECT 1) TO '{tmp_path}/new.csv'"):
        with pytest.raises(duckdb.PermissionException):
            cursor.execute(query)
    with pytest.raises(duckdb.Error, match="locked"):
        cursor.execute("SET enable_external_access = true")


@pytest.mark.parametrize(
    "path",
    ["/data?table=01-curate/passages&sort=%22%3B+DROP+TABLE+x", "/data?table=01-curate/passages&min.text=1",
     "/data?table=01-curate/passages&page=x", "/data?table=01-curate/passages&q=" + "x" * 201,
     "/row?table=01-curate/passages&n=120", "/row?table=01-curate/passages", "/trace?id=nothing",
     "/review?queue=none", "/pivots?question=none"],
)  # fmt: skip
def test_what_cannot_be_answered_is_one_sentence(served, path):
    status, _, text = served.ask(path)
    assert status == 400 and "expected" in text and "Traceback" not in text


def test_characters_that_act_are_named_and_the_rest_is_left_alone():
    assert inert("a\x00b\u202ec\ud800\U000e0041") == "a[U+0000]b[U+202E]c[U+D800][U+E0041]"
    assert inert("tab\tline\nß 中文 \N{GRINNING FACE}") == "tab\tline\nß 中文 \N{GRINNING FACE}"


def test_a_taken_port_is_one_sentence(served, capsys):
    from trivium.cli import main

    assert main.main(["view", str(served.run), "--port", str(served.port)]) == 2
    assert f"--port: got {served.port}, which another program uses" in capsys.readouterr().err
    assert main.main(["view", str(served.run / "none")]) == 2


def test_rows_are_taken_away_as_a_file_that_no_browser_runs(served):
    status, headers, text = served.ask("/rows.jsonl?table=01-curate/passages&q=script")
    assert status == 200 and text.count("\n") == 1 and "<script>" in text
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["Content-Type"].startswith("application/x-ndjson")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert served.ask("/rows.jsonl?table=01-curate/passages", Cookie="")[0] == 401
    assert served.ask("/rows.jsonl?table=/etc/passwd")[0] == 400
    assert served.post("/rows.jsonl", "table=01-curate/passages")[0] == 404


def test_nothing_of_a_run_outlives_its_server(to_serve):
    served = next(to_serve)
    assert served.ask(TRACED)[0] == 200
    (site,) = [
        weakref.ref(one) for one in gc.get_objects() if type(one) is Site and one.run.path == served.run
    ]
    to_serve.close()
    gc.collect()
    assert site() is None
