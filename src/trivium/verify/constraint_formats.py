"""Constraints on a reply's layout: frames, lines, separators, end marks, JSON, repetition."""

from __future__ import annotations

import json
import random
import re

from trivium.verify.constraint_kinds import END_MARKS, Context, Kind, Params, append_word, folded, split_end

SEPARATORS = (";", "|", "/", "+")
JSON_KEYS = ("words", "reply", "list", "text")
OTHER_KEY = "other"


def parts_of(text: str, count: int) -> list[str]:
    """Cut a reply into `count` parts: by lines, else commas, else sentences, else words.

    The last part takes what is left over; a reply of fewer words than parts gives fewer parts.
    """
    body, parts = text.strip().rstrip(END_MARKS), []
    for cut in (r"\n+", r"\s*[,;]\s*", r"(?<=[.!?])\s+", r"\s+"):
        parts = [part.strip() for part in re.split(cut, body) if part.strip()]
        if len(parts) >= count:
            joint = " " if cut == r"\s+" else ", "
            return [*parts[: count - 1], joint.join(parts[count - 1 :])]
    return parts


def lines_of(reply: str) -> list[str]:
    """Return the lines that are not blank."""
    return [line for line in reply.splitlines() if line.strip()]


def _bulleted(reply: str, count: int) -> bool:
    lines = lines_of(reply)
    return len(lines) == count and all(line.startswith("- ") and line[2:].strip() for line in lines)


def _make_bullets(text: str, params: Params, rng: random.Random) -> str:
    return "\n".join(f"- {part}" for part in parts_of(text, params["count"]))


def _miss_marker(text: str, params: Params, rng: random.Random) -> str:
    lines = text.splitlines()
    spot = rng.randrange(len(lines))
    lines[spot] = lines[spot].partition(" ")[2]
    return "\n".join(lines)


def _numbered(reply: str, count: int) -> bool:
    lines = lines_of(reply)
    heads = [line.partition(" ")[0] for line in lines]
    rests = [line.partition(" ")[2].strip() for line in lines]
    return heads == [f"{number}." for number in range(1, count + 1)] and all(rests)


def _make_numbers(text: str, params: Params, rng: random.Random) -> str:
    parts = parts_of(text, params["count"])
    return "\n".join(f"{number}. {part}" for number, part in enumerate(parts, 1))


def _separated(reply: str, mark: str, count: int) -> bool:
    parts = reply.split(mark)
    others = {",", "\n", *SEPARATORS} - {mark}
    return len(parts) == count and all(
        part.strip(" " + END_MARKS) and not others & set(part) for part in parts
    )


def _make_separated(text: str, params: Params, rng: random.Random) -> str:
    body, end = split_end(text)
    parts = [part.replace(",", "") for part in parts_of(body, params["count"])]
    joint = "; " if params["mark"] == ";" else f" {params['mark']} "
    return joint.join(parts) + end


def _miss_separator(text: str, params: Params, rng: random.Random) -> str:
    spots = [spot for spot, letter in enumerate(text) if letter == params["mark"]]
    spot = rng.choice(spots)
    return text[:spot].rstrip() + "," + text[spot + 1 :]


def _sample_separator(rng: random.Random, context: Context) -> Params:
    return {"mark": rng.choice(SEPARATORS), "count": context.items or rng.randint(2, 4)}


def _sample_lines(rng: random.Random, context: Context) -> Params:
    return {"count": context.items or rng.randint(2, 5)}


def _framed(reply: str, first: str, last: str) -> bool:
    text = reply.strip()
    inside = text[1:-1]
    return len(text) > 2 and text[0] == first and text[-1] == last and not {first, last} & set(inside)


def _add_comma(text: str, params: Params, rng: random.Random) -> str:
    spots = [found.start() for found in re.finditer(r"(?<=\w) (?=\w)", text)]
    if not spots:
        return append_word(text, "", ",")
    spot = rng.choice(spots)
    return text[:spot] + "," + text[spot:]


def _mark_missed(text: str, params: Params, rng: random.Random) -> str:
    other = rng.choice([mark for mark in END_MARKS if mark != params["mark"]])
    return split_end(text)[0] + other


def _json_with(reply: str, key: str) -> bool:
    try:
        value = json.loads(reply)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and list(value) == [key] and bool(value[key])


def _make_json(text: str, params: Params, rng: random.Random) -> str:
    return json.dumps({params["key"]: split_end(text)[0]}, ensure_ascii=False)


def _miss_json(text: str, params: Params, rng: random.Random) -> str:
    wrong_key = text.replace(f'"{params["key"]}"', f'"{OTHER_KEY}"', 1)
    return rng.choice([wrong_key, text.removesuffix("}")])


def _repeats(reply: str, request: str) -> bool:
    text = reply.strip()
    return text.startswith(request) and bool(text[len(request) :].strip())


def _miss_repeat(text: str, params: Params, rng: random.Random) -> str:
    first, _, rest = text.partition("\n")
    return first.rpartition(" ")[0] + "\n" + rest


def _said_twice(reply: str) -> bool:
    words = folded(reply)
    half = len(words) // 2
    return half > 0 and len(words) == 2 * half and words[:half] == words[half:]


def _half(text: str) -> str:
    return text[: len(text) // 2].strip()


def _number_in(text: str, params: Params, rng: random.Random) -> str:
    found = re.search(r"\d+", text)
    return found[0] if found else "0"


FORMAT_KINDS: dict[str, Kind] = {
    "no_commas": Kind(
        wordings=("Use no commas.", "Do not use commas.", "Write without commas."),
        check=lambda reply: bool(reply.strip()) and "," not in reply,
        satisfy=lambda text, params, rng: text.replace(",", ""),
        near_miss=_add_comma,
        rank=6,
    ),
    "number_only": Kind(
        wordings=("Reply with the number only.", "Write only the number.", "Use digits and no words."),
        check=lambda reply: re.fullmatch(r"-?\d+", reply.strip()) is not None,
        satisfy=_number_in,
        near_miss=lambda text, params, rng: rng.choice([f"There are {text}.", f"{text} words", f"{text}."]),
        rank=0,
    ),
    "quotes": Kind(
        wordings=(
            "Put your reply in double quotes.",
            "Wrap the reply in double quotes.",
            "Use quote marks around it.",
        ),
        check=lambda reply: _framed(reply, '"', '"'),
        satisfy=lambda text, params, rng: f'"{text}"',
        near_miss=lambda text, params, rng: rng.choice([text[1:], text[:-1], text[1:-1]]),
        rank=9,
    ),
    "brackets": Kind(
        wordings=("Put your reply in square brackets.", "Wrap the reply in square brackets."),
        check=lambda reply: _framed(reply, "[", "]"),
        satisfy=lambda text, params, rng: f"[{text}]",
        near_miss=lambda text, params, rng: rng.choice([text[1:], text[:-1], text[1:-1]]),
        rank=9,
    ),
    "bullets": Kind(
        wordings=("Use {count_word} bullet lines.", "Write {count_word} lines that start with a dash."),
        check=_bulleted,
        satisfy=_make_bullets,
        near_miss=_miss_marker,
        sample=_sample_lines,
        rank=5,
    ),
    "numbered": Kind(
        wordings=("Number the {count_word} lines.", "Write a numbered list of {count_word} lines."),
        check=_numbered,
        satisfy=_make_numbers,
        near_miss=_miss_marker,
        sample=_sample_lines,
        rank=5,
    ),
    "separator": Kind(
        wordings=(
            "Put {mark} between the {count_word} parts.",
            "Separate the {count_word} parts with {mark}",
        ),
        check=_separated,
        satisfy=_make_separated,
        near_miss=_miss_separator,
        sample=_sample_separator,
        rank=5,
    ),
    "end_mark": Kind(
        wordings=("End with the mark {mark}", "The last mark must be {mark}"),
        check=lambda reply, mark: reply.rstrip().endswith(mark),
        satisfy=lambda text, params, rng: split_end(text)[0] + params["mark"],
        near_miss=_mark_missed,
        sample=lambda rng, context: {"mark": rng.choice("!?")},
        rank=7,
    ),
    "json_key": Kind(
        wordings=("Reply as JSON with the key {key}.", "Write a JSON object whose key is {key}."),
        check=_json_with,
        satisfy=_make_json,
        near_miss=_miss_json,
        sample=lambda rng, context: {"key": rng.choice(JSON_KEYS)},
        rank=9,
    ),
    "repeat_request": Kind(
        wordings=(
            "First repeat the first sentence, then answer.",
            "Copy the first sentence before you answer.",
        ),
        check=_repeats,
        satisfy=lambda text, params, rng: f"{params['request']}\n{text}",
        near_miss=_miss_repeat,
        sample=lambda rng, context: {"request": context.request},
        rank=10,
    ),
    "twice": Kind(
        wordings=("Say it twice.", "Write your reply two times.", "Give the same reply twice."),
        check=_said_twice,
        satisfy=lambda text, params, rng: f"{text} {text}",
        near_miss=lambda text, params, rng: rng.choice([_half(text), f"{text} {_half(text)}"]),
        rank=4,
    ),
}
