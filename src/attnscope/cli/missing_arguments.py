"""Arguments and options that a command cannot do without."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, get_type_hints

import typer
from typer.models import OptionInfo

_P = ParamSpec("_P")


def requiring(command: Callable[_P, None]) -> Callable[_P, None]:
    """A command that ends with code 2 and a sentence if a parameter without a default has no value.

    Typer does this too, but old versions of it together with a new click call the command with None.
    """

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        given = inspect.signature(command).bind_partial(*args, **kwargs).arguments
        for name, parameter in inspect.signature(command).parameters.items():
            if parameter.default is inspect.Parameter.empty and given.get(name) is None:
                typer.echo(f"attnscope: Missing {_called(command, name)}. Add --help to see how it is used.", err=True)
                raise typer.Exit(2)
        command(*args, **kwargs)

    return run


def _called(command: Callable[..., Any], name: str) -> str:
    hint = get_type_hints(command, include_extras=True)[name]
    is_option = any(isinstance(one, OptionInfo) for one in getattr(hint, "__metadata__", ()))
    return f"option --{name.replace('_', '-')}" if is_option else f"argument {name.upper()}"
