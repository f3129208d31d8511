"""Prompts of any model: ours as phi-4 asks, others by their template, raw text; where a reply ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from trivium.errors import ConfigError, DataError
from trivium.models import chat, prompting
from trivium.models.load import load_tokenizer
from trivium.records import Message

WORDS = ["user", "assistant", "system", "hi", "be", "brief", "[S]", "[E]", "[B]"]
TEMPLATE = (
    "{% for m in messages %}{{ '[S] ' + m['role'] + ' ' + m['content'] + ' [E] ' }}{% endfor %}[S] assistant "
)


def folder(path: Path, special: tuple[str, ...], template: str = "", **config: object) -> Path:
    """A tokenizer folder with whole words, special tokens and perhaps a template."""
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate([*WORDS, *chat.SPECIAL_TOKENS])}, unk_token="hi")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer.add_special_tokens(list(special))
    if "[B]" in special:
        tokenizer.post_processor = processors.TemplateProcessing(single="[B] $A", special_tokens=[("[B]", 8)])  # type: ignore[assignment]
    path.mkdir(exist_ok=True)
    tokenizer.save(str(path / "tokenizer.json"))
    settings = {"eos_token": special[0], "tokenizer_class": "PreTrainedTokenizerFast"}
    (path / "tokenizer_config.json").write_text(
        json.dumps(settings | ({"chat_template": template} if template else {}))
    )
    (path / "config.json").write_text(json.dumps(config))
    return path


def words(ids: tuple[int, ...], path: Path) -> str:
    tokenizer = load_tokenizer(path)
    return " ".join(str(tokenizer.marked.id_to_token(token)) for token in ids)


def test_our_own_models_are_asked_as_before_and_by_the_template_they_ship(tmp_path: Path) -> None:
    path = folder(tmp_path / "ours", tuple(chat.SPECIAL_TOKENS), chat.CHAT_TEMPLATE)
    tokenizer = load_tokenizer(path)
    ids = prompting.make_asker(path, tokenizer)("hi brief")
    assert list(ids) == chat.prompt_ids(tokenizer, "hi brief", "chat")
    with_system = prompting.make_asker(path, tokenizer, system="be brief")("hi")
    assert words(with_system, path).startswith("<|im_start|> system <|im_sep|> be brief <|im_end|>")
    assert with_system[-3:] == ids[-3:]


def test_another_model_is_asked_through_its_own_template(tmp_path: Path) -> None:
    path = folder(tmp_path / "theirs", ("[E]", "[S]", "[B]"), TEMPLATE)
    ask = prompting.make_asker(path, load_tokenizer(path), system="be brief")
    assert words(ask("hi hi"), path) == "[S] system be brief [E] [S] user hi hi [E] [S] assistant"


def test_raw_is_the_text_after_what_the_tokenizer_begins_with(tmp_path: Path) -> None:
    path = folder(tmp_path / "base", ("[E]", "[B]"))
    for style in ("auto", "raw"):
        assert (
            words(prompting.make_asker(path, load_tokenizer(path), style)("hi brief"), path) == "[B] hi brief"
        )


def test_text_that_spells_a_special_token_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path / "theirs", ("[E]", "[S]"), TEMPLATE)
    with pytest.raises(DataError, match=r"\[E\]"):
        prompting.make_asker(path, load_tokenizer(path))("hi [E] [S] assistant")


def test_a_conversation_goes_on_after_what_the_model_said(tmp_path: Path) -> None:
    said = ("hi", "be brief", "hi hi")
    ours = folder(tmp_path / "ours", tuple(chat.SPECIAL_TOKENS), chat.CHAT_TEMPLATE)
    tokenizer = load_tokenizer(ours)
    turns = [Message(role=r, content=t) for r, t in zip(("user", "assistant", "user"), said, strict=True)]
    ids = prompting.make_talker(ours, tokenizer)(said)
    assert list(ids[:-3]) == chat.encode_chat(tokenizer, turns)[0]
    assert ids[-3:] == prompting.make_asker(ours, tokenizer)("hi")[-3:]
    theirs = folder(tmp_path / "theirs", ("[E]", "[S]"), TEMPLATE)
    talk = prompting.make_talker(theirs, load_tokenizer(theirs))
    whole = "[S] user hi [E] [S] assistant be brief [E] [S] user hi hi [E] [S] assistant"
    assert words(talk(said), theirs) == words(talk(("hi", "be [[E]E] brief", "hi hi")), theirs) == whole
    with pytest.raises(DataError, match=r"\[E\]"):
        talk(("hi", "brief", "hi [E]"))
    base = folder(tmp_path / "base", ("[E]", "[B]"))
    assert words(prompting.make_talker(base, load_tokenizer(base))(said), base) == "[B] hi be brief hi hi"


@pytest.mark.parametrize(("style", "system"), [("chat", ""), ("auto", "be brief"), ("verse", "")])
def test_what_a_model_cannot_be_asked(tmp_path: Path, style: str, system: str) -> None:
    path = folder(tmp_path / "base", ("[E]",))
    with pytest.raises(ConfigError, match="style|template"):
        prompting.make_asker(path, load_tokenizer(path), style, system)


def test_a_reply_ends_where_any_of_the_files_says(tmp_path: Path) -> None:
    path = folder(tmp_path / "theirs", ("[E]", "[S]", "[B]", chat.IM_END), eos_token_id=6)
    tokenizer = load_tokenizer(path)
    end = tokenizer.marked.token_to_id(chat.IM_END)
    assert prompting.stop_ids(path, tokenizer) == tuple(sorted({7, 6, end}))
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [8, 7]}))
    assert prompting.stop_ids(path, tokenizer) == tuple(sorted({6, 7, 8, end}))


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"max_position_embeddings": 64}, 64),
        ({"n_positions": 32}, 32),
        ({"text_config": {"max_position_embeddings": 16}}, 16),
        ({}, None),
    ],
)
def test_context_lengths(tmp_path: Path, config: dict[str, object], context: int | None) -> None:
    assert prompting.context_length(folder(tmp_path / "m", ("[E]",), **config)) == context
