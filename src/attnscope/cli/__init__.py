"""The `attnscope` command."""

from __future__ import annotations

import sys

from attnscope.cli.app import app
from attnscope.errors import AttnscopeError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line.

    An attnscope error prints its message to stderr and exits with code 1; wrong usage exits with code 2.
    """
    try:
        app()
    except AttnscopeError as error:
        sys.stderr.write(f"attnscope: {error}\n")
        sys.exit(1)
