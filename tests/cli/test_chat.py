"""The terminal chat answers what the checkpoint answers anywhere else."""

import io

import pytest

from trivium.cli import chat, main
from trivium.errors import DataError
from trivium.records import Message

WORDS = [
    "Tom has 3 apples and 4 pears. How many fruits?",
    "Answer: 7",
    "the quick brown fox",
    "user assistant",
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny untrained model with a real tokenizer, as a stage writes it."""
    import torch

    from trivium.models import export, phi
    from trivium.train.tokenizer import role_words, train_bpe

    folder = tmp_path_factory.mktemp("run") / "10-sft" / "model"
    learned = train_bpe([*WORDS * 4, *role_words(8)], 300)
    export.save_tokenizer(learned, folder.parent / "tokenizer", context=64)
    shape = phi.ModelConfig(
        hidden=16, layers=1, heads=2, kv_heads=1, ffn=32, vocab=learned.get_vocab_size(), context=64
    )
    model = phi.build(shape, seed=1)
    with torch.no_grad():  # an untrained network only repeats; give it something to say
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)) * 0.3)
    export.save_checkpoint(model, folder.parent / "tokenizer", folder, chat_model=True)
    return folder


def test_one_question_gets_the_reply_that_transformers_gives(checkpoint, capsys):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert main.main(["chat", str(checkpoint), "--say", WORDS[0], "--max-tokens", "12"]) == 0
    shown = capsys.readouterr().out
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager")
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": WORDS[0]}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=False,
    )
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
    text = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    assert text.strip() and shown.strip() == text.strip()


def test_lines_are_answered_until_the_input_ends(checkpoint, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("Tom\n\nfox\n"))
    assert main.main(["chat", str(checkpoint), "--max-tokens", "3"]) == 0
    assert capsys.readouterr().out.count("\n") == 2


def test_drawn_replies_belong_to_the_seed(checkpoint, capsys):
    words = ["chat", str(checkpoint), "--say", "fox", "--temperature", "2", "--max-tokens", "12", "--seed"]
    replies = [main.main([*words, seed]) or capsys.readouterr().out for seed in ("1", "1", "2")]
    assert replies[0] == replies[1] != replies[2]


def test_what_does_not_fit_is_one_sentence(checkpoint, capsys):
    assert main.main(["chat", str(checkpoint), "--say", "fox " * 200]) == 2
    assert "ask something shorter" in capsys.readouterr().err


def test_a_conversation_drops_its_oldest_turns(checkpoint, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("the quick brown fox\n" * 8))
    assert main.main(["chat", str(checkpoint), "--max-tokens", "8"]) == 0


def test_turns_are_kept_until_an_empty_line():
    seen = []

    def reply(turns: list[Message]) -> str:
        seen.append([turn.content for turn in turns])
        return "r"

    chat.converse(["a", "b", " ", "c"], reply, keep_turns=True)
    assert seen == [["a"], ["a", "r", "b"], ["c"]]
    seen.clear()
    chat.converse(["a", "b"], reply, keep_turns=False)
    assert seen == [["a"], ["b"]]


def test_half_a_character_waits_for_its_rest(capsys):
    import numpy as np

    writer = chat.Typewriter(lambda ids: bytes(ids).decode(errors="replace"))
    writer.put(np.array([[1, 2]]))  # the prompt is not shown
    for byte in " a\N{EURO SIGN}b".encode():
        writer.put(np.array([byte]))
        assert "\N{REPLACEMENT CHARACTER}" not in writer.text
    writer.end()
    assert writer.text == "a\N{EURO SIGN}b"
    assert capsys.readouterr().out == "a\N{EURO SIGN}b\n"


def test_the_last_checkpoint_of_a_run_answers(tmp_path):
    (tmp_path / "recipe.json").write_text("{}")
    for folder in ("07-pretrain", "10-sft", "12-dpo1"):
        (tmp_path / folder / "model").mkdir(parents=True)
        if folder != "12-dpo1":
            (tmp_path / folder / "stage.json").write_text("{}")
    assert chat.find_model(tmp_path, None) == (tmp_path / "10-sft" / "model", "chat")
    assert chat.find_model(tmp_path, "pretrain") == (tmp_path / "07-pretrain" / "model", "plain")
    with pytest.raises(DataError, match="no checkpoint of stage dpo1; expected one of: pretrain, sft"):
        chat.find_model(tmp_path, "dpo1")


def test_no_model_is_one_sentence(tmp_path, capsys):
    assert main.main(["chat", str(tmp_path)]) == 2
    assert "neither a run nor a model folder" in capsys.readouterr().err
