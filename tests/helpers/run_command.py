"""Run the command line in a separate process.

Importing PyTorch and transformers takes most of the time of a command. On Linux, one process imports them once, and every
command is a fork of it: see helpers/command_server.py. Elsewhere, these libraries do not allow forks.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ATTNSCOPE = Path(sys.executable).with_name("attnscope")
SECONDS = 300
VARIABLES = {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "120"}


def run_attnscope(*arguments: str | Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `attnscope ARGUMENTS` until it ends, with the variables `environment` in addition to those of this process.

    `stdin` is what the command reads from its standard input.
    """
    command = [str(ATTNSCOPE), *map(str, arguments)]
    variables = {**os.environ, **VARIABLES, **environment}
    if sys.platform != "linux":
        return subprocess.run(command, env=variables, input=stdin, capture_output=True, text=True, timeout=SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        outputs = {name: Path(folder, name) for name in ("stdout", "stderr")}
        for path in outputs.values():
            path.touch()
        given = Path(folder, "stdin")
        given.write_text(stdin, encoding="utf-8")
        request = {
            "stdin": str(given),
            "arguments": command,
            "variables": variables,
            "folder": str(Path.cwd()),
            "seconds": SECONDS,
        }
        code = _server_answer(json.dumps(request | {name: str(path) for name, path in outputs.items()}))
        written = {name: path.read_text(encoding="utf-8") for name, path in outputs.items()}
    return subprocess.CompletedProcess(command, int(code), **written)


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("attnscope: ")
    return lines[0]


def _server_answer(request: str) -> str:
    server = _server()
    assert server.stdin and server.stdout
    server.stdin.write(f"{request}\n")
    server.stdin.flush()
    answer = server.stdout.readline()
    assert answer, "The process that runs the commands has ended."
    return answer


@cache
def _server() -> subprocess.Popen[str]:
    """The process that runs the commands; it ends with this one."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("command_server.py"))],
        env={**os.environ, **VARIABLES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server
