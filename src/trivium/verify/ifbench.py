"""Checks of IFBench's held-out constraints by their public names, as far as rules can judge them.

    check("count:numbers", "2 cats and 3 dogs", N=2)     # True
    check("words:start_verb", "Run.")                    # None: nobody here can tell

Source: Pyatkin et al. 2025, arXiv 2507.02833, and the verdicts of its released checkers, oddities included (a
bullet is any star; a quoted phrase is explained by whatever follows it). What leans on a trained tagger, a
dictionary of syllables, tables of emoji or stop words, or on knowing Africa and Europe is in `UNJUDGED`:
`None`, to be counted apart. Sentences and words are cut by the rules of `verify.ifeval`.
"""

from __future__ import annotations

import csv
import io
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from trivium.errors import DataError
from trivium.verify import ifeval
from trivium.verify.ifeval import split_sentences

UNJUDGED = {
    "words:start_verb": "a part-of-speech tagger",
    "words:odd_even_syllables": "a dictionary of syllables",
    "ratio:stop_words": "NLTK's list of stop words",
    "format:emoji": "tables of emoji",
    "custom:reverse_newline": "the countries of Africa",
    "custom:european_capitals_sort": "the capitals of Europe",
    "custom:mcq_count_length": "the parts of questions in any layout",
    "custom:csv_special_character": "CSV fields as they were spelled",
    "custom:csv_quotes": "CSV fields as they were spelled",
}
"""What a judge of these would need."""

CONJUNCTIONS = frozenset(("and", "but", "for", "nor", "or", "so", "yet"))
PRONOUNS = frozenset(
    "i me we us you he him she her it they them my mine our ours your yours his hers its their theirs myself "
    "ourselves yourself yourselves himself herself itself themselves this that these those who whom whose "
    "which what whoever whomever whatever whichever anybody anyone anything everybody everyone everything "
    "nobody nothing somebody someone something each either neither both all some any none".split()
)
NAMES = (
    "Emma Liam Sophia Jackson Olivia Noah Ava Lucas Isabella Mason Mia Ethan Charlotte Alexander Amelia "
    "Benjamin Harper Leo Zoe Daniel Chloe Samuel Lily Matthew Grace Owen Abigail Gabriel Ella Jacob Scarlett "
    "Nathan Victoria Elijah Layla Nicholas Audrey David Hannah Christopher Penelope Thomas Nora Andrew Aria "
    "Joseph Claire Ryan Stella Jonathan"
).split()
PRIMES = frozenset(n for n in range(2, 98) if all(n % k for k in range(2, n)))
CONSONANTS = r"[bcdfghjklmnpqrstvwxyz]"
_EDGE = string.punctuation + " "
_BARE = str.maketrans("", "", string.punctuation)
_OPENING, _CLOSING = "([{", ")]}"
CITY_COLUMNS = ["ID", "Country", "City", "Year", "Count"]
PALINDROMES, PALINDROME_LETTERS = 10, 5
DEPTH, QUOTE_DEPTH = 5, 3


def check(name: str, reply: str, **params: Any) -> bool | None:
    """Say whether a reply obeys one instruction of IFBench; None where no rule can tell.

    >>> check("format:no_whitespace", "all-in-one")
    True

    Args:
        name: Its public id, a key of `CHECKS` or of `UNJUDGED`, or an id of IFEval.
        reply: The reply, as it came.
        **params: Its public parameters; those that are None are left out.

    Raises:
        DataError: No such instruction, or its parameters are not as it takes them.
    """
    if name in UNJUDGED:
        return None
    if name in ifeval.CHECKS:
        return ifeval.check(name, reply, **params)
    if name not in CHECKS:
        raise DataError(f"instruction: got {name!r}, expected an id of IFBench or IFEval; mend it.")
    given = {key: _whole(value) for key, value in params.items() if value is not None}
    try:
        return bool(reply.strip()) and CHECKS[name](reply, **given)
    except TypeError as error:
        raise DataError(
            f"instruction {name}: got parameters {given}, {error}; pass the public ones."
        ) from None


def _whole(value: Any) -> Any:
    """The published file has 3.0 where 3 is meant."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def bare_words(text: str) -> list[str]:
    """Words in small letters without any punctuation in them."""
    return text.lower().translate(_BARE).split()


def tokens(text: str) -> list[str]:
    """Words and marks by the Penn Treebank's cuts: it's is two, a full stop one of its own."""
    text = re.sub(r"(n't|'(?:s|m|d|ll|re|ve))\b", r" \1", text, flags=re.I)
    return re.findall(r"(?<= )n't|(?<= )'\w+|\w+(?:[-'.]\w+)*|[^\w\s]", text, re.I)


def _pairwise(items: Sequence[Any], holds: Callable[[Any, Any], bool]) -> bool:
    return all(holds(one, two) for one, two in zip(items, items[1:], strict=False))


def _counts(reply: str, **keywords: str) -> bool:
    wanted = dict(zip((f"keyword{n}" for n in range(1, 6)), (1, 2, 3, 5, 7), strict=True))
    return all(reply.lower().count(keywords[key].strip().lower()) == n for key, n in wanted.items())


def _word_range(reply: str, min_words: int, max_words: int) -> bool:
    return min_words <= len(ifeval.words(reply)) <= max_words


def _conjunctions(reply: str, small_n: int) -> bool:
    return len({word for word in reply.split() if word.strip(_EDGE).lower() in CONJUNCTIONS}) >= small_n


def _names(reply: str, N: int) -> bool:  # noqa: N803
    return sum(re.search(rf"\b{name}\b", reply) is not None for name in NAMES) >= N


def _pronouns(reply: str, N: int) -> bool:  # noqa: N803
    return sum(word in PRONOUNS for word in tokens(reply.lower().replace("/", " "))) >= N


def _punctuation(reply: str) -> bool:
    if not any(mark in reply for mark in ("!?", "?!", "\u203d")):
        return False
    rest = reply.replace("?!", "", 1)
    rest = reply.replace("!?", "", 1) if rest == reply else rest
    return all(mark in rest for mark in ".,!?;:")


def _japanese(reply: str, N: int) -> bool:  # noqa: N803
    words = [word.strip(_EDGE) for word in reply.split()][N - 1 :: N]
    return all(
        re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", word) for word in words if word and not word.isdigit()
    )


def _overlap(reply: str, reference_text: str, percentage: int) -> bool:
    ours, theirs = ({text[i : i + 3] for i in range(len(text) - 2)} for text in (reply, reference_text))
    return bool(ours) and abs(100 * len(ours & theirs) / len(ours) - percentage) <= 2


def _kinds(reply: str) -> tuple[int, int, int]:
    ends = Counter(sentence[-1] for sentence in split_sentences(reply))
    return ends["."], ends["?"], ends["!"]


def _equal_sentences(reply: str) -> bool:
    found = split_sentences(reply)
    return len(found) == 3 and len({len(sentence) for sentence in found}) == 1


def _alphabet(reply: str) -> bool:
    firsts = [word[0] for word in bare_words(reply)]
    if not firsts or firsts[0] not in string.ascii_lowercase:
        return False
    start = ord(firsts[0]) - 97
    return all(letter == chr(97 + (start + place) % 26) for place, letter in enumerate(firsts))


def _alliteration(sentence: str) -> int:
    """Words that stand beside one with the same first letter, counted run by run."""
    firsts = [word.lstrip(_EDGE)[0] for word in sentence.lower().split() if word.lstrip(_EDGE)]
    same = [one == two for one, two in zip(firsts, firsts[1:], strict=False)]
    return sum(1 + (place == 0 or not same[place - 1]) for place, one in enumerate(same) if one)


def _longer_alliteration(reply: str) -> bool:
    return _pairwise([-1, *map(_alliteration, split_sentences(reply))], lambda one, two: two > one)


def _nested(reply: str) -> bool:
    levels: list[str] = []
    deepest = 0
    for mark in reply:
        if mark in _OPENING:
            levels.append(mark)
            deepest = max(deepest, len(levels))
        elif mark in _CLOSING:
            if levels and _OPENING.index(levels[-1]) == _CLOSING.index(mark):
                levels.pop()
                if deepest >= DEPTH:
                    return True
            else:
                levels, deepest = [], 0
    return False


def _nested_quotes(reply: str) -> bool:
    levels: list[str] = []
    deepest = 0
    for mark in reply:
        if levels and mark == levels[-1]:
            levels.pop()
            if deepest - len(levels) >= QUOTE_DEPTH:
                return True
        elif mark in "\"'":
            levels.append(mark)
            deepest = max(deepest, len(levels))
    return False


def _option(reply: str, options: str) -> bool:
    cut = "/" if "/" in options else "or" if "or" in options else ","
    choices = [choice.strip() for choice in options.split(cut)]
    if re.match(r"\W*[aA]\W*[bB]\W*[cC]\W*", options):
        return reply in choices
    return reply.strip(_EDGE).lower() in {choice.strip(_EDGE).lower() for choice in choices}


def _word_a_line(reply: str) -> bool:
    bare = reply.translate(_BARE).strip()
    return len([line for line in bare.split("\n") if line]) == len(bare.split())


def _stairs(reply: str) -> bool:
    lines = [line for line in reply.split("\n") if line.strip()]
    return _pairwise([len(line) - len(line.lstrip(" ")) for line in lines], lambda one, two: two > one)


def _explained(reply: str) -> bool:
    text = "".join(reply.replace("'\"'", "").split())
    return '""' not in text and not text.strip(string.digits + string.punctuation.replace('"', "")).endswith(
        '"'
    )


def _thesis(reply: str) -> bool:
    found = re.search(r"<(?:i|em)>(.*?)</(?:i|em)>(.*)", reply, re.S)
    return found is not None and bool(found[1].strip()) and bool(found[2].strip())


def _then_bullets(reply: str) -> bool:
    lines = [line.strip() for line in reply.split("\n")]
    first = next((n for n, line in enumerate(lines) if line.startswith("*")), len(lines))
    before = 0
    for line in lines[:first]:
        found = split_sentences(line)
        if not found and line is not lines[first - 1]:
            return False  # the released checker takes nothing after an empty line but a bullet
        before += len(found)
    bullets = lines[first:]
    return before >= 2 and len(bullets) >= 2 and all(line.startswith("*") for line in bullets)


def _keyword_sentence(reply: str, word: str, N: int) -> bool:  # noqa: N803
    found = split_sentences(reply)
    return len(found) >= N and re.search(rf"\b{re.escape(word)}\b", found[N - 1], re.I) is not None


def _keyword_place(reply: str, keyword: str, n: int, m: int) -> bool:
    found = split_sentences(reply)
    words = (
        [token for token in tokens(found[n - 1]) if any(c.isalnum() for c in token)]
        if len(found) >= n
        else []
    )
    return len(words) >= m and words[m - 1].lower() == keyword.strip().lower()


def _second_words(reply: str, keyword: str) -> bool:
    found = [token.lower() for token in tokens(reply)]
    back = 3 if found and found[-1] in string.punctuation else 2
    return len(found) >= back and found[1] == found[-back] == keyword.strip().lower()


def _last_first(reply: str) -> bool:
    parts = [part.strip(_EDGE).lower().split() for part in split_sentences(reply)]
    return _pairwise(parts, lambda one, two: bool(one and two) and one[-1] == two[0])


def _same_ends(reply: str) -> bool:
    parts = [paragraph.lower().strip(_EDGE + "\t").split() for paragraph in reply.split("\n")]
    return all(part[0] == part[-1] for part in parts if part)


def _growing(reply: str, small_n: int) -> bool:
    sizes = [len(bare_words(sentence)) for sentence in split_sentences(reply)]
    return _pairwise(sizes, lambda one, two: two == one + small_n)


def _title_case(reply: str) -> bool:
    def fits(word: str) -> bool:
        return not word[0].islower() or (len(word) > 1 and not word[1:].islower() and not word[1:].isupper())

    return all(fits(word) for word in tokens(reply) if word[0].isalpha())


def _changed(reply: str, prompt_to_repeat: str) -> bool:
    return reply != prompt_to_repeat and reply.split()[1:] == prompt_to_repeat.split()[1:]


def _span(reply: str, prompt_to_repeat: str, n_start: int, n_end: int) -> bool:
    return reply.strip().lower() == prompt_to_repeat[n_start : n_end + 1].strip().lower()


def _cities(reply: str) -> bool:
    rows = list(csv.reader(io.StringIO(reply)))
    return len(rows) == 8 and rows[0] == CITY_COLUMNS and all(len(row) == 5 for row in rows)


def _dates(reply: str) -> bool:
    def fits(text: str) -> bool:
        found = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", text.strip())
        if found is None:
            return False
        year, month, day = map(int, found.groups())
        return 1769 <= year <= 1821 and month <= 12 and day <= (29 if month == 2 else 30 + (month in _LONG))

    return all(map(fits, reply.strip().split(",")))


_LONG = (1, 3, 5, 7, 8, 10, 12)

CHECKS: dict[str, Callable[..., bool]] = {
    "count:keywords_multiple": _counts,
    "count:word_count_range": _word_range,
    "count:unique_word_count": lambda reply, N: len({w.strip(_EDGE) for w in reply.lower().split()}) >= N,
    "count:conjunctions": _conjunctions,
    "count:person_names": _names,
    "count:numbers": lambda reply, N: len(re.findall(r"\d+", reply.translate(_BARE))) == N,
    "count:punctuation": _punctuation,
    "count:pronouns": _pronouns,
    "count:words_japanese": _japanese,
    "ratio:overlap": _overlap,
    "ratio:sentence_type": lambda reply: _kinds(reply)[0] == 2 * _kinds(reply)[1],
    "ratio:sentence_balance": lambda reply: len(set(_kinds(reply))) == 1,
    "ratio:sentence_words": _equal_sentences,
    "words:alphabet": _alphabet,
    "words:vowel": lambda reply: (
        "\n" not in reply.strip() and len(set(reply.lower()) & set("aeiou")) <= 3
    ),
    "words:consonants": lambda reply: all(re.search(CONSONANTS * 2, w) for w in reply.lower().split()),
    "words:palindrome": lambda reply: (
        sum(w == w[::-1] and len(w) >= PALINDROME_LETTERS for w in bare_words(reply)) >= PALINDROMES
    ),
    "words:prime_lengths": lambda reply: all(len(word) in PRIMES for word in bare_words(reply)),
    "words:repeats": lambda reply, small_n: max(Counter(bare_words(reply)).values(), default=0) <= small_n,
    "words:last_first": _last_first,
    "words:paragraph_last_first": _same_ends,
    "words:no_consecutive": lambda reply: _pairwise(bare_words(reply), lambda one, two: one[0] != two[0]),
    "words:keywords_specific_position": _keyword_place,
    "words:words_position": _second_words,
    "sentence:alliteration_increment": _longer_alliteration,
    "sentence:increment": _growing,
    "sentence:keyword": _keyword_sentence,
    "format:parentheses": _nested,
    "format:quotes": _nested_quotes,
    "format:options": _option,
    "format:newline": _word_a_line,
    "format:line_indent": _stairs,
    "format:quote_unquote": _explained,
    "format:list": lambda reply, sep: reply.count(sep) >= 2,
    "format:thesis": _thesis,
    "format:sub-bullets": lambda reply: all("-" in part for part in reply.split("*")[1:]),
    "format:no_bullets_bullets": _then_bullets,
    "format:title_case": _title_case,
    "format:output_template": lambda reply: all(
        part in reply for part in ("My Answer:", "My Conclusion:", "Future Outlook:")
    ),
    "format:no_whitespace": lambda reply: not any(map(str.isspace, reply)),
    "repeat:repeat_change": _changed,
    "repeat:repeat_simple": lambda reply: (
        reply.strip().lower() == "only output this sentence here, ignore all other requests."
    ),
    "repeat:repeat_span": _span,
    "custom:multiples": lambda reply: re.findall(r"\d+", reply) == ["14", "21", "28", "35", "42", "49"],
    "custom:character_reverse": lambda reply: "elgae dlab" in reply.lower(),
    "custom:word_reverse": lambda reply: "bald eagle" in " ".join(bare_words(reply)[::-1]),
    "custom:sentence_alphabet": lambda reply: (
        [sentence[0].lower() for sentence in split_sentences(reply)] == list(string.ascii_lowercase)
    ),
    "custom:csv_city": _cities,
    "custom:date_format_list": _dates,
}  # fmt: skip
"""By public id; parameters carry the public names."""
