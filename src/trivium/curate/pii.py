"""Personal data and secrets: spans found by pattern and proven by checksum where there is one, then masked.

Every pattern is bounded, so the time grows with the length of a text and no faster. Names of people are
optional: they need a list of given names (a title such as `Dr.` does as well). A mask names the kind only.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A range of characters and what it is."""

    start: int
    end: int
    kind: str


EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
PHONE = re.compile(
    r"(?<![\w.,/$\u20ac\u00a3#=+-])(?:\+|00)?\(?\d{1,4}\)?(?:[ .\-/]?\(?\d{1,5}\)?){1,6}"
    r"(?: ?(?:x|ext\.?) ?\d{1,5})?(?![\w/]|[.,:-]\d)"
)
PHONE_WORDS = re.compile(r"(?:phone|call|tel|mobile|cell|fax|contact|number|reach|dial|whatsapp)\b", re.I)
DATE = re.compile(r"(?:\d{1,2}([./-])\d{1,2}\1(?:19|20)?\d\d|(?:19|20)\d\d([./-])\d{1,2}\2\d{1,2})(?!\d)")
CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){11,18}(?![\w-]|\.\d)")
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
NO_PHONE = re.compile(r"(?:1[5-9]|20)\d\d-(?:1[5-9]|20)\d\d|\d\.\d+|10\.\d{4,5}/.*")
"""Ranges of years, decimal numbers, DOIs."""
PHONE_DIGITS = (7, 15)
"""ITU-T E.164: at most 15; local numbers have 7 or more."""
CONTEXT = 40
"""Characters before a bare row of digits in which a word such as `call` makes it a phone number."""

SECRETS: dict[str, re.Pattern[str]] = {
    "private_key": re.compile(
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{0,8192}?-----END [A-Z ]{0,30}KEY-----"
    ),
    "aws_key": re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    "github_token": re.compile(r"(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})(?!\w)"),
    "slack_token": re.compile(r"(?<!\w)xox[abprs]-[A-Za-z0-9-]{10,255}"),
    "google_key": re.compile(r"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
    "api_key": re.compile(r"(?<![\w-])sk-[A-Za-z0-9_-]{20,255}"),
    "jwt": re.compile(r"(?<!\w)eyJ[\w-]{8,2048}\.eyJ[\w-]{8,4096}\.[\w-]{8,1024}"),
    "url_password": re.compile(r"(?<=://)[^\s:/@]{1,64}:[^\s:/@]{3,128}(?=@)"),
}
ASSIGNED = re.compile(
    r"(?i)(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|auth)[\w-]{0,30}[\"']?\s{0,8}[:=]\s{0,8}"
    r"[\"']([^\"'\s]{8,256})[\"']"
)
WORDS = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+)+")
"""Assigned names such as `proxy-authorization` are no secrets."""
MIN_ENTROPY = 3.0
"""Bits a character from which an assigned value is a secret; words and placeholders lie below."""
CAPITALISED = re.compile(r"(?<!\w)[A-Z][a-z\u00df-\u024f']{1,20}")
TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? $")
NAME = re.compile(
    r"(?<!\w)[A-Z][a-z\u00df-\u024f']{1,20}(?: [A-Z]\.?(?= [A-Z]))?(?: [A-Z][a-z\u00df-\u024f'-]{1,24}){0,2}"
)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def _is_card(text: str, _: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 12 <= len(digits) <= 19 and len(set(digits)) > 2 and _luhn(digits)


def _is_iban(text: str, _: str) -> bool:
    """ISO 13616: moved and spelled in numbers, the remainder by 97 is 1; unproven ones need their length."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    number = "".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])
    return int(number) % 97 == 1 or (sum(map(str.isdigit, plain)) >= 12 and plain[2:4] != "00")


def _is_ip(text: str, _: str) -> bool:
    """An address that the IANA registries give to no host (private, of documentation, a mask) is nobody's."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.is_global and text.count(":") != len(text)


def _is_phone(text: str, before: str) -> bool:
    digits = re.sub(r"\D", "", re.sub(r"(?:x|ext).*", "", text))
    if not PHONE_DIGITS[0] <= len(digits) <= PHONE_DIGITS[1] or DATE.match(text) or SSN.fullmatch(text):
        return False
    if NO_PHONE.fullmatch(text):
        return False
    groups = re.findall(r"\d+", text)
    if text.startswith("+") or PHONE_WORDS.search(before):
        return len(set(digits)) > 1
    return len(groups) >= 3 and all(2 <= len(group) for group in groups[1:])


def _is_ssn(text: str, _: str) -> bool:
    return text[:3] not in ("000", "666") and text[4:6] != "00" and text[7:] != "0000"


def _always(_: str, __: str) -> bool:
    return True


Check = Callable[[str, str], bool]
KINDS: dict[str, tuple[re.Pattern[str], Check]] = {
    "email": (EMAIL, _always),
    "iban": (IBAN, _is_iban),
    "credit_card": (CARD, _is_card),
    "ip": (IP4, _is_ip),
    "ip6": (IP6, _is_ip),
    "ssn": (SSN, _is_ssn),
    "phone": (PHONE, _is_phone),
}
"""Kind -> pattern and proof, which also sees what stands before; the first to claim a range has it."""


def find_pii(text: str, names: frozenset[str] = frozenset()) -> list[Span]:
    """Return the spans of personal data, in order, not overlapping.

    Args:
        text: Any text.
        names: Given names; with them, a capitalised name that begins with one is found as `name`.
    """
    taken: list[Span] = []
    for kind, (pattern, check) in KINDS.items():
        for match in pattern.finditer(text):
            before = text[max(0, match.start() - CONTEXT) : match.start()]
            if check(match.group(), before):
                _claim(taken, Span(match.start(), match.end(), "ip" if kind == "ip6" else kind))
    if names:
        for word in CAPITALISED.finditer(text):
            full = NAME.match(text, word.start())
            titled = TITLE.search(text[max(0, word.start() - 6) : word.start()])
            if full and (titled or word.group() in names):
                _claim(taken, Span(full.start(), full.end(), "name"))
    return sorted(taken, key=lambda span: span.start)


def _claim(taken: list[Span], span: Span) -> None:
    if all(span.end <= other.start or span.start >= other.end for other in taken):
        taken.append(span)


def find_secrets(text: str) -> list[Span]:
    """Return the spans of keys, tokens and assigned passwords, in order, not overlapping."""
    taken: list[Span] = []
    for kind, pattern in SECRETS.items():
        for match in pattern.finditer(text):
            _claim(taken, Span(match.start(), match.end(), kind))
    for match in ASSIGNED.finditer(text):
        value = match.group(1)
        if value.startswith(("<", "$", "{", "%")) or WORDS.fullmatch(value):
            continue
        if entropy(value) >= MIN_ENTROPY:
            _claim(taken, Span(match.start(1), match.end(1), "password"))
    return sorted(taken, key=lambda span: span.start)


def entropy(text: str) -> float:
    """Return the bits a character of a text by its own characters' frequencies."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
