"""Duplicates: planted copies are found, different texts are not, the index decides and not the bands."""

import random

import numpy as np
import pytest

from trivium.curate.dedup import (
    Duplicate,
    cluster_sizes,
    find_duplicates,
    jaccard,
    normalise,
    planted_report,
    shingles,
)

VOCABULARY = [f"word{i}" for i in range(500)]


def text(seed: int, size: int = 120) -> str:
    return " ".join(random.Random(seed).choices(VOCABULARY, k=size))


def edited(original: str, places: int, seed: int = 0) -> str:
    """Replace words at evenly spread places."""
    words = original.split()
    for i in range(places):
        words[(i * len(words)) // places + 2] = f"new{seed}x{i}"
    return " ".join(words)


def test_exact_copies_are_found_whatever_their_case_and_signs():
    found = find_duplicates([text(1), text(2), text(1).upper().replace(" ", ", ")], 0.8)
    assert found == [Duplicate(2, 0, 1.0, True)]


def test_near_copies_are_found_up_to_the_threshold():
    original = text(3)
    two, four = edited(original, 2), edited(original, 4)
    assert jaccard(shingles(original), shingles(two)) >= 0.8 > jaccard(shingles(original), shingles(four))
    found = find_duplicates([original, four, two], 0.8)
    assert [(d.index, d.kept, d.exact) for d in found] == [(2, 0, False)]
    assert found[0].similarity == round(jaccard(shingles(original), shingles(two)), 4)


def test_different_and_empty_texts_are_kept():
    assert find_duplicates([text(i) for i in range(60)] + [""], 0.8) == []
    assert find_duplicates([], 0.8) == []
    assert find_duplicates(["", "?!"], 0.8) == [Duplicate(1, 0, 1.0, True)]


def test_every_planted_near_copy_is_found():
    originals = [text(i) for i in range(100)]
    copies = [edited(original, 1 + i % 2, i) for i, original in enumerate(originals)]
    found = {d.index: d.kept for d in find_duplicates(originals + copies, 0.8)}
    assert found == {100 + i: i for i in range(100)}


def test_a_chain_is_one_cluster_and_its_first_is_kept():
    first = text(7)
    second = edited(first, 2, 1)
    third = edited(second, 2, 2)
    found = find_duplicates([text(8), first, second, third], 0.75)
    assert [(d.index, d.kept) for d in found] == [(2, 1), (3, 1)]
    assert cluster_sizes(found) == {3: 1}


def test_many_copies_of_one_text_stay_linear():
    copies = [edited(text(9), 1, i) for i in range(300)]
    assert len(find_duplicates(copies, 0.8)) == 299


def test_short_texts_are_compared_as_one_shingle():
    assert len(shingles("one two")) == 1
    assert find_duplicates(["one two", "one three", "two one"], 0.8) == []
    assert normalise("  A--b ") == "a b"


def test_jaccard_by_hand():
    a, b = np.array([1, 2, 3], np.uint64), np.array([2, 3, 4, 5], np.uint64)
    assert jaccard(a, b) == pytest.approx(2 / 5)
    assert jaccard(a[:0], b[:0]) == 0.0


def test_the_report_counts_misses_and_wrong_removals():
    texts = [text(1), edited(text(1), 1), edited(text(1), 40), text(2)]
    groups = ["a", "a", "a", "b"]
    planted = [False, True, True, False]
    perfect = planted_report(groups, texts, planted, [Duplicate(1, 0, 0.9, False)], 0.8)
    assert (perfect["planted"], perfect["within_reach"], perfect["found"]) == (2, 1, 1)
    assert perfect["recall"] == perfect["precision"] == 1.0
    wrong = planted_report(groups, texts, planted, [Duplicate(3, 0, 0.9, False)], 0.8)
    assert wrong["recall"] == 0.0 and wrong["precision"] == 0.0
