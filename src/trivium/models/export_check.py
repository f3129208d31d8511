"""Does an exported GGUF file say what the checkpoint says? The same prompts through both libraries.

Compared for every prompt, transformers against llama.cpp: the ids that the two tokenizers give the rendered
conversation, the greedy reply after the same ids, and the reply that llama.cpp's chat endpoint makes through
its own reading of the chat template.
"""

from __future__ import annotations

import dataclasses
import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROMPTS = (
    "What is 3 + 4?", "Work out 17 - 9 step by step.",
    "Tom has 12 apples and gives away 5. How many are left?",
    "Write one sentence about a cat.", "What does HTTP status 404 mean?", "Name the errno with number 2.",
    "Reverse the list [3, 1, 2].", "x = 4\nfor i in range(3):\n    x = x + i\nprint(x)",
    "List three colours.",
    "Who wrote the novel that was never written?", "Answer in upper case: what is the capital of France?",
    "12345678901234567890", "   leading and   inner   spaces\t\ttabs", "line one\n\n\nline four\r\nline five",
    "it's we're I'LL they'd", "na\u00efve caf\u00e9 \u2014 \u201cquotes\u201d \u2026",
    "\u6570\u5b66 \u043c\u0438\u0440 \u03b1\u03b2\u03b3 \U0001f642", "def f(x):\n\treturn x**2  # square",
    "{\"key\": [1, 2.5, null]}", "<b>bold</b> &amp; more", "C:\\temp\\file_1.txt", "A", "?!?!...,,,;;;",
    "The number of items in a list is found with len(). How many are in [1, 2, 3, 4]?",
)  # fmt: skip
"""Questions, code, digits, white space, contractions, other scripts: where tokenizers differ if they do."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What was the same, of how many prompts."""

    prompts: int
    same_ids: int
    """Conversations that both tokenizers cut into the same ids."""
    same_replies: int
    """Greedy replies of the same ids."""
    same_chat: int
    """Replies of the chat endpoint of the same text."""
    differing: tuple[str, ...]
    """Prompts of which anything differed."""


def compare(
    checkpoint: Path, file: Path, prompts: Sequence[str] = PROMPTS, *, max_tokens: int = 48
) -> Comparison:
    """Ask every prompt on both sides.

    Args:
        checkpoint: The Hugging Face folder that was exported.
        file: The GGUF file.
        prompts: One user turn each.
        max_tokens: Longest reply; less where the context ends before.
    """
    from transformers import AutoTokenizer

    from trivium.models.load import load_model

    tokenizer, model = (
        AutoTokenizer.from_pretrained(checkpoint, local_files_only=True),
        load_model(checkpoint),
    )
    context = int(model.config.max_position_embeddings)
    same: list[tuple[bool, bool, bool]] = []
    with tempfile.TemporaryDirectory(prefix="trivium-") as folder:
        server = _server(file, context, Path(folder) / "check.sock")
        for prompt in prompts:
            turns = [{"role": "user", "content": prompt}]
            encoded: Any = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
            ids = list(encoded["input_ids"])
            room = min(max_tokens, context - len(ids) - 1)
            said = _whole(str(tokenizer.decode(_greedy(model, ids, room), skip_special_tokens=True)))
            reply = _completion(server, ids, room)
            chat, prompt_tokens, known = _chat(server, turns, room)
            # The slot still holds the ids we gave; all but the last are found again if they are the same.
            found = (prompt_tokens, known) == (len(ids), len(ids) - 1)
            same.append((found, said == reply, said == chat))
    return Comparison(
        prompts=len(same),
        same_ids=sum(one[0] for one in same),
        same_replies=sum(one[1] for one in same),
        same_chat=sum(one[2] for one in same),
        differing=tuple(prompt for prompt, one in zip(prompts, same, strict=True) if not all(one)),
    )


def _greedy(model: Any, ids: list[int], room: int) -> list[int]:
    """The likeliest continuation in transformers."""
    import torch

    given = torch.tensor([ids])
    with torch.inference_mode():
        found = model.generate(
            given, attention_mask=torch.ones_like(given), max_new_tokens=room, do_sample=False
        )
    return found[0, len(ids) :].tolist()


def _completion(server: Any, ids: list[int], room: int) -> str:
    body = {"prompt": ids, "max_tokens": room, "temperature": 0, "cache_prompt": True}
    return _whole(server.handle_completions(body)["choices"][0]["text"])


def _chat(server: Any, turns: list[dict[str, str]], room: int) -> tuple[str, int, int]:
    body = {"messages": turns, "max_tokens": room, "temperature": 0, "cache_prompt": True}
    answer = server.handle_chat_completions(body)
    usage = answer["usage"]
    known = usage["prompt_tokens_details"]["cached_tokens"]
    return _whole(answer["choices"][0]["message"]["content"] or ""), usage["prompt_tokens"], known


def _whole(text: str) -> str:
    """A reply without the bytes of a character that its last token cut off; each side shows these its way."""
    return text.rstrip("\ufffd")


def _server(file: Path, context: int, socket: Path) -> Any:
    """A server that rounds nothing: keys and values in 32 bits, and no flash attention.

    llama.cpp's flash attention on a CPU works in 16 bits: measured on pocket, log-probabilities are off by up
    to 0.01 where they agree to 1e-5 without it, which turns a near tie.
    """
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = context
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.force_pure_content_parser = True  # a reply that looks like a tool call is text all the same
    params.warmup = False
    params.verbosity = -1
    params.hostnames = [str(socket)]
    params.n_threads_http = 1
    params.ui = False
    return xllamacpp.Server(params)
