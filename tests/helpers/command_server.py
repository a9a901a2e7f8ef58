"""A process that imports everything that a command needs, then runs each requested command in a fork of itself.

It reads one request per line from its standard input, as JSON: `arguments`, `variables` (the environment), `folder` (the working
directory), `stdout` and `stderr` (files), `seconds` (the limit). When the command has ended, it writes the exit code as one line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module

_IMPORTED = (
    "attnscope.cli.sources",
    "attnscope.figures",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
)


def main() -> None:
    """Answer requests until the standard input ends."""
    from attnscope import cli

    for name in _IMPORTED:
        import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            _become(request)
            cli.main()
            return  # ends as a program does, by running to its end
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(request: dict[str, object]) -> None:
    """Take over the arguments, the environment, the folder and the files of a request."""
    folder, seconds = request["folder"], request["seconds"]
    arguments, variables = request["arguments"], request["variables"]
    assert isinstance(folder, str) and isinstance(seconds, int)
    assert isinstance(arguments, list) and isinstance(variables, dict)
    signal.alarm(seconds)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = arguments
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY),
        (2, request["stderr"], os.O_WRONLY),
    ):
        assert isinstance(path, str)
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)


if __name__ == "__main__":
    main()
