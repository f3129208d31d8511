"""Who may ask: this machine, with the token, from our own pages. Pure functions over headers.

A page of a stranger that is open in the same browser can send requests here. It knows no token, our cookie is
SameSite=Strict, a name that it points at this machine is refused by the Host header, and a form or script of
its own by the Origin and Sec-Fetch-Site headers.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

ADDRESS = "127.0.0.1"
"""The only address that is listened on."""
NAMES = ("127.0.0.1", "localhost", "::1")
"""Names by which a browser may call us; the port may differ (ssh -L)."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
"""On every answer: nothing inline, nothing from elsewhere, no frame around it, nothing kept by caches."""


def make_token() -> str:
    """Return a new token: 256 random bits as text that fits an address."""
    return secrets.token_urlsafe(32)


def same_token(given: str | None, token: str) -> bool:
    """Compare in constant time."""
    return given is not None and hmac.compare_digest(given.encode(), token.encode())


def refusal(method: str, headers: Mapping[str, str]) -> str | None:
    """Say why a request must not be answered, whatever token it brings; None when it may be.

    Args:
        method: GET, HEAD or POST.
        headers: Request headers, looked up by their usual spelling.
    """
    host = headers.get("Host", "")
    if host_name(host) not in NAMES:
        return f"Host: got {host!r}; expected this machine under 127.0.0.1 or localhost."
    origin = headers.get("Origin")
    if origin is not None and origin != f"http://{host}":
        return f"Origin: got {origin!r}; expected http://{host}."
    if method not in ("GET", "HEAD", "POST"):
        return f"method: got {method}; expected GET or POST."
    if method == "POST" and origin is None:
        return "Origin: got none; expected one with every POST."
    followed = headers.get("Sec-Fetch-Mode") == "navigate" and method == "GET"
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not followed:
        return "Sec-Fetch-Site: got a request of another site; expected one of our own pages."
    return None


def host_name(host: str) -> str:
    """Return the name of a Host header without port and brackets; empty for what is not a host."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return ""
    return parts.hostname or ""


def cookie(name: str, token: str) -> str:
    """Return the Set-Cookie value that carries the token from now on."""
    return f"{name}={token}; Path=/; HttpOnly; SameSite=Strict"
