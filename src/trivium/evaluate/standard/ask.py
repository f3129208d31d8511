"""What a worker process does: one shard is one model, one task and a slice of its items."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium import records
from trivium.errors import ConfigError
from trivium.evaluate.standard import kept, served
from trivium.evaluate.standard.task import LIKELIHOOD, Item, Output, Read, cut
from trivium.models import prompting
from trivium.models.load import Tokenizer, load_model, load_tokenizer
from trivium.models.precision import Precision
from trivium.models.sample import Completion, Ends, Request, sample
from trivium.models.sample_draw import request_seed
from trivium.models.sample_served import Server
from trivium.models.sample_served import sample as sample_served

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel

LEAST_SHARED = 64
"""Fewer ids than this in common are not worth reading apart."""
HASHED = ("*.safetensors", "*.json", "*.jinja")
"""Files of a model's folder that decide what it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """A model that is evaluated."""

    label: str
    folder: str
    """Hugging Face folder: the model's, or for a server the one with its tokenizer."""
    identity: str
    """Hash of everything in the folder that decides what it says; of a server also its address and name."""
    server: Server | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What all shards share."""

    kept: str
    """SQLite file of outputs."""
    samples: int
    temperature: float
    seed: int
    device: str
    precision: Precision
    batch_size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """A piece of work that is done again whole after a kill."""

    contestant: Contestant
    task: str
    kind: str
    style: str
    """raw | auto | chat."""
    stops: tuple[str, ...]
    max_tokens: int
    items: tuple[Item, ...]


def identify(folder: str) -> str:
    """Hash a model's folder: 20 hex digits."""
    digest = hashlib.blake2b(digest_size=10)
    for path in sorted({path for pattern in HASHED for path in Path(folder).glob(pattern)}):
        digest.update(f"{path.name}\0".encode())
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):  # noqa: B023
                digest.update(block)
    return digest.hexdigest()


def run_shard(setting: Setting, shard: Shard) -> dict[str, pa.Table]:
    """Ask for what is not kept yet; returns the table `outputs`, items in order, samples in order."""
    answer = _likelihoods if shard.kind == LIKELIHOOD else _replies
    return {"outputs": records.to_table(Output, answer(setting, shard))}


def _likelihoods(setting: Setting, shard: Shard) -> list[Output]:
    who = shard.contestant
    keys = [kept.key_of("likelihood", who.identity, setting.device, item.options) for item in shard.items]

    def ask(places: Sequence[int]) -> list[Any]:
        from trivium.evaluate.standard import pairs

        sides = [side for place in places for side in shard.items[place].options]
        tokenizer = cached_tokenizer(who.folder)
        cut_in_two = pairs.encode_pairs(tokenizer, sides, prompting.context_length(who.folder))
        if who.server is not None:
            scored = served.score(who.server, cut_in_two)
        else:
            scored = pairs.score(cached_model(who.folder, setting.device), cut_in_two)
        rest = iter(scored)
        return [[next(rest) for _ in shard.items[place].options] for place in places]

    found = _through(Path(setting.kept), keys, ask)
    return [
        Output(
            model=who.label,
            task=shard.task,
            item_id=item.id,
            sample=0,
            reply="",
            options=[Read(float(logprob), bool(first)) for logprob, first in found[key]],
            num_tokens=0,
            finish="eos",
        )
        for item, key in zip(shard.items, keys, strict=True)
    ]


def _replies(setting: Setting, shard: Shard) -> list[Output]:
    who = shard.contestant
    asked = [(item, number) for item in shard.items for number in range(setting.samples)]
    place = (setting.device, setting.precision)
    how = (shard.style, shard.stops, shard.max_tokens, setting.temperature, place)
    draws = setting.seed if setting.temperature else None
    keys = [
        kept.key_of(
            "reply",
            who.identity,
            how,
            item.prompt,
            draws,
            number if setting.temperature else 0,
            item.id,
            *item.then,
        )  # fmt: skip
        for item, number in asked
    ]

    def ask(places: Sequence[int]) -> list[Any]:
        return _write(setting, shard, [asked[place] for place in places])

    found = _through(Path(setting.kept), keys, ask)
    return [
        Output(
            model=who.label,
            task=shard.task,
            item_id=item.id,
            sample=number,
            reply=found[key]["reply"],
            options=[],
            num_tokens=int(found[key]["tokens"]),
            finish=found[key]["finish"],
            earlier=found[key].get("earlier", []),
        )
        for (item, number), key in zip(asked, keys, strict=True)
    ]


def _through(path: Path, keys: Sequence[str], ask: Callable[[Sequence[int]], list[Any]]) -> Mapping[str, Any]:
    """Return the value of every key: what is kept, and what `ask` says to the places of the others."""
    found = kept.get(path, list(dict.fromkeys(keys)))
    missing = {key: place for place, key in reversed(list(enumerate(keys))) if key not in found}
    if missing:
        places = sorted(missing.values())
        new = dict(zip((keys[place] for place in places), ask(places), strict=True))
        kept.put(path, new)
        found |= new
    return found


def _write(setting: Setting, shard: Shard, asked: Sequence[tuple[Item, int]]) -> list[dict[str, Any]]:
    """Sample the replies, turn by turn; a prompt that leaves no room for one is `full`, and left empty."""
    alike = [(item.prompt,) for item in shard.items]  # all, so that what is kept changes no bit
    rows = _turn(setting, shard, asked, [(item.prompt,) for item, _ in asked], alike)
    for turn in range(max(len(item.then) for item, _ in asked)):
        places = [place for place, (item, _) in enumerate(asked) if turn < len(item.then)]
        talks = [_talk(asked[place][0], rows[place], turn) for place in places]
        new = _turn(setting, shard, [asked[place] for place in places], talks, [])
        for place, row in zip(places, new, strict=True):
            before = rows[place]
            row["earlier"] = [*before.get("earlier", []), before["reply"]]
            rows[place] = row | {"tokens": before["tokens"] + row["tokens"]}
    return rows


def _talk(item: Item, row: dict[str, Any], turn: int) -> tuple[str, ...]:
    """What was said up to a later turn: person and model by turns, the person last."""
    replies = [*row.get("earlier", []), row["reply"]]
    questions = (item.prompt, *item.then)[: turn + 2]
    return tuple(text for pair in zip(questions, [*replies, ""], strict=True) for text in pair)[:-1]


def _turn(
    setting: Setting,
    shard: Shard,
    asked: Sequence[tuple[Item, int]],
    talks: Sequence[tuple[str, ...]],
    alike: Sequence[tuple[str, ...]],
) -> list[dict[str, Any]]:
    """Sample one reply to each conversation; what those in `alike` begin with together is read once."""
    folder = shard.contestant.folder
    tokenizer, context = cached_tokenizer(folder), prompting.context_length(folder)
    ask = cached_talker(folder, shard.style)
    ids = {talk: ask(talk) for talk in dict.fromkeys([*alike, *talks])}
    shared = len(os.path.commonprefix(sorted({ids[talk][:-1] for talk in alike}))) if len(alike) > 1 else 0
    shared = shared if shared >= LEAST_SHARED else 0
    requests: dict[int, Request] = {}
    for place, ((item, number), talk) in enumerate(zip(asked, talks, strict=True)):
        prompt = ids[talk]
        room = shard.max_tokens if context is None else min(shard.max_tokens, context - len(prompt))
        if room > 0:
            later = (len(talk),) if len(talk) > 1 else ()
            seed = request_seed(setting.seed, "evaluate", shard.task, item.id, number, *later)
            requests[place] = Request(prompt, seed, room, shared)
    completions = dict(
        zip(requests, _complete(setting, shard, tokenizer, list(requests.values())), strict=True)
    )
    return [
        _row(tokenizer, completions[place], shard.stops)
        if place in completions
        else {"reply": "", "tokens": 0, "finish": "full"}
        for place in range(len(asked))
    ]


def _complete(
    setting: Setting, shard: Shard, tokenizer: Tokenizer, requests: list[Request]
) -> list[Completion]:
    who = shard.contestant
    stop_ids = prompting.stop_ids(who.folder, tokenizer)
    if who.server is not None:
        return sample_served(who.server, requests, temperature=setting.temperature, stop_ids=stop_ids)
    return sample(
        cached_model(who.folder, setting.device),
        requests,
        temperature=setting.temperature,
        stop_ids=stop_ids,
        batch_size=setting.batch_size,
        ends=ender(tokenizer, shard.stops),
        precision=setting.precision,
    )


def ender(tokenizer: Tokenizer, stops: Sequence[str]) -> Ends | None:
    """Return the function that says whether a reply ends in a stop text; None without any."""
    if not stops:
        return None
    reach = max(len(stop.encode()) for stop in stops) + 4  # a token is a byte at least

    def ends(ids: Sequence[int]) -> bool:
        tail = tokenizer.decode(ids[-reach:], keep_special=True)
        return any(stop in tail for stop in stops)

    return ends


def _row(tokenizer: Tokenizer, completion: Completion, stops: Sequence[str]) -> dict[str, Any]:
    text = tokenizer.decode(completion.ids)
    return {"reply": cut(text, stops), "tokens": len(completion.ids), "finish": completion.finish}


@functools.lru_cache(maxsize=4)
def cached_tokenizer(folder: str) -> Tokenizer:
    """Load a tokenizer once per process."""
    return load_tokenizer(folder)


@functools.lru_cache(maxsize=8)
def cached_talker(folder: str, style: str) -> prompting.Talker:
    """Load a chat template once per process."""
    return prompting.make_talker(folder, cached_tokenizer(folder), style)


@functools.lru_cache(maxsize=1)
def cached_model(folder: str, device: str) -> PreTrainedModel:
    """Load a model once per process; one at a time."""
    from trivium.models import runtime

    runtime.settle()
    place: Any = runtime.pick_device(device)
    return load_model(folder, attention="sdpa").to(place)


def contestant(name: str, *, label: str = "", tokenizer: str = "", served_name: str = "") -> Contestant:
    """Return the model of a folder or an address.

    Args:
        name: A Hugging Face folder, or http://host:port/v1 (vLLM), http://host:port (llama.cpp's server).
        label: What tables call it; the folder's or the address's own name when empty.
        tokenizer: Of an address, the folder with the model's tokenizer.
        served_name: Of an address, the model's name there, where it serves more than one.

    Raises:
        ConfigError: An address without a tokenizer.
        DataError: The folder is no model.
    """
    from trivium.errors import DataError
    from trivium.models.load import tokenizer_folder

    if name.startswith(("http://", "https://")):
        if not tokenizer:
            raise ConfigError(
                f"--model {name}: got an address without --tokenizer; expected the folder with the tokenizer "
                "of the model that is served there."
            )
        folder = str(tokenizer_folder(tokenizer))
        parts = (name, served_name, identify(folder))
        server = Server(endpoint=name, name=served_name)
        return Contestant(
            label=label or served_name or name.split("//")[1],
            folder=folder,
            identity=kept.key_of(*parts),
            server=server,
        )
    if not (Path(name) / "config.json").is_file() or not any(Path(name).glob("*.safetensors")):
        raise DataError(
            f"--model {name}: got no config.json with .safetensors weights; expected a Hugging Face folder "
            "or an address such as http://127.0.0.1:8000/v1."
        )
    path = Path(name).resolve()
    own = "-".join(path.parts[-3:-1]) if path.name == "model" else path.name
    return Contestant(label=label or own, folder=str(path), identity=identify(name))
