"""A trace as the HTML of one page that needs nothing else.

What the page has to be, and why it is made as it is:

- It opens from `file://`, where no module can be imported and nothing fetched: one classic script, all data in the page.
- Nothing leaves it: its policy (CSP) allows no connection, no other script, no style or frame from anywhere.
- Nothing in it runs but its own two scripts, named by their hashes. Whatever a token says is base64 here and text there.
- It is small: the script and every block are compressed, and a block is only decoded when somebody looks at it.
- The same trace gives the same bytes.
"""

from __future__ import annotations

import hashlib
import html
import zlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from attnscope.errors import InputError, MissingError, TooLongError
from attnscope.offline.blocks import Block, blocks, choice
from attnscope.offline.start import start_address
from attnscope.trace import Trace
from attnscope.trace.positions import Position

MAX_BYTES = 200_000_000
"""No page is larger, unless it is asked for: browsers take long to open it."""

_PROGRAM = Path(__file__).resolve().parent.parent / "static" / "export.js"
_LOADER = Path(__file__).resolve().parent / "loader.js"

_PAGE = """\
<!doctype html>
<html lang="en" data-start="{start}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="attnscope">
<title>{title}</title>
</head>
<body>
<noscript>This page shows attention with a script of its own, which this browser does not run.</noscript>
{data}
<script>{loader}</script>
</body>
</html>
"""
_BLOCK = '<script type="application/octet-stream" {name}>{data}</script>'


@dataclass(frozen=True)
class Document:
    """A page: its HTML (ASCII), the largest error of an attention weight in it, and whether it has the neurons."""

    html: str
    error: float
    neurons: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.html)


def document(
    trace: Trace,
    *,
    view: str | None = None,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    token: Position | None = None,
    stack: str | None = None,
    layers: Iterable[int] | None = None,
    form: str = "auto",
    neurons: bool = True,
    values: bool | None = None,
    error: float | None = None,
    title: str | None = None,
    theme: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Document:
    """One self-contained page that shows a trace: ASCII, no byte of it from anywhere else.

    What is shown at first: `view` (`"model"`, `"head"` or `"neuron"` takes the whole page, None shows all three), `layer`,
    `heads`, `token` (a query: an index, or a word of the text; of several tokens, the last is selected), `stack` and `theme`
    (`"light"`, `"dark"`, or None for the reader's own). What is in it:

    - `layers`: None for all; others are said to be left out.
    - `form`: `"qk"` (queries and keys, so that neurons and scores can be shown), `"attention"` (weights alone) or `"auto"`: q and
      k, or with `neurons=False` whichever is smaller.
    - `values`: v, and what W_O makes of it; None for where the page stays small.
    - `error`: how far off an attention weight may be; None for 5e-5 to 3e-3, by size. The page says what it is.

    Raises `InputError`, and `TooLongError` above `max_bytes`.
    """
    if not isinstance(trace, Trace):
        raise InputError(f"A trace is exported; got {type(trace).__name__}. `model.trace(text)` makes one.")
    chosen = choice(trace, layers, form, error, neurons=neurons, values=values)
    start = start_address(trace, chosen, view=view, layer=layer, heads=heads, token=token, stack=stack, theme=theme)
    program, loader = _program(), _LOADER.read_text(encoding="ascii")
    parts = [_element('id="program"', _compressed(program))]
    size, error_found, has_neurons = len(parts[0]), 0.0, False
    for block in blocks(trace, chosen):
        parts.append(_element(f'data-block="{block.name}"', block.data))
        size += len(parts[-1])
        if size > max_bytes:
            raise TooLongError(_too_large(trace, block, size, max_bytes, neurons=neurons))
        error_found, has_neurons = max(error_found, block.error), has_neurons or block.vectors
    text = _PAGE.format(
        start=html.escape(urlencode(start)),
        policy=_policy(loader, program),
        title=_ascii(title if title is not None else _title(trace)),
        data="\n".join(parts),
        loader=loader,
    )
    return Document(text, error_found, has_neurons)


def page(
    trace: Trace,
    *,
    stack: str | None = None,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    max_bytes: int = MAX_BYTES,
) -> str:
    """The HTML of the page that starts with these heads: the exporter of a session."""
    return document(trace, stack=stack, layer=layer, heads=heads, max_bytes=max_bytes).html


def _too_large(trace: Trace, block: Block, size: int, max_bytes: int, *, neurons: bool) -> str:
    remedy = "fewer `layers`" + (", or `neurons=False`" if neurons else "")
    return (
        f"The page of these {len(trace.tokens):,} tokens would be too large: {size / 1e6:,.0f} MB by {block.name}, and at most "
        f"{max_bytes / 1e6:,.0f} MB are written. Export {remedy}, or a shorter text; a larger `max_bytes` allows it."
    )


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; worker-src blob:; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _element(name: str, data: bytes) -> str:
    return _BLOCK.format(name=name, data=b64encode(data).decode("ascii"))


def _title(trace: Trace) -> str:
    given = trace.provenance.get("text")
    text = given if isinstance(given, str) else "".join(token.text for token in trace.tokens)
    short = text if len(text) <= 60 else f"{text[:59]}…"
    edited = "edited · " if trace.provenance.get("edits") else ""
    return f"{edited}{short} · attnscope"


def _ascii(text: str) -> str:
    """Text for an element, whatever is in it."""
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")


@cache
def _program() -> str:
    try:
        return _PROGRAM.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingError(
            "This copy of attnscope has no page to export: run `make setup` in a checkout, or install it again."
        ) from error


@cache
def _compressed(text: str) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9)
    return packer.compress(text.encode()) + packer.flush()
