"""The stage on a real, tiny model: its files, its errors; neither kills nor workers change a byte."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving import serving
from tiny import make_model, prompt

from trivium.errors import ConfigError, DataError
from trivium.models import chat, sampling
from trivium.models.load import load_model, load_tokenizer
from trivium.pivotal import shards
from trivium.pivotal.stage import PivotalConfig, run
from trivium.records import PivotalToken, Preference, Question, Rollout
from trivium.store.run import StageDir, hash_outputs

CONFIG = PivotalConfig(
    num_questions=24,
    max_reply_tokens=16,
    root_rollouts=(12, 24),
    band=(0.1, 0.9),
    min_apparent_gap=0.2,
    looks=(6, 12, 24),
    solved_rollouts=6,
    num_solved=2,
    shard_questions=5,
    first_shard=5,
    batch_size=64,
)


@pytest.fixture(scope="module")
def sft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage folder with the tiny model."""
    folder = tmp_path_factory.mktemp("sft")
    make_model(folder / "model")
    return folder


def questions(answer: str = "1") -> list[Question]:
    return [
        Question(
            id=f"q{i}",
            prompt=prompt(i),
            answer=answer,
            verifier="number",
            skill="word",
            difficulty=2 + i % 4,
            template="t",
        )
        for i in range(40)
    ]


def stage_at(path: Path, sft: Path, rows: list[Question] | None = None, workers: int = 1) -> StageDir:
    source = path.parent / "synthesize"
    StageDir(name="synthesize", path=source, seed=0).write("questions", Question, rows or questions())
    path.mkdir(parents=True, exist_ok=True)
    return StageDir(
        name="pivotal", path=path, seed=3, workers=workers, inputs={"sft": sft, "synthesize": source}
    )


@pytest.fixture(scope="module")
def done(sft: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[StageDir, dict[str, Any]]:
    stage = stage_at(tmp_path_factory.mktemp("run") / "pivotal", sft)
    found = run(CONFIG, stage)
    stage.write_drops()
    return stage, found


def test_tables_and_metrics_agree(done: tuple[StageDir, dict[str, Any]]) -> None:
    stage, found = done
    pairs = stage.rows("pivotal", "preferences", Preference)
    tokens = stage.rows("pivotal", "pivotal_tokens", PivotalToken)
    rollouts = stage.rows("pivotal", "rollouts", Rollout)
    assert len(pairs) == found["confirmed"] > 5
    assert len(tokens) == found["pivotal_tokens"]
    assert sum(len(row.completion_ids) for row in rollouts) == found["tokens_generated"]
    assert found["bound_violations"] == 0
    assert found["questions"] == 24
    assert sum(found["pairs"]["kinds"].values()) == len(pairs)
    assert {pair.origin for pair in pairs} == {"pivotal"}
    assert Counter(row.verdict for row in rollouts) == found["verdicts"]
    assert sum(found["left_out"].values()) == len(stage.drops)
    json.dumps(found)


def test_ids_are_unique(done: tuple[StageDir, dict[str, Any]]) -> None:
    stage, _ = done
    for table, cls in (("preferences", Preference), ("pivotal_tokens", PivotalToken)):
        ids = [row.id for row in stage.rows("pivotal", table, cls)]
        assert len(ids) == len(set(ids))


def test_parents_lead_to_a_pivot_or_a_question(done: tuple[StageDir, dict[str, Any]]) -> None:
    stage, _ = done
    known = {row.id for row in stage.rows("pivotal", "pivotal_tokens", PivotalToken)}
    for pair in stage.rows("pivotal", "preferences", Preference):
        assert pair.parents == [pair.question_id] or known.issuperset(pair.parents)
        assert 1 <= len(pair.parents) <= 2


def test_prompts_are_the_chat_format_as_ids(done: tuple[StageDir, dict[str, Any]], sft: Path) -> None:
    stage, _ = done
    tokenizer = load_tokenizer(sft / "model")
    asked = {question.id: question.prompt for question in questions()}
    for pair in stage.rows("pivotal", "preferences", Preference):
        prompt = chat.prompt_ids(tokenizer, asked[pair.question_id], "chat")
        assert pair.prompt_ids[: len(prompt)] == prompt
        assert len(pair.chosen_ids) == len(pair.rejected_ids) == 1


def test_solved_pages_walk_whole_solutions(done: tuple[StageDir, dict[str, Any]], sft: Path) -> None:
    stage, _ = done
    pages = json.loads((stage.path / "solved.json").read_text())
    assert len(pages) == 2
    assert len({page["question_id"] for page in pages}) == 2
    for page in pages:
        assert any(token["confirmed"] for token in page["tokens"])
        assert page["tokens"][-1]["p"] == float(page["verdict"] == "right")
        for token in page["tokens"]:
            assert token["low"] <= token["p"] <= token["high"]
            if token["confirmed"]:
                shift = abs(token["prob_after"] - token["prob_before"])
                assert token["pivotal"] == (shift >= CONFIG.gap)
                assert token["alternatives"]
                assert all(other["text"] != token["text"] for other in token["alternatives"])


@pytest.mark.parametrize("kill_at", [0, 3])
def test_a_killed_run_goes_on_and_ends_the_same(
    done: tuple[StageDir, dict[str, Any]],
    sft: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kill_at: int,
) -> None:
    real, calls = shards.mine, []

    def dying(policy: Any, problems: Any, rule: Any) -> Any:
        calls.append(problems)
        if len(calls) == kill_at + 1:
            raise KeyboardInterrupt
        return real(policy, problems, rule)

    monkeypatch.setattr(shards, "mine", dying)
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, stage_at(tmp_path / "pivotal", sft))
    again = stage_at(tmp_path / "pivotal", sft)
    run(replace(CONFIG, batch_size=7), again)
    again.write_drops()
    assert len(calls) == 5 + 1  # five shards, and the one that died once more
    assert hash_outputs(again.path) == hash_outputs(done[0].path)


def test_a_kill_within_a_shard_repeats_no_finished_call(
    done: tuple[StageDir, dict[str, Any]], sft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rollouts are kept call by call: a resumed run draws only what the cut-off one had not."""
    real, drawn = sampling.sample, [0]

    def counting(limit: int) -> Any:
        calls = [0]

        def draw(*args: Any, **options: Any) -> Any:
            calls[0] += 1
            if calls[0] > limit:
                raise KeyboardInterrupt
            found = real(*args, **options)
            drawn[0] += sum(len(one.logprobs) for one in found)
            return found

        return draw

    monkeypatch.setattr(sampling, "sample", counting(7))
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, stage_at(tmp_path / "pivotal", sft))
    monkeypatch.setattr(sampling, "sample", counting(10**6))
    again = stage_at(tmp_path / "pivotal", sft)
    found = run(CONFIG, again)
    again.write_drops()
    assert hash_outputs(again.path) == hash_outputs(done[0].path)
    pages = json.loads((again.path / "solved.json").read_text())
    assert found["tokens_generated"] < drawn[0] < found["tokens_generated"] + solved_tokens(pages)


def solved_tokens(pages: list[dict[str, Any]]) -> int:
    """More than the solutions of the page can have taken: every prefix, every rollout, at full length."""
    return sum(len(page["tokens"]) * CONFIG.solved_rollouts * CONFIG.max_reply_tokens for page in pages)


@pytest.mark.slow
def test_two_workers_write_the_same_bytes(
    done: tuple[StageDir, dict[str, Any]], sft: Path, tmp_path: Path
) -> None:
    stage = stage_at(tmp_path / "pivotal", sft, workers=2)
    run(CONFIG, stage)
    stage.write_drops()
    assert hash_outputs(stage.path) == hash_outputs(done[0].path)


def test_a_verifier_that_never_says_right_is_an_error(sft: Path, tmp_path: Path) -> None:
    stage = stage_at(tmp_path / "pivotal", sft, questions(answer="77"))
    with pytest.raises(DataError, match="none of 288 rollouts") as caught:
        run(CONFIG, stage)
    assert str(caught.value).count("expected '77'") == 3


def test_questions_that_do_not_fit_are_named(sft: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="skill"):
        run(replace(CONFIG, skill="chess"), stage_at(tmp_path / "a" / "pivotal", sft))
    with pytest.raises(DataError, match="max_reply_tokens"):
        run(replace(CONFIG, max_reply_tokens=47), stage_at(tmp_path / "b" / "pivotal", sft))


@pytest.mark.parametrize(
    ("field", "value"), [("gap", 0.0), ("band", (0.8, 0.2)), ("root_rollouts", (8, 8)), ("root_rollouts", ())]
)
def test_bad_settings_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"pivotal.{field}"):
        replace(CONFIG, **{field: value})


def test_a_server_samples_with_no_weights_at_hand(sft: Path, tmp_path: Path) -> None:
    """The folder holds a tokenizer only; a lost connection on the way changes nothing."""
    bare = tmp_path / "tokenizer"
    bare.mkdir()
    (bare / "tokenizer.json").write_bytes((sft / "model" / "tokenizer.json").read_bytes())
    found = []
    for name, faults in (("one", []), ("two", ["drop", "", "500"])):
        with serving(load_model(sft / "model"), (), faults) as served:
            config = replace(
                CONFIG,
                model=str(bare),
                endpoint=served.address,
                num_questions=3,
                root_rollouts=(8, 12),
                num_solved=0,
            )
            stage = stage_at(tmp_path / name / "pivotal", sft)
            told = run(config, stage)
        assert told["rollouts"] == sum(served.answered.values())
        found.append([pair.id for pair in stage.rows("pivotal", "preferences", Preference)])
    assert found[0] == found[1] != []
    with pytest.raises(DataError, match="tokenizer.json"):
        run(replace(CONFIG, model=str(tmp_path), endpoint=served.address), stage)
