"""A small HTTP server that samples with our own sampler and speaks vLLM's wire format, faults included."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trivium.models.sample import Request, sample


class Served:
    """What the server did; `faults` are taken one a request: 500, 429, drop, half, slow, ids."""

    def __init__(self, model: Any, stop_ids: Sequence[int], faults: Sequence[str]) -> None:
        self.model, self.stop_ids, self.faults = model, tuple(stop_ids), list(faults)
        self.answered: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.names = ["tiny"]
        self.lock = threading.Lock()
        self.address = ""

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.bodies.append(body)
            self.answered[json.dumps(body, sort_keys=True)] += 1
            request = Request(tuple(body["prompt"]), body["seed"], body["max_tokens"])
            (done,) = sample(
                self.model, [request], temperature=body["temperature"], stop_ids=body["stop_token_ids"]
            )
        ids = [*done.ids, *([done.stop_id] if done.finish == "eos" else [])]
        logprobs = {"tokens": [f"token_id:{i}" for i in ids], "token_logprobs": list(done.logprobs)}
        reason = "stop" if done.finish == "eos" else "length"
        return {"choices": [{"text": "", "finish_reason": reason, "logprobs": logprobs, "token_ids": ids}]}


@contextmanager
def serving(model: Any, stop_ids: Sequence[int], faults: Sequence[str] = ()) -> Iterator[Served]:
    """Serve a model on a free port of this machine."""
    served = Served(model, stop_ids, faults)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send(200, json.dumps({"data": [{"id": name} for name in served.names]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                fault = served.faults.pop(0) if served.faults else ""
            if fault == "drop":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(1.0)
            if fault.isdigit():
                self.send(int(fault), "not now")
                return
            text = json.dumps(served.answer(body)) if fault != "half" else '{"choices": ['
            self.send(200, text)

        def send(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            try:
                self.wfile.write(text.encode())
            except (BrokenPipeError, ConnectionResetError):
                pass

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
