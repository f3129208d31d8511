"""The whole experiment on a tiny run: equal budgets, nothing missing, and no trace of a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from trivium.claims import fit, ledger
from trivium.claims.ledger import Sizes
from trivium.claims.measure import Outcome
from trivium.claims.pairs import whole_only
from trivium.claims.results import Finding
from trivium.claims.settings import (
    AFTER,
    FITTED,
    MERGED,
    MERGES,
    PIVOTAL,
    SFT,
    TITLES,
    TRAINED,
    ExperimentConfig,
    settings_of,
)
from trivium.claims.world import open_world
from trivium.cli import main
from trivium.errors import ConfigError, DataError, ResourceError
from trivium.models.load import model_hash
from trivium.pivotal.mine import Searched
from trivium.records import Preference, Question, Rollout, from_table
from trivium.store.files import read_parquet
from trivium.store.run import Run

CONFIG = ExperimentConfig(
    questions=16, heldout=12, dev=4, seeds=2, samples=3, dev_samples=2, grid="small", replay=12,
    untouched=4, traces=4, scan_rollouts=10, after=True, merged=True,
)  # fmt: skip
WRITTEN = ("table.json", "arms.json", "claims.md")


@pytest.fixture(scope="module")
def done(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Finding]]:
    out = tmp_path_factory.mktemp("claims") / "out"
    return out, ledger.run([11, 12, 13], finished_run, out, Sizes(experiment=CONFIG), workers=1)


def test_every_claim_gets_a_verdict_with_its_interval(done: tuple[Path, list[Finding]]) -> None:
    out, found = done
    assert {row.claim for row in found} == {11, 12, 13}
    for row in found:
        assert row.low <= row.value <= row.high
        assert row.verdict in ("holds", "fails", "undecided")
    written = json.loads((out / "table.json").read_text())
    assert [row["statement"] for row in written] == [row.statement for row in found]
    page = (out / "claims.md").read_text()
    assert all(title in page for title in TITLES.values())
    assert all(row.statement in page for row in found)


def test_every_arm_and_seed_answered_the_same_problems(done: tuple[Path, list[Finding]]) -> None:
    out, _ = done
    asked = defaultdict(list)
    for row in from_table(Outcome, read_parquet(out / "outcomes.parquet")):
        asked[row.arm, row.seed].append(row.item_id)
    assert set(asked) == {(SFT, 0), *((arm, seed) for arm in (*TRAINED, AFTER, *MERGES) for seed in range(2))}
    heldout = [q.id for q in from_table(Question, read_parquet(out / "problems" / "heldout.parquet"))]
    assert all(ids == heldout for ids in asked.values())


def test_development_problems_are_never_reported(done: tuple[Path, list[Finding]]) -> None:
    out, _ = done
    prompts = [
        {q.prompt for q in from_table(Question, read_parquet(out / "problems" / f"{split}.parquet"))}
        for split in ("heldout", "dev")
    ]
    assert prompts[0] and prompts[1]
    assert not prompts[0] & prompts[1]


def test_the_two_ways_of_spending_cost_the_same_on_every_question(done: tuple[Path, list[Finding]]) -> None:
    out, _ = done
    for seed in range(2):
        folder = out / "seeds" / str(seed)
        searched = from_table(Searched, read_parquet(folder / "searched.parquet"))
        extra = from_table(Rollout, read_parquet(folder / "control.parquet"))
        spent: dict[str, int] = defaultdict(int)
        for row in extra:
            spent[row.question_id] += len(row.completion_ids)
        assert any(row.confirm_tokens for row in searched)
        for row in searched:
            left = row.search_tokens + row.confirm_tokens - spent[row.question_id]
            assert 0 <= left < 12, "less than one reply may be left over"


def test_pairs_come_from_their_own_seed_and_are_as_many(done: tuple[Path, list[Finding]]) -> None:
    out, _ = done
    folder = out / "seeds" / "0"
    sets = {
        arm: from_table(Preference, read_parquet(folder / arm / "preferences.parquet"))
        for arm in ("pivotal", "random", "entropy", "whole", "rejection")
    }
    assert sets["pivotal"] and not sets["rejection"]
    for arm in ("random", "entropy"):
        assert 0 < len(sets[arm]) <= len(sets["pivotal"])
        assert all(len(row.chosen_ids) == len(row.rejected_ids) == 1 for row in sets[arm])
    rolled = from_table(Rollout, read_parquet(folder / "rollouts.parquet"))
    extra = from_table(Rollout, read_parquet(folder / "control.parquet"))
    verdicts = {(*row.prefix_ids, *row.completion_ids): row.verdict for row in [*whole_only(rolled), *extra]}
    for row in sets["whole"]:
        assert verdicts[*row.prompt_ids, *row.chosen_ids] == "right"
        assert verdicts[*row.prompt_ids, *row.rejected_ids] != "right"


def test_the_arm_after_starts_from_the_fitted_model(done: tuple[Path, list[Finding]]) -> None:
    models = done[0] / "models"
    assert {folder.name for folder in models.iterdir()} == {*TRAINED, AFTER, *MERGES, FITTED}
    hashes = {name: model_hash(models / name / "0" / "model") for name in (AFTER, "fitted", "rejection")}
    assert len(set(hashes.values())) == 3
    lines = [row for row in done[1] if "after rejection-sampled SFT" in row.statement]
    assert [row.metric for row in lines] == ["at T=1", "greedy"]


def test_a_merged_arm_adds_what_its_parents_changed(
    done: tuple[Path, list[Finding]], finished_run: Path
) -> None:
    chosen = json.loads((done[0] / "arms.json").read_text())["chosen"][MERGED]
    start = fit.weights_of(Run.open(finished_run).finished()["sft"] / "model")
    fitted, paired, merged = (
        fit.weights_of(done[0] / "models" / arm / "1" / "model") for arm in (FITTED, PIVOTAL, MERGED)
    )
    for name, before in start.items():
        change = fitted[name] + paired[name] - 2 * before
        assert (merged[name] - before - chosen["scale"] * change).abs().max() < 1e-6
    assert max(float((merged[name] - start[name]).abs().max()) for name in start) > 1e-5


def test_a_setting_that_breaks_down_loses_and_says_why(
    done: tuple[Path, list[Finding]], finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        (done[0] / "trials" / "pivotal-7").mkdir(parents=True)
        raise ResourceError("training: no usable gradient")

    monkeypatch.setattr(fit, "fit", broken)
    world = open_world(Run.open(finished_run), done[0], CONFIG)
    (row,) = fit.try_setting(world, fit.Trial(7, settings_of("pivotal", CONFIG)[0]))["trials"].to_pylist()
    assert (row["score"], row["error"]) == (-1.0, "training: no usable gradient")
    whole = read_parquet(done[0] / "tune.parquet")
    assert list(row) == whole.column_names


def test_another_experiment_in_the_same_folder_is_refused(
    done: tuple[Path, list[Finding]], finished_run: Path
) -> None:
    other = ExperimentConfig(questions=17)
    with pytest.raises(
        ConfigError, match=r"another experiment there \(changed config.after, .*config.questions"
    ):
        ledger.run([13], finished_run, done[0], Sizes(experiment=other), workers=1)
    with pytest.raises(ConfigError, match="got 99; expected some of 1 to"):
        ledger.run([99], finished_run, done[0], Sizes(experiment=CONFIG), workers=1)


def test_a_run_without_its_stages_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(DataError, match="no finished stage 'items'"):
        ledger.run([13], tmp_path, tmp_path / "out", Sizes(experiment=CONFIG), workers=1)
    assert main.main(["claims", "13", "--run", str(tmp_path / "nowhere")]) == 2
    assert "expected a run folder" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="claims.seeds: got 0"):
        ExperimentConfig(seeds=0)


@pytest.mark.slow
def test_kill_nine_and_two_workers_leave_no_trace(
    done: tuple[Path, list[Finding]], finished_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    script = tmp_path / "go.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from trivium.claims import ledger\n"
        "from trivium.claims.ledger import Sizes\n"
        "from trivium.claims.settings import ExperimentConfig\n"
        "if __name__ == '__main__':\n"
        f"    config = {CONFIG!r}\n"
        "    run, out = map(Path, sys.argv[1:])\n"
        "    ledger.run([11, 12, 13], run, out, Sizes(experiment=config), workers=2)\n"
    )
    command = [sys.executable, str(script), str(finished_run), str(out)]
    for place in ("gather-1/*.done.json", "tune/*.done.json", "train/*.done.json"):
        process = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while not list(out.glob(f"scratch/{place}")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (out / "table.json").exists(), "the run ended before it was killed"
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    for name in WRITTEN:
        ours, theirs = ((folder / name).read_text() for folder in (out, done[0]))
        assert strip_seconds(ours) == strip_seconds(theirs), name


def strip_seconds(text: str) -> list[str]:
    """Lines without timings."""
    return [line for line in text.splitlines() if "_seconds" not in line]
