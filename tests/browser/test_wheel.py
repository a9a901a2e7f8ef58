"""The wheel works on its own, in an empty environment without Node and without this clone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.app_process import running_app
from helpers.environments import without_node
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new environment in which pip installed the wheel, at the pinned versions.

    A real installation of everything, not a link to the packages of this environment: only that shows that the wheel
    asks for all it needs. It takes most of a minute, nearly all of it to unpack PyTorch. Modules are
    compiled when they are imported: most of them never are.
    """
    folder = tmp_path_factory.mktemp("empty") / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile"]
    done = subprocess.run(
        [*pip, "--constraint", ROOT / "constraints.txt", next(distributions.glob("*.whl"))],
        env=without_node(folder),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def test_the_wheel_contains_its_own_package(installed: Path, tmp_path: Path):
    ask = [installed / "python", "-c", "import attnscope; print(attnscope.__file__)"]
    said = subprocess.run(
        ask, cwd=tmp_path, env=without_node(installed.parent), check=True, capture_output=True, text=True
    )
    assert Path(said.stdout.strip()).is_relative_to(installed.parent)


def test_the_app_from_the_wheel_draws_a_typed_sentence(installed: Path, page: Page):
    with running_app("demo", program=installed / "attnscope", path=str(installed)) as url:
        page.goto(url)
        expect(page.get_by_test_id("query-0")).to_be_visible()
        page.get_by_test_id("prompt").fill("A microscope looks at every head")
        page.get_by_test_id("run").click()
        expect(page.get_by_test_id("query-tokens")).to_contain_text("microscope")
        page.get_by_test_id("query-2").hover()
        expect(page.get_by_test_id("readout")).to_have_text(re.compile(r"→.*[01]\.\d"))
