"""Run the command line in a separate process.

To import PyTorch and transformers takes most of the time of a command. So one process imports them once, and each command is a
fork of it (helpers/command_server.py), with arguments, environment, folder and output of its own.
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
_ALWAYS = {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "120"}


def run_attnscope(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `attnscope ARGUMENTS` until it ends. The variables in `environment` are set in addition to this process's."""
    command = [str(ATTNSCOPE), *map(str, arguments)]
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.TemporaryDirectory() as folder:
        outputs = {name: Path(folder) / name for name in ("stdout", "stderr")}
        for path in outputs.values():
            path.touch()
        request = {
            "arguments": command,
            "variables": {**os.environ, **_ALWAYS, **environment},
            "folder": os.fspath(Path.cwd()),
            "seconds": SECONDS,
            **{name: os.fspath(path) for name, path in outputs.items()},
        }
        server.stdin.write(f"{json.dumps(request)}\n")
        server.stdin.flush()
        code = server.stdout.readline()
        assert code, "the process that runs the commands has ended"
        texts = {name: path.read_text(encoding="utf-8") for name, path in outputs.items()}
    return subprocess.CompletedProcess(command, int(code), **texts)


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed wrote: one line on stderr."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("attnscope: ")
    return lines[0]


@cache
def _server() -> subprocess.Popen[str]:
    """The process that runs the commands, started once per test process."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("command_server.py"))],
        env={**os.environ, **_ALWAYS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def stop() -> None:
        server.communicate()

    atexit.register(stop)
    return server
