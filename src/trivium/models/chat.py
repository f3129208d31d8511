"""How a model is asked: phi-4's chat format after fine-tuning, a plain problem before it.

Chat (Phi-4 report, section 4): `<|im_start|>user<|im_sep|>...<|im_end|><|im_start|>assistant<|im_sep|>`,
no newline between turns. A chat reply ends with `<|im_end|>`, a plain completion with `<|endoftext|>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trivium.errors import DataError
from trivium.records import Message

if TYPE_CHECKING:
    from trivium.models.load import Tokenizer

ENDOFTEXT = "<|endoftext|>"
IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
IM_SEP = "<|im_sep|>"
PAD = "<|dummy_0|>"
SPECIAL_TOKENS = (ENDOFTEXT, IM_START, IM_END, IM_SEP, PAD)
"""In the order in which they close the vocabulary. Names: tokenizer of microsoft/phi-4."""

ROLES = ("system", "user", "assistant")

STYLES = ("plain", "chat")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)
"""phi-4's template as corrected after release: the reply header only when it is asked for."""


def render(messages: Sequence[Message], add_reply_header: bool = True) -> str:
    """Write a conversation in phi-4's chat format.

    Args:
        messages: Turns with a role of `ROLES`.
        add_reply_header: End with the header after which the model replies.
    """
    turns = (f"{IM_START}{_known(m.role)}{IM_SEP}{m.content}{IM_END}" for m in messages)
    return "".join(turns) + (f"{IM_START}assistant{IM_SEP}" if add_reply_header else "")


def encode_chat(tokenizer: Tokenizer, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
    """Tokenise a conversation and mark what the model has to say.

    Returns:
        The ids, and for each id whether it is part of a reply: the text of every assistant turn and the
        `<|im_end|>` that closes it. Special tokens written inside a message stay plain text.
    """
    ids: list[int] = []
    mask: list[bool] = []
    for message in messages:
        header = [tokenizer.start_id, *tokenizer.encode(_known(message.role)), tokenizer.sep_id]
        body = [*tokenizer.encode(message.content), tokenizer.end_id]
        ids += header + body
        mask += [False] * len(header) + [message.role == "assistant"] * len(body)
    return ids, mask


def plain_problem(prompt: str) -> str:
    """The text after which a base model writes a solution; pretraining texts of problems look the same."""
    return f"Problem: {prompt}\nSolution:"


def prompt_ids(tokenizer: Tokenizer, prompt: str, style: str) -> list[int]:
    """Ids after which the model answers one prompt.

    Args:
        tokenizer: The model's tokenizer.
        prompt: What is asked.
        style: `plain` for base and midtrained models, `chat` after fine-tuning.
    """
    if style == "plain":
        return tokenizer.encode(plain_problem(prompt))
    if style != "chat":
        raise DataError(f"prompt style: got {style!r}, expected one of {STYLES}; pass one of these.")
    ids, _ = encode_chat(tokenizer, [Message(role="user", content=prompt)])
    return [*ids, tokenizer.start_id, *tokenizer.encode("assistant"), tokenizer.sep_id]


def stop_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Ids that end a completion, in either style."""
    return tuple(sorted({tokenizer.eos_id, tokenizer.end_id}))


def _known(role: str) -> str:
    if role not in ROLES:
        raise DataError(f"message role: got {role!r}, expected one of {ROLES}; rename the role.")
    return role
