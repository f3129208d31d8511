"""Rollouts outlive a kill: what a call of the sampler gave is kept until its piece of work is finished.

A search is a fixed sequence of calls, each a fixed list of requests whose seeds decide what is drawn. So a
piece of work that was cut off asks the same again, and finds all finished calls on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from trivium.models.sample import Completion, Request
from trivium.models.sampling import Sample
from trivium.store.files import read_json, write_json


def keeping(folder: Path, draw: Sample) -> Sample:
    """Return `draw` with a memory in a folder.

    Args:
        folder: Where calls are kept, a file each, written whole or not at all.
        draw: A sampler whose completions depend on nothing but the requests.
    """

    def draw_or_read(requests: Sequence[Request]) -> list[Completion]:
        if not requests:
            return []
        path = folder / f"{_name(requests)}.json"
        if path.exists():
            return [_completion(*row) for row in read_json(path)]
        found = draw(requests)
        write_json(path, [[one.ids, one.logprobs, one.finish, one.stop_id] for one in found])
        return found

    return draw_or_read


def _name(requests: Sequence[Request]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for request in requests:
        digest.update(repr((request.prefix_ids, request.seed, request.max_new_tokens)).encode())
    return digest.hexdigest()


def _completion(ids: list[int], logprobs: list[float], finish: str, stop_id: int) -> Completion:
    return Completion(tuple(ids), tuple(logprobs), finish, stop_id)
