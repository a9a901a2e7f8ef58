"""The documentation site: it builds without a warning, names everything public, and its live figures work from disk."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import docs_site
import pytest
from playwright.sync_api import Page, expect
from sphinx.util.inventory import InventoryFile

import attnscope

MODULES = ("attnscope", "attnscope.edits", "attnscope.analysis", "attnscope.bertviz", "attnscope.testing")
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\s(?:src|srcset)\s*=\s*["'](?:https?:)?//[^"']*"""
    r"""|<link\b[^>]*?\shref\s*=\s*["'](?:https?:)?//[^"']*|@import[^;]*//[^;]*|url\(["']?(?:https?:)?//[^)]*"""
)
PAGES = ("index", "tutorials/first-trace", "reference/api/attnscope", "reference/command-line", "reference/models")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once for the run as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    built = docs_site.build(folder, capture=True)
    assert built.returncode == 0, built.stdout
    return folder / "html"


@pytest.fixture
def asked(page: Page) -> Iterator[list[str]]:
    """The addresses of everything that the page loads: all of them lie on disk."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    yield addresses
    assert addresses
    assert not [url for url in addresses if not url.startswith(("file://", "data:", "blob:"))]


def test_every_public_name_stands_in_the_reference(site: Path) -> None:
    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, ".", lambda base, path: path)
    documented = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    public = {f"{module}.{name}" for module in MODULES for name in import_module(module).__all__}
    assert not public - documented
    members = {
        f"attnscope.{kind.__name__}.{name}"
        for kind in (attnscope.Model, attnscope.Trace)
        for name, value in vars(kind).items()
        if not name.startswith("_") and value.__doc__ and ":meta private:" not in value.__doc__
    }
    assert len(members) > 40
    assert not members - documented


def test_no_page_loads_anything_from_another_machine(site: Path) -> None:
    sources = [path for path in site.rglob("*") if path.suffix in (".html", ".css") and path.parent.name != "_live"]
    found = {path.name: LOADED.findall(path.read_text(encoding="utf-8")) for path in sources}
    assert len(sources) > 40
    assert not {name: what for name, what in found.items() if what}


def test_everything_that_a_page_shows_or_links_to_lies_in_the_site(site: Path) -> None:
    missing: list[str] = []
    for path in site.rglob("*.html"):
        if path.parent.name != "_live":
            for address in re.findall(r"""\s(?:src|href)=["']([^"'#?]+)""", path.read_text(encoding="utf-8")):
                if not re.match(r"[a-z]+:", address) and not (path.parent / unquote(address)).exists():
                    missing.append(f"{path.relative_to(site)}: {address}")
    assert not missing


def test_live_figures_are_small_and_all_of_them_are_shown(site: Path) -> None:
    sys.path.insert(0, str(docs_site.DOCS))
    figures = import_module("live_figures").FIGURES
    sys.path.remove(str(docs_site.DOCS))
    written = {path.stem: path.stat().st_size for path in (site / "_live").glob("*.html")}
    assert written.keys() == figures.keys()
    assert max(written.values()) < 1_500_000


def test_a_person_reads_a_weight_in_the_live_figure_of_the_landing_page(
    site: Path, page: Page, asked: list[str], smollm2: attnscope.Model
) -> None:
    page.goto((site / "index.html").as_uri())
    frame = page.frame_locator("iframe[src*='_live/nurse.html']")
    frame.get_by_test_id("query-8").hover()
    readout = frame.get_by_test_id("readout")
    expect(readout).to_contain_text("She → ")
    weights = smollm2.trace("The doctor asked the nurse a question. She").attention(9, 4)[8]
    read = [float(number) for number in re.findall(r"0\.\d{2,}", readout.text_content() or "")]
    assert read[0] == pytest.approx(float(weights.max()), abs=1e-3)


def test_live_figures_follow_the_theme_of_the_page(site: Path, page: Page, asked: list[str]) -> None:
    page.emulate_media(color_scheme="light")
    page.goto((site / "index.html").as_uri())
    app = page.frame_locator("iframe").locator(".app")
    expect(app).to_have_attribute("data-theme", "light")
    page.evaluate("document.body.dataset.theme = 'dark'")
    expect(app).to_have_attribute("data-theme", "dark")


def test_the_numbers_of_the_prose_are_those_of_the_model(site: Path, smollm2: attnscope.Model) -> None:
    weights = smollm2.trace("The doctor asked the nurse a question. She").attention(9, 4)[8]
    text = re.sub(r"<[^>]+>", "", (site / "tutorials" / "first-trace.html").read_text(encoding="utf-8"))
    assert f"head 9.4 puts {weights[4]:.2f} on nurse and {weights[1]:.2f} on doctor" in " ".join(text.split())


@pytest.mark.parametrize("width", [360, 700])
@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_screen_scrolls_no_page_sideways(
    site: Path, page: Page, asked: list[str], name: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto((site / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
