"""Run commands of `attnscope`, each in a fork of this process, which has imported PyTorch, transformers and other libraries.

A command imports attnscope itself, as it does when it is started from a shell. This process reads one request per line from its
standard input, as JSON: `arguments`, `variables` (the environment), `folder` (the working directory), `stdin`, `stdout` and
`stderr` (files), and `seconds` (the limit). When a command has ended, its exit code is written as one line.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from importlib import import_module

LIBRARIES = (
    "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "numpy",
    "pandas",
    "rich.console",
    "rich.progress",
    "rich.table",
    "safetensors.torch",
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
    "typer.rich_utils",
)


def main() -> None:
    """Run commands until the standard input ends."""
    for name in LIBRARIES:
        import_module(name)
    gc.freeze()  # a command that ends would otherwise look through all these objects, and copy their memory
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            _become(**request)
            from attnscope.cli import main as command

            sys.exit(command())
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(
    arguments: list[str], variables: dict[str, str], folder: str, stdin: str, stdout: str, stderr: str, seconds: int
) -> None:
    """Take over the arguments, the environment, the folder, the outputs and the limit of a request."""
    sys.argv = arguments
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    signal.alarm(seconds)
    for descriptor, path, flags in ((0, stdin, os.O_RDONLY), (1, stdout, os.O_WRONLY), (2, stderr, os.O_WRONLY)):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)


if __name__ == "__main__":
    main()
