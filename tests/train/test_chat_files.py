"""Conversations of other tools' shapes become ours; what holds none is dropped with its reason."""

import dataclasses
import json

import pytest

from trivium.errors import DataError
from trivium.train import sft_stage
from trivium.train.chat_files import read_chats

SAID = [("user", "2+2?"), ("assistant", "4")]


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]},
        {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]},
        {"prompt": "2+2?", "completion": "4"},
        {
            "prompt": [{"role": "user", "content": "2+2?"}],
            "completion": [{"role": "assistant", "content": "4"}],
        },
        {"instruction": "2+2?", "input": "", "output": "4"},
        {"question": "2+2?", "answer": "4"},
        {
            "text": "",
            "messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}],
        },
    ],
)
def test_a_shape_of_another_tool(row, tmp_path):
    (found,), drops = read_chats(write(tmp_path / "c.jsonl", row), "sft")
    assert [(turn.role, turn.content) for turn in found.messages] == SAID and drops == []
    assert found.parents == ["c.jsonl:1"] and found.flow == "c"


def test_the_input_of_an_instruction_is_asked_too(tmp_path):
    row = {"instruction": "Add.", "input": "2 and 2", "output": "4"}
    (found,), _ = read_chats(write(tmp_path / "c.jsonl", row), "sft")
    assert found.messages[0].content == "Add.\n\n2 and 2"


def test_rows_without_a_reply_are_dropped_one_by_one(tmp_path):
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    odd = [
        {"messages": [{"role": "user", "content": "a"}]},
        {"messages": []},
        {"messages": [{"role": "tool", "content": "a"}]},
        {"messages": [{"role": "assistant", "content": None}]},
        {"prompt": "a", "completion": None},
    ]
    rows, drops = read_chats(write(tmp_path / "c.jsonl", *odd, good), "sft")
    assert len(rows) == 1 and [drop.source for drop in drops] == [f"c.jsonl:{i}" for i in range(1, 6)]
    assert {drop.reason for drop in drops} == {
        "no reply to learn", "no turns", "a turn without a known role and text",
    }  # fmt: skip
    assert len({row.id for row in [*rows, *drops]}) == 6


def test_columns_of_no_shape_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="got columns a, b; expected messages"):
        read_chats(write(tmp_path / "c.jsonl", {"a": 1, "b": 2}), "sft")
    with pytest.raises(DataError, match="no such file"):
        read_chats(tmp_path / "gone.jsonl", "sft")


def test_another_file_of_the_same_name_is_another_fingerprint(tmp_path):
    file = write(tmp_path / "c.jsonl", {"question": "a", "answer": "b"})
    config = sft_stage.SFTConfig(data=str(file))
    before = sft_stage.outside(config)
    write(file, {"question": "a", "answer": "c"})
    assert sft_stage.outside(config) != before
    assert sft_stage.outside(dataclasses.replace(config, data="sft_data")) == {}
