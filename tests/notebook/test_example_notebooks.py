"""The example notebooks run from top to bottom, and every view in them leaves a preview."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from helpers.jupyterlab_process import OFFLINE_ENVIRONMENT
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WIDGET = "application/vnd.jupyter.widget-view+json"
MOST_BYTES = 200_000


@pytest.fixture(scope="module")
def cells() -> list[Any]:
    """The code cells of the paper's examples, executed."""
    notebook = nbformat.read(EXAMPLES / "paper.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute(
        env={**os.environ, **OFFLINE_ENVIRONMENT}
    )  # an error in a cell is raised
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_example_notebooks_are_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)


def test_every_shown_trace_is_a_preview_followed_by_a_widget(cells: list[Any]) -> None:
    shown = [cell for cell in cells if any(WIDGET in output.get("data", {}) for output in cell.outputs)]
    assert len(shown) == 5
    for cell in shown:
        html = "".join(output.data.get("text/html", "") for output in cell.outputs)
        assert "data-attnscope-picture" in html
        assert ("<img" in html) == (cell.source.strip() != "decoder")  # of a model, nothing was run
        assert len(html) < MOST_BYTES


def test_the_pronouns_are_compared_in_both_orders(cells: list[Any]) -> None:
    printed = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    found = re.findall(r"(She|He) +doctor (\d\.\d\d) +nurse (\d\.\d\d)", printed)
    assert [pronoun for pronoun, _, _ in found] == ["She", "He", "She", "He"]
    she, he, she_turned, he_turned = (float(nurse) for _, _, nurse in found)
    assert she > 2 * he and she_turned > 2 * he_turned  # as stated in the notebook
