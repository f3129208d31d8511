"""The kinds for longer replies: obeyed, just missed, composed; and families that nothing is trained on."""

import random

import pytest

from trivium.verify import constraints
from trivium.verify.constraint_kinds import Context, ask
from trivium.verify.constraints import (
    HELD_OUT_FAMILIES,
    KINDS,
    PLAIN,
    SHORT_KINDS,
    Pick,
    compose,
    decode,
    encode,
    families,
    near_miss,
    passes,
    witness,
)

LONG_KINDS = sorted(set(KINDS) - set(SHORT_KINDS))
CONTEXT = Context(words=("moon", "river", "king", "stone"), members=("dog",), request="Tell me about rain.")


@pytest.mark.parametrize("kind", LONG_KINDS)
def test_each_can_be_asked_obeyed_and_just_missed(kind: str) -> None:
    for seed in range(8):
        rng = random.Random(seed)
        pick = Pick(kind, KINDS[kind].sample(rng, CONTEXT))
        assert "{" not in ask(KINDS[kind], pick.params, rng)
        assert decode(encode([pick])) == [pick]
        reply = witness([pick])
        assert reply is not None
        assert passes(reply, [pick])
        assert not passes("", [pick])
        missed = near_miss(PLAIN, reply, [pick], rng)
        assert missed is not None
        assert not passes(missed[0], [pick])


def test_each_is_broken_by_some_plain_reply_or_its_neighbour() -> None:
    """A check that says yes to all three of these checks nothing."""
    replies = (PLAIN, "ok, 7! why? [x] #y", "Moon,\n- river\n\nSTONE; é (so) *a* <<t>> moon")
    for kind in LONG_KINDS:
        outcomes = set()
        for seed in range(6):
            pick = Pick(kind, KINDS[kind].sample(random.Random(seed), CONTEXT))
            obeyed = witness([pick])
            outcomes |= {passes(reply, [pick]) for reply in (*replies, obeyed or "")}
        assert outcomes == {True, False}, kind


def test_compositions_of_five_come_with_a_reply_that_obeys_them() -> None:
    for seed in range(12):
        rng = random.Random(seed)
        picks = compose(rng, 5, LONG_KINDS, CONTEXT)
        assert len(picks) == 5
        reply = witness(picks)
        assert reply is not None
        assert passes(reply, picks)


def test_what_cannot_be_obeyed_together_has_no_witness() -> None:
    upper, lower = Pick("change_case:english_capital", {}), Pick("change_case:english_lowercase", {})
    assert witness([upper]) is not None
    assert witness([upper, lower]) is None
    few = Pick("length_constraints:number_words", {"num_words": 2, "relation": "less than"})
    many = Pick("length_constraints:number_words", {"num_words": 5, "relation": "at least"})
    assert witness([few, many]) is None


def test_whole_families_are_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = set(families()["train"])
    for names in HELD_OUT_FAMILIES.values():
        assert len(names) >= 4
        assert not trained & set(names)
    assert len(trained) >= 40
    prompts = [constraints.attach("Write about rain.", random.Random(seed), 4) for seed in range(30)]
    asked = {pick.kind for _, answer in prompts for pick in decode(answer)}
    assert asked <= trained
    assert len(asked) > 25
