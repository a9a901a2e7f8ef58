"""Figures for papers: they match the trace, their text is real text, and the file contains the caption."""

from __future__ import annotations

import inspect
import pickle
import re
import zlib
from collections import Counter
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from helpers.random_traces import random_trace
from helpers.svg_files import save_svg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

import attnscope
from attnscope.errors import InputError, TooLongError, UnsupportedError

pytestmark = pytest.mark.core

FOX = ["The", "quick", ",", "brown", "fox", "jumps", "over", "the", "lazy"]
CATS = ["[CLS]", *["the", "cat", "sat", "on", "the", "mat", "[SEP]", "the", "cat", "lay", "on", "the", "rug", "[SEP]"]]


def collection(figure, name) -> Any:
    return next(one for one in figure.axes[0].collections if one.get_gid() == name)


def test_the_first_arguments_are_the_documented_ones():
    names = list(inspect.signature(attnscope.figure).parameters)
    assert names[:6] == ["trace", "view", "layer", "heads", "token", "ax"]


def test_every_line_has_the_opacity_of_its_weight(fox):
    lines = collection(attnscope.figure(fox, view="head", layer=3, heads=[0]), "attention-3.0")
    expected = fox.attention(3, 0).numpy()
    drawn = np.zeros_like(expected)
    for path, (*_, opacity) in zip(lines.get_paths(), lines.get_edgecolors(), strict=True):
        (x0, y0), (x1, y1) = path.vertices[0], path.vertices[-1]
        assert x0 < x1
        drawn[round((y0 - 18) / 13 - 0.5), round((y1 - 18) / 13 - 0.5)] = opacity
    np.testing.assert_allclose(drawn, np.where(expected < 0.002, 0, expected), atol=6e-4)


def test_a_head_view_in_svg_has_the_tokens_as_text_and_the_caption_as_metadata(fox, tmp_path):
    svg = save_svg(attnscope.figure(fox, "head", 11, [0]), tmp_path / "head.svg")
    assert svg.texts == ["11.0", *FOX, *FOX]
    weights = fox.attention(11, 0).flatten().numpy()
    np.testing.assert_allclose(svg.opacities("attention-11.0"), sorted(weights[weights >= 0.002]), atol=6e-4)
    for part in ("SmolLM2-135M-Instruct", "weights 3c", "The quick, brown fox", "head 11.0", "Scale: linear"):
        assert part in svg.description


def test_a_selected_token_shows_only_its_lines_with_their_weights(fox, tmp_path):
    svg = save_svg(attnscope.figure(fox, "head", 11, [0], token="lazy"), tmp_path / "head.svg")
    row = fox.attention(11, 0, rows=[8])[0].tolist()
    assert len(svg.opacities("attention-11.0")) == 9
    written = [text for text in svg.texts if re.fullmatch(r"\.\d\d", text)]
    assert written == [f"{weight:.2f}"[1:] for weight in row]


def test_each_head_has_its_own_color_and_a_square(cats, tmp_path):
    figure = attnscope.figure(cats, "head", 2)
    svg = save_svg(figure, tmp_path / "head.svg")
    assert svg.texts[:13] == ["layer 2", *map(str, range(12))]
    colors = {tuple(collection(figure, f"attention-2.{head}").get_edgecolors()[0][:3].round(3)) for head in range(12)}
    assert len(colors) == 12


def test_omitted_attention_is_mentioned_in_the_caption(cats):
    weights = cats.attention(2, 9).numpy()
    figure = attnscope.figure(cats, "head", 2, 9, filter="AB", threshold=0.05)
    away = 1 - weights[:8, 8:].sum() / weights[:8].sum()
    assert f"is drawn; {100 * away:.1f}% of the attention from A goes elsewhere." in figure.attnscope_caption
    assert "Weights below 0.05 are not drawn" in figure.attnscope_caption
    drawn = collection(figure, "attention-2.9").get_edgecolors()[:, 3]
    kept = weights[:8, 8:]
    np.testing.assert_allclose(sorted(drawn), sorted(kept[kept >= 0.05]), atol=6e-4)


def test_sinks_can_be_hidden_and_the_rest_renormalized(fox):
    weights = fox.attention(5, 1).numpy()
    weights[:, 0] = 0
    share = f"{100 * (1 - weights.sum() / 9):.1f}%"
    hidden = attnscope.figure(fox, "head", 5, [1], hide_sinks=True)
    assert f"Attention to the first token is hidden ({share} of the attention)." in hidden.attnscope_caption
    rest = attnscope.figure(fox, "head", 5, [1], token=8, hide_sinks="renormalized")
    expected = weights[8] / weights[8].sum()
    drawn = collection(rest, "attention-5.1").get_edgecolors()[:, 3]
    np.testing.assert_allclose(sorted(drawn), sorted(expected[expected >= 0.002]), atol=6e-4)


def test_top_draws_the_largest_weights_of_each_row(fox):
    drawn = collection(attnscope.figure(fox, "head", 11, [0], top=1), "attention-11.0").get_edgecolors()[:, 3]
    np.testing.assert_allclose(sorted(drawn), sorted(fox.attention(11, 0).amax(1).tolist()), atol=6e-4)


def test_the_model_view_labels_each_head_with_its_own_number(cats, tmp_path):
    figure = attnscope.figure(cats, "model", layers=[0, 4, 5], heads=[1, 9])
    svg = save_svg(figure, tmp_path / "model.svg")
    assert Counter(svg.texts) == Counter(["1", "9", "0", "4", "5"])
    assert "layers 0, 4–5, heads 1, 9" in figure.attnscope_caption
    weights = cats.attention(4, 9).flatten().numpy()
    np.testing.assert_allclose(svg.opacities("attention-4.9"), sorted(weights[weights >= 0.02]), atol=6e-4)


def test_the_matrix_view_colors_every_cell_by_its_weight(cats):
    figure = attnscope.figure(cats, "matrix", 2, head=9, palette="gray")
    cells = collection(figure, "attention-2.9").get_array()[..., 0]
    np.testing.assert_allclose(1 - cells, cats.attention(2, 9).numpy(), atol=1 / 255)


def test_the_neuron_view_writes_the_products_and_weights_of_the_selected_query(cats, tmp_path):
    figure = attnscope.figure(cats, "neuron", 0, head=2, token=2, width="page")
    svg = save_svg(figure, tmp_path / "neuron.svg")
    q, k = cats.q(0, 2)[2], cats.k(0, 2)
    dots = [f"{float(q @ one):.2f}".replace("-", "−") for one in k]
    weights = cats.attention(0, 2, rows=[2])[0].tolist()
    for expected in (dots, [f"{weight:.2f}"[1:] if weight < 0.995 else "1.0" for weight in weights if weight >= 0.005]):
        assert not Counter(expected) - Counter(svg.texts)
    for heading in ("query q", "key k", "q × k", "q · k", "softmax", "0.2"):
        assert heading in svg.texts
    assert [text for text in svg.texts if text in CATS] == [*CATS, *CATS]
    products = collection(figure, "qxk-1").get_array()[0]
    sign = np.sign(products[:, 2] - products[:, 0])
    expected = (q * k[1]).numpy()
    large = np.abs(expected) > 0.02 * float((q * k).abs().max())
    assert np.array_equal(sign[large], np.sign(expected)[large])


def test_masked_keys_have_no_numbers(fox, tmp_path):
    svg = save_svg(attnscope.figure(fox, "neuron", 11, head=0, token="jumps"), tmp_path / "neuron.svg")
    assert svg.texts.count("–") == 3
    assert "k-5" in svg.source and "k-6" not in svg.source


def test_a_pdf_has_truetype_fonts_its_tokens_and_its_caption(fox, tmp_path):
    attnscope.figure(fox, "head", 11, [0]).savefig(tmp_path / "head.pdf")
    data = (tmp_path / "head.pdf").read_bytes()
    assert b"/CIDFontType2" in data and b"/Type3" not in data
    assert b"/Title (Attention of SmolLM2-135M-Instruct, head 11.0)" in data
    subject = re.findall(rb"/Subject \((.*?)(?<!\\)\)", data, re.DOTALL)[0]
    assert "The quick, brown fox".encode("utf-16-be") in subject or b"The quick, brown fox" in subject
    streams = [one for one in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL) if one[:1] == b"x"]
    assert any(re.search(rb"T[jJ]", zlib.decompressobj().decompress(one)) for one in streams)
    assert any(b"begincmap" in zlib.decompressobj().decompress(one) for one in streams)


def test_a_png_contains_its_caption(fox, tmp_path):
    figure = attnscope.figure(fox, "matrix", 11, head=0)
    figure.savefig(tmp_path / "matrix.png")
    with Image.open(tmp_path / "matrix.png") as image:
        assert image.text["Description"] == figure.attnscope_caption
        assert abs(image.width - 3.25 * 300) <= 1


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_the_same_figure_is_the_same_file(fox, tmp_path, kind):
    for name in ("a", "b"):
        attnscope.figure(fox, "head", 11, [0]).savefig(tmp_path / f"{name}.{kind}")
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.parametrize(("width", "inches"), [("column", 3.25), ("page", 6.75), (5, 5)])
@pytest.mark.parametrize("view", ["head", "model", "neuron", "matrix"])
def test_nothing_is_cut_off_at_any_width(cats, view, width, inches):
    figure = attnscope.figure(cats, view, 2, head=None if view == "model" else 9, width=width)
    assert figure.get_size_inches()[0] == inches
    figure.set_dpi(144)
    figure.draw_without_rendering()
    page = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1, text.get_text()
        assert page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1, text.get_text()
        assert float(text.get_fontsize()) >= 5


def test_custom_axes_are_drawn_into_and_their_figure_saves_the_captions(fox, cats, tmp_path):
    figure = Figure(figsize=(6.75, 2.5))
    left, right = figure.subplots(1, 2)
    assert attnscope.figure(fox, "head", 16, [0], ax=left) is figure
    attnscope.figure(cats, "matrix", 2, head=9, ax=right)
    svg = save_svg(figure, tmp_path / "both.svg")
    assert svg.texts[:10] == ["16.0", *FOX]
    assert "head 16.0" in svg.description and "head 2.9" in svg.description
    figure.savefig(tmp_path / "both.pdf")
    assert b"/Type3" not in (tmp_path / "both.pdf").read_bytes()
    assert "head 2.9" in save_svg(pickle.loads(pickle.dumps(figure)), tmp_path / "again.svg").description
    assert mpl.rcParams["svg.fonttype"] == "path"


def test_tokens_are_readable_text_and_nothing_is_executed(tmp_path):
    tokens = [
        " The",
        " wal",
        "king",
        "a$b$c",
        "\n",
        "",
        "x\u202ey",
        "\x00",
        "</script><script>",
        "\ud800",
        "\U000e0041",
    ]
    svg = save_svg(attnscope.figure(random_trace(tokens), "head", 0, [0]), tmp_path / "odd.svg")
    shown = [
        "The",
        "wal",
        "##king",
        "a$b$c",
        "↵",
        "∅",
        "x\\u202ey",
        "\\x00",
        "</script><script>",
        "\\ud800",
        "\\U000e0041",
    ]
    shown[3] = "##a$b$c"
    assert svg.texts == ["0.0", *shown, *shown]
    assert "\u202e" not in svg.source and "<script" not in svg.source


def test_a_notebook_shows_a_figure_at_its_size(fox):
    data, size = attnscope.figure(fox, "head", 11, [0])._repr_png_()
    assert data.startswith(b"\x89PNG") and size["width"] == 3.25 * 72 * 1.5


def test_long_inputs_fit_a_page_or_are_an_error(tmp_path):
    figure = attnscope.figure(random_trace([f"w{at}" for at in range(89)]), "head")
    assert figure.get_size_inches()[1] <= 9
    long = random_trace([f"w{at}" for at in range(300)])
    with pytest.raises(TooLongError, match="300 tokens do not fit on a page in this view"):
        attnscope.figure(long, "head")
    assert "One token in 9 is labeled." in attnscope.figure(long, "matrix").attnscope_caption
    assert "Each cell shows the largest of 5×5 weights." in attnscope.figure(long, "model").attnscope_caption
    assert "only the 20,000 with the" in attnscope.figure(long, "head", figsize=(4, 30), scale="root").attnscope_caption


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"view": "heads"}, "`view` must be 'head', 'model', 'neuron' or 'matrix'; got 'heads'"),
        ({"layer": 30}, "this stack has layers 0 to 29"),
        ({"heads": [9]}, "integers from 0 to 8, at least one; got 9"),
        ({"heads": []}, "got none"),
        ({"heads": [0], "head": 0}, "not both"),
        ({"view": "matrix", "heads": [0, 1]}, "shows one head; got 2"),
        ({"token": 9}, "There is no token 9: the text has tokens 0 to 8"),
        ({"token": "dog"}, '"dog" is not a word of the text'),
        ({"width": "wide"}, "'column', 'page' or a number of inches"),
        ({"scale": "cubic"}, "'linear', 'root' or 'log'; got 'cubic'"),
        ({"filter": "AB"}, "needs a pair of sentences"),
        ({"threshold": 2}, "between 0 and 1; got 2"),
        ({"top": 0}, "1 or more; got 0"),
        ({"font": "No Such Font"}, "no font 'No Such Font'"),
        ({"stack": "cross"}, "no stack 'cross'"),
    ],
)
def test_invalid_figures_are_errors(fox, arguments, message):
    with pytest.raises(InputError, match=message):
        attnscope.figure(fox, **arguments)


def test_a_neuron_view_needs_queries_and_keys():
    with pytest.raises(UnsupportedError, match="the trace has only attention weights"):
        attnscope.figure(random_trace(["a", "b"]), "neuron")


def test_a_repeated_word_can_be_selected_by_position(cats):
    with pytest.raises(InputError, match='"cat" occurs at tokens 2 and 9'):
        attnscope.figure(cats, "head", 2, [9], token="cat")
    for named in (9, ("cat", 2), -6):
        assert "from token 9 (cat)" in attnscope.figure(cats, "head", 2, [9], token=named).attnscope_caption


def test_a_span_draws_the_lines_of_all_its_tokens(fox, tmp_path):
    drawn = attnscope.figure(fox, "head", 11, [0], token="quick, brown")
    assert "from tokens 1–3 (quick , brown)" in drawn.attnscope_caption
    assert "mean weight from the 3 selected tokens" in drawn.attnscope_caption
    both = save_svg(drawn, tmp_path / "span.svg").opacities("attention-11.0")
    apart = [
        save_svg(attnscope.figure(fox, "head", 11, [0], token=at), tmp_path / f"{at}.svg").opacities("attention-11.0")
        for at in (1, 2, 3)
    ]
    assert both == sorted(line for lines in apart for line in lines) and len(both) > 3
    neuron = attnscope.figure(fox, "neuron", 11, head=0, token="quick, brown")
    assert "token 3 (brown)" in neuron.attnscope_caption


def test_the_first_head_has_the_color_of_the_page(fox):
    lines = collection(attnscope.figure(fox, "head", 0, [0]), "attention-0.0")
    np.testing.assert_allclose(lines.get_edgecolors()[0][:3], to_rgb("#0072b2"), atol=1e-3)


def test_a_figure_uses_the_first_layer_with_attention_by_default() -> None:
    weights = np.full((2, 3, 3), 1 / 3)
    trace = attnscope.Trace.from_attention({2: weights, 4: weights}, ["a", "b", "c"])
    drawn: Any = attnscope.figure(trace, view="matrix")
    assert "2.0" in drawn.attnscope_caption
    with pytest.raises(InputError, match="Layer 0"):
        attnscope.figure(trace, layer=0)


def test_old_spellings_of_options_work_and_warn(fox: attnscope.Trace) -> None:
    with pytest.warns(
        FutureWarning, match="'renormalised'` is deprecated .* use `hide_sinks='renormalized'`"
    ) as caught:
        attnscope.figure(fox, "head", 5, [1], token=8, hide_sinks="renormalised")
    assert caught[0].filename == __file__  # the warning points at the caller
    with pytest.warns(FutureWarning, match="use `palette='gray'`"):
        attnscope.figure(fox, "matrix", 2, head=1, palette="grey")  # pyright: ignore[reportArgumentType]
