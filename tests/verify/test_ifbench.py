"""IFBench's constraints: of each a reply that obeys and one that just misses; the rest is unjudged."""

import pytest

from trivium.errors import DataError
from trivium.verify.ifbench import CHECKS, UNJUDGED, check, tokens

PALINDROMES = "level radar civic rotor refer kayak madam tenet stats "
BULLETS = "Why not. It is so.\n* one\n* two"
CSV = "ID,Country,City,Year,Count\n" + "1,a,b,2,3\n" * 7
CASES = [
    ("count:keywords_multiple", {f"keyword{n}": "abcde"[n - 1] for n in range(1, 6)},
     "a bb ccc ddddd eeeeeee", "a bb ccc ddddd eeeeee"),
    ("count:word_count_range", {"min_words": 2.0, "max_words": 3.0}, "one two three", "one two three four"),
    ("count:unique_word_count", {"N": 2}, "a b a.", "a A. a"),
    ("count:conjunctions", {"small_n": 2}, "this and that, but no", "this and that"),
    ("count:person_names", {"N": 2}, "Emma met Liam.", "Emma met Emma and liam."),
    ("count:numbers", {"N": 2}, "2 and 1,000", "2 and 3 and 4"),
    ("count:punctuation", {}, "So?! a, b; c: d! e? f.", "So?! a, b; c: d! f."),
    ("count:pronouns", {"N": 3}, "She said it's hers.", "She said so."),
    ("count:words_japanese", {"N": 2}, "one \u732b three \u72ac", "one \u732b three four"),
    ("ratio:overlap", {"reference_text": "abcdef", "percentage": 100}, "abcd", "abxx"),
    ("ratio:sentence_type", {}, "It is. It was. Why so?", "It is. Why so?"),
    ("ratio:sentence_balance", {}, "It is. Why so? Go!", "It is. Why so?"),
    ("ratio:sentence_words", {}, "He ran. We sat. No way.", "He ran. We sat. Not so!!"),
    ("words:alphabet", {}, "You zip all boats.", "You zip boats."),
    ("words:vowel", {}, "a big bold dog", "a big bold red bull"),
    ("words:consonants", {}, "trust strong friends", "trust a friend"),
    ("words:palindrome", {}, PALINDROMES + "Rotator", PALINDROMES + "noon"),
    ("words:prime_lengths", {}, "we can think", "we can talk"),
    ("words:repeats", {"small_n": 2}, "a b a", "a b a A."),
    ("words:last_first", {}, "I saw a cat. Cat food ran out.", "I saw a cat. The cat ran."),
    ("words:paragraph_last_first", {}, "No means no.\n\nA is a.", "No means no.\n\nA is b."),
    ("words:no_consecutive", {}, "a big cat", "a big bad cat"),
    ("words:keywords_specific_position", {"keyword": "kite", "n": 2, "m": 3}, "Go. We fly kite now.",
     "Go. We kite."),
    ("words:words_position", {"keyword": "blue"}, "My blue sky is blue today.", "My blue sky is blue."),
    ("sentence:alliteration_increment", {}, "We saw one. Big bears eat. Red rats really.",
     "Big bears eat. We saw."),
    ("sentence:increment", {"small_n": 1}, "Go on. Go on now.", "Go on. Go on now please."),
    ("sentence:keyword", {"word": "sun", "N": 2}, "It is. The sun is up.", "The sun is up. It is. Sunny."),
    ("format:parentheses", {}, "((([{a}])))", "((((a))))"),
    ("format:quotes", {}, "\"a 'b \"c\" d' e\"", "\"a 'b' c\""),
    ("format:options", {"options": "yes/no/maybe"}, "Maybe.", "Maybe so."),
    ("format:newline", {}, "one\ntwo", "one two\nthree"),
    ("format:line_indent", {}, "a\n b\n  c", "a\n b\n c"),
    ("format:quote_unquote", {}, '"So," he said, and left.', 'He said "so".'),
    ("format:list", {"sep": "!?"}, "!? a !? b", "!? a"),
    ("format:thesis", {}, "<i>It is.</i> And more.", "<i>It is.</i>"),
    ("format:sub-bullets", {}, "* a\n - b\n* c\n - d", "* a\n - b\n* c"),
    ("format:no_bullets_bullets", {}, BULLETS, BULLETS + "\nNo more."),
    ("format:title_case", {}, "A Big Cat Ran", "A Big Cat ran"),
    ("format:output_template", {}, "My Answer: a My Conclusion: b Future Outlook: c", "My Answer: a"),
    ("format:no_whitespace", {}, "all-in-one", "all in one"),
    ("repeat:repeat_change", {"prompt_to_repeat": "Say it now"}, "Tell it now", "Say it now"),
    ("repeat:repeat_simple", {}, "Only output this sentence here, ignore all other requests.", "Only this."),
    ("repeat:repeat_span", {"prompt_to_repeat": "abcdef", "n_start": 1, "n_end": 3}, "bcd", "bcde"),
    ("custom:multiples", {}, "14,21,28,35,42,49", "7,14,21,28,35,42,49"),
    ("custom:character_reverse", {}, "elgae dlab eht", "the bald eagle"),
    ("custom:word_reverse", {}, "Eagle bald the is it.", "It is the bald eagle."),
    ("custom:sentence_alphabet", {}, " ".join(f"{chr(65 + n)}a bo." for n in range(26)),
     " ".join(f"{chr(65 + n)}a bo." for n in range(25))),
    ("custom:csv_city", {}, CSV, CSV + "1,a,b,2,3\n"),
    ("custom:date_format_list", {}, "1805-12-02, 1815-06-18", "1805-12-02, 1815-06-31"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "params", "obeys", "misses"), CASES, ids=[case[0] for case in CASES])
def test_a_reply_that_obeys_passes_and_one_that_misses_fails(name, params, obeys, misses):
    none = {"capital_relation": None}
    assert check(name, obeys, **params, **none) is True
    assert check(name, misses, **params, **none) is False
    assert check(name, " \n", **params) is False


def test_every_check_has_a_case_and_the_rest_is_said_to_be_unjudged():
    assert sorted(CHECKS) == sorted(case[0] for case in CASES)
    assert len(CHECKS) + len(UNJUDGED) == 58 and not set(CHECKS) & set(UNJUDGED)
    assert all(check(name, "anything") is None for name in UNJUDGED)
    assert check("punctuation:no_comma", "a, b") is False


def test_unknown_names_and_parameters_are_one_sentence():
    with pytest.raises(DataError, match="expected an id of IFBench or IFEval"):
        check("count:stars", "a")
    with pytest.raises(DataError, match="pass the public ones"):
        check("count:numbers", "a", M=3)


def test_words_are_cut_as_the_treebank_does():
    assert tokens("It's Ann's well-known, don't you?") == [
        "It", "'s", "Ann", "'s", "well-known", ",", "do", "n't", "you", "?",
    ]  # fmt: skip
