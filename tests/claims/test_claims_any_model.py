"""The experiment on somebody else's model: its own template, question files, held-out questions kept out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import WORDS, make_llama

from trivium.claims import ledger, untouched
from trivium.claims.ledger import Sizes
from trivium.claims.measure import Outcome
from trivium.claims.results import Finding
from trivium.claims.settings import SFT, TRAINED, ExperimentConfig
from trivium.claims.world import Model, open_model, training_questions, write_problems
from trivium.cli import main
from trivium.errors import ConfigError, DataError
from trivium.models.load import load_model, load_tokenizer
from trivium.models.prompting import make_asker
from trivium.records import Question, Rollout, from_table
from trivium.store.files import read_parquet

CONFIG = ExperimentConfig(
    questions=16, heldout=8, dev=4, seeds=2, samples=3, dev_samples=2, grid="small", base="pretrained",
    traces=4, scan_rollouts=10, untouched=3, drift=5,
)  # fmt: skip


def prompt(number: int) -> str:
    """One of 48 questions; they differ in words that do not matter."""
    return f"how many {' '.join(WORDS[(number * k + number // 12) % 12] for k in range(1, 7))}"


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A Llama that is right about half of the time, and its files; two held-out questions stand in both."""
    folder = tmp_path_factory.mktemp("model")
    asked = [{"question": prompt(n), "answer": "1"} for n in range(40)]
    choices = [{"query": prompt(n), "choices": ["so Answer: 1", "3 3 3 3"], "gold": 0} for n in range(3)]
    return Model(
        folder=str(make_llama(folder / "llama", 64)),
        questions=write(folder / "train.jsonl", asked[:26]),
        heldout=write(folder / "test.jsonl", asked[24:]),
        verifier="number",
        max_tokens=12,
        untouched=(write(folder / "others.jsonl", choices),),
    )


@pytest.fixture(scope="module")
def done(model: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Finding]]:
    out = tmp_path_factory.mktemp("claims") / "out"
    return out, ledger.run([11, 12, 13], model, out, Sizes(experiment=CONFIG), workers=1)


def test_every_arm_answers_the_held_out_file_in_the_models_own_words(
    done: tuple[Path, list[Finding]], model: Model
) -> None:
    out, found = done
    rows = from_table(Outcome, read_parquet(out / "outcomes.parquet"))
    assert {(row.arm, row.seed) for row in rows} == {(SFT, 0), *((a, s) for a in TRAINED for s in (0, 1))}
    start = [row for row in rows if row.arm == SFT]
    assert len(start) == CONFIG.heldout
    assert 0.2 < sum(row.right for row in start) / (3 * len(start)) < 0.9
    assert sum(row.kl_tokens > 0 for row in start) == CONFIG.drift
    assert all(abs(row.kl_nats) < 1e-6 for row in start)
    assert any(row.kl_nats > 1e-6 for row in rows if row.arm != SFT)
    page = (out / "claims.md").read_text()
    assert {row.claim for row in found} == {11, 12, 13}
    assert "not decided at this scale" in page and "detectable" in page and " others |" in page
    prefix = make_asker(model.folder, load_tokenizer(model.folder))(prompt(0))[:2]
    rolled = from_table(Rollout, read_parquet(out / "seeds" / "0" / "rollouts.parquet"))
    assert {tuple(row.prefix_ids[:2]) for row in rolled} == {prefix}


def test_seeds_may_answer_problems_of_their_own(model: Model, tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, spread=True, grid="given", drift=3)
    found = ledger.run([13], model, tmp_path / "out", Sizes(experiment=config), workers=1)
    rows = from_table(Outcome, read_parquet(tmp_path / "out" / "outcomes.parquet"))
    asked = {(row.arm, row.seed): set[str]() for row in rows}
    for row in rows:
        asked[row.arm, row.seed].add(row.item_id)
    assert all(len(ids) == 4 and asked[SFT, seed] == ids for (_, seed), ids in asked.items())
    assert not asked[SFT, 0] & asked[SFT, 1]
    assert sum(row.kl_tokens > 0 for row in rows if row.arm == SFT) == 2 * config.drift
    compared = [row for row in found if row.metric == "greedy" and "costs" not in row.statement]
    assert {(row.n, row.seeds) for row in compared} == {(8, 2)}
    assert (
        "8 held-out problems (a seed's models answer 4 of their own)"
        in (tmp_path / "out" / "claims.md").read_text()
    )
    with pytest.raises(ConfigError, match="got 8 to spread over 3 seeds; expected a multiple"):
        dataclasses.replace(config, seeds=3)


def test_arms_are_saved_as_the_model_they_came_from(done: tuple[Path, list[Finding]], model: Model) -> None:
    start = load_model(model.folder)
    for arm in TRAINED:
        folder = done[0] / "models" / arm / "1" / "model"
        trained = load_model(folder)
        assert type(trained) is type(start)
        pairs = zip(trained.parameters(), start.parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs)
        config = (folder / "tokenizer_config.json").read_bytes()
        assert config == (Path(model.folder) / "tokenizer_config.json").read_bytes()


def test_held_out_and_development_questions_are_not_trained_on(model: Model, tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, heldout=16)  # all, so that both shared ones are among them
    world = open_model(model, tmp_path / "out", config)
    assert write_problems(world) == {"heldout": 16, "dev": 4}
    splits = [from_table(Question, read_parquet(world.problems(name))) for name in ("heldout", "dev")]
    away = {row.prompt for rows in splits for row in rows}
    assert len(away) == 20
    training = {row.prompt for row in training_questions(world)}
    assert len(training) == 26 - 2 - 4
    assert not training & away
    few = dataclasses.replace(world, config=dataclasses.replace(config, questions=21))
    with pytest.raises(DataError, match="got 20 questions beside .* expected 21"):
        training_questions(few)
    with pytest.raises(DataError, match="got 16 questions; expected 17, lower --heldout"):
        write_problems(dataclasses.replace(world, config=dataclasses.replace(config, heldout=17)))


def test_other_files_in_the_same_folder_are_another_experiment(
    done: tuple[Path, list[Finding]], model: Model, tmp_path: Path
) -> None:
    other = write(tmp_path / "test.jsonl", [{"question": prompt(n), "answer": "2"} for n in range(24, 40)])
    changed = dataclasses.replace(model, heldout=other, max_tokens=11)
    with pytest.raises(ConfigError, match=r"changed inputs.asked, inputs.files"):
        ledger.run([13], changed, done[0], Sizes(experiment=CONFIG), workers=1)


def test_untouched_tasks_are_scored_by_likelihood(tmp_path: Path, model: Model) -> None:
    network, tokenizer = load_model(model.folder), load_tokenizer(model.folder)
    said = {"context": "so", "continuation": "user"}
    rows = [
        {"query": "so", "choices": ["user", "Answer:", "2 2"], "gold": 0},
        {"question": "so", "options": ["user", "Answer:"], "answer": "B"},
        {"context_options": ["so", "user user user"], "continuation": "Answer:", "gold": 0},
        said,
        said | {"continuation": "user 3"},
    ]
    items = untouched.read(Path(write(tmp_path / "x.jsonl", rows)), 9)
    got = untouched.score(network, tokenizer, items)

    def logps(before: str, after: str) -> torch.Tensor:
        ids = tokenizer.encode(before) + tokenizer.encode(after)
        every = network(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        first = len(tokenizer.encode(before))
        return torch.stack([every[i - 1, ids[i]] for i in range(first, len(ids))])

    for item, right in zip(items[:3], got[:3], strict=True):
        means = [float(logps(a, b).mean().detach()) for a, b in item.sides]
        assert right == (means.index(max(means)) == item.gold)
    assert got[0] and not got[1] and got[3] and not got[4]
    with pytest.raises(DataError, match="row 1 got columns a; expected query, choices and gold"):
        untouched.read(Path(write(tmp_path / "y.jsonl", [{"a": 1}])), 9)


def test_without_a_choice_nothing_is_tried_and_without_a_file_nothing_is_claimed(
    model: Model, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, grid="given", seeds=1, heldout=4)
    out = tmp_path / "out"
    found = ledger.run(
        [13], dataclasses.replace(model, untouched=()), out, Sizes(experiment=config), workers=1
    )
    assert {row.verdict for row in found} == {"undecided"}
    page = (out / "claims.md").read_text()
    assert "Untouched tasks were not measured" in page and "not tried" in page
    assert not (out / "trials").exists()


def test_the_command_line_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], model: Model, tmp_path: Path
) -> None:
    assert main.main(["claims", "13", "--model", model.folder]) == 2
    assert "--heldout-questions FILE" in capsys.readouterr().err
    assert main.main(["claims", "13", "--verifier", "number"]) == 2
    assert "--verifier: got it without --model" in capsys.readouterr().err
    assert main.main(["claims", "13", "--questions", "x.jsonl"]) == 2
    assert "expected a number, or --model with a file" in capsys.readouterr().err
    words = [
        "claims",
        "13",
        "--model",
        model.folder,
        "--questions",
        model.questions,
        "--out",
        str(tmp_path / "o"),
    ]
    assert main.main([*words, "--heldout-questions", "nowhere.jsonl"]) == 2
    assert "no such file" in capsys.readouterr().err
