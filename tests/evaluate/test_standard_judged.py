"""Tasks that a judge reads: what it is asked, what its words are worth, and who may judge."""

import dataclasses
import json

import pytest

from trivium.errors import ConfigError, DataError
from trivium.evaluate.standard import judged, marking, tasks, turns
from trivium.evaluate.standard.task import Output
from trivium.llm import judge_rules, marks
from trivium.llm.calls import Reply
from trivium.records import Verdict


def said(task, item, reply):
    return Output(
        model="m", task=task, item_id=item.id, sample=0, reply=reply, options=[], num_tokens=1, finish="eos"
    )


def test_marks_are_asked_with_notes_and_read_back(tmp_path):
    row = {"prompt": "Why is the sky blue?", "notes": "Names scattering.", "reference": "Rayleigh."}
    (item,) = judged.read_rubric({"test": [row]})
    (request,) = judged.ask_mark(item, said("rubric", item, "It scatters."))
    text = request.messages[0].content
    assert all(part in text for part in (row["prompt"], "It scatters.", row["notes"], row["reference"]))
    found = judged.mark(item, said("rubric", item, ""), [Reply(text='{"faults": [], "mark": 8}')])
    assert found.verdict == Verdict.RIGHT and found.scores[0].value == 8
    assert judged.mark(item, said("rubric", item, ""), [Reply(text="eleven")]).verdict == Verdict.ERROR
    assert marks.mark_of(Reply(text='{"mark": 11}')) is None and marks.mark_of(Reply(text="[[3]]")) == 3


def test_a_duel_is_fought_in_both_orders():
    rows = {"test": [{"uid": 1, "prompt": "Say."}], "baseline": [{"uid": 1, "reply": "their words"}]}
    (item,) = judged.read_arena(rows)
    first, second = judged.ask_duel(item, said("arena_hard", item, "own words"))
    assert first.messages[0].content.index("own words") < first.messages[0].content.index("their words")
    assert second.messages[0].content.index("own words") > second.messages[0].content.index("their words")
    replies = [Reply(text=f'{{"better": "{letter}"}}') for letter in "AB"]
    output = said("arena_hard", item, "own words")
    assert judged.duel(item, output, replies).scores[0].value == 1
    assert judged.duel(item, output, [replies[0], replies[0]]).scores[0].value == 0.5
    assert judged.duel(item, output, [Reply(), replies[1]]).verdict == Verdict.ERROR
    with pytest.raises(DataError, match="no reply of the baseline"):
        judged.read_arena(rows | {"baseline": []})


MT = {"question_id": 7, "category": "math", "turns": ["One and one?", "And one more?"]}
KNOWN = {"question_id": 7, "choices": [{"index": 0, "turns": ["Two.", "Three."]}]}


def spoken(task, item, first, second):
    return dataclasses.replace(said(task, item, second), earlier=[first])


def test_each_turn_gets_a_mark_and_the_second_is_read_in_its_conversation():
    (item,) = turns.read_marked({"test": [MT], "reference": [KNOWN]})
    assert (item.prompt, item.then, item.group) == ("One and one?", ("And one more?",), "math")
    output = spoken("mt_bench_turns", item, "It is 2.", "It is 3.")
    one, two = (request.messages[0].content for request in turns.ask_marks(item, output))
    assert "It is 2." in one and "Two." in one and "more" not in one and "It is 3." not in one
    places = [two.index(part) for part in ("One and one?", "It is 2.", "And one more?", "It is 3.", "Three.")]
    assert places == sorted(places) and turns.FOCUS in two and "Two." not in two
    found = turns.mark(item, output, [Reply(text='{"mark": 8}'), Reply(text="[[5]]")])
    assert [(score.metric, score.value) for score in found.scores] == [
        ("mark", 6.5), ("mark_first", 8), ("mark_second", 5),
    ]  # fmt: skip
    assert found.verdict == Verdict.RIGHT
    half = turns.mark(item, output, [Reply(text='{"mark": 8}'), Reply(text="no")])
    assert half.verdict == Verdict.ERROR and [score.weight for score in half.scores] == [0, 1, 0]
    hub = {"prompt": MT["turns"], "prompt_id": 7, "category": "math", "reference": ["Two.", "Three."]}
    (same,) = turns.read_marked({"test": [hub]})
    assert (same.prompt, same.then, same.facts) == (item.prompt, item.then, item.facts)


def test_pairs_are_judged_by_turn_in_both_orders():
    (item,) = turns.read_pairs({"test": [MT], "baseline": [KNOWN]})
    output = spoken("mt_bench_pairs", item, "It is 2.", "It is 3.")
    texts = [request.messages[0].content for request in turns.ask_duels(item, output)]
    assert len(texts) == 4 and "more" not in texts[0]
    for text, ahead in zip(texts, (True, False, True, False), strict=True):
        ours = "It is 3." if "more" in text else "It is 2."
        assert (text.index(ours) < text.index("Two.")) == ahead
    assert texts[2].index("It is 2.") < texts[2].index("It is 3.") and "Three." in texts[2]
    said_of = lambda letters: [Reply(text=f'{{"better": "{letter}"}}') for letter in letters]  # noqa: E731
    found = turns.duels(item, output, said_of("ABAA"))
    assert [score.value for score in found.scores] == [0.75, 1, 0.5, 0.5]
    assert turns.duels(item, output, [*said_of("ABA"), Reply()]).verdict == Verdict.ERROR
    with pytest.raises(DataError, match="no answers of the baseline"):
        turns.read_pairs({"test": [MT], "baseline": []})


def test_rules_mark_by_faults_and_verdicts_come_in_order(tmp_path):
    (good,) = judged.read_mt({"test": [{"turns": ["Name a bird.", "Another."], "category": "writing"}]})
    task, plain = tasks.find("mt_bench"), tasks.find("ruler_vt")
    other = plain.read({})[0]
    known = [
        (plain, other, said("ruler_vt", other, "")),
        (task, good, said("mt_bench", good, "An owl.")),
        (task, good, said("mt_bench", good, "")),
    ]
    verdicts = marking.judge_all(tmp_path, known, "rules")
    assert [one.scores[0].value for one in verdicts] == [0, 10, 7]
    assert (tmp_path / "judge.sqlite").is_file()
    request = marks.request_for("Say.", "x", notes="n", reference="r")
    assert json.loads(judge_rules.answer(request))["mark"] == 10


def test_a_judge_is_asked_for_before_anything_else_is():
    with pytest.raises(ConfigError, match="--judge: got none for mt_bench"):
        marking.check([tasks.find("mt_bench")], "")
    with pytest.raises(ConfigError, match="got 'gpt'"):
        marking.check([], "gpt")
    marking.check([tasks.find("mt_bench")], "rules")
    marking.check([tasks.find("gsm8k")], "")
