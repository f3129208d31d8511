"""chat: talk to a checkpoint in the terminal, one line a turn, the reply shown while it is written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.cli.console import launcher
from trivium.cli.verbs import ChatVerb
from trivium.errors import ConfigError, DataError
from trivium.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from trivium.models.load import Tokenizer

PLAIN_STAGES = ("pretrain", "midtrain")
"""Stages whose checkpoints have not learnt the chat format and are asked as in pretraining."""
CHAT_ORDER = ("dpo2", "dpo1", "sft", "midtrain", "pretrain")
"""The checkpoint that answers: the last one made."""

Reply = Callable[[list[Message]], str]
"""Takes the conversation so far, prints the reply while it is made, and returns it."""


def chat(command: ChatVerb) -> int:
    """Answer one text, or every line of standard input until it ends."""
    if command.temperature < 0:
        raise ConfigError(f"--temperature: got {command.temperature}; expected 0 (greedy) or more.")
    folder, style = find_model(Path(command.model), command.stage)
    reply = make_reply(folder, style, command)
    if command.say is not None:
        reply([Message(role="user", content=command.say)])
        return 0
    print(f"{folder} answers ({style}); an empty line starts anew, Ctrl-D ends.", file=sys.stderr)
    converse(read_lines(), reply, keep_turns=style == "chat")
    return 0


def find_model(path: Path, stage: str | None) -> tuple[Path, str]:
    """Return a model folder (a run's last one, or the one given) and how it is asked: chat or plain."""
    if (path / "config.json").exists() and not (path / "recipe.json").exists():
        return path, "plain" if path.parent.name[3:] in PLAIN_STAGES else "chat"
    if not (path / "recipe.json").exists():
        raise DataError(f"{path}: got neither a run nor a model folder; expected e.g. runs/pocket.")
    from trivium.store.run import Run

    finished = Run.open(path).finished()
    trained = [name for name in CHAT_ORDER if name in finished and (finished[name] / "model").is_dir()]
    chosen = stage or next(iter(trained), None)
    if chosen not in trained:
        have = ", ".join(reversed(trained)) or "none yet"
        raise DataError(
            f"{path}: got no checkpoint{f' of stage {stage}' if stage else ''}; expected one of: {have}. "
            f"Make it with {launcher()} run."
        )
    assert chosen is not None
    return finished[chosen] / "model", "plain" if chosen in PLAIN_STAGES else "chat"


def read_lines() -> Iterator[str]:
    """Yield the lines a person types; no prompt sign when input is not a terminal."""
    interactive = sys.stdin.isatty()
    while True:
        try:
            yield input("> " if interactive else "")
        except EOFError:
            return


def converse(lines: Iterable[str], reply: Reply, *, keep_turns: bool) -> None:
    """Answer line after line; with `keep_turns` the model sees the conversation so far."""
    turns: list[Message] = []
    for line in lines:
        if not line.strip():
            turns = []
            continue
        turns = [*(turns if keep_turns else []), Message(role="user", content=line)]
        turns.append(Message(role="assistant", content=reply(turns)))


def make_reply(folder: Path, style: str, command: ChatVerb) -> Reply:
    """Load the model once and return the function that answers."""
    from trivium.models.load import load_model, load_tokenizer

    model, tokenizer = load_model(folder), load_tokenizer(folder)
    encode = make_encode(folder, tokenizer, style)
    room = int(model.config.max_position_embeddings) - 1

    def reply(turns: list[Message]) -> str:
        kept = turns
        while len(ids := encode(kept)) >= room and len(kept) > 2:
            kept = kept[2:]  # the oldest question and its answer no longer fit
        if len(ids) >= room:
            raise DataError(f"chat: got {len(ids)} tokens; expected at most {room}, ask something shorter.")
        return generate(model, tokenizer, ids, min(command.max_tokens, room - len(ids)), command)

    return reply


def make_encode(folder: Path, tokenizer: Tokenizer, style: str) -> Callable[[list[Message]], list[int]]:
    """Return the function from a conversation to the ids after which the model replies.

    Our own checkpoints use phi-4's format, where a special token typed by a person stays plain text; any
    other model is asked by its own chat template.
    """
    from trivium.models import chat as format_

    if style == "plain":
        return lambda turns: format_.prompt_ids(tokenizer, turns[-1].content, "plain")
    if tokenizer.sep_id not in (tokenizer.end_id, tokenizer.eos_id):

        def encode_ours(turns: list[Message]) -> list[int]:
            ids, _ = format_.encode_chat(tokenizer, turns)
            return [*ids, tokenizer.start_id, *tokenizer.encode("assistant"), tokenizer.sep_id]

        return encode_ours
    from transformers import AutoTokenizer

    theirs: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not theirs.chat_template:
        return lambda turns: format_.prompt_ids(tokenizer, turns[-1].content, "plain")
    return lambda turns: theirs.apply_chat_template(
        [{"role": turn.role, "content": turn.content} for turn in turns],
        add_generation_prompt=True,
        return_dict=False,
    )


def generate(
    model: PreTrainedModel, tokenizer: Tokenizer, ids: list[int], max_tokens: int, command: ChatVerb
) -> str:
    """Print the reply while it is made and return it.

    The reply is drawn by `transformers`, so it is what any other program gets from this checkpoint.
    """
    import torch

    from trivium.models.chat import stop_ids

    writer = Typewriter(tokenizer.decode)
    prompt = torch.tensor([ids])
    draw: dict[str, Any] = {"do_sample": False}
    if command.temperature > 0:
        torch.manual_seed(command.seed)
        draw = {"do_sample": True, "temperature": command.temperature, "top_k": 0, "top_p": 1.0}
    generate_: Any = model.generate
    generate_(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=max_tokens,
        eos_token_id=list(stop_ids(tokenizer)),
        pad_token_id=tokenizer.pad_id,
        streamer=writer,
        **draw,
    )
    return writer.text


class Typewriter:
    """Prints a reply as its ids arrive; a piece that ends inside a character waits for its rest."""

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        """Remember how ids become text."""
        self.decode = decode
        self.ids: list[int] | None = None
        self.text = ""

    def put(self, value: Any) -> None:
        """Take the next ids; the first call brings the prompt, which is not shown."""
        if self.ids is None:
            self.ids = []
            return
        self.ids += value.flatten().tolist()
        text = self.decode(self.ids)
        if not text.endswith("\N{REPLACEMENT CHARACTER}"):
            self._show(text)

    def end(self) -> None:
        """Show what is left and close the line."""
        self._show(self.decode(self.ids or []))
        print(flush=True)

    def _show(self, text: str) -> None:
        text = text.lstrip()  # a plain completion opens with the space after "Solution:"
        print(text[len(self.text) :], end="", flush=True)
        self.text = text
