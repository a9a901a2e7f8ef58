"""Run a real JupyterLab as a separate process, with settings, kernel files and notebooks in one temporary folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from helpers.app_process import free_port, terminating, wait_until_up
from helpers.chromium_page import TIMEOUT_MS, watch_complaints

TOKEN = "for-this-test-only"
OFFLINE_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosaveInterval": 3600},
}

# When a workspace is reset, JupyterLab removes its splash screen twice and then logs an error; so the splash is disabled.
PAGE_CONFIG = {"disabledExtensions": {"@jupyterlab/apputils-extension:splash": True}}


@contextmanager
def running_jupyterlab(folder: Path) -> Generator[str]:
    """Start JupyterLab on `folder` and yield its URL, which ends with a slash."""
    home = folder / ".home"
    for name, settings in SETTINGS.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    page = home / "config" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(json.dumps(PAGE_CONFIG))
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
    environment = {
        **os.environ,
        **{name: str(home / part) for name, part in places.items()},
        **OFFLINE_ENVIRONMENT,
    }
    log = folder / "lab.log"
    address = f"http://127.0.0.1:{port}/"
    with (
        log.open("w") as output,
        terminating(
            subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        ) as process,
    ):
        wait_until_up(f"{address}api/status?token={TOKEN}", process, log)
        yield address


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook of code cells that have not been run."""
    code_cells = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": cell,
        }
        for number, cell in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.write_text(
        json.dumps({"cells": code_cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
    )


_KERNEL_ANSWERS = """async () => {
    const { sessionContext } = window.jupyterapp.shell.currentWidget;
    await sessionContext.ready;
    await sessionContext.session.kernel.info;
}"""


class Notebook:
    """A notebook in JupyterLab, operated with the keyboard."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._cells = page.locator(".jp-Notebook .jp-CodeCell")
        self._ran = ""

    @classmethod
    @contextmanager
    def open(cls, browser: Browser, lab: str, name: str) -> Generator[Notebook]:
        """Open a notebook and wait for its kernel. At the end, assert that the page had no errors."""
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        complaints: list[str] = []
        watch_complaints(page, complaints, console=False)  # the console also has JupyterLab's messages
        page.goto(f"{lab}lab/tree/{name}?token={TOKEN}&reset")
        page.locator(".jp-Notebook .jp-Cell").first.click()
        page.evaluate(_KERNEL_ANSWERS)
        yield cls(page)
        context.close()
        assert not complaints, "\n".join(complaints)

    def widget(self, number: int) -> Locator:
        """The widget with this index, counted from the top."""
        return self.page.locator(".attnscope").nth(number)

    def run_next(self) -> None:
        """Run the selected cell and select the next with Shift+Enter."""
        self.page.keyboard.press("Shift+Enter")

    def start(self, code: str) -> None:
        """Type code into the last cell and run it."""
        cell = self._cells.last
        cell.scroll_into_view_if_needed()
        cell.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(code)
        self._ran = cell.locator(".jp-InputArea-prompt").text_content() or ""
        self.page.keyboard.press("Control+Enter")

    def output(self) -> str:
        """The output text of the last cell, once it has run."""
        prompt = self._cells.last.locator(".jp-InputArea-prompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"))
        expect(prompt).not_to_have_text(self._ran)
        return "\n".join(self._cells.last.locator(".jp-OutputArea-output").all_inner_texts()).strip()

    def run(self, code: str) -> str:
        """Run code in the last cell and return its output text."""
        self.start(code)
        return self.output()

    def command(self, name: str, **arguments: str) -> None:
        """Execute one of JupyterLab's commands, as its menus do."""
        self.page.evaluate("([name, values]) => window.jupyterapp.commands.execute(name, values)", [name, arguments])
