"""A model card says what the run's files say, and nothing of what came after the checkpoint."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from trivium.report.card import find_run, model_card
from trivium.store import files

CONFIG = {
    "architectures": ["Phi3ForCausalLM"], "num_hidden_layers": 4, "hidden_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 448, "vocab_size": 1024, "tie_word_embeddings": True,
    "max_position_embeddings": 1024, "rope_parameters": {"rope_theta": 250_000.0},
}  # fmt: skip
LOOP = {"optimizer": "muon", "learning_rate": 0.006, "schedule": "linear"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "pocket"
    files.write_json(folder / "recipe.json", {"seed": 7})
    files.write_json(
        folder / "environment.json",
        {"python": "3.11.7", "machine": "x86_64", "packages": {"torch": "2.13.0"}},
    )
    stages = (
        ("07-pretrain", {"tokens": 3_299_888, "tokens_by_source": {"web": 494_978}, "pairs": 0}, "web"),
        ("10-sft", {"tokens": 945_752, "tokens_by_source": {"problems": 605_984}, "pairs": 0}, "problems"),
        ("12-dpo1", {"pairs": 722}, "pivotal"),
    )
    for name, metrics, source in stages:
        stage = folder / name
        numbers = metrics | {"steps": 10, "final_loss_by_source": {source: 0.5}}
        files.write_json(stage / "metrics.json", numbers)
        files.write_json(stage / "training.json", {"settings": {"loop": LOOP}})
        files.write_json(stage / "model" / "config.json", CONFIG)
        files.write_json(stage / "stage.json", {})
    files.write_parquet(folder / "01-curate" / "documents.parquet", pa.table({"licence": ["PSF-2.0"] * 3}))
    files.write_json(folder / "01-curate" / "stage.json", {})
    table = "| task | base | sft | dpo1 | n |\n| --- | ---: | ---: | ---: | ---: |\n"
    files.write_text(folder / "15-evaluate" / "table.md", table + "| contest | 1.2 | 69.3 | 71.4 | 1,200 |\n")
    files.write_json(folder / "15-evaluate" / "stage.json", {})
    return folder


def test_the_card_of_a_checkpoint_ends_with_its_own_stage(run: Path) -> None:
    card = model_card(run / "10-sft" / "model")
    assert "# pocket, sft" in card
    assert "| pretrain | 3,299,888 tokens | 10 | muon | 6.0e-03 | linear |" in card
    assert "| sft | problems | 605,984 | 0.500 |" in card
    assert "| contest | 69.3 | 1,200 |" in card
    assert "722" not in card and "71.4" not in card
    assert "| PSF-2.0 | 3 |" in card and "Seed 7." in card and "torch 2.13.0" in card
    assert "None was chosen for the weights yet." in card and "license:" not in card


def test_preference_stages_count_pairs(run: Path) -> None:
    card = model_card(run / "12-dpo1" / "model", licence="mit", how_to_use="Just ask.")
    assert "| dpo1 | 722 pairs | 10 |" in card and "| contest | 71.4 | 1,200 |" in card
    assert card.startswith("---\n") and "license: mit\n" in card and "The weights: mit." in card
    assert "## How to use it\n\nJust ask." in card


def test_a_model_of_nobodys_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert find_run(tmp_path) is None
    assert "lies in no run folder" in model_card(tmp_path)
