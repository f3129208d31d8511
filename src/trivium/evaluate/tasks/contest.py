"""Contest: word problems drawn after training ends, from sentences, names and numbers never trained on.

The report tested phi-4 on competitions held after its data were frozen (AMC, November 2024; section 1.1 and
Appendix C). Here the seed is a hash of the final weights: nobody can know the problems before training ends,
and the same run draws the same contest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from pathlib import Path

from trivium import verify
from trivium.errors import DataError
from trivium.evaluate.logs import GREEDY, SAMPLED, Task, accuracy_measures, steps_group
from trivium.problems import word
from trivium.records import Question, Verdict

NAME = "contest"


def seed_from_weights(model: Path) -> int:
    """Return a 32-bit seed that depends on every weight of a checkpoint and on nothing else.

    Tensors are hashed by name, type, shape and bytes, so metadata, configuration and tokenizer do not count.

    Raises:
        DataError: There is no readable model.safetensors.
    """
    digest = hashlib.blake2b(digest_size=4)
    file = model / "model.safetensors"
    try:
        with file.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(size))
            body = stream.tell()
            for name in sorted(header.keys() - {"__metadata__"}):
                entry = header[name]
                start, end = entry["data_offsets"]
                stream.seek(body + start)
                digest.update(f"{name} {entry['dtype']} {entry['shape']}\0".encode())
                digest.update(stream.read(end - start))
    except (OSError, struct.error, ValueError, KeyError) as error:
        raise DataError(
            f"{file}: got no readable weights ({error}); expected a checkpoint, train it again."
        ) from None
    return int.from_bytes(digest.digest(), "big")


def items(seed: int, count: int, steps: tuple[int, int]) -> list[Question]:
    """Draw the contest: `count` problems of `steps` least to greatest operations."""
    made = word.make(seed, count, split="contest", steps=steps)
    return [dataclasses.replace(question, skill=NAME) for question in made]


def judge(question: Question, reply: str) -> Verdict:
    """Compare the final number."""
    return verify.judge(question.verifier, reply, question.answer)


TASK = Task(
    name=NAME,
    modes=(GREEDY, SAMPLED),
    length="solution_tokens",
    judge=judge,
    group=steps_group,
    measures=accuracy_measures,
)
