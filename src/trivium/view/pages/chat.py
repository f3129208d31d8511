"""The chat page: one question to two checkpoints, every token with its probability, how often it is right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trivium.errors import DataError
from trivium.records import Message, Verdict
from trivium.stats import wilson
from trivium.view.query import Query
from trivium.view.render import page, part
from trivium.view.site import Site

if TYPE_CHECKING:
    from torch import Tensor

TOP = 6
"""Likeliest tokens shown beside the one that was taken."""
LONGEST_QUESTION = 8000
MOST_TOKENS = 512
MOST_ROLLOUTS = 256
MOST_TURNS = 20


@dataclass(frozen=True)
class Token:
    """One token of a reply and what else could have stood there, at temperature 1."""

    text: str
    prob: float
    others: list[tuple[str, float]]
    """The likeliest tokens with their probabilities, the taken one among them where it is."""
    id: int = 0

    @property
    def shade(self) -> int:
        """The report's colour class."""
        return min(10, max(0, round(10 * self.prob)))


def show(site: Site, query: Query) -> str:
    """Return the page with the two last checkpoints chosen."""
    names = checkpoints(site)
    chosen = {"left": names[-2] if len(names) > 1 else (names or [""])[0], "right": (names or [""])[-1]}
    from trivium.verify import VERIFIERS

    return page(site, "chat.html", "/chat", "Chat", names=names, verifiers=list(VERIFIERS), **chosen)


def checkpoints(site: Site) -> list[str]:
    """Return the stages that have trained a model, in training order."""
    return [name for name, folder in site.run.finished().items() if (folder / "model").is_dir()]


def answer(site: Site, query: Query) -> str:
    """Ask the chosen checkpoints and return their replies as a fragment."""
    text = query.get("text").strip()
    if not text:
        raise DataError("question: got an empty text; expected something to ask.")
    if len(text) > LONGEST_QUESTION:
        raise DataError(f"question: got {len(text)} characters; expected at most {LONGEST_QUESTION}.")
    wanted = list(dict.fromkeys(name for name in (query.get("left"), query.get("right")) if name))
    with site.thinking:
        replies = [reply(site, stage, text, query) for stage in wanted]
    turns = [*read_turns(query), {"user": text} | {one["stage"]: one["said"] for one in replies}]
    return part("chat_part.html", replies=replies, turns=json.dumps(turns), count=len(turns))


def read_turns(query: Query) -> list[dict[str, str]]:
    """Return the turns so far (question under `user`, replies under their stages) if they are to go on.

    Raises:
        DataError: They are not what our own page sends.
    """
    if not query.get("go_on"):
        return []
    try:
        turns = json.loads(query.get("turns", "[]"))
        sound = all(isinstance(text, str) for turn in turns for text in (turn["user"], *turn.values()))
    except (ValueError, TypeError, KeyError, AttributeError):
        sound = False
    if not sound or len(turns) > MOST_TURNS:
        raise DataError(f"turns: expected at most {MOST_TURNS} of them as the page keeps them; start anew.")
    return list(turns)


def conversation(turns: list[dict[str, str]], stage: str, text: str, style: str) -> list[Message]:
    """Return what a checkpoint reads: its own earlier turns too, if it has learnt the chat format."""
    said = [turn for turn in turns if stage in turn] if style == "chat" else []
    pairs = [(("user", turn["user"]), ("assistant", turn[stage])) for turn in said]
    return [Message(role=role, content=words) for pair in pairs for role, words in pair] + [
        Message(role="user", content=text)
    ]


def reply(site: Site, stage: str, text: str, query: Query) -> dict[str, Any]:
    """Return a checkpoint's reply with its tokens, and its share of right ones where an answer is given."""
    from trivium.cli.chat import find_model, make_encode
    from trivium.models.load import load_tokenizer
    from trivium.models.sample import cached_model

    folder, style = find_model(site.run.path, stage)
    model, tokenizer = cached_model(folder), load_tokenizer(folder)
    messages = conversation(read_turns(query), stage, text, style)
    ids = make_encode(folder, tokenizer, style)(messages)
    room = int(model.config.max_position_embeddings) - 1 - len(ids)
    if room < 1:
        raise DataError(
            f"question: got {len(ids)} tokens; expected fewer, ask something shorter or start anew."
        )
    length = min(room, query.whole("tokens", 128, least=1, most=MOST_TOKENS))
    temperature = query.number("temperature", 0.0)
    if not 0 <= temperature <= 10:
        raise DataError(f"temperature: got {temperature}; expected 0 (greedy) to 10.")
    tokens = generate(model, tokenizer, ids, length, temperature, query.whole("seed", 0))
    said = tokenizer.decode([token.id for token in tokens])
    found: dict[str, Any] = {"stage": stage, "style": style, "tokens": tokens, "said": said, "chance": None}
    if query.get("answer").strip():
        found["chance"] = chance(model, tokenizer, ids, length, query)
    return found


def generate(
    model: Any, tokenizer: Any, ids: list[int], length: int, temperature: float, seed: int
) -> list[Token]:
    """Draw a reply with `transformers` and read every token's probability from the same pass."""
    import torch

    from trivium.models.chat import stop_ids

    prompt = torch.tensor([ids])
    draw: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        torch.manual_seed(seed)
        draw = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    made = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=length,
        eos_token_id=list(stop_ids(tokenizer)),
        pad_token_id=tokenizer.pad_id,
        return_dict_in_generate=True,
        output_logits=True,
        **draw,
    )
    new = made.sequences[0, len(ids) :].tolist()
    return [read_token(tokenizer, id_, logits[0]) for id_, logits in zip(new, made.logits, strict=True)]


def read_token(tokenizer: Any, id_: int, logits_V: Tensor) -> Token:
    """Return a token with its probability and its neighbours'. V: vocabulary."""
    probs_V = logits_V.float().softmax(-1)
    top, places = probs_V.topk(min(TOP, probs_V.numel()))
    named = [tokenizer.decode([place], keep_special=True) for place in places.tolist()]
    others = list(zip(named, top.tolist(), strict=True))
    return Token(tokenizer.decode([id_], keep_special=True), float(probs_V[id_]), others, id_)


def chance(model: Any, tokenizer: Any, ids: list[int], length: int, query: Query) -> dict[str, Any]:
    """Draw replies at temperature 1 and return how many a verifier calls right, with a 95 % interval."""
    from trivium.models.chat import stop_ids
    from trivium.models.sample import Request, sample
    from trivium.verify import judge

    count = query.whole("rollouts", 32, least=1, most=MOST_ROLLOUTS)
    requests = [Request(tuple(ids), seed, length) for seed in range(count)]
    drawn = sample(model, requests, temperature=1.0, stop_ids=stop_ids(tokenizer))
    texts = [tokenizer.decode(one.ids) for one in drawn]
    verifier = query.get("verifier", "number")
    verdicts = [judge(verifier, text, query.get("answer").strip()) for text in texts]
    usable = [verdict for verdict in verdicts if verdict != Verdict.ERROR]
    right = sum(verdict == Verdict.RIGHT for verdict in usable)
    low, high = wilson(right, len(usable))
    counts = {str(kind): verdicts.count(kind) for kind in Verdict if kind in verdicts}
    return {"right": right, "count": len(usable), "low": low, "high": high, "counts": counts}
