"""Constraints: strict checks, passing replies that pass, near misses that break one thing, splits."""

import json
import random
from collections import Counter

import pytest

from trivium.errors import DataError
from trivium.records import Verdict
from trivium.verify import constraints, judge
from trivium.verify.constraint_kinds import Context
from trivium.verify.constraint_tasks import GROUPS, KEYWORDS, NOUNS, TASKS
from trivium.verify.constraints import (
    HELD_OUT,
    KINDS,
    SHORT_KINDS,
    Pick,
    attach,
    compose,
    conflicts,
    decode,
    encode,
    families,
    make,
    near_miss,
    passes,
    passes_loosely,
    results,
    satisfy,
)

PLAIN = "Cat, sun, box."
CONTEXT = Context(words=KEYWORDS, members=("dog",), request="Say it.", items=3)

CASES: dict[str, tuple[dict[str, object], str, list[str]]] = {
    "upper": ({}, "CAT, SUN 2.", ["Cat", "CAt", "12", ""]),
    "lower": ({}, "cat, sun 2.", ["Cat", "12", ""]),
    "title": ({}, "Cat, Sun 2.", ["Cat, sun", "cat", ""]),
    "start_word": ({"word": "now"}, '"Now cat', ["nowcat", "a now", ""]),
    "end_word": ({"word": "now"}, "cat NOW!", ["now cat", "nows", ""]),
    "word_count": ({"count": 2}, "Cat - sun.", ["cat", "cat sun box", ""]),
    "keyword_count": ({"word": "now", "count": 2}, "Now, now.", ["now", "now now now", "now nowhere"]),
    "include": ({"word": "now"}, "cat now", ["cat", "nowhere", ""]),
    "forbid": ({"word": "now"}, "nowhere", ["not Now", "now"]),
    "no_commas": ({}, "cat sun", ["cat, sun", ""]),
    "number_only": ({}, " -12\n", ["12.", "12 cats", "twelve", "1 2", ""]),
    "quotes": ({}, '"cat"', ['"cat', 'cat"', "'cat'", '""', '"a" and "b"', "cat"]),
    "brackets": ({}, "[cat]", ["[cat", "cat]", "[]", "[a][b]", "(cat)"]),
    "bullets": ({"count": 2}, "- cat\n\n- sun", ["- cat", "- a\n- b\n- c", "* a\n* b", "- a\n-b", "- a\n- "]),
    "numbered": ({"count": 2}, "1. cat\n2. sun", ["1. cat", "1. cat\n3. sun", "1) a\n2) b", "1. a\n2. "]),
    "separator": ({"mark": ";", "count": 2}, "cat; sun", ["cat, sun", "cat;", "a; b; c", "a; b, c", "cat"]),
    "end_mark": ({"mark": "!"}, "cat! ", ["cat", "cat!?", "! cat"]),
    "json_key": (
        {"key": "text"},
        ' {"text": "cat"}',
        ['{"text": ""}', '{"a": 1}', '["text"]', "text", '{"text": 1'],
    ),
    "repeat_request": ({"request": "Say it."}, "Say it. cat", ["cat", "Say it.", "Say\ncat", "cat Say it."]),
    "twice": ({}, "Cat, sun. Cat, sun.", ["cat", "cat sun", "cat cat cat", ""]),
}


def test_every_kind_has_cases() -> None:
    assert sorted(CASES) == sorted(SHORT_KINDS)
    assert len(KINDS) >= 60


@pytest.mark.parametrize("kind", sorted(CASES))
def test_check_is_strict(kind: str) -> None:
    params, good, bad = CASES[kind]
    assert KINDS[kind].check(good, **params)
    for reply in bad:
        assert not KINDS[kind].check(reply, **params), reply


@pytest.mark.parametrize("kind", sorted(set(SHORT_KINDS) - {"number_only"}))
def test_satisfy_and_near_miss(kind: str) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        pick = Pick(kind, KINDS[kind].sample(rng, CONTEXT))
        reply = satisfy(PLAIN, [pick], rng)
        assert passes(reply, [pick]), reply
        missed = near_miss(PLAIN, reply, [pick], rng)
        assert missed is not None
        assert missed[1] == kind
        assert not passes(missed[0], [pick])


def test_every_pair_that_does_not_conflict_can_be_obeyed() -> None:
    pairs = [(a, b) for a in SHORT_KINDS for b in SHORT_KINDS if a < b and not conflicts(a, b)]
    assert len(pairs) > 60
    for first, second in pairs:
        for seed in range(4):
            rng = random.Random(seed)
            picks = compose(rng, 2, (first, second), CONTEXT)
            assert len(picks) == 2
            assert passes(satisfy(PLAIN, picks, rng), picks), (picks, satisfy(PLAIN, picks, rng))


def test_conflicts_are_symmetric_and_with_oneself() -> None:
    for first in KINDS:
        assert conflicts(first, first)
        for second in KINDS:
            assert conflicts(first, second) == conflicts(second, first)


def test_compose_never_conflicts_and_shares_no_word() -> None:
    for seed in range(200):
        picks = compose(random.Random(seed), 4, SHORT_KINDS, CONTEXT)
        assert picks
        for place, pick in enumerate(picks):
            assert not any(conflicts(pick.kind, other.kind) for other in picks[:place])
        words = [pick.params["word"] for pick in picks if "word" in pick.params]
        assert len(words) == len(set(words))


def test_encode_decode_and_bad_answers() -> None:
    picks = compose(random.Random(1), 3, KINDS, CONTEXT)
    assert decode(encode(picks)) == picks
    for bad in ("", "{}", "[]", "[1]", '[["upper"]]', '[["nonsense", {}]]', '[["upper", 3]]'):
        with pytest.raises(DataError, match="constraints: got"):
            decode(bad)


def test_questions_pass_and_miss_by_exactly_one() -> None:
    questions = make(3, 200)
    assert len({question.prompt for question in questions}) == 200
    for question in questions:
        meta = json.loads(question.meta)
        assert judge("constraints", question.solution, question.answer) is Verdict.RIGHT
        outcome = results(meta["near_miss"], decode(question.answer))
        assert [kind for kind, obeyed in outcome.items() if not obeyed] == [meta["broken"]]
        assert question.difficulty == len(meta["kinds"])
        assert len(question.solution) <= 100


def test_the_task_must_be_done_too() -> None:
    picks = [Pick("task_list", {"group": "colours", "count": 3}), Pick("upper", {})]
    assert passes("RED, BLUE, PINK.", picks)
    assert not passes("RED, BLUE.", picks)
    assert not passes("A", picks)
    copied = [
        Pick("task_copy", {"words": ["cat"]}),
        Pick("repeat_request", {"request": "Copy this word: cat."}),
    ]
    assert passes("Copy this word: cat.\nCat.", copied)
    assert not passes("Copy this word: cat.\nDog.", copied)


def test_same_seed_same_rows_and_splits_share_no_content() -> None:
    train, exam, contest = make(1, 300), make(1, 100, "exam"), make(9, 100, "contest")
    assert make(1, 100) == train[:100] and make(1, 0) == []
    content = [{(q.answer, q.prompt.split(".")[0]) for q in split} for split in (train, exam, contest)]
    assert not content[0] & content[1]
    assert not content[0] & content[2]
    assert not content[1] & content[2]


def test_a_prompt_keeps_its_split_whatever_the_seed() -> None:
    answers = {question.answer for seed in range(3) for question in make(seed, 200)}
    assert not answers & {question.answer for question in make(99, 200, "exam")}


def test_held_out_kinds_are_never_trained() -> None:
    trained = Counter(kind for q in make(5, 300) for kind in json.loads(q.meta)["kinds"])
    assert set(trained) == set(families()["train"]) & set(SHORT_KINDS)
    for question in make(5, 60, "exam", held_out=True):
        kinds = json.loads(question.meta)["kinds"]
        assert sum(kind in HELD_OUT for kind in kinds) == 1
    with pytest.raises(DataError, match="held_out"):
        make(1, 5, "train", held_out=True)


def test_impossible_requests_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="split"):
        make(1, 5, "test")
    monkeypatch.setattr(constraints, "MAX_TRIES", 3)
    with pytest.raises(DataError, match="ask for fewer"):
        make(1, 10**6, "exam", held_out=True)


def test_vocabulary_is_small_and_groups_are_disjoint() -> None:
    assert len(NOUNS) == len(set(NOUNS)) == sum(map(len, GROUPS.values()))
    assert not set(NOUNS) & set(KEYWORDS)
    assert len(NOUNS) + len(KEYWORDS) <= 60


def test_no_constraint_is_obeyed_by_the_plain_reply() -> None:
    for maker, _, needed, joining in TASKS:
        for seed in range(30):
            rng = random.Random(seed)
            task = maker(rng)
            for kind in {*needed, *joining} - {"word_count", "forbid"}:
                pick = Pick(kind, KINDS[kind].sample(rng, task.context))
                assert not passes(task.reply, [pick]), (task.reply, pick)


def test_loose_forgives_an_opening_line_only() -> None:
    picks = [Pick("upper", {})]
    assert passes_loosely("Sure, here it is:\nCAT", picks)
    assert not passes("Sure, here it is:\nCAT", picks)
    assert not passes_loosely("Sure, here: CAT", picks)


def test_attach_to_a_request_of_ones_own() -> None:
    prompt, answer = attach("Write about rain. Be short.", random.Random(2), 2)
    assert prompt.startswith("Write about rain. Be short. ")
    picks = decode(answer)
    assert len(picks) == 2
    assert passes(satisfy("Rain falls. It is wet. We go home.", picks, random.Random(0)), picks)


def test_no_word_is_both_asked_for_and_forbidden_and_lists_read_as_words() -> None:
    rng = random.Random(5)
    for _ in range(300):
        prompt, encoded = constraints.attach("Describe a morning in a small town.", rng, 3)
        wanted, forbidden = set(), set()
        for pick in constraints.decode(encoded):
            words = pick.params.get("keywords", []) + ([pick.params["word"]] if "word" in pick.params else [])
            wanted |= set(words) if pick.kind != "forbid" else set()
            forbidden |= set(pick.params.get("forbidden_words", []))
        assert not wanted & forbidden, prompt
        assert "['" not in prompt
