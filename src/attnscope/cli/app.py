"""The Typer app with all commands.

Commands import torch and the models only when they run, so that `--help` stays fast.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from attnscope.cli.check import check
from attnscope.cli.export import export
from attnscope.cli.figure import figure
from attnscope.cli.generate import generate
from attnscope.cli.heads import heads
from attnscope.cli.missing_arguments import requiring
from attnscope.cli.models import app as models_app
from attnscope.cli.patch import patch
from attnscope.cli.serving import demo, serve
from attnscope.cli.study import study
from attnscope.cli.trace import trace

app = typer.Typer(
    name="attnscope",
    help="An attention microscope for every Transformer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(requiring(demo))
app.command()(requiring(serve))
app.command()(requiring(check))
app.command()(requiring(trace))
app.command()(requiring(generate))
app.command()(requiring(export))
app.command()(requiring(figure))
app.command()(requiring(heads))
app.command()(requiring(patch))
app.command()(requiring(study))
app.add_typer(models_app, name="models")


def _show_version(show: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if show:
        typer.echo(f"attnscope {version('attnscope')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """An attention microscope for every Transformer."""
