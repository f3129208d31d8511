"""Personal data and secrets: each kind with its nearest miss, masks, and no text that takes long."""

import time

import pytest

from trivium.curate.edits import applied
from trivium.curate.pii import Span, entropy, find_pii, find_secrets


def mask(text: str, spans: list[Span]) -> str:
    return applied(text, [(span.start, span.end, f"<{span.kind}>") for span in spans])


def kinds(text: str, **kwargs) -> list[str]:
    return [span.kind for span in find_pii(text, **kwargs)]


@pytest.mark.parametrize(
    ("kind", "hit", "miss"),
    [
        ("email", "write to ann.lee+x@mail.example.org.", "the @ sign, a@b, user@localhost"),
        (
            "ip",
            "from 36.160.14.148 today",
            "version 36.160.14.148.2 or 300.1.2.3 or 127.0.0.1 or 255.255.0.0",
        ),
        ("ip", "via 2a00:1450:4001:81b::200e", "at 12:30:45 or std::vector or :: or 2001:db8::8a2e:370:7334"),
        ("phone", "+1-903-140-4508x769", "+1"),
        ("phone", "call 5551234567", "order 5551234567"),
        ("phone", "0494 92 82 32", "pages 12-13, 1998-2004, 3.14159, 2007-01-17, 6/24/1991"),
        ("phone", "(37) 788-063 22", "f(37) = 788"),
        ("phone", "10.23 47 23 30", "doi 10.2307/2347330, 0.5772156649, 2003-2010"),
        ("credit_card", "4569-1352-7463-3667 paid", "4569135274633663 paid"),
        ("iban", "GB82 WEST 1234 5698 7654 32", "GB82 is a code"),
        ("ssn", "ssn 846-15-5715", "666-15-5715 and 846-00-5715"),
    ],
)
def test_each_kind_and_its_nearest_miss(kind, hit, miss):
    assert kinds(hit) == [kind]
    assert kinds(miss) == []


def test_names_need_a_list_or_a_title():
    text = "Then Maria Keller Smith met Dr. House in Rome."
    assert kinds(text) == []
    found = find_pii(text, frozenset({"Maria"}))
    assert [text[s.start : s.end] for s in found] == ["Maria Keller Smith", "House"]


@pytest.mark.parametrize(
    ("kind", "hit", "miss"),
    [
        (
            "private_key",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "BEGIN RSA KEY",
        ),
        ("aws_key", "id = AKIAIOSFODNN7EXAMPLE", "id = AKIAIOSFODNN7"),
        ("github_token", "ghp_" + "a1B2" * 9, "ghp_short"),
        ("google_key", "AIza" + "Sy4-_" * 7, "AIzaShort"),
        ("url_password", "postgres://user:pa55word@host/db", "https://host/path@2"),
        ("password", "password = 'k3#Vz9!qLm'", "password = 'aaaaaaaaaa'"),
        ("password", "auth = 'x7-invalid-mailbox'", "auth = 'invalid-mailbox'"),
        ("password", 'api_key: "9f8e7d6c5b4a3210"', 'api_key: "${SECRET_FROM_ENV}"'),
    ],
)
def test_secrets_in_code(kind, hit, miss):
    assert [span.kind for span in find_secrets(hit)] == [kind]
    assert find_secrets(miss) == []


def test_a_mask_leaves_the_rest():
    text = "Mail ann@example.org or bob@example.org now."
    assert mask(text, find_pii(text)) == "Mail <email> or <email> now."
    assert mask("abc", []) == "abc"
    secret = "token = 'q8Zr71LmX0pT'"
    assert mask(secret, find_secrets(secret)) == "token = '<password>'"
    assert find_pii("") == [] and entropy("aabb") == 1.0
    assert find_pii("x a@b.co")[0] == Span(2, 8, "email")


@pytest.mark.parametrize(
    "sign", ["1", "a", "1 ", "a@", "1.", "A", "-----BEGIN PRIVATE KEY-----", "a:", "(1)", "x="]
)
def test_no_text_takes_long(sign):
    text = sign * (120_000 // len(sign))
    started = time.process_time()
    find_pii(text, frozenset({"Maria"}))
    find_secrets(text)
    assert time.process_time() - started < 10
