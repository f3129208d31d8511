"""How text is cut before byte-pair merges: the two expressions that our tokenizers use, and their names.

Both are known to llama.cpp by a name that a GGUF file carries, so exports keep their ids.
"""

from __future__ import annotations

_CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {"qwen2": _CL100K.replace(r"\p{N}{1,3}", r"\p{N}"), "cl100k": _CL100K}
"""cl100k, which phi-4 uses: numbers in groups of up to three digits. qwen2: the same, every digit alone."""

GGML_NAMES = {PATTERNS["qwen2"]: "qwen2", PATTERNS["cl100k"]: "dbrx"}
"""Expression -> `tokenizer.ggml.pre`; dbrx is llama.cpp's name for cl100k as it is (llama-bpe adds to it)."""

BYTE_LEVEL_NAMES = {("ByteLevel",): "gpt-2", ("Digits", "ByteLevel"): "smollm"}
"""The same for tokenizers that leave the cutting to GPT-2's expression, which the type ByteLevel holds."""
