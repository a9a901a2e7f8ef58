"""How attention looks and what it is called: what Python draws and says is what cases.json says, as on the page.

`frontend/tests/appearance.test.ts` checks the same file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.random_traces import random_trace
from matplotlib.colors import to_hex

import attnscope
from attnscope.appearance import characters, numerals, palette
from attnscope.appearance.edit_words import edit_words
from attnscope.appearance.shared import shared
from attnscope.edits.kinds import KINDS
from attnscope.edits.serialization import sentence_of, unresolved
from attnscope.figures import palette as paper
from attnscope.figures.text import labels
from attnscope.figures.weights import SCALE_DESCRIPTIONS, DroppedWeight, darkness
from attnscope.types import Token
from attnscope.widget.preview import preview_svg

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))
DIFFERENT: dict[str, Any] = CASES["different"]


def written(text: str) -> str:
    """A token's text as figures and the notebook's preview show it."""
    return characters.printable(characters.face(text))


@pytest.mark.parametrize("case", CASES["heads"], ids=lambda case: str(case["head"]))
def test_a_head_has_the_color_and_the_dash_of_the_page(case: dict[str, Any]) -> None:
    head = case["head"]
    assert palette.head_color(head, "light") == case["light"] == to_hex(paper.head_color(head))
    assert palette.head_color(head, "dark") == case["dark"]
    assert list(palette.head_dash(head, palette.SCREEN_DASHES)) == case["screen"]
    assert list(palette.head_dash(head, palette.PAPER_DASHES)) == case["paper"]


@pytest.mark.parametrize("case", CASES["ramps"], ids=lambda case: case["ramp"])
def test_a_weight_has_its_color(case: dict[str, Any]) -> None:
    stops = shared()["weights"]
    for name in case["ramp"].split("."):
        stops = stops[name]
    colors = palette.ramp(stops, np.array(case["shares"]))
    assert [f"#{color.tobytes().hex()}" for color in colors] == case["colors"]


@pytest.mark.parametrize("name", ["blue", "gray"])
def test_matplotlib_has_the_ramps_of_paper_to_within_its_256_colors(name: str) -> None:
    shares = np.linspace(0, 1, 256)
    drawn = paper.weight_colors(name)(shares, bytes=True)[:, :3].astype(int)
    assert np.abs(drawn - palette.ramp(palette.PAPER_WEIGHTS[name], shares)).max() <= 1
    signs = paper.sign_colors()(shares, bytes=True)[:, :3].astype(int)
    assert np.abs(signs - palette.ramp(palette.SIGNS, shares)).max() <= 1


def test_a_sign_has_its_color_and_text_its_ink() -> None:
    for case in CASES["signs"]:
        shares = (np.array(case["shares"]) + 1) / 2
        colors = palette.ramp(shared()["signs"][case["theme"]], shares)
        assert [f"#{color.tobytes().hex()}" for color in colors] == case["colors"]
    for color, ink in CASES["ink_on"]:
        red, green, blue = (channel / 255 for channel in palette.channels_of(color))
        assert palette.ink_on(red, green, blue) == ink


@pytest.mark.parametrize(("weight", "scale", "expected"), CASES["darkness"])
def test_a_scale_is_as_dark_as_on_the_page(weight: float, scale: Any, expected: float) -> None:
    assert float(darkness(weight, scale)) == pytest.approx(expected, abs=1e-6)


def test_numbers_and_heads_are_written_as_on_the_page() -> None:
    cases = CASES["numerals"]
    for weight, text in cases["short_weight"]:
        assert numerals.short_weight(weight) == text
    for weight, text in cases["stated_weight"]:
        assert numerals.stated_weight(weight) == text
    for score, error, text in cases["score"]:
        assert numerals.score_text(score, error) == text
    for factor, text in cases["scale_factor"]:
        assert numerals.scale_factor(factor) == text
    for error, text in cases["rounded_up"]:
        assert numerals.rounded_up(error) == text
    for value, digits, text in cases["signed"]:
        assert numerals.signed(float(value), digits) == text
    for value, digits, text in cases["significant"]:
        assert numerals.significant(value, digits) == text
    for value, text in cases["end_of_scale"]:
        assert numerals.end_of_scale(value) == text
    for count, words, text in cases["counted"]:
        assert numerals.counted(count, *words) == text
    for layer, head, text in cases["head_name"]:
        assert numerals.head_name(layer, head) == text
    for layer, heads, text in cases["heads_name"]:
        assert numerals.heads_name(layer, heads) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300, 5e-324, np.float32(0.5)])
def test_no_number_is_too_strange_to_be_written(value: float) -> None:
    assert numerals.signed(value, 2) and numerals.significant(value)


@pytest.mark.parametrize(("text", "shown"), CASES["faces"])
def test_a_token_reads_as_on_the_page(text: str, shown: str) -> None:
    assert written(text) == shown


@pytest.mark.parametrize("case", CASES["edits"], ids=lambda case: case["words"][:60])
def test_an_edit_is_called_what_the_page_calls_it(case: dict[str, Any]) -> None:
    assert edit_words(case["edit"]) == case["words"]
    if case["edit"]["type"] in KINDS and "head" in case["edit"]:
        (edit,) = unresolved([case["edit"]])
        assert edit.place in case["words"]


def test_every_kind_of_edit_has_words_and_a_case() -> None:
    assert set(shared()["edits"]["kinds"]) == set(KINDS) < {case["edit"]["type"] for case in CASES["edits"]}


def test_several_edits_are_said_in_one_sentence() -> None:
    for case in CASES["sentences"]:
        assert sentence_of(case["edits"]) == case["text"]


@pytest.mark.parametrize(
    "strange",
    [
        None,
        "x" * 500,
        3,
        {},
        {"type": ["ScaleHead"]},
        {"type": "CutEdge", "layer": {}},
        {"type": "MeanHead", "stack": []},
    ],
)
def test_an_edit_of_a_damaged_file_is_said_somehow(strange: Any) -> None:
    assert len(edit_words(strange)) < 200


def test_where_paper_differs_from_the_page_it_is_meant() -> None:
    for name in ("joined_emoji", "unassigned"):
        assert written(DIFFERENT[name]["text"]) == DIFFERENT[name]["paper"]
    assert characters.printable(DIFFERENT["caption"]["text"]) == DIFFERENT["caption"]["paper"]
    case = DIFFERENT["leading_space"]
    assert labels([Token(case["text"], 1)]) == [case["paper"]]
    for part, _, said in DIFFERENT["share"]["cases"]:
        assert DroppedWeight(1.0, {"threshold": part}).share("threshold") == said
    assert DIFFERENT["scales"]["paper"] == SCALE_DESCRIPTIONS
    assert [to_hex(paper.weight_colors("cividis")(share)) for share in (0.0, 1.0)] == DIFFERENT["cividis"]["paper"]


def test_a_notebook_shows_tokens_and_heads_as_figures_do() -> None:
    trace = random_trace(["The", "\n", "", "\x00", "patch 3"], heads=12)
    drawn = preview_svg(trace, next(iter(trace.stacks)), 0, list(range(12)), title="A \x00 title")
    for text in (">↵</text>", ">∅</text>", ">\\x00</text>", ">patch␣3</text>", ">A \\x00 title</text>"):
        assert text in drawn
    for head in (0, 9, 10, 11):
        assert f'stroke="{CASES["heads"][head]["light"]}"' in drawn
    assert drawn.count('stroke-dasharray="7 4"') == sum(
        drawn.count(f'stroke="{CASES["heads"][head]["light"]}"') for head in (10, 11)
    )


def test_a_caption_says_an_edit_in_the_words_of_the_page() -> None:
    trace = random_trace(["a", "b"])
    trace._provenance["edits"] = [CASES["edits"][0]["edit"]]
    assert CASES["sentences"][1]["text"] in attnscope.figure(trace, "head").attnscope_caption


def test_neither_the_palette_nor_the_notebook_preview_waits_for_matplotlib() -> None:
    code = (
        "import sys; from attnscope.appearance import characters, edit_words, numerals, palette; "
        "from attnscope.widget import preview; print([name for name in sys.modules if name.startswith('matplotlib')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
