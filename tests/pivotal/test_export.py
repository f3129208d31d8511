"""The exports: nothing is invented, ids are the truth, text leaves only where it reads back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import make_model, prompt
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import decoders, models, pre_tokenizers

from trivium.errors import ConfigError
from trivium.models import chat
from trivium.models.load import Tokenizer, load_tokenizer
from trivium.models.sample import cached_model
from trivium.pivotal import export, export_stage, stage
from trivium.pivotal.export import Sources
from trivium.pivotal.export_stage import ExportConfig
from trivium.pivotal.stage import PivotalConfig
from trivium.records import PivotalToken, Preference
from trivium.store.run import StageDir, hash_outputs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def searched(model: Path, tmp_path_factory: pytest.TempPathFactory) -> StageDir:
    """A search of a question file, without any recipe."""
    root = tmp_path_factory.mktemp("run")
    rows = [{"question": prompt(i), "answer": "#### 1"} for i in range(16)]
    (root / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = PivotalConfig(
        model=str(model), questions=str(root / "asked.jsonl"), max_reply_tokens=16, traces=2,
        trace_rollouts=12, band=(0.1, 0.9), num_solved=1, solved_rollouts=4,
    )  # fmt: skip
    found = StageDir(name="pivotal", path=root / "11-pivotal", seed=0)
    found.path.mkdir()
    assert stage.run(config, found)["confirmed"] > 5
    return found


def exported(searched: StageDir, model: Path, path: Path, **changes: Any) -> tuple[StageDir, dict[str, Any]]:
    path.mkdir()
    door = StageDir(name="export", path=path, seed=0, inputs={"pivotal": searched.path})
    return door, export_stage.run(replace(ExportConfig(model=str(model)), **changes), door)


def lines(door: StageDir, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (door.path / f"{name}.jsonl").read_text().splitlines()]


def byte_tokenizer(folder: Path) -> Tokenizer:
    """Letters, one merge (`a` + `b` is `ab`) and the special tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: index for index, letter in enumerate([*letters, "ab"])}
    made = RawTokenizer(models.BPE(vocab, [("a", "b")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    made.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    made.add_special_tokens(list(chat.SPECIAL_TOKENS))
    made.save(str(folder / "tokenizer.json"))
    return load_tokenizer(folder)


def test_a_pair_leaves_as_text_only_if_it_reads_back_as_the_ids_that_were_measured(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer(tmp_path)
    prompt_ids = [*chat.prompt_ids(tokenizer, "c", "chat"), *tokenizer.encode("xa")]
    (b,), (c,) = tokenizer.encode("b"), tokenizer.encode("c")
    pair = Preference(
        id="1", question_id="q", prompt_ids=prompt_ids, chosen_ids=[c], rejected_ids=[tokenizer.end_id],
        origin="pivotal", gap=0.5,
    )  # fmt: skip
    merging = replace(pair, id="2", rejected_ids=[b])
    sources = Sources(tokenizer=tokenizer, model="m", prompts={}, questions={}, dataset="")
    (row,), (drop,) = export.trl([pair, merging], sources)
    assert row == {
        "prompt": "<|im_start|>user<|im_sep|>c<|im_end|><|im_start|>assistant<|im_sep|>xa",
        "chosen": "c",
        "rejected": "<|im_end|>",
    }
    assert tokenizer.encode_marked(row["prompt"] + row["chosen"]) == [*prompt_ids, c]
    assert (drop.id, drop.reason) == ("2", "text does not read back as the same ids")


def test_every_pair_is_a_row_or_a_drop(searched: StageDir, model: Path, tmp_path: Path) -> None:
    door, counts = exported(searched, model, tmp_path / "export")
    pairs = searched.rows("pivotal", "preferences", Preference)
    assert counts["rows"]["trl"] + len(door.drops) == len(pairs) == counts["rows"]["pts_dpo"]


def test_token_rows_hold_every_pivot_and_pair_by_ids(searched: StageDir, model: Path, tmp_path: Path) -> None:
    door, _ = exported(searched, model, tmp_path / "export")
    pivots = {p.id: p for p in searched.rows("pivotal", "pivotal_tokens", PivotalToken)}
    pairs = {p.id: p for p in searched.rows("pivotal", "preferences", Preference)}
    rows = lines(door, "tokens")
    assert {row["id"] for row in rows} == {*pivots, *pairs}
    for row in rows:
        ids = [*row["prompt_ids"], *row["reply_ids"]]
        assert row["position"] == len(ids)
        assert row["query"].startswith("how many")
        if row["kind"] == "pivot":
            assert ids == pivots[row["id"]].prefix_ids
            assert row["prob_delta"] == row["prob_after"] - row["prob_before"]
        else:
            assert ids == pairs[row["id"]].prompt_ids
            assert [row["chosen_id"]] == pairs[row["id"]].chosen_ids


def test_the_columns_of_the_published_data_sets(searched: StageDir, model: Path, tmp_path: Path) -> None:
    """Names from codelion/pts's token storage and preference export."""
    door, _ = exported(searched, model, tmp_path / "export")
    for row in lines(door, "pts"):
        assert list(row) == [
            "model_id", "query", "pivot_context", "pivot_token", "pivot_token_id",
            "prob_before", "prob_after", "prob_delta", "is_positive", "task_type",
            "dataset_id", "dataset_item_id", "timestamp",
        ]  # fmt: skip
        assert row["is_positive"] == (row["prob_after"] > row["prob_before"])
        assert row["task_type"] == "number"
    for row in lines(door, "pts_dpo"):
        assert set(row) == {"prompt", "chosen", "rejected", "metadata"}
        assert set(row["metadata"]) == {"original_query", "prob_delta", "task_type"}
        assert row["metadata"]["prob_delta"] >= 0.2


def test_steering_vectors_are_the_layers_own_states(searched: StageDir, model: Path, tmp_path: Path) -> None:
    door, _ = exported(searched, model, tmp_path / "a", layer=1, batch_size=3)
    found = load_file(door.path / "steering.safetensors")
    pairs = searched.rows("pivotal", "preferences", Preference)
    assert found["chosen"].shape == found["rejected"].shape == (len(pairs), 32)
    assert found["direction"].norm().item() == pytest.approx(1.0, abs=1e-5)
    with torch.inference_mode():
        for row, pair in enumerate(pairs[:4]):
            ids = torch.tensor([[*pair.prompt_ids, *pair.chosen_ids]])
            states = cached_model(model)(input_ids=ids, output_hidden_states=True).hidden_states
            torch.testing.assert_close(found["chosen"][row], states[1][0, -1], atol=1e-5, rtol=1e-5)
    rows = lines(door, "steering")
    assert len(rows) == len(pairs) and {row["steering_layer"] for row in rows} == {1}
    difference = (found["chosen"] - found["rejected"])[0].tolist()
    assert rows[0]["steering_vector"] == pytest.approx(difference, abs=1e-5)


def test_a_layer_that_is_not_there(searched: StageDir, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 2"):
        exported(searched, model, tmp_path / "a", layer=3)
    with pytest.raises(ConfigError, match="export.layer"):
        ExportConfig(layer=-1)


def test_the_same_search_gives_the_same_bytes(searched: StageDir, model: Path, tmp_path: Path) -> None:
    one, _ = exported(searched, model, tmp_path / "a", layer=2)
    other, _ = exported(searched, model, tmp_path / "b", layer=2, batch_size=7)
    same = {"trl.jsonl", "tokens.jsonl", "pts.jsonl", "pts_dpo.jsonl"}
    before, after = hash_outputs(one.path), hash_outputs(other.path)
    assert {name: before[name] for name in same} == {name: after[name] for name in same}


def test_what_the_page_shows_was_sampled(searched: StageDir) -> None:
    shown = json.loads((searched.path / "pivots.json").read_text())
    pivots = {p.id: p for p in searched.rows("pivotal", "pivotal_tokens", PivotalToken)}
    assert 0 < len(shown) <= len(pivots)
    for row in shown:
        pivot = pivots[row["id"]]
        assert row["options"][0]["text"] == row["text"]
        assert (row["prob_before"], row["prob_after"]) == (pivot.prob_before, pivot.prob_after)
        assert all(len(option["continuations"]) <= 3 for option in row["options"])
    assert any(option["continuations"] for row in shown for option in row["options"])
