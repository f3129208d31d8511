"""How any Hugging Face model is asked: its own chat template or raw text, its stop tokens, its context."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trivium.errors import ConfigError, DataError
from trivium.models import chat
from trivium.models.load import Tokenizer
from trivium.records import Message

STYLES = ("auto", "chat", "raw")
"""`auto` is chat where the model has a template, else raw."""

TURN_ENDS = (
    chat.ENDOFTEXT, chat.IM_END, "<|eot_id|>", "<|end_of_turn|>", "<end_of_turn>", "<|end|>", "<|return|>",
    "</s>",
)  # fmt: skip
"""Special tokens that end a reply in the usual chat formats, whether or not a configuration names them."""

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "n_ctx")

Encoder = Callable[[Sequence[Message]], tuple[list[int], list[bool]]]
"""From a conversation to its ids and, for each, whether the model has to say it."""

Template = Callable[[list[dict[str, str]], bool], str]
"""From turns, and whether the model speaks next, to text."""

Asker = Callable[[str], tuple[int, ...]]
"""From what is asked, as text, to the ids after which the model replies."""

Talker = Callable[[Sequence[str]], tuple[int, ...]]
"""From a conversation, person and model by turns, the person first and last, to the same."""


def make_asker(folder: Path | str, tokenizer: Tokenizer, style: str = "auto", system: str = "") -> Asker:
    """Return the function that turns a question into prompt ids.

    Our own checkpoints use phi-4's format, in which a special token typed by a person stays plain text. Any
    other model is asked through its own template (never one of ours), or raw: the text alone, after whatever
    its tokenizer puts at the start of a document.

    Args:
        folder: A Hugging Face model folder.
        tokenizer: Its tokenizer.
        style: One of `STYLES`.
        system: Text of a system turn; empty for none. Needs a chat template.

    Raises:
        ConfigError: The style is unknown, or it needs a template that the model lacks.
        DataError: When asked: the text spells one of the model's special tokens.
    """
    talk = make_talker(folder, tokenizer, style, system)
    return lambda prompt: talk((prompt,))


def make_talker(folder: Path | str, tokenizer: Tokenizer, style: str = "auto", system: str = "") -> Talker:
    """Return the function that turns a conversation into the ids after which the model replies.

    A raw conversation is its texts with empty lines between them. What the model itself said is written
    without its special tokens.

    Args and errors are those of `make_asker`.
    """
    if style not in STYLES:
        raise ConfigError(f"prompt style: got {style!r}; expected one of {', '.join(STYLES)}.")
    if style != "raw" and tokenizer.phi4_format:
        return lambda said: _ours(tokenizer, said, system)
    template = _template(folder) if style != "raw" else None
    if template is None and (style == "chat" or system):
        raise ConfigError(
            f"model {folder}: got no chat template; expected one for a chat prompt or a system text; "
            "use the raw prompt style without a system text."
        )
    special = _special_texts(tokenizer)

    def talk(said: Sequence[str]) -> tuple[int, ...]:
        for prompt in said[::2]:
            if spelled := min((text for text in special if text in prompt), key=prompt.index, default=None):
                raise DataError(f"prompt: got the special token {spelled} in its text; expected plain text.")
        texts = [_without(text, special) if place % 2 else text for place, text in enumerate(said)]
        if template is None:
            return _raw(tokenizer, "\n\n".join(texts))
        turns = [{"role": "system", "content": system}] if system else []
        turns += [{"role": _role(place), "content": text} for place, text in enumerate(texts)]
        return tuple(tokenizer.encode_marked(template(turns, True)))

    return talk


def _role(place: int) -> str:
    return "assistant" if place % 2 else "user"


def _without(text: str, special: set[str]) -> str:
    while spelled := next((one for one in sorted(special) if one in text), ""):
        text = text.replace(spelled, "")
    return text


def make_encoder(folder: Path | str, tokenizer: Tokenizer) -> Encoder:
    """Return the function that turns a conversation into ids and marks what the model has to say.

    Our own checkpoints use phi-4's format; any other model its own template. Marked is the text of every
    assistant turn and the token that ends it, as the model has to say them when it is asked by `make_asker`;
    what a template writes after that token (a newline, say) is not, and is left out at the very end.

    Args:
        folder: A Hugging Face model folder.
        tokenizer: Its tokenizer.

    Raises:
        ConfigError: The model has no chat template.
        DataError: When used: a turn spells a special token, or the template rewrites earlier turns.
    """
    if tokenizer.phi4_format:
        return lambda messages: chat.encode_chat(tokenizer, messages)
    template = _template(folder)
    if template is None:
        raise ConfigError(f"model {folder}: got no chat template; expected one to train on conversations.")
    special, stops = _special_texts(tokenizer), frozenset(stop_ids(folder, tokenizer))

    def encode(messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        for message in messages:
            if spelled := next((text for text in sorted(special) if text in message.content), None):
                raise DataError(
                    f"conversation: got the special token {spelled} in its text; expected plain text."
                )
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text, spans = _spans(template, turns)
        found = tokenizer.marked.encode(text, add_special_tokens=False)
        return _marked(found.ids, found.offsets, spans, stops)

    return encode


def stop_ids(folder: Path | str, tokenizer: Tokenizer) -> tuple[int, ...]:
    """Ids that end a reply: what the model's own files name, and the turn ends of the usual formats."""
    found: set[Any] = {tokenizer.eos_id, tokenizer.end_id}
    for name in ("generation_config.json", "config.json"):
        named = _json(Path(folder) / name).get("eos_token_id")
        found |= set(named) if isinstance(named, list) else {named}
    found |= {tokenizer.marked.token_to_id(text) for text in TURN_ENDS if text in _special_texts(tokenizer)}
    return tuple(sorted(token for token in found if isinstance(token, int)))


def context_length(folder: Path | str) -> int | None:
    """Tokens that fit the model's context; None where its configuration names no limit."""
    config = _json(Path(folder) / "config.json")
    for part in (config, config.get("text_config") or {}):
        for key in CONTEXT_KEYS:
            if isinstance(part.get(key), int):
                return int(part[key])
    return None


def _spans(template: Template, turns: list[dict[str, str]]) -> tuple[str, list[tuple[int, int]]]:
    """The rendered conversation, and where in it each assistant turn begins and ends."""
    whole, spans = template(turns, False), []
    for place, turn in enumerate(turns):
        if turn["role"] == "assistant":
            before, after = template(turns[:place], True), template(turns[: place + 1], False)
            if not (whole.startswith(after) and after.startswith(before)):
                raise DataError(
                    "chat template: got another text for the same turns in a longer conversation; expected "
                    "one that only appends, train on single replies."
                )
            spans.append((len(before), len(after)))
    return whole, spans


def _marked(
    ids: list[int], offsets: list[tuple[int, int]], spans: list[tuple[int, int]], stops: frozenset[int]
) -> tuple[list[int], list[bool]]:
    marks = [False] * len(ids)
    for begin, end in spans:
        for place, (first, _) in enumerate(offsets):
            if begin <= first < end:
                marks[place] = True
                if ids[place] in stops:
                    break
    last = max((place for place, mark in enumerate(marks) if mark), default=-1)
    keep = last + 1 if last >= 0 and ids[last] in stops else len(ids)
    return ids[:keep], marks[:keep]


def _ours(tokenizer: Tokenizer, said: Sequence[str], system: str) -> tuple[int, ...]:
    turns = [Message(role="system", content=system)] if system else []
    turns += [Message(role=_role(place), content=text) for place, text in enumerate(said)]
    ids, _ = chat.encode_chat(tokenizer, turns)
    return (*ids, tokenizer.start_id, *tokenizer.encode("assistant"), tokenizer.sep_id)


def _raw(tokenizer: Tokenizer, prompt: str) -> tuple[int, ...]:
    ids = tokenizer.plain.encode(prompt, add_special_tokens=True).ids
    return tuple(ids[:-1] if ids and ids[-1] in tokenizer.special_ids else ids)


def _template(folder: Path | str) -> Template | None:
    from transformers import AutoTokenizer

    try:
        theirs: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise DataError(
            f"model {folder}: its tokenizer cannot be loaded ({error}); copy it again."
        ) from error
    if not theirs.chat_template:
        return None
    return lambda turns, ask: theirs.apply_chat_template(turns, add_generation_prompt=ask, tokenize=False)


def _special_texts(tokenizer: Tokenizer) -> set[str]:
    added = tokenizer.marked.get_added_tokens_decoder().values()
    return {token.content for token in added if token.special}


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise DataError(f"{path}: broken JSON ({error}); copy the model again.") from error
