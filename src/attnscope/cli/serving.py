"""`attnscope serve` and `attnscope demo`: a session on a local web server."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING, Annotated, Never

import typer

if TYPE_CHECKING:
    from attnscope.server.address import Listener
    from attnscope.session import Session

Model = Annotated[
    str,
    typer.Argument(
        help="Hub id, local folder, .gguf file, a packaged model (smollm2, minilm, rxnmapper), or a saved trace (a .trace file)."
    ),
]
Host = Annotated[
    str, typer.Option(help="Address to listen on. An address that other machines can reach needs --token.")
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port to listen on; 0 for any free port. Default: 8760, or the next free port."
    ),
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")]
Token = Annotated[str | None, typer.Option(help="Access token in the page's address. Default: a new random token.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        help="Another host name[:port] that browsers may use to reach the server, such as through a tunnel. Can be repeated."
    ),
]


def serve(
    model: Model,
    host: Host = "127.0.0.1",
    port: Port = None,
    browser: Browser = True,  # noqa: FBT002 - typer makes two flags of it
    token: Token = None,
    allow_host: AllowHost = None,
) -> None:
    """Open the app on a model, or on a saved trace (without its model)."""
    listener = _listen(host, port, token, allow_host)
    from attnscope.cli.examples import EXAMPLES
    from attnscope.cli.sources import model_entry, saved_trace
    from attnscope.offline import page
    from attnscope.session import Session

    stored = saved_trace(model)
    if stored is not None:
        _serve(Session(traces=[stored], exporter=page), listener, f"the trace {model}", open_browser=browser)
    entry = model_entry(model)
    _serve(Session([entry], examples=EXAMPLES, exporter=page), listener, entry.title, open_browser=browser)


def demo(
    host: Host = "127.0.0.1",
    port: Port = None,
    browser: Browser = True,  # noqa: FBT002 - typer makes two flags of it
    token: Token = None,
    allow_host: AllowHost = None,
) -> None:
    """Open the app on the packaged models SmolLM2 and MiniLM, with the paper's examples."""
    listener = _listen(host, port, token, allow_host)
    from attnscope.cli.examples import EXAMPLES
    from attnscope.cli.sources import model_entry
    from attnscope.offline import page
    from attnscope.session import Session

    entries = [model_entry(name) for name in ("smollm2", "minilm")]
    titles = " and ".join(entry.title for entry in entries)
    _serve(Session(entries, examples=EXAMPLES, exporter=page), listener, titles, open_browser=browser)


def _listen(host: str, port: int | None, token: str | None, allow_host: list[str] | None) -> Listener:
    """Open the socket first, so that a wrong address is reported before a model is loaded."""
    from attnscope.server.address import DEFAULT_PORT, listen

    listener = listen(host, port, token, tuple(allow_host or ()))
    if listener.moved:
        typer.echo(f"Port {DEFAULT_PORT} is in use; using port {listener.access.port}.")
    return listener


def _serve(session: Session, listener: Listener, what: str, *, open_browser: bool) -> Never:
    from attnscope.server.serve import LocalServer

    def announce() -> None:
        typer.echo(f"Serving {what}. Press Ctrl-C to stop.")
        typer.echo(listener.url)
        sys.stdout.flush()
        session.start_loading()
        if open_browser and _has_display():
            threading.Thread(target=webbrowser.open, args=(listener.url,), daemon=True).start()

    LocalServer(session, listener, on_listening=announce).run()
    _leave()


def _leave() -> Never:
    """Exit the process at once, with code 0.

    A normal interpreter exit would free the models while a forward pass that has not stopped yet still runs native code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _has_display() -> bool:
    """Whether a browser would open in a window. A terminal browser would take over the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER"))
