"""The widget in a real JupyterLab: it syncs with Python, keeps its keys from the notebook, and survives its kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.jupyterlab_process import Notebook, write_notebook
from playwright.sync_api import Browser, expect

TRACE = """
import ctypes, time
import torch, attnscope

torch.set_num_threads(1)
model = attnscope.load("minilm")
trace = model.trace("the cat sat on the mat", pair="the cat lay on the rug")
trace
"""
WIDGET = """
widget = attnscope.show(trace, view="head", layer=2, head=9)
seen = []
widget.observe(lambda change: seen.append((change.name, change.new)), ["layer", "heads", "token"])
widget
"""
BUSY = "Kernel busy: waiting for the running cell to finish."


@pytest.fixture(scope="module")
def notebook(browser: Browser, lab: str, folder: Path) -> Iterator[Notebook]:
    """A notebook with three cells that have run: a trace as the last value, a widget by name, and an empty one."""
    write_notebook(folder / "cats.ipynb", [TRACE, WIDGET, ""])
    with Notebook.open(browser, lab, "cats.ipynb") as notebook:
        notebook.run_next()
        notebook.run_next()
        yield notebook


def test_a_click_sets_the_traits_and_traits_change_the_page(notebook: Notebook) -> None:
    first, second = notebook.widget(0), notebook.widget(1)
    expect(first.get_by_test_id("model-grid")).to_have_attribute("data-layers", "6")
    expect(second.get_by_test_id("layer")).to_have_value("2")
    expect(second.get_by_test_id("head-9")).to_have_attribute("aria-pressed", "true")
    expect(notebook.page.locator("[data-attnscope-picture]").first).to_be_hidden()

    notebook.run("widget.layer = 4; widget.heads = [1, 3]; seen.clear()")
    expect(second.get_by_test_id("layer")).to_have_value("4")
    expect(second.get_by_test_id("head-3")).to_have_attribute("aria-pressed", "true")
    expect(second.get_by_test_id("head-9")).to_have_attribute("aria-pressed", "false")

    second.get_by_test_id("head-5").click()
    second.get_by_test_id("query-2").click()
    expect(second.get_by_test_id("readout")).to_contain_text("cat 2 →")
    assert notebook.run("print(sorted(seen, key=str))") == "[('heads', [1, 3, 5]), ('token', 2)]"
    assert notebook.run("print(widget.layer, widget.heads, widget.token, widget.view)") == "4 [1, 3, 5] 2 head"
    assert "There is no layer 6: they go from 0 to 5." in notebook.run("widget.layer = 6")
    expect(first.get_by_test_id("layer")).to_have_value("0")  # a separate page


def test_keys_typed_in_a_widget_do_not_reach_the_notebook_and_the_theme_follows_it(notebook: Notebook) -> None:
    widget, cells = notebook.widget(1), notebook.page.locator(".jp-Notebook .jp-Cell")
    notebook.run("widget.layer = 1; widget.heads = [2]")
    expect(widget.get_by_test_id("head-2")).to_have_attribute("aria-pressed", "true")
    before = cells.count()
    widget.get_by_test_id("query-3").click()
    for key in ("a", "x", "b", "d", "d", "x"):
        notebook.page.keyboard.press(key)
    expect(widget.get_by_test_id("head-11")).to_have_attribute("aria-pressed", "true")
    assert cells.count() == before

    page = widget.locator(".app")
    expect(page).to_have_attribute("data-theme", "light")
    notebook.command("apputils:change-theme", theme="JupyterLab Dark")
    expect(page).to_have_attribute("data-theme", "dark")
    notebook.command("apputils:change-theme", theme="JupyterLab Light")
    expect(page).to_have_attribute("data-theme", "light")


def test_a_widget_answers_while_a_cell_runs_or_shows_that_the_kernel_is_busy(notebook: Notebook) -> None:
    widget = notebook.widget(0)
    layer, arrived = widget.get_by_test_id("layer"), widget.get_by_test_id("query-tokens")
    notebook.start("while widget.layer != 5: time.sleep(0.05)\nprint('the click arrived')")
    notebook.widget(1).get_by_test_id("layer").select_option("5")
    assert notebook.output() == "the click arrived"

    notebook.start(
        "ctypes.PyDLL(None).sleep(8)"
    )  # holds the interpreter lock, so that no thread of the kernel can answer
    layer.select_option("3")
    expect(widget.get_by_test_id("working")).to_contain_text(BUSY)
    notebook.output()
    expect(widget.get_by_test_id("working")).to_have_count(0)
    expect(arrived).to_be_visible()
    widget.get_by_test_id("query-3").hover()
    expect(widget.get_by_test_id("readout")).to_contain_text(re.compile(r"sat → .*\d\.\d+.*head 3\."))


def test_a_model_widget_has_a_prompt_box_and_python_gets_the_trace(notebook: Notebook) -> None:
    notebook.start("live = attnscope.show(model, layer=2, heads=[9])\nlive")
    widget = notebook.widget(2)
    widget.get_by_test_id("prompt").fill("a dog and a cat")
    widget.get_by_test_id("prompt").press("Enter")
    expect(widget.get_by_test_id("query-5")).to_contain_text("cat")
    expect(widget.get_by_test_id("layer")).to_have_value("2")
    printed = "print([token.text for token in live.trace.tokens][1:3], live.stack, live.heads)\nlive.close()"
    assert notebook.run(printed) == "['a', 'dog'] encoder [9]"
    expect(notebook.page.locator(".attnscope")).to_have_count(2)


def test_python_sets_the_baseline_and_the_field_and_clicks_change_them(notebook: Notebook) -> None:
    widget = notebook.widget(1)
    line = widget.get_by_test_id("comparison")
    notebook.run("plain = model.trace('the dog sat on the mat', pair='the cat lay on the rug')")
    assert notebook.run("print(widget.baseline, widget.field, widget.edits)") == "None after []"
    notebook.run("widget.baseline = plain; widget.field = 'before'")
    expect(line.get_by_role("radio", name="before")).to_be_checked()
    expect(widget.get_by_test_id("query-2")).to_contain_text("dog")
    line.get_by_role("radio", name="difference").click()
    expect(widget.get_by_test_id("query-2")).to_contain_text("cat")
    printed = "print(widget.field, widget.baseline == plain.id, widget.trace is trace, widget.baseline_trace is plain)"
    assert notebook.run(printed) == "difference True True True"
    widget.get_by_test_id("baseline").click()
    widget.get_by_test_id("baseline-none").click()
    expect(line.get_by_role("radio")).to_have_count(0)
    assert notebook.run("print(widget.baseline, widget.field)") == "None after"


def test_edits_that_python_sets_are_made_by_the_model(browser: Browser, lab: str, folder: Path) -> None:
    show = "from attnscope.edits import ScaleHead\nlive = attnscope.show(model, edits=[ScaleHead(2, 1, 0)])\nlive"
    write_notebook(folder / "edits.ipynb", [f"{TRACE.strip()};", show, ""])
    shown = (
        "print(len(live.trace.edits), len(live.baseline_trace.edits), live.field, [one['head'] for one in live.edits])"
    )
    with Notebook.open(browser, lab, "edits.ipynb") as notebook:
        notebook.run_next()
        notebook.run_next()
        widget = notebook.widget(0)
        after = widget.get_by_test_id("comparison").get_by_role("radio", name="after")
        widget.get_by_test_id("prompt").fill("a dog")
        widget.get_by_test_id("prompt").press("Enter")
        expect(after).to_be_checked()
        assert notebook.run(shown) == "1 0 after [1]"
        notebook.run("live.edits = [ScaleHead(2, 1, 0), ScaleHead(3, 5, 0.5)]")
        expect(widget.get_by_test_id("changes-short").get_by_role("listitem")).to_have_count(2)
        expect(widget.get_by_test_id("pending")).to_have_count(0)
        assert notebook.run(shown) == "2 0 after [1, 5]"
        notebook.run("live.edits = []")
        expect(after).to_have_count(0)
        assert notebook.run("print(live.edits, live.baseline, len(live.trace.edits))") == "[] None 0"


def test_all_columns_of_the_neurons_can_be_reached_beside_the_other_views(notebook: Notebook) -> None:
    widget = notebook.widget(0)
    widget.get_by_test_id("side-neurons").click()
    scroller = widget.locator(".neuron-scroll")
    expect(widget.get_by_test_id("neuron-cells")).to_be_visible()
    hidden = scroller.evaluate("box => box.scrollWidth - box.clientWidth")
    assert hidden > 100  # the columns do not fit into a cell of a window of 1400 pixels
    style = scroller.evaluate("box => [getComputedStyle(box).overflowX, getComputedStyle(box, '::after').opacity]")
    assert style == ["auto", "1"]  # a scrollbar, and a shadow where columns go on
    scroller.hover()
    notebook.page.mouse.wheel(hidden + 50, 0)
    expect(widget.get_by_text("softmax").first).to_be_in_viewport()
    box, column = scroller.bounding_box(), widget.get_by_text("softmax").first.bounding_box()
    assert box and column and column["x"] + column["width"] <= box["x"] + box["width"]
    assert float(scroller.evaluate("box => getComputedStyle(box, '::after').opacity")) == 0


def test_a_saved_notebook_of_a_model_says_what_to_do_or_shows_the_last_run(
    browser: Browser, lab: str, folder: Path
) -> None:
    write_notebook(folder / "model.ipynb", [f"{TRACE.strip()};\nattnscope.show(model)", "attnscope.show(model)"])
    with Notebook.open(browser, lab, "model.ipynb") as notebook:
        notebook.run_next()
        notebook.run_next()
        widget = notebook.widget(1)
        widget.get_by_test_id("prompt").fill("a dog and a cat")
        widget.get_by_test_id("prompt").press("Enter")
        expect(widget.get_by_test_id("query-5")).to_contain_text("cat")
        expect(notebook.page.locator("[data-attnscope-picture] img")).to_have_count(1)
        expect(notebook.page.locator("[data-attnscope-picture]").first).to_be_hidden()
        notebook.command("docmanager:save")
        notebook.command("kernelmenu:shutdown")
        expect(widget.get_by_test_id("failure")).to_contain_text("Disconnected.")
    with Notebook.open(browser, lab, "model.ipynb") as notebook:
        saved = notebook.page.locator("[data-attnscope-picture]")
        expect(saved.nth(0)).to_contain_text(
            "nothing was run when this notebook was saved. Run the cell to use the model."
        )
        picture = saved.nth(1).locator("img")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.naturalWidth") > 300
        expect(notebook.page.get_by_text("Error displaying widget").filter(visible=True)).to_have_count(0)


def test_a_page_survives_its_kernel_and_a_saved_notebook_has_a_preview(
    browser: Browser, lab: str, folder: Path
) -> None:
    write_notebook(folder / "saved.ipynb", [TRACE])
    with Notebook.open(browser, lab, "saved.ipynb") as notebook:
        notebook.run_next()
        widget = notebook.widget(0)
        expect(widget.get_by_test_id("query-3")).to_be_visible()
        notebook.command("docmanager:save")
        notebook.command("kernelmenu:shutdown")
        expect(widget.get_by_test_id("failure")).to_contain_text("Disconnected.")
        widget.get_by_test_id("query-3").hover()
        expect(widget.get_by_test_id("readout")).to_contain_text("sat →")
    with Notebook.open(browser, lab, "saved.ipynb") as notebook:
        picture = notebook.page.locator("[data-attnscope-picture] img")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.naturalWidth") > 300
        expect(notebook.page.get_by_text("Run the cell again for the interactive view.")).to_be_visible()
        expect(notebook.page.get_by_text("Error displaying widget")).to_be_hidden()
