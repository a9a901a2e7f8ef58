"""A real JupyterLab as a process of its own, with settings, kernels' files and notebooks in one temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving import free_port

TOKEN = "for-this-test-only"
START_SECONDS = 120.0
STOP_SECONDS = 20.0
QUIET = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosaveInterval": 3600},
}


@contextmanager
def jupyterlab(folder: Path) -> Generator[str]:
    """Starts JupyterLab on `folder` and gives its address, which ends with a slash."""
    home = folder / ".home"
    for name, settings in QUIET.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}", "--ServerApp.port_retries=0"]
    command += ["--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"]
    environment = {**os.environ, **{name: str(home / part) for name, part in places.items()}, "HF_HUB_OFFLINE": "1"}
    log = folder / "lab.log"
    address = f"http://127.0.0.1:{port}/"
    with log.open("w") as output, _stopped(
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    ) as process:
        wait_for(f"{address}api/status?token={TOKEN}", process, log)
        yield address


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until a server answers."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"The server did not start. It said:\n{log.read_text()}")
            time.sleep(0.2)


@contextmanager
def _stopped(process: subprocess.Popen[bytes]) -> Generator[subprocess.Popen[bytes]]:
    """Ends the process, and with it what it started, at the end of the block."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """A notebook of code cells that were never run."""
    made = [
        {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "execution_count": None, "outputs": [], "source": cell}
        for number, cell in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.write_text(json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}))
