"""The stage on tiny checkpoints: accounting, resuming, recall and bits from the model's own pass."""

import json
import pickle
from functools import partial

import pytest
import torch

from trivium.errors import ConfigError, StageError
from trivium.evaluate import gather, stage, work
from trivium.evaluate.likelihood import Scored, score
from trivium.evaluate.logs import ItemLog
from trivium.evaluate.tasks import TASKS, recall
from trivium.models.load import load_model, load_tokenizer
from trivium.records import Question, Verdict
from trivium.store.files import read_json

CONFIG = stage.EvaluateConfig(
    contest=6, contest_greedy=4, contest_steps=(1, 2), solution_tokens=12, answer_tokens=8,
    instruction_tokens=8, held_out_bytes=200, chunk=4,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def done(inputs, stage_at, tmp_path_factory):
    """The finished stage and its metrics."""
    root = tmp_path_factory.mktemp("run")
    door = stage_at(root, "evaluate", inputs)
    return door, stage.run(CONFIG, door)


def logs_of(door):
    return door.rows("evaluate", "items_log", ItemLog)


def test_every_item_is_judged_once_at_every_checkpoint_and_mode(done, tiny_items):
    door, metrics = done
    logs = logs_of(door)
    keys = [(log.stage, log.task, log.mode, log.item_id) for log in logs]
    assert len(set(keys)) == len(keys)
    per_checkpoint = (
        4 + 6 + 6 + 3 + 6 + 6 + 4 + 6 + 3 * tiny_items.recall_documents * tiny_items.recall_queries
    )
    for label in ("base", "sft"):
        assert sum(log.stage == label and bool(log.verdict) for log in logs) == per_checkpoint
    assert sum(metrics["verdicts"].values()) == metrics["replies"] == 2 * per_checkpoint
    assert {log.verdict for log in logs if log.verdict} <= set(Verdict)


def test_the_table_counts_what_the_log_holds(done):
    door, _ = done
    rows = read_json(door.path / "table.json")
    assert rows == read_json(door.path.parent / "table.json")
    assert set(rows[0]) == {"stage", "task", "metric", "value", "low", "high", "n", "seed"}
    table = {(row["stage"], row["task"], row["metric"]): row for row in rows}
    for label in ("base", "sft"):
        wrong = [log for log in logs_of(door) if (log.stage, log.task) == (label, "facts_unknown")]
        assert table[label, "facts_unknown", "wrong"]["value"] == pytest.approx(
            sum(log.verdict == "wrong" for log in wrong) / len(wrong), abs=1e-6
        )
        shares = [table[label, "facts_unknown", str(verdict)]["value"] for verdict in Verdict]
        assert sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert table["sft", "contest", "accuracy_sampled"]["n"] == 6
    assert table["sft", "contest", "accuracy"]["n"] == 4
    assert ("sft", "contest", "accuracy_sampled_minus_previous") in table
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


def test_the_contest_is_drawn_from_the_last_checkpoint(done, inputs):
    door, metrics = done
    last = gather.Checkpoint(label="sft", style="chat", path=str(inputs["sft"] / "model"))
    assert metrics["contest_seed"] == gather.contest_seed([last])
    assert door.rows("evaluate", "contest", Question) == gather.draw_contest(CONFIG, metrics["contest_seed"])
    assert read_json(door.path / "contamination.json")["items"] == 6


def test_a_killed_stage_does_only_what_is_left_and_ends_the_same(
    done, inputs, stage_at, tmp_path, monkeypatch
):
    door, _ = done
    asked = []
    real = work.run_shard

    def dying(setting, shard):
        if len(asked) == 7:
            raise KeyboardInterrupt
        asked.append(shard)
        return real(setting, shard)

    again = stage_at(tmp_path, "evaluate", inputs)
    monkeypatch.setattr(work, "run_shard", dying)
    with pytest.raises(KeyboardInterrupt):
        stage.run(CONFIG, again)
    rest = []
    monkeypatch.setattr(work, "run_shard", lambda setting, shard: rest.append(shard) or real(setting, shard))
    stage.run(CONFIG, again)
    assert not set(rest) & set(asked)
    for name in ("items_log.parquet", "contest.parquet", "table.json", "checks.json", "table.txt"):
        assert (again.path / name).read_bytes() == (door.path / name).read_bytes()


def test_shards_travel_to_worker_processes(done):
    door, _ = done
    found = gather.checkpoints(CONFIG, door)
    setting = gather._setting(CONFIG, door, found)
    (shard, *_) = gather.plan(CONFIG, setting, found)
    job = pickle.loads(pickle.dumps((partial(work.run_shard, setting), shard)))
    assert job[1] == shard


def test_limit_is_a_quick_look(done):
    door, _ = done
    quick = stage.EvaluateConfig(limit=2, contest=6)
    found = gather.checkpoints(quick, door)
    assert len(gather.draw_contest(quick, 1)) == 2
    shards = [
        s for s in gather.plan(quick, gather._setting(quick, door, found), found) if s.task != "contest"
    ]
    assert shards and all(shard.stop <= 2 for shard in shards)


def test_a_prompt_that_leaves_no_room_is_unparsed_and_counted(inputs):
    folder = str(inputs["sft"] / "model")
    shard = work.Shard(
        checkpoint="sft", model=folder, style="chat", task="arithmetic", mode="greedy", start=0, stop=1
    )
    question = Question(
        id="q",
        prompt="long " * 200,
        answer="1",
        verifier="number",
        skill="arithmetic",
        difficulty=1,
        template="",
    )
    setting = work.Setting(
        tables=(), held_out="", held_out_bytes=0, window=8, seed=0, tokens={}, batch_size=4
    )
    assert work.request_for(load_tokenizer(folder), question, shard, setting, 8, 192) is None
    log = work.judged(TASKS["arithmetic"], shard, question, "", None)
    assert (log.verdict, log.value, log.finish) == ("unparsed", 0.0, "length")


def test_recall_is_right_only_when_every_token_is_the_models_choice(inputs):
    tokenizer = load_tokenizer(inputs["sft"] / "model")
    (question,) = recall.questions_of("Notes: fox red 1+1-1=1. Recall:", [("fox", "red")], "recall_1x", 1)
    encoding = tokenizer.plain.encode(recall.answered(question), add_special_tokens=False)
    shard = work.Shard(
        checkpoint="sft", model="", style="chat", task="recall_1x", mode="greedy", start=0, stop=1
    )
    right = Scored([0.0] * (len(encoding.ids) - 1), encoding.ids[1:])
    log = work._recalled(tokenizer, shard, question, encoding.ids, encoding.offsets, right)
    assert (log.verdict, log.reply) == ("right", "red")
    places = recall.answer_places(question, encoding.offsets)
    wrong = Scored(right.bits, [c + (i + 1 == places[-1]) for i, c in enumerate(right.choices)])
    assert (
        work._recalled(tokenizer, shard, question, encoding.ids, encoding.offsets, wrong).verdict == "wrong"
    )


def test_scores_are_those_of_the_plain_forward_whatever_the_batch(inputs):
    model = load_model(inputs["pretrain"] / "model")
    texts = [[5, 6, 7, 8, 9, 10, 11], [12, 13], [14, 15, 16, 17]]
    together = score(model, texts, pad_id=0)
    for ids, scored in zip(texts, together, strict=True):
        logits_TV = model(torch.tensor([ids])).logits[0, :-1]
        bits_T = -torch.log2(torch.softmax(logits_TV, -1))[range(len(ids) - 1), ids[1:]]
        assert scored.bits == pytest.approx(bits_T.tolist(), abs=1e-4)
        assert scored.choices == logits_TV.argmax(-1).tolist()


def test_texts_longer_than_the_context_are_scored(inputs):
    model = load_model(inputs["pretrain"] / "model")
    assert len(score(model, [list(range(5, 255)) * 2], pad_id=0)[0].bits) == 499


def test_checkpoints_that_a_run_lacks_are_skipped_but_not_all(inputs, stage_at, tmp_path):
    door = stage_at(tmp_path, "evaluate", inputs)
    assert [c.label for c in gather.checkpoints(CONFIG, door)] == ["base", "sft"]
    with pytest.raises(StageError, match="no trained checkpoint"):
        gather.checkpoints(CONFIG, stage_at(tmp_path, "evaluate", {}))
    with pytest.raises(ConfigError, match="got 'sftt'"):
        stage.EvaluateConfig(checkpoints=("sftt",))


def test_two_checkpoints_with_the_same_weights_differ_nowhere(inputs, stage_at, save_model, tmp_path):
    twin = save_model(tmp_path / "dpo1" / "model", 2, chat_model=True)
    door = stage_at(tmp_path, "evaluate", {**inputs, "dpo1": twin.parent})
    stage.run(stage.EvaluateConfig(limit=2, contest=2, solution_tokens=8, checkpoints=("sft", "dpo1")), door)
    rows = json.loads((door.path / "table.json").read_text())
    gaps = [row for row in rows if row["metric"].endswith("_minus_previous")]
    assert gaps and all(row["value"] == row["low"] == row["high"] == 0 for row in gaps)


@pytest.mark.slow
def test_two_workers_change_no_byte(done, inputs, stage_at, tmp_path):
    door, _ = done
    two = stage_at(tmp_path, "evaluate", inputs)
    two.workers = 2
    stage.run(CONFIG, two)
    for name in ("items_log.parquet", "contest.parquet", "table.json", "checks.json", "table.txt"):
        assert (two.path / name).read_bytes() == (door.path / name).read_bytes()
