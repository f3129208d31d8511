"""The grid on a tiny run: one training a model, right shares, honest facts, no trace of a kill."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trivium.claims import claim_01, claim_07, claim_17, ledger
from trivium.claims.grid import data, mixtures, model, texts
from trivium.claims.grid.mixtures import FINAL, MIXTURES, S_W, S
from trivium.claims.grid.settings import GridConfig
from trivium.claims.lab import Lab
from trivium.claims.ledger import Sizes
from trivium.cli.claims import QUICK_GRID
from trivium.errors import ConfigError, DataError
from trivium.evaluate import likelihood
from trivium.evaluate.likelihood import Scored
from trivium.models.load import load_tokenizer
from trivium.problems import facts
from trivium.store.files import read_json, read_parquet
from trivium.train import tokens

SIZES = Sizes(grid=GridConfig(**{**QUICK_GRID, "tokens": 1500, "hidden": 32, "conversations": 24}))

NUMBERS = (1, 2, 3, 4, 5, 6, 7, 9, 17)


@pytest.fixture(scope="session")
def lab(grid_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    out = tmp_path_factory.mktemp("grid") / "out"
    ledger.run(NUMBERS, grid_run, out, SIZES, workers=1)
    return ledger.open_lab(grid_run, out, SIZES, 1)


def test_claims_share_their_models(lab: Lab) -> None:
    kept = {path.stem for path in (lab.out / "grid" / "models").iterdir()}
    forms = (claim_07.PLAIN, claim_07.VARIED, claim_07.QUESTIONS)
    wrong = (claim_07.arm(form) for form in (mixtures.PLAIN_WRONG, mixtures.QUESTIONS_WRONG))
    smaller = [dataclasses.replace(arm, horizon=0.5) for arm in MIXTURES.values()]
    smaller += [dataclasses.replace(arm, narrow=True) for arm in MIXTURES.values()]
    arms = (*MIXTURES.values(), *claim_01.ARMS.values(), *forms, *wrong, *smaller)
    assert kept == {arm.key(number) for arm in arms for number in range(2)}
    before = {path: path.stat().st_mtime_ns for path in (lab.out / "grid" / "models").iterdir()}
    found = ledger.run([4, 17], lab.run.path, lab.out, SIZES, workers=1)
    assert {row.claim for row in found} == {4, 17}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_every_statement_has_an_interval_and_the_page_tells_it(lab: Lab) -> None:
    found = ledger.read(lab.out)
    page = (lab.out / ledger.PAGE).read_text()
    assert set(found) == set(NUMBERS)
    for number in NUMBERS:
        assert (lab.out / ledger.FIGURES / f"{number:02d}.svg").read_text().startswith("<svg")
        for row in found[number]:
            assert row.low <= row.value <= row.high
            assert row.statement in page
    assert all(f"**{part}.**" in page for part in ("The report", "The test", "The answer"))


def test_a_mixture_trains_on_its_shares_and_its_facts_are_the_web_s_alone(lab: Lab) -> None:
    assert sum(dict(MIXTURES[FINAL].shares).values()) == pytest.approx(1.0, abs=1e-5)
    final = dict(MIXTURES[FINAL].shares)
    assert final[mixtures.PROBLEMS] == pytest.approx(0.75 * 40 / 70, abs=1e-6)
    assert final[mixtures.PAGES] + final[mixtures.STATED] == pytest.approx(0.75 * 15 / 70, abs=1e-6)
    ground = lab.grid.ground
    tokenizer = load_tokenizer(ground.store / "tokenizer")
    chosen = texts.choose(lab.grid_config.facts, lab.seed)

    def text_of(component: str) -> str:
        source = tokens.open_source(ground.store / "tokens", component)
        ends = zip(source.starts, source.starts[1:], strict=False)
        return "\n".join(tokenizer.decode(source.ids[start:end].tolist()) for start, end in ends)

    told = text_of(mixtures.STATED)
    stated = {fact.id for fact in chosen.every if facts.states(told, fact)}
    assert len(stated) > 0.6 * len(chosen.every), "a held-out document may hold a whole round of some"
    asked = text_of(mixtures.ASKED)
    prompts = {question.prompt: fact.id for fact in chosen.every for question in facts.questions([fact])}
    assert {name for prompt, name in prompts.items() if prompt in asked} <= chosen.seen
    made = text_of(mixtures.PROBLEMS)
    assert not any(facts.states(made, fact) for fact in chosen.every)


def test_held_out_documents_train_nobody(lab: Lab) -> None:
    ground = lab.grid.ground
    apart = {row["row"] for row in read_json(ground.texts)}
    assert apart
    for component in mixtures.SOURCES:
        rows = read_parquet(ground.store / "tokens" / f"{component}.rows.parquet")["id"].to_pylist()
        assert not apart & set(rows)


def test_tested_facts_are_not_in_the_fine_tuning(lab: Lab) -> None:
    chosen = texts.choose(lab.grid_config.facts, lab.seed)
    assert not {fact.id for fact in chosen.shown} & {fact.id for fact in chosen.tested}
    chats = read_parquet(lab.grid.ground.chats / "examples.parquet").to_pylist()
    said = {turn["content"] for row in chats if row["flow"] == "facts" for turn in row["messages"]}
    for fact in chosen.tested:
        assert not said & {question.prompt for question in facts.questions([fact])}


def test_savings_are_means_over_tasks(lab: Lab) -> None:
    grid, ours, theirs = lab.grid, MIXTURES[S], MIXTURES[S_W]
    each = [grid.saved(ours, theirs, (task,)).mean() for task in data.TASKS]
    assert grid.saved(ours, theirs).mean() == pytest.approx(float(np.mean(each)))
    rows = read_parquet(model.kept_at(grid.ground, (ours, 0))).to_pylist()
    own = [row for row in rows if row["measure"] == data.FACTS]
    assert grid.cost(ours, data.FACTS)[0].mean() == pytest.approx(sum(row["cost"] for row in own) / len(own))
    assert {row["cost"] for row in own} <= {0.0, 1.0}
    own = [row for row in rows if row["measure"] == data.CONTEST]
    assert grid.cost(ours, data.CONTEST)[0].mean() == pytest.approx(
        sum(row["cost"] for row in own) / sum(row["size"] for row in own)
    )


def test_a_fact_is_known_where_its_value_is_the_likeliest_however_many_bits_it_takes(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = lab.grid.ground
    items = [item for item in read_json(ground.items) if item["task"] == data.FACTS]
    asked = [reply for item in read_json(ground.items) for reply in item["replies"]]
    known = {items[0]["item"], items[2]["item"]}
    least = {items[0]["replies"][0], items[1]["replies"][1], items[2]["replies"][0]}

    def score(*_: object) -> list[Scored]:
        return [Scored([0.5 if reply in least else 9.0], [0]) for reply in asked]

    monkeypatch.setattr(model, "load_model", lambda _: None)
    monkeypatch.setattr(model, "load_tokenizer", lambda _: load_tokenizer(ground.store / "tokenizer"))
    monkeypatch.setattr(model, "make_encoder", lambda *_: lambda _: ([0, 1], [False, True]))
    monkeypatch.setattr(likelihood, "score", score)
    rows = model._weigh_items(ground, ground.store)
    right = {row["item"] for row in rows if row["measure"] == data.FACTS and not row["cost"]}
    assert right >= known
    assert items[1]["item"] not in right


def test_the_choice_of_a_seed_is_made_by_the_others(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = list(MIXTURES.values())
    grid, told = lab.grid, random.Random(0)
    table = {arm: np.array([[told.random()] * 4 for _ in range(2)]) for arm in arms}
    table[arms[1]][0], table[arms[2]][1] = 9.0, 9.0
    monkeypatch.setattr(type(grid), "saved", lambda self, arm, over, measures=(): table[arm])
    after, loss = claim_17.choices(grid, arms)
    assert after == loss == [arms[2], arms[1]]


def test_wrong_seeds_are_as_many_as_said_and_stay_in_their_table() -> None:
    rows = list(facts.tables())[:200]
    true = {fact.key: fact.value for fact in rows}
    for wrong, rounds in (("mentions", 20), ("seeds", 20)):
        lines = [
            line
            for _, text in texts.documents(rows, plain, rounds, 0, wrong=wrong)
            for line in text.split("\n")
        ]
        false = [line for line in lines if true[line.split("=")[0]] != line.split("=")[1]]
        assert len(false) / len(lines) == pytest.approx(texts.WRONG_SEEDS, abs=0.08)
        kinds = {key: {line for line in lines if line.startswith(f"{key}=")} for key in true}
        assert (max(map(len, kinds.values())) == 1) == (wrong == "seeds")
    assert texts.documents(rows, plain, 1, 0) == texts.documents(rows, plain, 1, 0)


def plain(_: random.Random, fact: facts.Fact) -> str:
    return f"{fact.key}={fact.value}"


def test_another_grid_in_the_same_folder_is_refused(lab: Lab) -> None:
    other = Sizes(grid=GridConfig(tokens=1600))
    with pytest.raises(ConfigError, match=r"another grid there \(changed config.*config.tokens"):
        ledger.run([1], lab.run.path, lab.out, other, workers=1)
    with pytest.raises(ConfigError, match="claims facts: got 2, expected at least 8"):
        GridConfig(facts=2)


def test_a_run_without_its_stages_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"seed": 0}')
    with pytest.raises(DataError, match="no finished stage 'items'"):
        ledger.run([1], tmp_path, tmp_path / "out", SIZES, workers=1)


@pytest.mark.slow
def test_kill_nine_and_two_workers_leave_no_trace(lab: Lab, tmp_path: Path) -> None:
    out, script = tmp_path / "out", tmp_path / "go.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from trivium.claims import ledger\n"
        "from trivium.claims.grid.settings import GridConfig\n"
        "if __name__ == '__main__':\n"
        f"    sizes = ledger.Sizes(grid={SIZES.grid!r})\n"
        "    ledger.run([4], Path(sys.argv[1]), Path(sys.argv[2]), sizes, workers=2)\n"
    )
    command = [sys.executable, str(script), str(lab.run.path), str(out)]
    process = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list(out.glob("grid/models/*")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    ours, theirs = ((folder / "findings" / "04.json").read_text() for folder in (out, lab.out))
    assert ours == theirs
