"""The preview in a saved notebook: the model view's thumbnails and the selected heads, as SVG.

Python draws it when the cell runs, so that the notebook also shows something where neither a kernel nor scripts run: on
GitHub, in nbviewer, or when the notebook is reopened later. It is an `<img>`, so it cannot run anything.
"""

from __future__ import annotations

import base64
import struct
import zlib
from html import escape

import numpy as np
import torch
from jaxtyping import UInt8

from attnscope.appearance.characters import face, printable
from attnscope.appearance.numerals import counted, head_name, heads_name
from attnscope.appearance.palette import (
    ACCENT,
    FRAME,
    GROUND,
    INK,
    NOTEBOOK_WEIGHTS,
    QUIET,
    SCREEN_DASHES,
    head_color,
    head_dash,
    ramp,
)
from attnscope.attention import LayerRecord
from attnscope.trace import Trace
from attnscope.types import Token

_HEIGHT = 400
_CELLS = 24
_MAX_LISTED_TOKENS = 32
_MAX_LINES = 400
_MIN_WEIGHT = 0.03
_FAINT = 0.2
"""The opacity of lines from other tokens than the selected one, relative to its own."""
_FONT = 'font-family="system-ui, Segoe UI, Helvetica Neue, sans-serif" font-size="12"'


def preview_svg(trace: Trace, stack: str, layer: int, heads: list[int], *, token: int | None = None, title: str) -> str:
    """Draw an SVG: all heads of a stack on the left, and `heads` of one layer over the tokens on the right.

    The attention of the query `token` stands out.
    """
    grid, width, high = _grid(trace, stack, layer, heads)
    right, right_width, right_high = _heads_view(trace, stack, layer, heads, token)
    total, height = max(52 + width + right_width, 360), max(high, right_high) + 74
    tokens = counted(len(trace.tokens), "token")
    named = head_name(layer, heads[0]) if len(heads) == 1 else heads_name(layer, heads)
    caption = f"{tokens} · {named}" if heads else tokens
    if token is not None:
        caption += f" · from “{_face(trace.tokens_for(stack)[0][token]).strip()}” (token {token})"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{height}" viewBox="0 0 {total} {height}" {_FONT}>'
        f'<rect x=".5" y=".5" width="{total - 1}" height="{height - 1}" rx="8" fill="{GROUND}" stroke="{FRAME}"/>'
        f'<text x="12" y="24" fill="{INK}" font-size="13" font-weight="600">{_text(title.strip())}</text>'
        f'<text x="12" y="42" fill="{QUIET}">{_text(caption)}</text>'
        f'<g transform="translate(12 62)">{grid}</g><g transform="translate({40 + width} 62)">{right}</g></svg>'
    )


def preview_html(svg: str, *, key: str, alt: str) -> str:
    """The preview as HTML. The live page finds it by `key` and hides it.

    The style hides JupyterLab's error message in the output below, which appears if no kernel has the widget any longer.
    """
    data = base64.b64encode(svg.encode()).decode()
    return _in_place_of_the_widget(
        f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">'
        "<p><small>Preview from when this cell ran. Run the cell again for the interactive view.</small></p>",
        key=key,
    )


def note_html(sentence: str, *, key: str) -> str:
    """A sentence in place of the preview, as HTML. The live page finds it by `key` and hides it, like a preview."""
    return _in_place_of_the_widget(f"<p>{escape(sentence)}</p>", key=key)


def _in_place_of_the_widget(html: str, *, key: str) -> str:
    mark = f'data-attnscope-picture="{key}"'
    missing_widget = f".jp-OutputArea-child:has([{mark}]) + .jp-OutputArea-child .jupyter-widgets:not(:has(*))"
    return f"<div {mark}><style>{missing_widget} {{ display: none }}</style>{html}</div>"


def _grid(trace: Trace, stack: str, layer: int, heads: list[int]) -> tuple[str, int, int]:
    """The thumbnails: one row per layer, one column per head. Returns the SVG, its width and its height."""
    sizes = trace.stacks[stack]
    side = max(4, min(_CELLS, _HEIGHT // sizes.layers - 2))
    step = side + 2
    pixels = np.full((sizes.layers * step, max(sizes.heads, 1) * step, 3), 255, dtype=np.uint8)
    for row, record in enumerate(trace.traced_stack(stack).records):
        for column, cells in enumerate(() if record is None else _thumbnails(record, side)):
            pixels[row * step : row * step + side, column * step : column * step + side] = _shaded(_fitted(cells, side))
    marks = "".join(
        f'<rect x="{head * step - 1}" y="{layer * step - 1}" width="{step}" height="{step}"/>' for head in heads
    )
    marks = f'<g fill="none" stroke="{INK}" stroke-width="1.5">{marks}</g>'
    high, wide, _ = pixels.shape
    return _image(pixels, wide, high) + marks, wide, high


def _thumbnails(record: LayerRecord, side: int) -> np.ndarray:
    """Attention of every head [heads, rows, columns]: at most `side` evenly spaced queries; keys are max-pooled."""
    rows = torch.linspace(0, record.queries - 1, min(side, record.queries)).round().long()
    weights = record.attention(torch.arange(record.shape.heads), rows)
    wide = -(-record.keys // side)
    padded = torch.nn.functional.pad(weights, (0, -record.keys % wide))
    return padded.unflatten(-1, (-1, wide)).amax(-1).numpy()


def _fitted(cells: np.ndarray, side: int) -> np.ndarray:
    """Scale cells to a square of `side` pixels."""
    rows, columns = (np.arange(side) * size // side for size in cells.shape)
    return cells[rows][:, columns]


def _shaded(weights: np.ndarray) -> UInt8[np.ndarray, "rows columns 3"]:
    """Weights as colors from near white to the accent color, by their square root."""
    return ramp(NOTEBOOK_WEIGHTS, np.sqrt(np.clip(weights, 0, 1)))


def _heads_view(trace: Trace, stack: str, layer: int, heads: list[int], token: int | None) -> tuple[str, int, int]:
    """The selected heads as lines between tokens or, for a long input, the first of them as a matrix.

    The lines of the query `token` are in full color and the others faint; in a matrix, its row has a frame.

    Returns the SVG, its width and its height.
    """
    record = trace.traced_stack(stack).records[layer]
    if record is None or not heads:
        return "", 0, 0
    queries, keys = trace.tokens_for(stack)
    if max(len(queries), len(keys)) > _MAX_LISTED_TOKENS:
        cells = _thumbnails(record, _HEIGHT)[heads[0]]
        matrix = _image(_shaded(_fitted(cells, _HEIGHT)), _HEIGHT, _HEIGHT)
        return matrix + _row_frame(token, len(queries)), _HEIGHT, _HEIGHT
    weights = record.attention(torch.tensor(heads), torch.arange(record.queries)).numpy()
    most = max(len(queries), len(keys))
    step, gap = min(30.0, _HEIGHT / most), 220
    column = 12 + 7 * min(18, max(len(_face(token)) for token in (*queries, *keys)))
    strength = (
        weights if token is None else np.where(np.arange(len(queries))[:, None] == token, weights, _FAINT * weights)
    )
    order = np.argsort(strength, axis=None)[::-1][:_MAX_LINES]
    lines: list[str] = []
    for flat in order:
        head, query, key = (int(part) for part in np.unravel_index(flat, weights.shape))
        weight = float(weights[head, query, key])
        if weight < _MIN_WEIGHT:
            continue
        color = ACCENT if len(heads) == 1 else head_color(heads[head])
        dash = " ".join(f"{length:g}" for length in head_dash(heads[head], SCREEN_DASHES)) if len(heads) > 1 else ""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        y0, y1 = (query + 0.5) * step, (key + 0.5) * step
        lines.append(
            f'<path d="M{column + 6} {y0:.1f}C{column + gap / 2:.0f} {y0:.1f} {column + gap / 2:.0f} {y1:.1f} '
            f'{column + gap - 6} {y1:.1f}" stroke="{color}" stroke-opacity="{strength[head, query, key]:.2f}"{dashed}/>'
        )
    drawn = f'<g fill="none" stroke-width="1.5">{"".join(lines)}</g>'
    left = _words(queries, step, x=column, anchor="end", bold=token)
    return drawn + left + _words(keys, step, x=column + gap, anchor="start"), 2 * column + gap, round(most * step)


def _row_frame(token: int | None, queries: int) -> str:
    if token is None:
        return ""
    y, height = token * _HEIGHT / queries, max(3.0, _HEIGHT / queries)
    place = f'y="{y:.1f}" width="{_HEIGHT}" height="{height:.1f}"'
    return f'<rect {place} fill="none" stroke="{INK}" stroke-width="1.5"/>'


def _words(tokens: list[Token], step: float, *, x: int, anchor: str, bold: int | None = None) -> str:
    weights = ['font-weight="700"' if index == bold else "" for index in range(len(tokens))]
    return "".join(
        f'<text x="{x}" y="{(index + 0.5) * step + 4:.1f}" text-anchor="{anchor}" fill="{INK}" {weights[index]}>'
        f"{_text(_face(token), 18)}</text>"
        for index, token in enumerate(tokens)
    )


def _face(token: Token) -> str:
    return face(token.text, name=token.special or token.box is not None)


def _text(text: str, most: int = 90) -> str:
    """Text as XML. Control characters and lone surrogates are not valid XML, so they are shown as their code points."""
    shown = printable(text)
    return escape(shown if len(shown) <= most else f"{shown[: most - 1]}…")


def _image(pixels: UInt8[np.ndarray, "rows columns 3"], width: int, height: int) -> str:
    data = base64.b64encode(_png(pixels)).decode()
    return f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/>'


def _png(pixels: UInt8[np.ndarray, "rows columns 3"]) -> bytes:
    """Encode RGB pixels as PNG."""
    rows, columns, _ = pixels.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.reshape(rows, -1)], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + chunk(b"IEND", b"")
    )
