"""`attnscope.figure`: draws a trace as a figure for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnscope.deprecation import renamed_value
from attnscope.errors import InputError
from attnscope.figures.caption import caption
from attnscope.figures.comparison import check_tokens, compared, counterparts
from attnscope.figures.head_view import MOST_TOKENS, HeadView
from attnscope.figures.image_view import ImageView, is_image
from attnscope.figures.matrix_view import MatrixView
from attnscope.figures.model_view import ModelView
from attnscope.figures.neuron_view import NeuronView
from attnscope.figures.paper import POINTS, WIDTHS, PaperFigure, add_caption
from attnscope.figures.request import (
    VIEWS,
    Field,
    Palette,
    Request,
    Thumbnails,
    View,
    one_of,
    the_heads,
    the_layer,
    the_layers,
    the_scale,
    the_stack,
    the_tokens,
)
from attnscope.figures.sheet import Sheet
from attnscope.figures.text import Fonts
from attnscope.figures.view import PaperView
from attnscope.figures.weights import Filter, Rules, Scale
from attnscope.trace import Trace
from attnscope.trace.positions import Position
from attnscope.validation import TEXT, check_arguments, instance

_VIEWS: dict[str, type[PaperView]] = {
    "head": HeadView,
    "model": ModelView,
    "neuron": NeuronView,
    "matrix": MatrixView,
}


@check_arguments(ax=instance("matplotlib axes", Axes), stack=TEXT, font=TEXT)
def figure(
    trace: Trace,
    view: View = "head",
    layer: int | None = None,
    heads: Sequence[int] | int | None = None,
    token: Position | None = None,
    ax: Axes | None = None,
    *,
    baseline: Trace | None = None,
    field: Field | None = None,
    head: int | None = None,
    stack: str | None = None,
    layers: Sequence[int] | None = None,
    width: str | float = "column",
    figsize: tuple[float, float] | None = None,
    scale: Scale | None = None,
    filter: Filter | None = None,  # noqa: A002 - what the page calls it
    hide_sinks: bool | str = False,
    threshold: float = 0.0,
    top: int | None = None,
    palette: Palette = "blue",
    thumbnails: Thumbnails = "auto",
    font: str | None = None,
) -> Figure:
    """Draw a trace as a vector figure, after the figures of Vig 2019. Save it with `.savefig("x.pdf")`, `".svg"` or `".png"`.

    `view` is `"head"` (figures 1 and 2: `layer` and `heads`, by default all of them), `"model"` (figure 5: `layers`, `heads`),
    `"neuron"` (figures 6 and 7: `layer`, `head`) or `"matrix"` (`layer`, `head`). The default layer is the first one with
    attention. `stack` is required if the trace has several.

    `token` selects a query: an index, a word ("nurse"), ("the", 2) for its second occurrence, or a span of several tokens. The
    head view draws the lines of all tokens of a span and shades the keys by their mean; other views show its last token. By
    default, the neuron view shows the last token of the text. The head view of an image is the image itself, once per head, lit
    by what `token` (a patch, `"patch 3,4"`) attends to.

    With `ax`, the view is drawn there, and the figure of these axes is returned. Otherwise, `width` is `"column"` (3.25 in),
    `"page"` (6.75 in) or a number of inches, and the height is what the view needs; `figsize` (inches) sets both.

    `scale` maps weights to darkness: `"linear"`, `"root"` or `"log"`. The default is linear, and root for heat maps in the model
    view. `filter` shows only attention from one sentence to another (`"AB"`). `hide_sinks` drops attention to the first token
    of a decoder and to special tokens; `"renormalized"` also divides the other weights of a row by their sum. `threshold` and
    `top` drop light weights, and all but the heaviest keys of each row. `palette` is for heat maps; `thumbnails` are `"lines"`
    or a `"map"`; `font` is a font family to try before the usual ones.

    With a `baseline` (an unedited pass, another prompt, another model with the same tokenizer), the figure shows the difference
    `trace` − `baseline`: positive in blue, negative in orange, scaled to the largest one drawn, which the legend gives. Tokens
    without a counterpart are gray, and replaced tokens outlined (`analysis.difference`). `field` is `"difference"`, `"before"`
    (the baseline itself, with the same heads and the corresponding token) or `"after"` (the trace itself). `threshold` and `top`
    then apply to the size of differences.

    Text remains text in SVG and PDF. The facts for a caption (model, input, head, scale, what was dropped) are in the file's
    metadata and in the figure's `attnscope_caption`. Raises `InputError` for anything that the trace doesn't have,
    `TooLongError` (a kind of `InputError`) if the view doesn't fit a page, and `UnsupportedError` for a neuron view of a trace
    without queries and keys.
    """
    if not isinstance(trace, Trace):
        raise InputError(
            f"`figure` needs a trace; got {type(trace).__name__}. Make one with `model.trace(text)`, or from attention weights "
            "with `Trace.from_attention`."
        )
    one_of("view", view, VIEWS)
    found = compared(trace, baseline, field)
    hide_sinks = renamed_value("hide_sinks", hide_sinks, {"renormalised": "renormalized"})
    palette = renamed_value("palette", palette, {"grey": "gray"})
    fonts = Fonts(font)
    if fonts.missing:
        raise InputError(f"matplotlib finds no font {font!r:.300} on this machine.")
    name = the_stack(trace, stack)
    tokens = the_tokens(trace, name, token)
    if found is not None and field == "before":
        trace, tokens, found = found.baseline, counterparts(found, name, tokens), None
        the_stack(trace, name)
    elif found is not None and field == "after":
        found = None
    elif found is not None:
        check_tokens(found, name, tokens)
    chosen = 0 if view == "model" else the_layer(trace, name, layer)
    request = Request(
        trace=trace,
        stack=name,
        layer=chosen,
        heads=_heads(trace, view, name, chosen, heads, head),
        layers=the_layers(trace, name, layers),
        tokens=tokens,
        scale=None if scale is None else the_scale(scale),
        palette=one_of("palette", palette, ("blue", "cividis", "gray")),
        thumbnails=one_of("thumbnails", thumbnails, ("auto", "lines", "map")),
        rules=Rules(filter, hide_sinks, threshold, top),  # pyright: ignore[reportArgumentType] - checked there
        comparison=found,
    )
    as_image = view == "head" and is_image(trace, name)
    drawn = ImageView(request, fonts) if as_image else _VIEWS[view](request, fonts)
    if view == "head" and not as_image and drawn.rows > MOST_TOKENS:
        raise InputError(
            f"The head view shows up to {MOST_TOKENS:,} tokens; this trace has {drawn.rows:,}. Use `view='matrix'`."
        )
    sheet = Sheet(_own_axes(drawn, width, figsize) if ax is None else ax, fonts)
    drawn.draw(sheet)
    figure = sheet.ax.get_figure(root=True)
    assert figure is not None
    add_caption(figure, caption(request, drawn.what, drawn.where, [drawn.scale_sentence(), *drawn.facts]))
    return figure


def _is_size(figsize: object) -> bool:
    sides = cast("Sequence[object]", figsize) if isinstance(figsize, (tuple, list)) else ()
    return len(sides) == 2 and all(isinstance(side, (int, float)) and 1 <= side <= 200 for side in sides)


def _heads(trace: Trace, view: str, stack: str, layer: int, heads: Any, head: Any) -> tuple[int, ...]:
    if view == "model":
        count = trace.stacks[stack].heads
        return the_heads(heads, head, count) or tuple(range(count))
    count = trace.layer_record(layer, stack).shape.heads
    found = the_heads(heads, head, count)
    if view == "head":
        return found or tuple(range(count))
    if found is not None and len(found) > 1:
        raise InputError(
            f"The {view} view shows one head; got {len(found)}. Draw the others into separate axes (`ax=`)."
        )
    return found or (0,)


def _own_axes(view: PaperView, width: str | float, figsize: tuple[float, float] | None) -> Axes:
    if figsize is None:
        wide = WIDTHS.get(width) if isinstance(width, str) else width
        if isinstance(wide, bool) or not isinstance(wide, (int, float)) or not 1 <= wide <= 100:
            raise InputError(
                f"`width` must be 'column', 'page' or a number of inches from 1 to 100; got {width!r:.80}."
            )
        figsize = (wide, view.height(wide * POINTS) / POINTS)
    elif not _is_size(figsize):
        raise InputError(f"`figsize` must be a width and a height from 1 to 200 inches; got {figsize!r:.80}.")
    figure = PaperFigure(figsize=figsize, dpi=150, facecolor="white")
    figure.set_layout_engine("none")
    return figure.add_axes((0.0, 0.0, 1.0, 1.0))
