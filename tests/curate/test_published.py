"""The papers' rules: smallest triggers and nearest misses; the fast n-gram counts are the slow ones."""

import random
from collections import Counter

import numpy as np
import pytest

from trivium.curate.quality import published
from trivium.curate.quality.published import (
    TOKEN,
    c4,
    duplicate_ngram_chars,
    fineweb,
    gopher,
    judge_page,
    repetition,
    top_ngram_chars,
)


def words(count: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    return " ".join(
        "".join(rng.choices("abcdefghijklmnop", k=4)) + str(i % 10) * (i % 7 == 0) for i in range(count)
    )


GOOD = "\n".join(f"The {words(20, i)} is to be made of {words(20, 100 + i)}." for i in range(8))
FOUR = "there often were others"


def said(rule, text: str) -> str | None:
    return rule(text, TOKEN.findall(text))


def test_a_plain_page_passes_every_rule():
    assert judge_page(GOOD) == published.Judged(GOOD, None)
    assert judge_page(" \n").reason == "empty"


@pytest.mark.parametrize(
    ("rule", "reason", "trigger", "miss"),
    [
        (gopher, "gopher_short_doc", "the of " + words(47), "the of " + words(48)),
        (gopher, "gopher_below_avg_threshold", "the of " + "ab " * 60, "the of " + "abcd " * 60),
        (gopher, "gopher_above_avg_threshold", "the of " + "a" * 11 + " b" * 1 + (" " + "c" * 12) * 60,
         "the of " + ("c" * 10 + " ") * 60),
        (gopher, "gopher_too_many_hashes", "the of " + words(58) + " #" * 7,
         "the of " + words(58) + " #" * 6),
        (gopher, "gopher_too_many_bullets", f"- {FOUR}\n" * 19 + f"- {FOUR}",
         f"- {FOUR}\n" * 18 + f"{FOUR}\n{FOUR}"),
        (gopher, "gopher_too_many_end_ellipsis", f"{FOUR}...\n" * 6 + f"{FOUR}\n" * 13,
         f"{FOUR}...\n" * 5 + f"{FOUR}\n" * 13),
        (gopher, "gopher_below_alpha_threshold", "the of " + words(48) + " 123" * 13,
         "the of " + words(48) + " 123" * 12),
        (gopher, "gopher_enough_stop_words", "the " + words(60), "the of " + words(60)),
        (repetition, "dup_para_frac", "ab\n\nab\n\nab\n\ncd\n\nef", "ab\n\nab\n\ncd\n\nef"),
        (repetition, "dup_line_frac", "ab\nab\nab\ncd\nef", "ab\nab\ncdefg\nefghi"),
        (repetition, "top_2_gram", "ab cd " * 6 + words(20), "ab cd " * 2 + words(40)),
        (repetition, "duplicated_5_n_grams", words(40) + " " + words(12), words(60) + " " + words(5)),
    ],
)  # fmt: skip
def test_smallest_trigger_and_nearest_miss(rule, reason, trigger, miss):
    assert said(rule, trigger) == reason
    assert said(rule, miss) != reason


def test_other_languages_and_the_papers_own_count_of_words():
    text = "the of " + words(48) + " ,".join([""] * 14)
    assert said(gopher, text) == "gopher_below_alpha_threshold"
    assert gopher(text, TOKEN.findall(text), signs=False) is None
    text = words(60)
    assert said(gopher, text) == "gopher_enough_stop_words"
    assert gopher(text, TOKEN.findall(text), english=False) is None


def test_c4_takes_lines_and_drops_pages():
    lines = [f"Here is line number {i} of it." for i in range(5)]
    assert c4("\n".join(lines)) == ("\n".join(lines), None)
    assert c4("\n".join(lines[:4]))[1] == "too_few_sentences"
    extra = [
        "two words",
        "Enable JavaScript to read this.",
        "We use cookies on this page.",
        "x" * 1_001 + " a b",
    ]
    assert c4("\n".join([*lines, *extra])) == ("\n".join(lines), None)
    assert c4("\n".join([*lines, "See [12] the notes[edit]."]))[0].endswith("See  the notes.")
    assert c4("\n".join([*lines, "Now lorem ipsum dolor."]))[1] == "lorem_ipsum"
    assert c4("\n".join([*lines, "if (a) { return b; }"]))[1] == "curly_bracket"


def test_fineweb_rules():
    long = [f"A line of more than thirty characters, {words(3, i)}" for i in range(9)]
    assert fineweb("\n".join([*long, "It ends."])) == "line_punct_ratio"
    assert fineweb("\n".join([*long[:7], "It ends."])) != "line_punct_ratio"
    assert fineweb("Short.\n" * 1) == "short_line_ratio"
    assert fineweb("\n".join([long[0] + ".", *[line + "." for line in long]])) == "char_dup_ratio"
    assert fineweb("\n".join(f"{'w' * 31}{i} b." for i in range(20))) == "list_ratio"
    assert fineweb("") == "empty"


def test_the_fast_counts_are_those_of_the_definition():
    rng = random.Random(5)
    for _ in range(60):
        tokens = rng.choices(["a", "bb", "ccc", "dddd", "e5"], k=rng.randint(1, 40))
        names = sorted(set(tokens))
        ids = np.array([names.index(token) for token in tokens], np.uint64)
        sizes = np.array(list(map(len, tokens)))
        for n in (2, 3, 4):
            grams = [" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
            top = Counter(grams).most_common(1)
            expected = len(top[0][0]) * top[0][1] if top else 0
            assert top_ngram_chars(ids, sizes, n, -1) == expected
        for n in (5, 10):
            assert duplicate_ngram_chars(tokens, n) <= published._covered_chars(ids, sizes, 5)
    assert duplicate_ngram_chars("a b c a b c a b".split(), 2) == 4
