"""The 25 instructions of IFEval as kinds: asked for, obeyed and just missed; checked by `ifeval`."""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Callable

from trivium.verify import ifeval
from trivium.verify.constraint_kinds import FILLERS, Context, Kind, Params, append_word, remove_word

Rewrite = Callable[[str, Params, random.Random], str]

LANGUAGES = {
    "es": ("Spanish", "La lluvia cae sobre la casa y los ni\u00f1os miran por la ventana."),
    "fr": ("French", "La pluie tombe sur la maison et les enfants regardent par la fen\u00eatre."),
    "de": ("German", "Der Regen f\u00e4llt auf das Haus und die Kinder sehen aus dem Fenster."),
    "pt": ("Portuguese", "A chuva cai sobre a casa e as crian\u00e7as olham pela janela."),
    "it": ("Italian", "La pioggia cade sulla casa e i bambini guardano dalla finestra."),
}
"""Code to name and one sentence of it, which is all that a rule can write in a language."""

PLAIN_SENTENCE = "The rain falls on the house and the children look out of the window."


def _pad(text: str, count: int, unit: str) -> str:
    return text.rstrip() + f" {unit}" * max(count, 0)


def _words_to(text: str, params: Params, count: int) -> str:
    """Cut or lengthen a text to a number of words."""
    spots = list(re.finditer(r"\w+", text))
    if len(spots) > count:
        return text[: spots[count - 1].end()] + "." if count else "..."
    return _pad(text, count - len(spots), FILLERS[0])


def _sentences_to(text: str, count: int) -> str:
    while ifeval.sentences(text) > count and len(parts := re.split(r"(?<=[.!?])\s+", text.strip())) > 1:
        text = " ".join(parts[:-1])
    missing = count - ifeval.sentences(text)
    return _pad(
        text if text.rstrip().endswith((".", "!", "?")) or missing < 1 else f"{text}.",
        missing,
        PLAIN_SENTENCE,
    )


def _limit(params: Params, name: str, obey: bool) -> int:
    """The count that just obeys a relation, or just breaks it."""
    at_least = next(value for key, value in params.items() if key.endswith("relation")) == ifeval.AT_LEAST
    limit = int(params[name])
    return limit if at_least == obey else limit - 1


def _bound(name: str, reach: Callable[[str, Params, int], str], obey: bool) -> Rewrite:
    def rewrite(text: str, params: Params, rng: random.Random) -> str:
        return reach(text, params, _limit(params, name, obey))

    return rewrite


def _occurrences_to(text: str, params: Params, count: int) -> str:
    found = len(re.findall(params["keyword"], text, re.IGNORECASE))
    if found > count:
        text, found = re.sub(params["keyword"], "", text, flags=re.IGNORECASE), 0
    return _pad(text, count - found, params["keyword"])


def _letters_to(text: str, params: Params, count: int) -> str:
    letter, have = params["letter"], text.lower().count(params["letter"])
    if have > count:
        text, have = re.sub(letter, "", text, flags=re.IGNORECASE), 0
    return text.rstrip() + (" " + letter * (count - have) if count > have else "")


def _capitals_to(text: str, params: Params, count: int) -> str:
    have = ifeval.capital_words(text)
    if have > count:
        text, have = text.lower(), 0
    return _pad(text, count - have, "YES")


def _paragraphs_to(text: str, count: int, joint: str) -> str:
    parts = [
        re.sub(r"\*{3,}|\n{2,}", " ", part)
        for part in re.split(r"(?<=[.!?])\s+|\n+", text.strip())
        if part.strip()
    ]
    parts = parts + [PLAIN_SENTENCE] * (count - len(parts))
    return joint.join([*parts[: count - 1], " ".join(parts[count - 1 :])])


def _nth_word(text: str, params: Params, rng: random.Random) -> str:
    parts = _paragraphs_to(text, params["num_paragraphs"], "\n\n").split("\n\n")
    nth = params["nth_paragraph"] - 1
    parts[nth] = f"{params['first_word'].capitalize()} {parts[nth]}"
    return "\n\n".join(parts)


def _bulleted(text: str, count: int) -> str:
    flat = re.sub(r"^\s*[-*]+\s*", "", text, flags=re.MULTILINE)
    parts = _paragraphs_to(flat, count, "\n").split("\n")
    return "\n".join(f"* {part}" for part in parts[:count])


def _title(text: str, params: Params, rng: random.Random) -> str:
    return f"<<On the matter>>\n{text}"


def _in_language(text: str, params: Params, rng: random.Random) -> str:
    """Two sentences of the language; a language of which no sentence is known leaves the text as it is."""
    known = LANGUAGES.get(params["language"])
    return f"{known[1]} {known[1]}" if known else text


def _drop_line_of(pattern: str) -> Rewrite:
    return lambda text, params, rng: re.sub(pattern, "", text, count=1, flags=re.MULTILINE).strip()


def _keywords(rng: random.Random, context: Context) -> Params:
    return {"keywords": rng.sample(context.words, min(2, len(context.words)))}


def _relation(
    name: str, low: int, high: int, key: str = "relation"
) -> Callable[[random.Random, Context], Params]:
    def sample(rng: random.Random, context: Context) -> Params:
        return {name: rng.randint(low, high), key: rng.choice((ifeval.FEWER, ifeval.AT_LEAST))}

    return sample


def _fixed(**spans: tuple[int, int]) -> Callable[[random.Random, Context], Params]:
    return lambda rng, context: {name: rng.randint(*span) for name, span in spans.items()}


def _occurrence_params(rng: random.Random, context: Context) -> Params:
    return {"keyword": rng.choice(context.words), **_relation("frequency", 2, 4)(rng, context)}


def _letter_params(rng: random.Random, context: Context) -> Params:
    return {"letter": rng.choice("qxzjk"), **_relation("let_frequency", 2, 6, "let_relation")(rng, context)}


def _nth_params(rng: random.Random, context: Context) -> Params:
    count = rng.randint(2, 4)
    return {
        "num_paragraphs": count,
        "nth_paragraph": rng.randint(1, count),
        "first_word": rng.choice(context.words),
    }


def _with_keywords(text: str, params: Params, rng: random.Random) -> str:
    return functools.reduce(append_word, (w for w in params["keywords"] if w not in text.lower()), text)


def _without(words: list[str], text: str) -> str:
    return functools.reduce(remove_word, words, text)


def _kind(name: str, rank: int, wording: str, satisfy: Rewrite, near_miss: Rewrite, **more: object) -> Kind:
    check = functools.partial(_check, name)
    return Kind(wordings=(wording,), check=check, satisfy=satisfy, near_miss=near_miss, rank=rank, **more)  # type: ignore[arg-type]


def _check(name: str, reply: str, **params: object) -> bool:
    return ifeval.check(name, reply, **params)


_NO = "Do not use {forbidden_words} as words."

PUBLIC_KINDS: dict[str, Kind] = {
    "keywords:existence": _kind(
        "keywords:existence", 1,
        "Include the keywords {keywords}.", _with_keywords,
        lambda text, params, rng: re.sub(rng.choice(params["keywords"]), "", text, flags=re.IGNORECASE),
        sample=_keywords,
    ),
    "keywords:frequency": _kind(
        "keywords:frequency", 2,
        "The word {keyword} should appear {relation} {frequency} times.",
        _bound("frequency", _occurrences_to, True), _bound("frequency", _occurrences_to, False),
        sample=_occurrence_params,
    ),
    "keywords:forbidden_words": _kind(
        "keywords:forbidden_words", 0, _NO,
        lambda text, params, rng: _without(params["forbidden_words"], text),
        lambda text, params, rng: append_word(text, rng.choice(params["forbidden_words"])),
        sample=lambda rng, context: {"forbidden_words": _keywords(rng, context)["keywords"]},
    ),
    "keywords:letter_frequency": _kind(
        "keywords:letter_frequency", 3,
        "The letter {letter} should appear {let_relation} {let_frequency} times.",
        _bound("let_frequency", _letters_to, True), _bound("let_frequency", _letters_to, False),
        sample=_letter_params,
    ),
    "language:response_language": _kind(
        "language:response_language", 0,
        "Answer in the language with the code {language} and in no other.",
        _in_language,
        lambda text, params, rng: f"{PLAIN_SENTENCE} {PLAIN_SENTENCE} {PLAIN_SENTENCE}",
        sample=lambda rng, context: {"language": rng.choice(sorted(LANGUAGES))},
    ),
    "length_constraints:number_sentences": _kind(
        "length_constraints:number_sentences", 2,
        "Write {relation} {num_sentences} sentences.",
        _bound("num_sentences", lambda text, params, count: _sentences_to(text, count), True),
        _bound("num_sentences", lambda text, params, count: _sentences_to(text, count), False),
        sample=_relation("num_sentences", 2, 6),
    ),
    "length_constraints:number_paragraphs": _kind(
        "length_constraints:number_paragraphs", 5,
        "Write {num_paragraphs} paragraphs, with *** between them.",
        lambda text, params, rng: _paragraphs_to(text, params["num_paragraphs"], "\n***\n"),
        lambda text, params, rng: text + "\n***\n" + PLAIN_SENTENCE, sample=_fixed(num_paragraphs=(2, 4)),
    ),
    "length_constraints:number_words": _kind(
        "length_constraints:number_words", 2,
        "Write {relation} {num_words} words.",
        _bound("num_words", _words_to, True), _bound("num_words", _words_to, False),
        sample=_relation("num_words", 15, 60),
    ),
    "length_constraints:nth_paragraph_first_word": _kind(
        "length_constraints:nth_paragraph_first_word", 5,
        "Write {num_paragraphs} paragraphs with empty lines between them; paragraph {nth_paragraph} starts "
        "with the word {first_word}.",
        _nth_word, lambda text, params, rng: f"{text}\n\n{PLAIN_SENTENCE}", sample=_nth_params,
    ),
    "detectable_content:number_placeholders": _kind(
        "detectable_content:number_placeholders", 4,
        "Leave at least {num_placeholders} places to fill in, in square brackets such as [name].",
        lambda text, params, rng: _pad(text, params["num_placeholders"], "[name]"),
        _drop_line_of(r" ?\[name\]"), sample=_fixed(num_placeholders=(1, 4)),
    ),
    "detectable_content:postscript": _kind(
        "detectable_content:postscript", 7,
        "Add a postscript that starts with {postscript_marker}",
        lambda text, params, rng: f"{text}\n{params['postscript_marker']} Write soon",
        _drop_line_of(r"^P\.(S\.|P\.S) Write soon$"),
        sample=lambda rng, context: {"postscript_marker": rng.choice(("P.S.", "P.P.S"))},
    ),
    "detectable_format:number_bullet_lists": _kind(
        "detectable_format:number_bullet_lists", 5,
        "Write exactly {num_bullets} bullet points that start with *.",
        lambda text, params, rng: _bulleted(text, params["num_bullets"]),
        lambda text, params, rng: f"{text}\n* {PLAIN_SENTENCE}", sample=_fixed(num_bullets=(2, 5)),
    ),
    "detectable_format:constrained_response": _kind(
        "detectable_format:constrained_response", 1,
        "Answer with one of: My answer is yes. My answer is no. My answer is maybe.",
        lambda text, params, rng: f"My answer is {rng.choice(('yes', 'no', 'maybe'))}. {text}",
        lambda text, params, rng: re.sub("My answer is (yes|no|maybe)[.]", r"My answer: \1.", text),
    ),
    "detectable_format:number_highlighted_sections": _kind(
        "detectable_format:number_highlighted_sections", 4,
        "Highlight at least {num_highlights} passages like *this passage*.",
        lambda text, params, rng: _pad(text, params["num_highlights"], "*so*"),
        lambda text, params, rng: text.replace("*", "", 1), sample=_fixed(num_highlights=(1, 4)),
    ),
    "detectable_format:multiple_sections": _kind(
        "detectable_format:multiple_sections", 6,
        "Write {num_sections} sections; each begins with {section_spliter} X, such as {section_spliter} 1.",
        lambda text, params, rng: "\n".join(
            f"{params['section_spliter']} {number}\n{part}"
            for number, part in enumerate(_paragraphs_to(text, params["num_sections"], "\0").split("\0"), 1)
        ),
        _drop_line_of(r"^(Section|SECTION|Day) 1$"),
        sample=lambda rng, context: {
            "section_spliter": rng.choice(("Section", "SECTION", "Day")), "num_sections": rng.randint(2, 4)
        },
    ),
    "detectable_format:json_format": _kind(
        "detectable_format:json_format", 9,
        "Put the whole reply in JSON.",
        lambda text, params, rng: json.dumps({"reply": text}, ensure_ascii=False),
        lambda text, params, rng: text.rstrip().removesuffix("}"),
    ),
    "detectable_format:title": _kind(
        "detectable_format:title", 7,
        "Give the reply a title in double angular brackets, such as <<a title>>.",
        _title, lambda text, params, rng: text.replace("<<", "<"),
    ),
    "combination:two_responses": _kind(
        "combination:two_responses", 8,
        "Give two different replies with six asterisks between them: ******.",
        lambda text, params, rng: f"{text}\n******\n{text} {PLAIN_SENTENCE}",
        lambda text, params, rng: text.replace("******", "****"),
    ),
    "combination:repeat_prompt": _kind(
        "combination:repeat_prompt", 10,
        "First repeat the request word for word, then answer.",
        lambda text, params, rng: f"{params['prompt_to_repeat']}\n{text}",
        lambda text, params, rng: text[1:],
        sample=lambda rng, context: {"prompt_to_repeat": context.request},
    ),
    "startend:end_checker": _kind(
        "startend:end_checker", 8,
        "End with exactly this phrase and nothing after it: {end_phrase}",
        lambda text, params, rng: f"{text.rstrip()} {params['end_phrase']}",
        lambda text, params, rng: f"{text} Bye",
        sample=lambda rng, context: {"end_phrase": rng.choice(("Any other questions?",
        "That is all there is."))},
    ),
    "change_case:capital_word_frequency": _kind(
        "change_case:capital_word_frequency", 6,
        "Words in capital letters should appear {capital_relation} {capital_frequency} times.",
        _bound("capital_frequency", _capitals_to, True), _bound("capital_frequency", _capitals_to, False),
        sample=_relation("capital_frequency", 2, 6, "capital_relation"),
    ),
    "change_case:english_capital": _kind(
        "change_case:english_capital", 11,
        "Write in English and in capital letters only.",
        lambda text, params, rng: text.upper(), lambda text, params, rng: f"{text} ok",
    ),
    "change_case:english_lowercase": _kind(
        "change_case:english_lowercase", 11,
        "Write in English and in small letters only.",
        lambda text, params, rng: text.lower(), lambda text, params, rng: f"{text} OK",
    ),
    "punctuation:no_comma": _kind(
        "punctuation:no_comma", 9,
        "Use no commas at all.",
        lambda text, params, rng: text.replace(",", ""), lambda text, params, rng: append_word(text, "too"),
    ),
    "startend:quotation": _kind(
        "startend:quotation", 12,
        "Wrap the whole reply in double quotation marks.",
        lambda text, params, rng: f'"{text.strip()}"', lambda text, params, rng: text.strip()[1:],
    ),
}  # fmt: skip
"""By the public id."""
