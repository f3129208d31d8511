"""The contest's seed, and how much of the contest stands in training rows."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from trivium.errors import DataError
from trivium.evaluate import contamination
from trivium.evaluate.tasks import contest
from trivium.records import Example, Message, Question


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    weights = {"b": torch.arange(6, dtype=torch.float32).reshape(2, 3), "a": torch.ones(4)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text("{}")
    return folder


def test_the_seed_depends_on_the_weights_only(model, tmp_path):
    seed = contest.seed_from_weights(model)
    weights = load_file(model / "model.safetensors")
    other = tmp_path / "elsewhere"
    shutil.copytree(model, other)
    (other / "config.json").write_text('{"changed": true}')
    (other / "tokenizer_config.json").write_text("{}")
    save_file(dict(reversed(weights.items())), other / "model.safetensors", metadata={"made": "later"})
    assert contest.seed_from_weights(other) == seed


@pytest.mark.parametrize("change", ["value", "name", "shape", "type"])
def test_the_seed_depends_on_every_weight(model, change):
    seed = contest.seed_from_weights(model)
    weights = load_file(model / "model.safetensors")
    if change == "value":
        weights["b"][1, 2] += 1e-6
    elif change == "name":
        weights["c"] = weights.pop("b")
    elif change == "shape":
        weights["b"] = weights["b"].reshape(3, 2).contiguous()
    else:
        weights["b"] = weights["b"].view(torch.int32)
    save_file(weights, model / "model.safetensors")
    assert contest.seed_from_weights(model) != seed


def test_missing_and_truncated_weights_are_one_sentence(model):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(DataError, match="no readable weights"):
        contest.seed_from_weights(model)
    file.unlink()
    with pytest.raises(DataError, match="no readable weights"):
        contest.seed_from_weights(model)


WORDS = "Alma has 12 red lamps and Bruno gives her 9 more of them so how many now"


def question(prompt: str) -> Question:
    return Question(
        id=prompt, prompt=prompt, answer="21", verifier="number", skill="contest", difficulty=1, template=""
    )


def example(text: str = "", asked: str = "") -> Example:
    messages = [Message(role="user", content=asked), Message(role="assistant", content="21")] if asked else []
    return Example(id=text + asked, source="synthetic", flow="", text=text, messages=messages)


@pytest.mark.parametrize(
    ("row", "identical", "shared"),
    [
        (example(f"Problem: {WORDS.upper()}!\nSolution: 21"), 1, 1),
        (example(asked=WORDS), 1, 1),
        (example(" ".join(WORDS.split()[2:15])), 0, 1),
        (example(" ".join(WORDS.split()[2:14])), 0, 0),
        (example("Something else entirely."), 0, 0),
    ],
)
def test_planted_leaks_are_counted(row, identical, shared):
    others = [
        example(f"Row {n} of a corpus that holds many words and never the ones looked for.") for n in range(9)
    ]
    found = contamination.report([question(WORDS), question("Short.")], [*others, row])
    assert (found["identical_prompts"], found["items_with_shared_ngram"]) == (identical, shared)
    assert found["items"] == 2 and found["training_rows"] == 10
    assert found["items_with_shared_ngram_frac"] == shared / 2


def test_the_share_of_ngrams_is_that_of_distinct_ones():
    half = " ".join(WORDS.split()[:15])
    total = len(WORDS.split()) - contamination.NGRAM + 1
    found = contamination.report([question(WORDS)], [example(half)])
    assert found["ngram_frac"] == round(3 / total, 6)


def test_grams_tell_order_apart():
    grams = contamination.Grams()
    words = [f"w{n}" for n in range(13)]
    assert grams.of(" ".join(words))[0] != grams.of(" ".join(reversed(words)))[0]
    assert len(grams.of(" ".join(words[:12]))) == 0
