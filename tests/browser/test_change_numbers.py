"""Every change that the page offers: weights before, after and their difference are those of Python, in each table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from helpers import shown_numbers as shown
from helpers.compared_page import (
    HE,
    NURSE,
    QUERY,
    RUN_MS,
    SHE,
    change_box,
    compare_with,
    expect_pair,
    on_line,
    settle,
    thumbnail,
    visit,
)
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope.edits import CutEdge, Edit, MeanHead, PatchHead, ScaleHead, ScaleNeuron, SetAttention

LATER = list(range(NURSE + 1, QUERY + 1))
"""The tokens that can attend to `nurse`."""


def box_of_thumbnail(page: Page) -> Locator:
    page.get_by_test_id("model-grid").click(position=thumbnail(page, 9, 4), button="right")
    return change_box(page)


def box_of_square(page: Page) -> Locator:
    page.get_by_test_id("head-4").click(button="right")
    return change_box(page)


def box_of_line(page: Page) -> Locator:
    expect(page.get_by_test_id("readout")).to_contain_text("She → nurse")
    page.mouse.click(*on_line(page, QUERY, NURSE), button="right")
    box = change_box(page)
    expect(box).to_contain_text("She → nurse")
    return box


def box_of_token(page: Page) -> Locator:
    page.get_by_test_id(f"key-{NURSE}").click(button="right")
    return change_box(page)


def box_of_pair(page: Page) -> Locator:
    """The box of the dimensions 21 and 53, which rotate together, by a right click on their products."""
    cells = page.get_by_test_id("neuron-cells")
    expect(page.get_by_test_id("neuron-check")).to_be_visible()
    said, box = cells.get_attribute("data-columns"), cells.bounding_box()
    row = page.get_by_test_id(f"neuron-key-{NURSE}").bounding_box()
    assert said and box and row
    _, product, span, fold = map(float, said.split())
    across, tall = 64 / fold, min(40, row["height"] - (8 if row["height"] > 30 else 4))
    x = box["x"] + product + (21 % across + 0.5) * span / across
    page.mouse.click(x, row["y"] + row["height"] / 2 - tall / 2 + (21 // across + 0.5) * tall / fold, button="right")
    box_ = change_box(page)
    expect(box_).to_contain_text("21 · 53")
    return box_


def press(name: str) -> Callable[[Locator], None]:
    def pressed(box: Locator) -> None:
        expect(box.get_by_test_id(name)).not_to_have_attribute("aria-disabled", "true")
        box.get_by_test_id(name).click()

    return pressed


def set_weight(box: Locator) -> None:
    box.get_by_test_id("change-fader").fill("0.25")
    expect(box.get_by_test_id("change-value")).to_have_text(".25")


def key_vector(box: Locator) -> None:
    box.get_by_role("radio", name="k", exact=True).click()
    expect(box.get_by_test_id("shared")).to_contain_text("3, 4, 5")
    box.get_by_test_id("change-0").click()


def everywhere(model: attnscope.Model, layers: Sequence[int]) -> list[Edit]:
    """Cut `nurse` off from every later token, in all heads of some layers."""
    shapes = model.trace(SHE).stacks[0]
    return [CutEdge(layer, head, LATER, NURSE) for layer in layers for head in range(shapes.heads)]


@dataclass(frozen=True)
class Case:
    """A change: which box, what is pressed in it, and the same edits in Python."""

    name: str
    box: Callable[[Page], Locator]
    change: Callable[[Locator], None]
    edits: Callable[[attnscope.Model], Sequence[Edit]]
    baseline: str = SHE
    where: dict[str, str] = field(default_factory=dict)


CASES = [
    Case("head off", box_of_thumbnail, press("change-0"), lambda _: [ScaleHead(9, 4, 0.0)]),
    Case("head half", box_of_square, press("change-0.5"), lambda _: [ScaleHead(9, 4, 0.5)]),
    Case("head double", box_of_square, press("change-2"), lambda _: [ScaleHead(9, 4, 2.0)]),
    Case(
        *("other heads off", box_of_square, press("others-off")),
        lambda _: [ScaleHead(9, head, 0.0) for head in range(9) if head != 4],
    ),
    Case("line cut", box_of_line, press("cut"), lambda _: [CutEdge(9, 4, QUERY, NURSE)]),
    Case("weight set", box_of_line, set_weight, lambda _: [SetAttention(9, 4, QUERY, NURSE, 0.25)]),
    Case("token hidden in a head", box_of_token, press("hide-head"), lambda _: [CutEdge(9, 4, LATER, NURSE)]),
    Case("token hidden in a layer", box_of_token, press("hide-layer"), lambda model: everywhere(model, [9])),
    Case("token hidden", box_of_token, press("hide-all"), lambda model: everywhere(model, range(30))),
    Case(
        *("query pair off", box_of_pair, press("change-0"), lambda _: [ScaleNeuron(9, 4, [21, 53], 0.0)]),
        where={"side": "neurons", "token": f"q{QUERY}"},
    ),
    Case(
        *("key pair off", box_of_pair, key_vector, lambda _: [ScaleNeuron(9, 4, [21, 53], 0.0, vector="k")]),
        where={"side": "neurons", "token": f"q{QUERY}"},
    ),
    Case("head's mean", box_of_square, press("replace-its-mean"), lambda model: [MeanHead(9, 4, model.trace(SHE))]),
    Case(
        *("output patched", box_of_square, press("replace-the-baseline's-output")),
        lambda model: [PatchHead(9, 4, model.trace(HE), "output")],
        baseline=HE,
    ),
    Case(
        *("attention patched", box_of_square, press("replace-the-baseline's-attention")),
        lambda model: [PatchHead(9, 4, model.trace(HE), "attention")],
        baseline=HE,
    ),
]


def weights_of(trace: attnscope.Trace) -> np.ndarray:
    """The weight of She → nurse in every head: [layer, head]."""
    heads = range(trace.stacks[0].heads)
    return np.array([[float(trace.attention(layer, head)[QUERY, NURSE]) for head in heads] for layer in range(30)])


def expect_tables(page: Page, model: attnscope.Model, edits: Sequence[Edit], baseline: str = SHE) -> None:
    """The pair She → nurse in the heads for a pair, in the head view and among the weights, in the head that differs most."""
    before, after = weights_of(model.trace(baseline)), weights_of(model.trace(SHE, edits=list(edits)))
    assert np.abs(after - weights_of(model.trace(SHE))).max() > 0.0005
    layer, head = (int(one) for one in np.unravel_index(np.abs(after - before).argmax(), before.shape))
    old, new = float(before[layer, head]), float(after[layer, head])
    numbers = [shown.weight(old), shown.weight(new), shown.difference(new - old)]

    page.get_by_test_id("field-difference").click()
    page.get_by_test_id("side-edges").click()
    row = page.get_by_test_id("edges").locator(f"[data-head='{layer}.{head}']")
    for at, number in enumerate(numbers):
        expect(row.get_by_role("gridcell", include_hidden=True).nth(3 + at)).to_have_text(
            shown.exactly(number), timeout=RUN_MS
        )
    row.click()
    expect(page.get_by_test_id("layer")).to_have_value(str(layer))
    page.mouse.move(5, 5)
    expect_pair(page, old, new, name=rf"{'He / She' if baseline == HE else 'She'} → nurse")
    page.get_by_test_id("side-weights").click()
    listed = "to" if page.get_by_role("columnheader", name="to", exact=True).count() > 0 else "from"
    row = page.get_by_test_id("weights").get_by_role("row").filter(has_text="nurse" if listed == "to" else "She")
    cells = row.get_by_role("gridcell")
    for at, number in enumerate(numbers):
        expect(cells.nth(3 + at)).to_have_text(shown.exactly(number), timeout=RUN_MS)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_in_its_box_has_pythons_numbers(
    page: Page, app_server: str, smollm2: attnscope.Model, case: Case
) -> None:
    visit(page, app_server, **case.where)
    if case.baseline != SHE:
        compare_with(page, case.baseline)
    box = case.box(page)
    case.change(box)
    page.keyboard.press("Enter")
    expect(box).to_have_count(0)
    expect(page.get_by_test_id("changes-short")).to_be_visible()
    settle(page)
    expect_tables(page, smollm2, case.edits(smollm2), case.baseline)


def test_a_neuron_of_the_form_has_pythons_numbers(page: Page, app_server: str, smollm2: attnscope.Model) -> None:
    visit(page, app_server, side="effect")
    page.get_by_test_id("add-change").click()
    page.get_by_test_id("add-kind").select_option("neurons")
    page.get_by_test_id("add-dims").fill("21")
    page.get_by_test_id("add-submit").click()
    settle(page)
    expect_tables(page, smollm2, [ScaleNeuron(9, 4, 21, 0.0)])
