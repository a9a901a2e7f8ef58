"""`attnscope serve` and `attnscope demo`: a session on a local web server."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Never

import typer

from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.server.address import Listener
    from attnscope.session import Session

Model = Annotated[
    str,
    typer.Argument(
        help="Hub id, local folder, .gguf file, a packaged model (smollm2, minilm, rxnmapper), or a saved trace or workspace (a "
        ".trace or .workspace file)."
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
Open = Annotated[
    Path | None,
    typer.Option("--open", help="Saved trace or workspace to start with (a .trace or .workspace file)."),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        help="Another host name[:port] that browsers may use to reach the server, such as through a tunnel. Can be repeated."
    ),
]


def serve(
    model: Model,
    file: Open = None,
    host: Host = "127.0.0.1",
    port: Port = None,
    browser: Browser = True,  # noqa: FBT002 - typer makes two flags of it
    token: Token = None,
    allow_host: AllowHost = None,
) -> None:
    """Open the app on a model, or on a saved trace or workspace (without its model; to go on with the model, pass --open)."""
    listener = _listen(host, port, token, allow_host)
    from attnscope.cli.examples import EXAMPLES
    from attnscope.cli.saved_session import required_file, saved_session
    from attnscope.cli.sources import model_entry, saved_file
    from attnscope.offline import page
    from attnscope.session import Session
    from attnscope.trace.tensor_file import kind_of

    saved = saved_file(model)
    if saved is not None:
        if file is not None:
            raise InputError(
                f"{model!r} is a saved {kind_of(model)}. Pass a model to continue {str(file)!r:.200} with."
            )
        _serve(saved_session(saved), listener, f"the {kind_of(model)} {model}", open_browser=browser)
    opened = None if file is None else required_file(file)
    entry = model_entry(model)
    if opened is not None:
        _serve(saved_session(opened, entry), listener, f"{entry.title} with {file}", open_browser=browser)
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
