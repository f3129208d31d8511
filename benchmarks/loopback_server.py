"""A server on the OpenAI wire format that costs next to nothing: one canned reply, a capacity, 429 beyond it.

    python benchmarks/loopback_server.py LATENCY,CAPACITY      # prints its port

`GET /stats` tells what it saw; the mean of requests under way is taken over the second half of the answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

RETRY_AFTER = 0.05
CONTENT = "It was a dark night. " * 28


def reply(status: str, body: bytes, more: str = "") -> bytes:
    """Write a whole HTTP/1.1 reply."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def completion(chat: bool) -> bytes:
    """The canned answer to a chat or to a raw prompt."""
    said = {"message": {"role": "assistant", "content": CONTENT}} if chat else {"text": CONTENT}
    answer = {
        **{"id": "c", "object": "chat.completion" if chat else "text_completion", "created": 0, "model": "m"},
        "choices": [{"index": 0, "finish_reason": "stop", **said}],
        "usage": {"prompt_tokens": 250, "completion_tokens": 140, "total_tokens": 390},
    }
    return reply("200 OK", json.dumps(answer).encode())


CHAT, RAW = completion(True), completion(False)
REFUSAL = reply(
    "429 Too Many Requests", b'{"error": {"message": "slow down"}}', f"Retry-After: {RETRY_AFTER}\r\n"
)


class Load:
    """How many requests are under way, and the history of it."""

    def __init__(self, latency: float, capacity: int) -> None:
        """Start empty."""
        self.latency, self.capacity = latency, capacity
        self.active = self.refused = 0
        self.history: list[tuple[float, int]] = []

    def change(self, step: int) -> None:
        """Note a begin or an end."""
        self.active += step
        self.history.append((time.perf_counter(), self.active))

    def stats(self) -> bytes:
        """Mean of the requests under way, by time, from the middle to the last tenth of the run."""
        if len(self.history) < 10:
            return reply("200 OK", b"{}")
        first, last = self.history[0][0], self.history[-1][0]
        low, high = first + 0.5 * (last - first), first + 0.9 * (last - first)
        area = 0.0
        for (at, active), (after, _) in zip(self.history, self.history[1:], strict=False):
            area += active * max(0.0, min(after, high) - max(at, low))
        told = {"refused": self.refused, "mean_active": round(area / (high - low), 2)}
        return reply("200 OK", json.dumps(told).encode())


class Connection(asyncio.Protocol):
    """One connection; requests come one after another."""

    def __init__(self, load: Load) -> None:
        """Share the load with all connections."""
        self.load = load
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect a whole request."""
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) >= length:
            self.data = body[length:]
            self.answer(head.split(b" ", 2)[1])

    def answer(self, path: bytes) -> None:
        """Refuse at once, or answer after the latency."""
        if path == b"/stats":
            self.send(self.load.stats())
        elif self.load.active >= self.load.capacity:
            self.load.refused += 1
            self.send(REFUSAL)
        else:
            self.load.change(1)
            canned = CHAT if b"chat" in path else RAW
            asyncio.get_running_loop().call_later(self.load.latency, self.finish, canned)

    def finish(self, canned: bytes) -> None:
        """Answer and free the place."""
        self.load.change(-1)
        self.send(canned)

    def send(self, data: bytes) -> None:
        """Write unless the client has gone."""
        if not self.transport.is_closing():
            self.transport.write(data)  # type: ignore[attr-defined]


async def serve(latency: float, capacity: int) -> None:
    """Listen on a free port, print it, answer until killed."""
    load = Load(latency, capacity)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(load), "127.0.0.1", 0, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    seconds, places = sys.argv[1].split(",")
    asyncio.run(serve(float(seconds), int(places)))
