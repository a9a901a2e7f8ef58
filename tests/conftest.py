"""Shared by all tests: shape checks at run time, the real models, a running app, the order; a skipped test has failed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from filelock import FileLock
from helpers.app_process import running_app, wait_until_loaded
from jaxtyping import install_import_hook

install_import_hook(["attnscope.attention", "attnscope.analysis"], "beartype.beartype")

if TYPE_CHECKING:
    import attnscope

ROOT = Path(__file__).resolve().parent.parent

torch.set_num_threads(1)

LONG_FIRST = (
    "tests/browser/test_docs_site.py",
    "tests/browser/test_wheel.py",
    "tests/notebook/",
    "tests/fuzz/",
    "tests/browser/",
    "tests/project/",
    "tests/cli/",
)
"""The files and folders that take longest, in this order."""


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
    """A folder with the sdist built from this tree and the wheel built from that sdist, shared by all workers of a run."""
    run = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        run = run.parent  # each worker has its own folder inside the folder of the run
    folder = run / "distributions"
    with FileLock(run / "distributions.lock"):
        if not folder.exists():
            unfinished = tmp_path_factory.mktemp("unfinished")
            command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(unfinished), str(ROOT)]
            built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert built.returncode == 0, built.stdout
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def app_server() -> Iterator[str]:
    """The URL of a running demo, including its token; one process for all tests of a worker."""
    with running_app("demo") as url:
        wait_until_loaded(url)
        yield url


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the long files first. `make test` hands out files in this order: with short ones last, all workers end together."""

    def place(item: pytest.Item) -> int:
        named = (number for number, start in enumerate(LONG_FIRST) if item.nodeid.startswith(start))
        return next(named, len(LONG_FIRST))

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a skipped test as failed: a test that did not run has not passed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"A skipped test counts as failed: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Report a skipped test file as failed."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"A skipped test file counts as failed: {report.longrepr}"
    return report
