"""A small run with a row of every kind, some of them hostile, and a server over it."""

import asyncio
import contextlib
import dataclasses
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trivium import records
from trivium.records import Document, Drop, Example, Message, Passage, Question, Rollout
from trivium.store import files
from trivium.view import guard
from trivium.view.server import serve
from trivium.view.site import Site

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
BIDI = "abc\u202edef\u2066ghi\u200b"
PROMPT_IDS = [1, 2, 3]
STAGES = [
    "curate",
    "items",
    "synthesize",
    "tokenize",
    "mix",
    "pretrain",
    "sft",
    "pivotal",
    "judge",
    "evaluate",
]


def finish(folder: Path, **metrics: object) -> None:
    files.write_json(folder / "metrics.json", metrics)
    memory = {"process": 12, "largest_child": 34}
    files.write_json(
        folder / "stage.json", {"seconds": 65.0, "rows_dropped": 2, "peak_memory_mib": memory, "outputs": {}}
    )


def write(folder: Path, table: str, cls: type, rows: list) -> None:
    files.write_parquet(folder / f"{table}.parquet", records.to_table(cls, rows))


def curate(root: Path) -> None:
    folder = root / "01-curate"
    texts = [f"passage number {i} about {'apples' if i % 2 else 'Pears'}" for i in range(119)]
    texts.append(f"{HOSTILE} {BIDI}")
    documents = [
        Document(id=f"d{i:019d}", kind="web", text=text, source="python:Lib/x.py", start=0, end=len(text),
                 licence="PSF-2.0", language="en") for i, text in enumerate(texts)
    ]  # fmt: skip
    passages = [
        Passage(id=f"b{i:019d}", document_id=d.id, kind=("web", "code")[i % 2], text=d.text, start=0,
                end=len(d.text), quality=i / 120, reasoning=0.5, factual=0.25, tags=["seed"] * (i >= 60))
        for i, d in enumerate(documents)
    ]  # fmt: skip
    write(folder, "documents", Document, documents)
    write(folder, "passages", Passage, passages)
    drops = [Drop(id=f"x{i}", step="quality", reason=("too_short", HOSTILE)[i > 2]) for i in range(5)]
    write(folder / "dropped", "drops", Drop, drops)
    finish(folder)


def synthesize(root: Path) -> None:
    items = Question(id="e" * 20, prompt="What is 6 x 7?", answer="42", verifier="number", skill="contest",
                     difficulty=1, template="t")  # fmt: skip
    write(root / "02-items", "questions", Question, [items])
    finish(root / "02-items")
    folder = root / "03-synthesize"
    calls = {"id": "ca11" * 5, "flow": "rewrite", "step": "write", "parents": [f"b{119:019d}"],
             "prompt": HOSTILE, "reply": BIDI, "finish": "stop", "verdict": "kept", "reason": ""}  # fmt: skip
    files.write_parquet(folder / "calls.parquet", pa.Table.from_pylist([calls]))
    turns = [Message(role="user", content=HOSTILE), Message(role="assistant", content="42")]
    rows = [
        Example(id="a" * 20, source="web", flow="rewrite", text=BIDI, parents=["ca11" * 5], depth=1),
        Example(id="c" * 20, source="web", flow="problems", messages=turns),
    ]
    write(folder, "examples", Example, rows)
    finish(folder)
    tokens = root / "05-tokenize" / "tokens"
    files.write_parquet(tokens / "web.rows.parquet", pa.table({"id": ["a" * 20, "c" * 20]}))
    np.save(tokens / "web.starts.npy", np.array([0, 7, 12]))
    finish(root / "05-tokenize")


def train(root: Path) -> None:
    source = {"source": "web", "share_wanted": 1.0, "share_got": 1.0, "unique_tokens": 12, "tokens": 24,
              "epochs": 2.0, "note": HOSTILE}  # fmt: skip
    files.write_json(root / "06-mix" / "plan.json", {"budget_tokens": 24, "sources": [source]})
    finish(root / "06-mix")
    losses = [{"step": i, "tokens": 2 * i, "source": "web", "loss": 3 - i / 9, "lr": 0.1} for i in range(9)]
    for folder in ("07-pretrain", "10-sft"):
        files.write_parquet(root / folder / "losses.parquet", pa.Table.from_pylist(losses))
        finish(root / folder, parameters=9, tokens=24, tokens_by_source={"web": 24},
               final_loss_by_source={"web": 2.1}, streams={"web": {"epochs": 2.0}})  # fmt: skip


def search(root: Path) -> None:
    def rollout(i: int, prefix: list[int], new: list[int], verdict: str) -> Rollout:
        return Rollout(id=f"f{i:019d}", question_id="e" * 20, prefix_ids=PROMPT_IDS + prefix, finish="eos",
                       completion_ids=new, logprobs=[0.0] * len(new), verdict=verdict)  # fmt: skip

    rollouts = [rollout(0, [], [4, 5], "right"), rollout(1, [], [4, 6], "wrong"),
                rollout(2, [], [7], "wrong"), rollout(3, [4], [5], "right"),
                rollout(4, [4], [5], "right")]  # fmt: skip
    folder = root / "11-pivotal"
    write(folder, "rollouts", Rollout, rollouts)
    searched = {"question_id": "e" * 20, "num_rollouts": 3, "num_right": 1, "num_confirmed": 1}
    files.write_parquet(folder / "searched.parquet", pa.Table.from_pylist([searched]))
    option = {"text": HOSTILE, "num_right": 1, "num_rollouts": 8,
              "continuations": [{"text": BIDI, "verdict": "right"}]}  # fmt: skip
    pivot = {"id": "p", "question_id": "e" * 20, "prompt": HOSTILE, "answer": "42", "before": "x",
             "text": HOSTILE, "prob": 0.5, "prob_before": 0.8, "prob_after": 0.1, "low": -0.9, "high": -0.4,
             "options": [option]}  # fmt: skip
    files.write_json(folder / "pivots.json", [pivot])
    token = {"text": BIDI, "p": 0.3, "n": 8, "pivotal": False}
    files.write_json(folder / "solved.json", [{"prompt": HOSTILE, "answer": "42", "tokens": [token]}])
    finish(folder, questions=1, pivotal_tokens=1)
    write(root / "13-judge", "judged", Rollout, rollouts)
    finish(root / "13-judge")


def evaluate(root: Path) -> None:
    verdicts = {"sft": ["right", "wrong"], "dpo1": ["right", "right"]}
    log = [
        {"stage": stage, "task": "contest", "item_id": ("e" * 20, "0" * 20)[i], "cluster": str(i),
         "group": "", "mode": "greedy", "verdict": verdict, "value": float(verdict == "right"), "weight": 1.0,
         "reply": HOSTILE + BIDI, "detail": "", "num_tokens": 3, "finish": "eos"}
        for stage, said in verdicts.items() for i, verdict in enumerate(said)
    ]  # fmt: skip
    folder = root / "15-evaluate"
    files.write_parquet(folder / "items_log.parquet", pa.Table.from_pylist(log))
    finish(folder)
    row = {"task": "contest", "metric": "accuracy", "low": 0.1, "high": 0.9, "n": 2, "seed": 0}
    files.write_json(
        root / "table.json", [row | {"stage": "sft", "value": 0.5}, row | {"stage": "dpo1", "value": 1.0}]
    )


def small_run(root: Path) -> Path:
    """Write the whole run."""
    files.write_json(root / "recipe.json", {"name": "small", "seed": 0, "stages": STAGES})
    for part in (curate, synthesize, train, search, evaluate):
        part(root)
    return root


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return small_run(tmp_path / "small")


@dataclasses.dataclass
class Served:
    """A server in a thread of its own."""

    address: str
    token: str
    port: int
    run: Path
    cookie: str = ""

    def ask(self, path: str, *, method: str = "GET", body: str | None = None, **headers: str):
        """Send one request (_ for - in header names, empty ones are left out): status, headers, text."""
        sent = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True)
        if body is not None:
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        for name, value in sent.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body.encode() if body is not None else None)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, response.headers, text

    def post(self, path: str, body: str):
        """Send a form as our own pages do."""
        return self.ask(path, method="POST", body=body, Origin=f"http://127.0.0.1:{self.port}")


def start(run: Path) -> Iterator[Served]:
    """Serve a run until the generator is closed."""
    token, ready, address = guard.make_token(), threading.Event(), []
    loop = asyncio.new_event_loop()

    def say(text: str) -> None:
        address.append(text)
        ready.set()

    site = Site.open(run)
    task = loop.create_task(serve(site, token, 0, say))

    def work() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            site.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(60)
    port = int(address[0].split(":")[2].split("/")[0])
    served = Served(address[0], token, port, run)
    served.cookie = served.ask(f"/?token={token}")[1]["Set-Cookie"].split(";")[0]
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(60)


@pytest.fixture
def site(run: Path) -> Iterator[Site]:
    with contextlib.closing(Site.open(run)) as opened:
        yield opened


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from start(small_run(tmp_path_factory.mktemp("view") / "small"))


@pytest.fixture
def to_serve(run: Path) -> Iterator[Served]:
    """A server that has not started: `next` starts it, closing the generator ends it."""
    return start(run)
