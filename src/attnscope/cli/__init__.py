"""The command `attnscope`."""

from __future__ import annotations

import sys

from attnscope.cli.app import app
from attnscope.errors import AttnscopeError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line. An error of attnscope's own is one sentence on stderr and exit code 1; wrong usage is 2."""
    try:
        app()
    except AttnscopeError as error:
        sys.stderr.write(f"attnscope: {error}\n")
        sys.exit(1)
