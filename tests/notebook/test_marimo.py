"""The widget in a real marimo: traces and models display as widgets, and messages go both ways."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.app_process import free_port, terminating, wait_until_up
from helpers.chromium_page import TIMEOUT_MS, watch_complaints
from playwright.sync_api import Browser, expect

APP = """
# /// script
# [tool.marimo.display]
# theme = "dark"
# ///
import marimo

app = marimo.App()

@app.cell
def _():
    import pathlib
    import torch, attnscope
    torch.set_num_threads(1)
    model = attnscope.load("minilm")
    trace = model.trace("the cat sat on the mat", pair="the cat lay on the rug")
    trace
    return attnscope, model, pathlib, trace

@app.cell
def _(attnscope, pathlib, trace):
    widget = attnscope.show(trace, view="head", layer=2, head=9)
    widget.observe(lambda change: pathlib.Path("seen").write_text(str(change.new)), "heads")
    widget
    return

@app.cell
def _(attnscope, model):
    attnscope.show(model, view="head")
    return
"""


@pytest.fixture(scope="module")
def marimo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a marimo that runs `APP`, and its folder."""
    folder = tmp_path_factory.mktemp("marimo")
    (folder / "app.py").write_text(APP.lstrip())
    port = free_port()
    command = [sys.executable, "-m", "marimo", "run", "app.py", "--headless", "--no-token", "--host=127.0.0.1"]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "MARIMO_SKIP_UPDATE_CHECK": "1",
        "XDG_CONFIG_HOME": str(folder),
    }
    log = folder / "log"
    with (
        log.open("w") as output,
        terminating(
            subprocess.Popen(
                [*command, f"--port={port}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        ) as process,
    ):
        wait_until_up(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/", folder


def test_a_trace_a_widget_and_a_model_work_in_marimo(browser: Browser, marimo: tuple[str, Path]) -> None:
    url, folder = marimo
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(TIMEOUT_MS)
    complaints: list[str] = []
    watch_complaints(page, complaints, console=False)
    page.goto(url)
    shown, named, live = (page.locator(".attnscope").nth(number) for number in range(3))
    expect(shown.get_by_test_id("model-grid")).to_have_attribute("data-layers", "6")
    expect(named.get_by_test_id("layer")).to_have_value("2")
    expect(named.locator(".app")).to_have_attribute("data-theme", "dark")

    named.get_by_test_id("head-3").click()
    until = time.monotonic() + TIMEOUT_MS / 1000
    while not (folder / "seen").exists() and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert (folder / "seen").read_text() == "[3, 9]"

    live.get_by_test_id("prompt").fill("a dog and a cat")
    live.get_by_test_id("prompt").press("Enter")
    expect(live.get_by_test_id("query-5")).to_contain_text("cat")
    page.close()
    assert not complaints, "\n".join(complaints)
