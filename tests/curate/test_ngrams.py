"""Hashes of words and n-grams agree with the words themselves, whatever the alphabet and the edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.curate.ngrams import BLOCK_CHARS, HashSet, blocks, encode, split_words

ODD = ["", "...", "a", ".a", "a.", "\u0130x y", "\u03a3\u03b1\u03c2 \u039f\u0394\u039f\u03a3.", "\0a\0b\0",
       "\u65e5\u672c \u8a9e\u3002", "x\u00b2y _a_", "\ud800 lone"]  # fmt: skip


def words_of(texts: list[str], **kwargs) -> list[list[int]]:
    encoded = encode(texts, **kwargs)
    bounds = zip(encoded.starts, encoded.starts[1:], strict=False)
    return [encoded.flat[a:b].tolist() for a, b in bounds]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=6))
def test_two_words_share_a_hash_exactly_when_they_are_equal(texts):
    texts = texts + ODD
    spelled = [split_words(text) for text in texts]
    hashed = words_of(texts)
    assert list(map(len, hashed)) == list(map(len, spelled))
    table: dict[str, int] = {}
    for words, hashes in zip(spelled, hashed, strict=True):
        for word, value in zip(words, hashes, strict=True):
            assert table.setdefault(word, value) == value
    assert len(set(table.values())) == len(table)


def test_a_hash_does_not_depend_on_the_neighbours_or_the_block():
    long = "word " * (BLOCK_CHARS // 3)
    (alone,) = words_of(["needle in hay"])
    found = words_of([long, "needle in hay", "\u00e9" + long, "needle in hay"])
    assert found[1] == found[3] == alone
    assert [len(block) for block in blocks([long, "a", "b", long, "c"])] == [1, 3, 1]


def test_grams_are_equal_exactly_where_the_words_are():
    encoded = encode(["a b c d", "x a b c", "c b a"])
    owners, hashes = encoded.grams(3)
    assert owners.tolist() == [0, 0, 1, 1, 2]
    assert hashes[0] == hashes[3] and len(set(hashes.tolist())) == 4
    assert encoded.num_distinct(0, 3) == 2 and encode(["a a a a a"]).num_distinct(0, 2) == 1


def test_known_grams_are_found_with_their_place_and_not_across_texts():
    known = HashSet(np.sort(encode(["b c d"]).grams(3)[1]))
    texts, found, places = encode(["a b c d", "b c", "d b c d"]).hits(3, known)
    assert (texts.tolist(), found.tolist(), places.tolist()) == ([0, 2], [0, 0], [1, 1])


@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_a_hash_set_finds_its_own_and_nothing_else(count):
    rng = np.random.default_rng(0)
    own = np.unique(rng.integers(0, 2**63, count, dtype=np.uint64))
    other = rng.integers(2**63, 2**64, 5_000, dtype=np.uint64)
    places, found = HashSet(own).find(np.concatenate([other, own]))
    assert places.tolist() == list(range(5_000, 5_000 + count)) and found.tolist() == list(range(count))


def test_prefixes_join_inflections_and_leave_numbers_whole():
    (words,) = words_of(["running runner 123456 123457"], prefix=3)
    assert words[0] == words[1] and words[2] != words[3]
    assert encode(["a1 1a 22"]).numeric.tolist() == [False, True, True]
