"""view: the workbench over a run, on this machine only, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno

from trivium.cli.console import say
from trivium.cli.verbs import ViewVerb
from trivium.errors import ConfigError


def view(command: ViewVerb) -> int:
    """Serve the pages and print the address to open."""
    import asyncio

    from trivium.view.guard import make_token
    from trivium.view.server import serve
    from trivium.view.site import Site

    if not 0 <= command.port <= 65535:
        raise ConfigError(f"--port: got {command.port}; expected 0 (any free one) to 65535.")
    site = Site.open(command.run, command.beside)

    def ready(address: str) -> None:
        say(f"open    {address}")
        say("        (this machine only; the token in the address lets you in; Ctrl-C ends)")
        if command.open:
            import webbrowser

            webbrowser.open(address)

    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(site, make_token(), command.port, ready))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ConfigError(
            f"--port: got {command.port}, which another program uses; expected a free one, or leave it out."
        ) from None
    finally:
        site.close()
    return 0
