"""The server: aiohttp on the loopback address, a token, one table from address to page.

aiohttp is in the lock already (the teacher's client), so a tested parser of requests costs nothing more than
the one in `http.server`, which its own manual calls unfit for anything that could be attacked.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import Callable
from urllib.parse import quote, urlencode

from aiohttp import web

from trivium.errors import TriviumError
from trivium.view import guard, routes
from trivium.view.query import Query
from trivium.view.render import error_page
from trivium.view.site import Site

MAX_POST_BYTES = 256 * 1024
COOKIE = "trivium-view"


def build(site: Site, token: str) -> web.Application:
    """Return the app over one run.

    Args:
        site: What the pages read.
        token: Opens the first page; afterwards a cookie carries it.
    """
    app = web.Application(client_max_size=MAX_POST_BYTES)

    async def answer(request: web.Request) -> web.StreamResponse:
        # Not a middleware: aiohttp keeps those, and what they hold, in a cache that outlives the app.
        response = await _admit(request, site, token)
        fresh = {name: value for name, value in guard.HEADERS.items() if name not in response.headers}
        response.headers.update(fresh)
        return response

    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def _admit(request: web.Request, site: Site, token: str) -> web.StreamResponse:
    reason = guard.refusal(request.method, request.headers)
    if reason is not None:
        return _page(error_page("Refused", reason), 403)
    name = cookie_name(request)
    if guard.same_token(request.query.get("token"), token) and request.method == "GET":
        return _with_cookie(request, name, token)
    if not guard.same_token(request.cookies.get(name), token):
        words = "This page needs the token: open the address that `trivium view` printed in its terminal."
        return _page(error_page("No token", words), 401)
    return await _answer(site, request)


def cookie_name(request: web.Request) -> str:
    """Cookies do not know ports, so the port is in the name: two workbenches keep apart."""
    sock = request.transport.get_extra_info("sockname") if request.transport else None
    return f"{COOKIE}-{sock[1] if sock else 0}"


def _with_cookie(request: web.Request, name: str, token: str) -> web.Response:
    """Move the token from the address to a cookie, so that it stays out of history and screenshots."""
    rest = [(key, value) for key, value in request.query.items() if key != "token"]
    place = quote("/" + request.path.lstrip("/")) + (f"?{urlencode(rest)}" if rest else "")
    return web.Response(status=303, headers={"Location": place, "Set-Cookie": guard.cookie(name, token)})


async def _answer(site: Site, request: web.Request) -> web.Response:
    path = request.path
    if path.startswith(routes.STATIC_PREFIX) and request.method != "POST":
        return _static(path.removeprefix(routes.STATIC_PREFIX))
    table = routes.ACTIONS if request.method == "POST" else routes.PAGES
    work = table.get(path) or (routes.FILES.get(path) if request.method != "POST" else None)
    if work is None:
        return _page(error_page("Not found", "There is no such page; start from the run page."), 404)
    words = await request.post() if request.method == "POST" else request.query
    query = Query([(key, value) for key, value in words.items() if isinstance(value, str)])
    try:
        text = await asyncio.to_thread(work, site, query)
        return _file(path, text) if path in routes.FILES else _page(text, 200)
    except TriviumError as error:
        return _page(error_page("That does not work", str(error), part=query.part), 400)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        words_ = "This is our bug; the terminal that runs trivium view shows what happened."
        return _page(error_page("Something broke", words_, part=query.part), 500)


def _static(name: str) -> web.Response:
    found = routes.static_file(name)
    if found is None:
        return _page(error_page("Not found", "There is no such file."), 404)
    body, kind = found
    return web.Response(
        body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "private, max-age=60"}
    )


def _file(path: str, text: str) -> web.Response:
    named = {"Content-Disposition": f'attachment; filename="{path.removeprefix("/")}"'}
    return web.Response(
        body=text.encode(errors="replace"),
        content_type="application/x-ndjson",
        charset="utf-8",
        headers=named,
    )


def _page(html: str, status: int) -> web.Response:
    return web.Response(text=html, content_type="text/html", charset="utf-8", status=status)


async def serve(site: Site, token: str, port: int, ready: Callable[[str], None]) -> None:
    """Listen on the loopback address until cancelled.

    Args:
        site: What the pages read.
        token: See `build`.
        port: 0 takes any free one.
        ready: Called with the address to open, token included.

    Raises:
        OSError: The port is taken.
    """
    runner = web.AppRunner(build(site, token), access_log=None)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, guard.ADDRESS, port)
        await listener.start()
        taken = runner.addresses[0][1]
        ready(f"http://{guard.ADDRESS}:{taken}/?token={token}")
        await asyncio.Event().wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await runner.cleanup()
