"""Two checkpoints side by side: their tokens, probabilities and chances are the model's own."""

import dataclasses
import json
import math
import re
import shutil
from contextlib import closing
from html import unescape

import pytest

from trivium.errors import DataError
from trivium.store import files
from trivium.view.pages import chat
from trivium.view.query import Query
from trivium.view.site import Site

WORDS = [
    "Tom has 3 apples and 4 pears. How many fruits?",
    "Answer: 7",
    "the quick brown fox",
    "user assistant",
]
FORM = [("text", WORDS[0]), ("left", "sft"), ("right", "dpo1"), ("tokens", "6")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A run of two tiny untrained checkpoints."""
    from trivium.models import export, phi
    from trivium.train.tokenizer import role_words, train_bpe

    run = tmp_path_factory.mktemp("chat") / "run"
    learned = train_bpe([*WORDS * 4, *role_words(8)], 300)
    export.save_tokenizer(learned, run / "tokenizer", context=64)
    files.write_json(run / "recipe.json", {"stages": ["sft", "dpo1"]})
    for seed, folder in enumerate(("10-sft", "12-dpo1")):
        shape = phi.ModelConfig(
            hidden=16, layers=1, heads=2, kv_heads=1, ffn=32, vocab=learned.get_vocab_size(), context=64
        )
        model = phi.build(shape, seed=seed)
        export.save_checkpoint(model, run / "tokenizer", run / folder / "model", chat_model=True)
        files.write_json(run / folder / "stage.json", {})
    shutil.rmtree(run / "tokenizer")
    with closing(Site.open(run)) as opened:
        yield opened


def test_both_checkpoints_answer_with_every_tokens_probability(site):
    replies = [chat.reply(site, stage, WORDS[0], Query(FORM)) for stage in ("sft", "dpo1")]
    assert [reply["stage"] for reply in replies] == ["sft", "dpo1"]
    for reply in replies:
        assert 1 <= len(reply["tokens"]) <= 6
        for token in reply["tokens"]:
            assert len(token.others) == chat.TOP
            assert token.prob == pytest.approx(token.others[0][1])  # greedy takes the likeliest
            assert sum(prob for _, prob in token.others) <= 1 + 1e-6
    assert replies[0]["tokens"] != replies[1]["tokens"]


def test_the_fragment_holds_the_replies_and_the_chance(site):
    html = chat.answer(site, Query([*FORM, ("answer", "7"), ("verifier", "number"), ("rollouts", "4")]))
    assert html.count("<h2>") == 2 and html.count("p(right)") == 2 and "data-peek" in html


def test_a_token_of_white_space_has_a_name(site, monkeypatch):
    shown = chat.reply(site, "sft", WORDS[0], Query(FORM))
    blank = dataclasses.replace(shown["tokens"][0], text=" ")
    monkeypatch.setattr(chat, "reply", lambda *given: shown | {"tokens": [blank]})
    assert chat.answer(site, Query(FORM)).count('aria-label="white space"') == 2


def test_the_chance_is_a_share_of_what_a_verifier_could_judge(site):
    query = Query([*FORM, ("answer", ".*"), ("verifier", "regex"), ("rollouts", "5")])
    found = chat.reply(site, "sft", WORDS[0], query)["chance"]
    assert found["count"] == sum(found["counts"].values()) == 5
    assert 0 <= found["low"] <= found["right"] / 5 <= found["high"] <= 1


def test_probabilities_are_those_of_temperature_one(site):
    import torch

    class Letters:
        def decode(self, ids, keep_special):
            return "abc"[ids[0]]

    token = chat.read_token(Letters(), 2, torch.tensor([0.0, math.log(2), math.log(5)]))
    assert (token.text, token.prob) == ("c", pytest.approx(5 / 8))
    assert [text for text, _ in token.others] == ["c", "b", "a"]


@pytest.mark.parametrize(
    "changed",
    [("text", " "), ("text", "fox " * 200), ("temperature", "-1"), ("left", "../x"), ("verifier", "no")],
)
def test_what_cannot_be_asked_is_one_sentence(site, changed):
    form = [pair for pair in FORM if pair[0] != changed[0]] + [changed, ("answer", "7"), ("rollouts", "1")]
    with pytest.raises(DataError, match="expected"):
        chat.answer(site, Query(form))


def test_a_question_goes_on_from_the_checkpoints_own_replies(site, monkeypatch):
    turns = [{"user": WORDS[1], "sft": "fox", "dpo1": "quick"}]
    form = Query([*FORM, ("go_on", "1"), ("turns", json.dumps(turns))])
    read = chat.conversation(chat.read_turns(form), "dpo1", WORDS[0], "chat")
    assert [(turn.role, turn.content) for turn in read] == [
        ("user", WORDS[1]), ("assistant", "quick"), ("user", WORDS[0]),
    ]  # fmt: skip
    assert len(chat.conversation(turns, "dpo1", WORDS[0], "plain")) == 1
    assert chat.read_turns(Query([*FORM, ("turns", json.dumps(turns))])) == []
    html = chat.answer(site, form)
    kept = json.loads(unescape(re.search(r'name="turns" value="([^"]*)"', html)[1]))
    assert kept[0] == turns[0] and kept[1]["user"] == WORDS[0] and set(kept[1]) == {"user", "sft", "dpo1"}
    assert "after 2 turns" in html
    seen = []
    monkeypatch.setattr(chat, "generate", lambda model, tokenizer, ids, *rest: seen.append(len(ids)) or [])
    for more in ([], form.pairs[-2:]):
        chat.reply(site, "sft", WORDS[0], Query([*FORM, *more]))
    assert seen[0] < seen[1]


@pytest.mark.parametrize("turns", ["x", "[1]", "[{}]", '[{"user": 1}]', json.dumps([{"user": "a"}] * 21)])
def test_turns_that_our_page_did_not_send_are_one_sentence(turns):
    with pytest.raises(DataError, match="start anew"):
        chat.read_turns(Query([("go_on", "1"), ("turns", turns)]))
