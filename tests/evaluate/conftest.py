"""Tiny untrained checkpoints and a run folder around them, for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trivium.evaluate.items_stage import ItemsConfig
from trivium.store.run import StageDir

CONTEXT = 192
ITEMS = ItemsConfig(
    arithmetic=6,
    programs=3,
    facts_known=6,
    facts_unknown=6,
    bogus=4,
    instructions=6,
    recall_documents=2,
    recall_queries=2,
    recall_pairs=(3, 6, 12),
)


def save(folder: Path, seed: int, *, chat_model: bool) -> Path:
    """Write an untrained model whose weights are noisy enough to say something."""
    import torch

    from trivium.models import export, phi
    from trivium.train.tokenizer import role_words, train_bpe

    texts = [
        "Ann has 12 pens. She buys 3 more. How many pens? 12+3=15. Answer: 15",
        "I do not know.",
        "fox red.",
    ]
    learned = train_bpe([*texts * 4, *role_words(8)], 300)
    export.save_tokenizer(learned, folder.parent / "tokenizer", context=CONTEXT)
    shape = phi.ModelConfig(
        hidden=16, layers=1, heads=2, kv_heads=1, ffn=32, vocab=learned.get_vocab_size(), context=CONTEXT
    )
    model = phi.build(shape, seed=seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed)) * 0.3)
    export.save_checkpoint(model, folder.parent / "tokenizer", folder, chat_model=chat_model)
    return folder


def open_stage(root: Path, name: str, inputs: dict[str, Path]) -> StageDir:
    """Return a stage folder in a run folder."""
    (root / name).mkdir(parents=True, exist_ok=True)
    return StageDir(name=name, path=root / name, seed=7, workers=1, inputs=inputs)


def make_run(root: Path) -> dict[str, Path]:
    """Write what the evaluate stage reads: items, held-out rows, training rows, two checkpoints."""
    from trivium.evaluate import items_stage
    from trivium.records import Example

    folders = {name: root / name for name in ("items", "tokenize", "decontaminate", "pretrain", "sft")}
    items_stage.run(ITEMS, open_stage(root, "items", {}))
    held_out = [
        Example(id=f"h{n}", source=source, flow="x", text=f"Row {n} of some text. Tom has {n} pens. " * 6)
        for n, source in enumerate(("web", "web", "code"))
    ]
    open_stage(root, "tokenize", {}).write("heldout", Example, held_out)
    open_stage(root, "decontaminate", {}).write("examples", Example, held_out)
    save(folders["pretrain"] / "model", 1, chat_model=False)
    save(folders["sft"] / "model", 2, chat_model=True)
    return folders


@pytest.fixture(scope="session")
def tiny_items() -> ItemsConfig:
    return ITEMS


@pytest.fixture(scope="session")
def stage_at() -> Callable[..., StageDir]:
    """(run folder, stage name, inputs) -> the stage's folder."""
    return open_stage


@pytest.fixture(scope="session")
def save_model() -> Callable[..., Path]:
    """(folder, seed, chat_model=...) -> a checkpoint."""
    return save


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stage name -> folder: items, held-out rows, training rows and two checkpoints."""
    return make_run(tmp_path_factory.mktemp("inputs"))
