"""What all tests share: shapes checked while they run, the two real models, a running app, and no skipped test."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("attnscope.attention", "beartype.beartype")

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import attnscope

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 180.0
STOP_SECONDS = 20.0

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def smollm2() -> attnscope.Model:
    """SmolLM2-135M: a decoder, 30 layers of 9 heads, 3 of them key/value heads."""
    import attnscope

    return attnscope.load("smollm2")


@pytest.fixture(scope="session")
def minilm() -> attnscope.Model:
    """MiniLM-L6: an encoder, 6 layers of 12 heads."""
    import attnscope

    return attnscope.load("minilm")


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist made from this tree, and the wheel made from that sdist."""
    folder = tmp_path_factory.mktemp("distributions")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout
    return folder


class Serve(Protocol):
    """Starts `attnscope …` as a process of its own and gives the address that it prints."""

    def __call__(
        self, *arguments: str, program: Path | None = None, path: str | None = None
    ) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="session")
def serve() -> Serve:
    """For tests that need a server with arguments of their own: `with serve("serve", "minilm") as url: …`."""
    return _serve


@pytest.fixture(scope="session")
def app_server() -> Iterator[str]:
    """The address of the running demo, its token included; one process for the whole run."""
    with _serve("demo") as url:
        yield url


@contextmanager
def _serve(*arguments: str, program: Path | None = None, path: str | None = None) -> Generator[str]:
    command = [str(program or Path(sys.executable).with_name("attnscope")), *arguments, "--no-browser", "--port", "0"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "PATH": path or os.environ["PATH"]}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
        try:
            yield _address(command, lines)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _address(command: list[str], lines: queue.Queue[str | None]) -> str:
    """The line that is an address with a token; the server prints it on a line of its own."""
    said: list[str] = []
    while (line := lines.get(timeout=START_SECONDS)) is not None:
        said.append(line)
        if line.startswith("http://") and "?token=" in line:
            return line.strip()
    pytest.fail(f"`{' '.join(command)}` ended without printing its address. It said:\n{''.join(said)}")


def _pump(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that is skipped has not been run, and that is a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, and a skipped test counts as failed: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file of tests that is skipped as a whole."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"Skipped, and a skipped file counts as failed: {report.longrepr}"
    return report
