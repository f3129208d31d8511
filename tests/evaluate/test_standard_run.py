"""Whole evaluations on tiny models: what is kept, what is resumed, what is judged again, and the numbers."""

import dataclasses
import json
import math

import pytest
import torch

from trivium.cli import main
from trivium.errors import ConfigError, DataError
from trivium.evaluate.standard import ask, kept, pairs, results, run, served
from trivium.evaluate.standard.results import ItemRow
from trivium.evaluate.standard.task import Output, Score
from trivium.models.load import load_model, load_tokenizer
from trivium.records import from_table
from trivium.store.files import read_json, read_parquet, write_parquet

GSM8K = [{"question": f"Tom has {n} pens. How many?", "answer": f"#### {n}"} for n in range(5)]
LAMBADA = [{"context": f"Ann has {n} pens and a", "continuation": "fox"} for n in range(70)]
PIQA = [
    {"query": f"Question: buy {n} pens\n", "choices": ["a fox", "many more pens"], "gold": n % 2}
    for n in range(4)
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def models(save_model, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return [save_model(root / str(seed) / "model", seed, chat_model=True) for seed in (1, 2)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    files = {"gsm8k-test/t.jsonl": GSM8K, "lambada-1k/l.jsonl": LAMBADA, "mc-core-a/piqa.jsonl": PIQA}
    for name, rows in files.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def wanted(models, data, tasks=("lambada", "piqa"), **changes):
    who = tuple(ask.contestant(str(path), label=f"m{n}") for n, path in enumerate(models))
    return run.Evaluation(models=who, tasks=tasks, data=str(data), **changes)


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if "sqlite" not in path.name}


@pytest.fixture(scope="module")
def done(models, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("done")
    return out, run.evaluate(wanted(models, data), out)


def test_every_item_has_a_row_and_the_table_counts_them(done):
    out, found = done
    rows = from_table(ItemRow, read_parquet(out / "items.parquet"))
    assert len(rows) == len({(row.model, row.task, row.item_id) for row in rows}) == 2 * (70 + 4)
    table = {(row.model, row.task, row.metric): row for row in found.results}
    for model in ("m0", "m1"):
        own = [row for row in rows if (row.model, row.task) == (model, "piqa")]
        assert table[model, "piqa", "accuracy"].value == sum(row.verdict == "right" for row in own) / 4
        logprobs = [row.scores[1].value for row in rows if (row.model, row.task) == (model, "lambada")]
        perplexity = table[model, "lambada", "perplexity"]
        assert perplexity.value == pytest.approx(math.exp(-sum(logprobs) / 70))
        assert perplexity.low < perplexity.value < perplexity.high
    assert [(row.task, row.before, row.after) for row in found.pairs] == [
        ("lambada", "m0", "m1"), ("piqa", "m0", "m1"),
    ]  # fmt: skip
    versions = read_json(out / "tasks.json")["versions"]
    assert versions["lambada"]["items"] == 70 and versions["piqa"]["files"]["test"][0] == "piqa.jsonl"
    page = (out / "page.html").read_text()
    assert "lambada_openai 1.0" in page and versions["lambada"]["files"]["test"][1][:12] in page


def test_a_killed_evaluation_goes_on_and_ends_the_same(models, data, tmp_path, monkeypatch):
    asked, real = [], ask.run_shard
    monkeypatch.setattr(run, "SHARD_ITEMS", 64)
    run.evaluate(wanted(models, data), tmp_path / "whole")

    def dying(setting, shard):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append((shard.contestant.label, shard.task, shard.items[0].id))
        return real(setting, shard)

    monkeypatch.setattr(ask, "run_shard", dying)
    with pytest.raises(KeyboardInterrupt):
        run.evaluate(wanted(models, data), tmp_path / "cut")
    rest = []

    def counting(setting, shard):
        rest.append((shard.contestant.label, shard.task, shard.items[0].id))
        return real(setting, shard)

    monkeypatch.setattr(ask, "run_shard", counting)
    run.evaluate(wanted(models, data), tmp_path / "cut")
    assert len(rest) == 4 and not set(rest) & set(asked)
    assert files_of(tmp_path / "cut") == files_of(tmp_path / "whole")


def test_what_was_asked_once_is_not_asked_again(done, models, data, monkeypatch):
    monkeypatch.setattr(ask, "cached_model", lambda *args: pytest.fail("a model was loaded"))
    before = files_of(done[0])
    run.evaluate(wanted(models, data), done[0])
    assert files_of(done[0]) == before
    fewer = run.evaluate(wanted(models, data, ("lambada",), limit=9), done[0])
    assert {row.items for row in fewer.results} == {9}
    run.evaluate(wanted(models, data), done[0])
    assert files_of(done[0]) == before


def test_replies_are_judged_again_without_a_model(done, models, data, monkeypatch):
    monkeypatch.setattr(ask, "cached_model", lambda *args: pytest.fail("a model was loaded"))
    before = files_of(done[0])
    (done[0] / "items.parquet").unlink()
    run.rescore(done[0])
    assert files_of(done[0]) == before


def test_other_rows_are_not_judged(done, models, data, tmp_path):
    (data / "mc-core-a" / "piqa.jsonl").rename(tmp_path / "piqa.jsonl")
    (data / "mc-core-a" / "piqa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PIQA[1:]))
    try:
        with pytest.raises(DataError, match="got other rows of piqa"):
            run.rescore(done[0])
    finally:
        (tmp_path / "piqa.jsonl").rename(data / "mc-core-a" / "piqa.jsonl")


def test_several_samples_give_pass_and_majority(models, data, tmp_path):
    what = wanted(
        models[:1], data, ("gsm8k",), samples=4, temperature=1.0, max_tokens=6, style="chat", limit=3
    )
    found = run.evaluate(what, tmp_path)
    outputs = from_table(Output, read_parquet(tmp_path / "outputs.parquet"))
    assert [output.sample for output in outputs] == [0, 1, 2, 3] * 3
    assert outputs[0].finish == "full"  # the eight examples are longer than this model's context
    metrics = {row.metric for row in found.results}
    assert {"accuracy", "pass@2", "pass@4"} <= metrics
    assert found.results[0].samples == 4


QUESTIONS = [
    {"question_id": n, "category": "writing", "turns": [f"Name {n} pens.", "Another fox."]} for n in range(3)
]


def test_the_second_turn_is_asked_with_the_first_reply(models, data, tmp_path, monkeypatch):
    (data / "mt-bench").mkdir(exist_ok=True)
    for name, rows in (("question.jsonl", QUESTIONS), ("reference_answer.jsonl", [])):
        (data / "mt-bench" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    what = wanted(models[:1], data, ("mt_bench_turns",), judge="rules", max_tokens=8)
    asked, real = [], ask._complete

    def watching(setting, shard, tokenizer, requests):
        asked.append([request.prefix_ids for request in requests])
        return real(setting, shard, tokenizer, requests)

    monkeypatch.setattr(ask, "_complete", watching)
    run.evaluate(what, tmp_path)
    outputs = from_table(Output, read_parquet(tmp_path / "outputs.parquet"))
    talk = ask.cached_talker(str(what.models[0].folder), "auto")
    first, second = asked
    for n, (row, output) in enumerate(zip(QUESTIONS, outputs, strict=True)):
        assert first[n] == talk((row["turns"][0],))
        assert second[n] == talk((row["turns"][0], output.earlier[0], row["turns"][1]))
        assert output.earlier != [output.reply] and output.num_tokens > 8
    table = {row.metric: row.value for row in run.evaluate(what, tmp_path).results}
    assert len(asked) == 2 and table["mark"] == (table["mark_first"] + table["mark_second"]) / 2
    assert f"{table['mark']:.3f} [" in (tmp_path / "page.html").read_text()  # of ten, not per cent


def test_outputs_of_single_turns_are_judged_as_they_were_written_before(done):
    path = done[0] / "outputs.parquet"
    before, table = files_of(done[0]), read_parquet(path)
    write_parquet(path, table.drop_columns(["earlier"]))
    run.rescore(done[0])
    write_parquet(path, table)
    assert files_of(done[0]) == before


def test_replies_end_at_stop_texts_and_not_before(models):
    tokenizer = load_tokenizer(models[0])
    ends = ask.ender(tokenizer, ("fox", "Q:"))
    assert not ends(tokenizer.encode("a lazy fo"))
    assert ends(tokenizer.encode("a lazy fox"))
    assert not ends(tokenizer.encode("fox" + " pens" * 30))
    assert ask.ender(tokenizer, ()) is None


def test_unequal_settings_are_unequal_keys(models):
    one, two = (ask.contestant(str(path)) for path in models)
    assert one.identity != two.identity == ask.contestant(str(models[1])).identity
    assert kept.key_of("reply", one.identity, ("raw", 0.0)) != kept.key_of(
        "reply", one.identity, ("chat", 0.0)
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"samples": 2}, "--samples: got 2 at temperature 0.0"),
        ({"tasks": ()}, "--tasks: got none"),
        ({"tasks": ("gsm9k",)}, "did you mean gsm8k"),
    ],
)
def test_wrong_settings_are_one_sentence(models, data, tmp_path, changes, text):
    with pytest.raises(ConfigError, match=text):
        run.evaluate(wanted(models, data, **{"tasks": ("piqa",), **changes}), tmp_path)


def test_two_models_of_one_name_are_refused(models, data, tmp_path):
    with pytest.raises(ConfigError, match="different names"):
        run.evaluate(wanted([models[0], models[0]], data, ("piqa",)).__class__(
            models=(ask.contestant(str(models[0]), label="x"), ask.contestant(str(models[1]), label="x")),
            tasks=("piqa",), data=str(data),
        ), tmp_path)  # fmt: skip


def test_the_command_line_evaluates_and_compares(models, data, tmp_path, capsys):
    words = ["evaluate", "--tasks", "piqa", "--data", str(data), "--out", str(tmp_path)]
    words += ["--model", f"before={models[0]}", "--model", f"after={models[1]}"]
    assert main.main(words) == 0
    shown = capsys.readouterr().out
    assert "after - before" in shown and "page.html" in shown
    assert main.main(["evaluate", "--rescore", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == shown
    assert main.main(["evaluate", "--model", str(models[0])]) == 2
    assert main.main(["evaluate", "--model", str(tmp_path), "--tasks", "piqa"]) == 2
    assert "got no config.json" in capsys.readouterr().err
    assert main.main(["evaluate", "--tasks", "list"]) == 0


def test_shared_beginnings_change_no_number(models):
    model, tokenizer = load_model(models[0], attention="sdpa"), load_tokenizer(models[0])
    start = "Ann has 12 pens. She buys 3 more."
    sides = [
        (f"{start} How many{' pens' * n}?", f" {end}") for n in range(6) for end in ("15", "fox red", "1")
    ]
    cut = pairs.encode_pairs(tokenizer, [*sides, ("fox", " red")], 192)
    rows = pairs.lay_out(cut, share=True)
    assert len(rows) < len(cut) / 3
    assert not all(row.is_line() for row in rows)
    shared, alone = (pairs.score(model, cut, trees=trees) for trees in (True, False))
    for pair, one, other in zip(cut, shared, alone, strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([pair.context + pair.continuation])).logits[0].log_softmax(-1)
        begin = len(pair.context) - 1
        expected = sum(float(logits[begin + i, token]) for i, token in enumerate(pair.continuation))
        assert one[0] == pytest.approx(expected, abs=1e-3) == other[0]
        said = logits[begin : begin + len(pair.continuation)].argmax(-1).tolist()
        assert one[1] == other[1] == (tuple(said) == pair.continuation)


def test_spaces_go_to_the_continuation_and_long_texts_lose_their_beginning(models):
    tokenizer = load_tokenizer(models[0])
    (pair,) = pairs.encode_pairs(tokenizer, [("fox ", "red")], None)
    assert tokenizer.decode(pair.context) == "fox" and tokenizer.decode(pair.continuation) == " red"
    (short,) = pairs.encode_pairs(tokenizer, [("fox " * 50, "red")], 16)
    assert len(short.context) + len(short.continuation) == 17
    (empty,) = pairs.encode_pairs(tokenizer, [("", "red")], None)
    assert empty.context == (tokenizer.eos_id,)
    with pytest.raises(DataError, match="got an option of 0 tokens"):
        pairs.encode_pairs(tokenizer, [("fox", "")], None)


def test_a_server_s_log_probabilities_are_read():
    pair = pairs.Pair((1, 2), (3, 4))
    rows = [None, {"2": {"logprob": -9.0, "rank": 7}}, {"3": {"logprob": -1.0, "rank": 1}}]
    answer = {"choices": [{"prompt_logprobs": [*rows, {"4": {"logprob": -0.5, "rank": 2}, "9": {}}]}]}
    assert served.read(answer, pair) == (-1.5, False)
    with pytest.raises(DataError, match="without the prompt's log-probabilities"):
        served.read({"choices": [{}]}, pair)


def item(number, sample, right, answer=""):
    return ItemRow(
        model="m", task="t", item_id=str(number), sample=sample, cluster=str(number), group="",
        verdict="right" if right else "wrong", answer=answer, scores=[Score("accuracy", float(right))],
        num_tokens=1, finish="eos", reply="",
    )  # fmt: skip


def test_pass_at_k_is_the_share_of_draws_with_a_right_one():
    from itertools import combinations

    for right in range(6):
        replies = [True] * right + [False] * (5 - right)
        draws = list(combinations(replies, 3))
        assert results.pass_at_k(5, right, 3) == pytest.approx(sum(map(any, draws)) / len(draws))
    with pytest.raises(ValueError, match="k=6"):
        results.pass_at_k(5, 1, 6)


def test_the_majority_votes():
    answers, right = ["7", "7", "8", "", "8", "8"], [1, 1, 0, 0, 0, 0]
    assert results.majority_at_k(answers, right, 3) == 0.5
    assert results.majority_at_k(answers, right, 6) == 0.0
    assert results.majority_at_k(["7", "8"], [1, 0], 2) == 0.5
    assert results.majority_at_k(["", ""], [0, 0], 2) == 0.0


def test_samples_of_an_item_are_averaged_before_items_are():
    rows = [item(0, s, s < 3, "7" if s < 3 else "8") for s in range(4)] + [
        item(1, s, False) for s in range(4)
    ]
    table = {row.metric: row.value for row in results.tabulate(rows)}
    assert table["accuracy"] == 0.375
    assert table["pass@2"] == 0.5
    assert table["majority@4"] == 0.5


def test_marks_are_no_shares_and_what_counts_for_nothing_has_no_row():
    rows = [
        dataclasses.replace(item(n, 0, True), scores=[Score("mark", 1.0), Score("strict", 0.0, 0.0)])
        for n in range(3)
    ]
    table = {row.metric: row for row in results.tabulate(rows)}
    assert (table["mark"].value, table["mark"].low, table["mark"].high) == (1, 1, 1)
    assert "strict" not in table
    others = [dataclasses.replace(row, model="n") for row in rows]
    assert results.compare([*rows, *others], "m", "n", {"t": "strict"}) == []
    assert results.compare([*rows, *others], "m", "n", {"t": "mark"})[0].value == 0


def test_holm_and_the_detectable_difference():
    rows = [
        results.PairRow(
            task=str(p), metric="accuracy", before="a", after="b", value=0, low=0, high=0, detectable=0,
            p=p, p_holm=1.0, items=9,
        )
        for p in (0.01, 0.04, 0.03)
    ]  # fmt: skip
    assert [row.p_holm for row in results.corrected(rows)] == pytest.approx([0.03, 0.06, 0.06])
    assert results.detectable(0.01) == pytest.approx(0.028016, abs=1e-5)
    assert results.p_value(0.0, 0.0) == 1.0 and results.p_value(1.96, 1.0) == pytest.approx(0.05, abs=1e-3)
