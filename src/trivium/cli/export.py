"""export: a checkpoint in the form that another program loads, with a card that says how it was made."""

from __future__ import annotations

from pathlib import Path

from trivium.cli.chat import find_model
from trivium.cli.verbs import ExportVerb
from trivium.errors import ConfigError

USE = {
    "gguf": "```\nllama-cli --model {name}.gguf --conversation\n```",
    "vllm": "```\nvllm serve .\n```",
}
"""Format -> what the card tells its reader to type, in the folder of the export."""


def export(command: ExportVerb) -> int:
    """Write the files and print where they are."""
    from trivium.models.export_gguf import write_gguf
    from trivium.models.export_vllm import write_vllm
    from trivium.report.card import find_run, model_card
    from trivium.store import files

    if command.format == "vllm" and (command.check or command.precision == "q8_0"):
        raise ConfigError("export --format vllm: got --check or q8_0; expected them with --format gguf only.")
    checkpoint, _ = find_model(Path(command.checkpoint), command.stage)
    found = find_run(checkpoint)
    name = f"{found[0].path.resolve().name}-{found[1]}" if found else checkpoint.resolve().name
    out = Path(command.out or f"exports/{name}-{command.format}")
    if out.is_file():
        raise ConfigError(f"--out {out}: got a file; expected a folder to write.")
    if command.format == "gguf":
        written = write_gguf(
            checkpoint, out / f"{name}.gguf", precision=command.precision or "f32", name=name
        )
        if command.check:
            show_comparison(checkpoint, written)
    else:
        written = write_vllm(checkpoint, out, precision=command.precision)
    print(written)
    use = USE[command.format].format(name=name)
    print(
        files.write_text(out / "README.md", model_card(checkpoint, licence=command.licence, how_to_use=use))
    )
    return 0


def show_comparison(checkpoint: Path, file: Path) -> None:
    """Print how many prompts llama.cpp answers as transformers does."""
    from trivium.models.export_check import compare

    found = compare(checkpoint, file)
    print(
        f"of {found.prompts} prompts: same token ids {found.same_ids}, same greedy reply "
        f"{found.same_replies}, same reply of the chat endpoint {found.same_chat}"
    )
    for prompt in found.differing:
        print(f"differs: {prompt!r}")
