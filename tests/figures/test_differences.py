"""Figures of the difference of two passes: their lines, cells and numbers are those of plain subtraction."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from helpers import tiny_models
from helpers.random_traces import random_trace
from helpers.svg_files import save_svg
from matplotlib.colors import to_rgb

import attnscope
from attnscope.errors import InputError

pytestmark = pytest.mark.core

BLUE, ORANGE = to_rgb("#124eac"), to_rgb("#b84c00")
ROWS = [0, 1, 2, -1, -1, 3, 4, 5, 6]
"""For each token of the current pass, that of the baseline."""


@pytest.fixture(scope="module")
def old(smollm2: attnscope.Model) -> attnscope.Trace:
    return smollm2.trace("He asked the very old nurse about the girl")


@pytest.fixture(scope="module")
def plain(smollm2: attnscope.Model) -> attnscope.Trace:
    return smollm2.trace("She asked the nurse about the girl")


def subtracted(old: attnscope.Trace, plain: attnscope.Trace, layer: int, head: int) -> np.ndarray:
    """The difference by hand, 0 where a token has no counterpart."""
    now, before = old.attention(layer, head).numpy(), plain.attention(layer, head).numpy()
    wanted = np.zeros_like(now)
    for i, row in enumerate(ROWS):
        for j, key in enumerate(ROWS):
            if row >= 0 and key >= 0:
                wanted[i, j] = now[i, j] - before[row, key]
    return wanted


def collection(figure: Any, name: str) -> Any:
    return next(one for one in figure.axes[0].collections if one.get_gid() == name)


def lines(figure: Any, layer: int, head: int) -> np.ndarray:
    """The signed opacity of every line of a head view, [query, key], read off the drawing."""
    drawn = np.zeros((9, 9))
    for suffix, sign, color in (("less", -1, ORANGE), ("more", 1, BLUE)):
        found = collection(figure, f"attention-{layer}.{head}-{suffix}")
        for path, (*rgb, opacity) in zip(found.get_paths(), found.get_edgecolors(), strict=True):
            np.testing.assert_allclose(rgb, color, atol=1e-3)
            (_, y0), (_, y1) = path.vertices[0], path.vertices[-1]
            drawn[round((y0 - 18) / 13 - 0.5), round((y1 - 18) / 13 - 0.5)] = sign * opacity
    return drawn


def test_lines_have_the_sign_and_size_of_the_difference(old, plain):
    wanted = subtracted(old, plain, 11, 0)
    largest = np.abs(wanted).max()
    figure = attnscope.figure(old, "head", 11, [0], baseline=plain)
    share = wanted / largest
    np.testing.assert_allclose(lines(figure, 11, 0), np.where(np.abs(share) < 0.002, 0, share), atol=6e-4)


def test_the_legend_and_the_numbers_are_written(old, plain, tmp_path):
    wanted = subtracted(old, plain, 11, 0)[8]
    svg = save_svg(attnscope.figure(old, "head", 11, [0], token="girl", baseline=plain), tmp_path / "head.svg")
    written = [text for text in svg.texts if re.fullmatch(r"[+−]\.\d\d", text)]
    assert written == [f"{d:+.2f}".replace("-", "−").replace("0.", ".") for d in wanted if abs(d) >= 0.005]
    end = f"{np.abs(wanted).max():.3f}"
    assert f"−{end}" in svg.texts and f"+{end}  current − baseline" in svg.texts
    for sentence in ("“He” replaces “She”", "Gray tokens have no counterpart in the baseline", "She asked the nurse"):
        assert sentence in svg.description
    assert "Difference in the attention of" in svg.description


def test_before_and_after_are_the_figures_of_either_pass(old, plain, tmp_path):
    for field, trace, token in (("before", plain, 6), ("after", old, 8)):
        shown = attnscope.figure(old, "head", 11, [0], token=8, baseline=plain, field=field)
        alone = attnscope.figure(trace, "head", 11, [0], token=token)
        for name, figure in (("shown", shown), ("alone", alone)):
            figure.savefig(tmp_path / f"{name}.svg")
        assert (tmp_path / "shown.svg").read_bytes() == (tmp_path / "alone.svg").read_bytes()


def test_a_matrix_has_a_signed_color_for_every_cell(old, plain):
    wanted = subtracted(old, plain, 11, 0)
    cells = collection(attnscope.figure(old, "matrix", 11, head=0, baseline=plain), "attention-11.0").get_array()
    gray = to_rgb("#f1f2f5")
    for i, j in np.ndindex(9, 9):
        red, _, blue = cells[i, j]
        if ROWS[i] < 0 or ROWS[j] < 0:
            np.testing.assert_allclose(cells[i, j], gray, atol=1e-6)
        elif abs(wanted[i, j]) > 0.05 * np.abs(wanted).max():
            assert (blue > red) == (wanted[i, j] > 0)
    i, j = np.unravel_index(np.abs(wanted).argmax(), wanted.shape)
    np.testing.assert_allclose(cells[i, j], BLUE if wanted[i, j] > 0 else ORANGE, atol=0.01)


def test_all_thumbnails_share_one_scale(old, plain):
    heads = [(layer, head) for layer in (8, 11) for head in (0, 3)]
    largest = max(np.abs(subtracted(old, plain, *place)).max() for place in heads)
    figure = attnscope.figure(old, "model", layers=[8, 11], heads=[0, 3], baseline=plain)
    for layer, head in heads:
        share = subtracted(old, plain, layer, head) / largest
        for suffix, values in (("less", -share), ("more", share)):
            opacities = collection(figure, f"attention-{layer}.{head}-{suffix}").get_edgecolors()[:, 3]
            np.testing.assert_allclose(sorted(opacities), sorted(values[values >= 0.02]), atol=6e-4)


@pytest.mark.parametrize("count", [40, 150])
def test_maps_hold_the_largest_difference_of_every_cell(count):
    now = random_trace([f"w{at}" for at in range(count)])
    before = random_trace([f"w{at}" if at != 7 else "other" for at in range(count - 1)])
    figure: Any = attnscope.figure(now, "model", thumbnails="map", baseline=before, scale="linear")
    by = -(-count // 64)
    wanted = np.stack([now.attention(0, head).numpy() for head in range(2)])
    wanted[:, :-1, :-1] -= np.stack([before.attention(0, head).numpy() for head in range(2)])
    wanted[:, -1] = wanted[..., -1] = 0
    image = next(one for one in figure.axes[0].images if one.get_gid() == "attention-0.1").get_array()
    for i, j in ((0, 0), (3, 2), (9, 4), (13, 13)):
        cell = wanted[1, i * by : (i + 1) * by, j * by : (j + 1) * by].flatten()
        value = max(cell, key=abs)
        red, _, blue = np.asarray(image[i, j], dtype=float)
        if abs(value) > 0.1 * np.abs(wanted).max():
            assert (blue > red) == (value > 0)


def test_the_neuron_view_subtracts_every_column(old, plain, tmp_path):
    figure = attnscope.figure(old, "neuron", 11, head=0, token="girl", baseline=plain, width="page")
    svg = save_svg(figure, tmp_path / "neuron.svg")
    q, k, q0, k0 = old.q(11, 0)[8], old.k(11, 0), plain.q(11, 0)[6], plain.k(11, 0)
    dots = [float(q @ k[at] - q0 @ k0[row]) for at, row in enumerate(ROWS) if row >= 0]
    written = [float(text.replace("−", "-")) for text in svg.texts if re.fullmatch(r"−?\d+\.\d\d", text)]
    assert all(min(abs(dot - one) for one in written) < 0.0051 for dot in dots)
    assert {"Δ query q", "Δ key k", "Δ q × k", "Δ q · k", "Δ softmax", "current − baseline"} <= set(svg.texts)
    assert svg.texts.count("–") == 2 and "k-2" in svg.source and "k-3" not in svg.source
    change = (q * k[1] - q0 * k0[1]).numpy()
    cells = collection(figure, "qxk-1").get_array()[0]
    large = np.abs(change) > 0.1 * np.abs(change).max()
    full = max(float((q * k[at] - q0 * k0[row]).abs().max()) for at, row in enumerate(ROWS) if row >= 0)
    large &= np.abs(change) > 0.02 * full
    assert np.array_equal(np.sign(cells[:, 2] - cells[:, 0])[large], np.sign(change)[large])


def test_limits_apply_to_the_size_of_differences(old, plain):
    wanted = subtracted(old, plain, 11, 0)
    figure = attnscope.figure(old, "head", 11, [0], baseline=plain, threshold=0.05)
    kept = np.where(np.abs(wanted) >= 0.05, wanted, 0)
    np.testing.assert_allclose(lines(figure, 11, 0), kept / np.abs(wanted).max(), atol=6e-4)
    share = 100 * (1 - np.abs(kept).sum() / np.abs(wanted).sum())
    assert f"Differences below 0.05 are not drawn ({share:.1f}% of the difference)." in figure.attnscope_caption
    hidden = attnscope.figure(old, "head", 11, [0], baseline=plain, hide_sinks="renormalized")
    now, before = old.attention(11, 0).numpy().copy(), plain.attention(11, 0).numpy().copy()
    for weights in (now, before):
        weights[:, 0] = 0
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-30)
    rest = np.array(
        [[now[i, j] - before[r, c] if min(r, c) >= 0 else 0 for j, c in enumerate(ROWS)] for i, r in enumerate(ROWS)]
    )
    share = rest / np.abs(rest).max()
    np.testing.assert_allclose(lines(hidden, 11, 0), np.where(np.abs(share) < 0.002, 0, share), atol=6e-4)


@pytest.mark.parametrize("view", ["head", "model", "neuron", "matrix"])
@pytest.mark.parametrize("width", ["column", "page"])
def test_nothing_is_cut_off(old, plain, view, width):
    figure = attnscope.figure(old, view, 11, head=None if view == "model" else 0, baseline=plain, width=width)
    figure.set_dpi(144)
    figure.draw_without_rendering()
    page = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1, text.get_text()
        assert page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1, text.get_text()


def test_a_pass_has_no_difference_from_itself(plain):
    figure: Any = attnscope.figure(plain, "head", 11, [0], baseline=plain)
    assert len(collection(figure, "attention-11.0-more").get_paths()) == 0
    assert "Baseline: the same." in figure.attnscope_caption


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"field": "before"}, "`field='before'` needs a `baseline=`"),
        ({"baseline": "She"}, "`baseline` is a trace to compare with; got str"),
        ({"field": "delta", "baseline": True}, "`field` must be 'before', 'after' or 'difference'; got 'delta'"),
        ({"token": "old", "baseline": True}, r"Token 4 \(' old'\) has no counterpart in the baseline"),
        ({"token": "old", "field": "before", "baseline": True}, "has no counterpart in the baseline"),
    ],
)
def test_wrong_comparisons_are_errors(old, plain, options, sentence):
    if options.get("baseline") is True:
        options = {**options, "baseline": plain}
    with pytest.raises(InputError, match=sentence):
        attnscope.figure(old, "head", 11, [0], **options)


def test_vectors_of_other_sizes_have_no_neuron_view():
    one = attnscope.Model(tiny_models.build("qwen3")).trace(tiny_models.ids(5))
    other = attnscope.Model(tiny_models.build("llama")).trace(tiny_models.ids(5))
    with pytest.raises(attnscope.errors.UnsupportedError, match="have 16 dimensions, and 8 in the baseline"):
        attnscope.figure(one, "neuron", 1, head=0, baseline=other)
