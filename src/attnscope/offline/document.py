"""Build the HTML of a self-contained page for a trace.

Requirements of the page, and how they are met:

- It opens from `file://`, which allows no module imports and no fetches: it has one classic script, and all data inline.
- It connects to nothing: its content security policy (CSP) allows no connections and no external scripts, styles or frames.
- It runs only its own two scripts, which the CSP names by hash. Token texts are base64 in the file, and only ever become text.
- It is small: the script and all blocks are compressed, and a block is only decoded when needed.
- It is deterministic: the same trace gives the same bytes.
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
from attnscope.offline.blocks import Block, blocks
from attnscope.offline.choice import choice
from attnscope.offline.comparison import comparison_of
from attnscope.offline.start import address_fields, comparison_address, start_address
from attnscope.session.protocols import ModelLike
from attnscope.trace import Trace
from attnscope.trace.positions import Position
from attnscope.validation import FLAG, NUMBER, TEXT, WHOLE, check_arguments
from attnscope.wire import Message
from attnscope.workspace import Workspace

MAX_BYTES = 200_000_000
"""The default size limit. Browsers take long to open larger pages."""

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
<noscript>This page needs JavaScript. Its scripts are part of this file and connect to nothing.</noscript>
{data}
<script>{loader}</script>
</body>
</html>
"""
_BLOCK = '<script type="application/octet-stream" {name}>{data}</script>'


@dataclass(frozen=True)
class Document:
    """A page: its HTML (ASCII), the largest error of its attention weights, and whether it has q and k for the neuron view."""

    html: str
    error: float
    neurons: bool

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.html)


@check_arguments(
    view=TEXT,
    layer=WHOLE,
    stack=TEXT,
    form=TEXT,
    neurons=FLAG,
    values=FLAG,
    error=NUMBER,
    title=TEXT,
    address=TEXT,
    theme=TEXT,
    field=TEXT,
    max_bytes=WHOLE,
)
def document(
    trace: Trace | Workspace,
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
    address: str | None = None,
    title: str | None = None,
    theme: str | None = None,
    baseline: Trace | None = None,
    field: str | None = None,
    model: ModelLike | Sequence[ModelLike] | None = None,
    effect: Message | None = None,
    max_bytes: int = MAX_BYTES,
) -> Document:
    """Build one self-contained page for a trace.

    Args:
        trace: The trace to show, or a workspace: its current trace beside its baseline, as the app showed them.
        view: `"model"`, `"head"` or `"neuron"` to open with that view alone; None for all three.
        layer: The layer to select at first.
        heads: The heads to select at first.
        token: The query token to select at first, an index or a word; of several tokens, the last is selected.
        stack: The stack to open with.
        layers: The layers to include; None for all. The page says which layers were omitted.
        form: What the file stores: `"qk"` (queries and keys, for neurons and scores), `"attention"` (weights only), or
            `"auto"`: queries and keys, or with `neurons=False` whichever is smaller.
        neurons: Whether to include queries and keys for the neuron view. Used by `form="auto"`.
        values: Whether to include value vectors and the norms computed with W_O; None to include them if the page stays small.
        error: The largest error of an attention weight; None for 5e-5 to 3e-3, depending on the size. The page shows it.
        address: What the page shows at first, as the hash of a page's address (`"layer=9&heads=4&pins=q8,k4"`). Its parts take
            precedence over the other arguments.
        title: The title of the page; None for the text.
        theme: `"light"`, `"dark"`, or `"auto"` or None for the reader's own setting.
        baseline: A second trace that this one is compared with, such as the same input without the edits. The page shows both
            passes and their difference. What they have in common is stored once.
        field: With a baseline, what the page shows at first: `"before"` (the baseline), `"after"` (this trace), or
            `"difference"` (after − before); None for the difference.
        model: With a baseline, the model that made both traces, or a list of two: that of the trace and that of the baseline.
            The page then also says how the prediction changes.
        effect: With a baseline, the response to an `effect` request, in place of that of `model`.
        max_bytes: The largest page to build.

    Raises:
        InputError: An argument is invalid, or nothing in the two traces corresponds.
        TooLongError: The page would be larger than `max_bytes`.
        MissingError: The front end has not been built.
    """
    if isinstance(trace, Workspace):
        baseline = trace.baseline if baseline is None else baseline
        address = trace.address if address is None else address
        trace = trace.current
    if not isinstance(trace, Trace):
        raise InputError(
            f"Only a Trace or a Workspace can be exported; got {type(trace).__name__}. Make a trace with `model.trace(text)`, or "
            "from attention weights with `Trace.from_attention`."
        )
    comparison = comparison_of(trace, baseline, model, effect)
    chosen = choice(trace, layers, form, error, neurons=neurons, values=values, baseline=baseline)
    start = start_address(trace, chosen, view=view, layer=layer, heads=heads, token=token, stack=stack, theme=theme)
    start |= comparison_address(baseline, field) | address_fields(address or "")
    program, loader = _program(), _LOADER.read_text(encoding="ascii")
    parts = [_element('id="program"', _compressed(program))]
    size, error_found, has_neurons = len(parts[0]), 0.0, False
    for block in blocks(trace, chosen, comparison):
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
    address: str | None = None,
    baseline: Trace | None = None,
    effect: Message | None = None,
    max_bytes: int = MAX_BYTES,
) -> str:
    """The HTML of a page that opens with these heads selected, or at an address. This is the exporter of a session."""
    return document(
        trace,
        stack=stack,
        layer=layer,
        heads=heads,
        address=address,
        baseline=baseline,
        effect=effect,
        max_bytes=max_bytes,
    ).html


def _too_large(trace: Trace, block: Block, size: int, max_bytes: int, *, neurons: bool) -> str:
    remedy = "fewer `layers`" + (", or `neurons=False`" if neurons else "")
    return (
        f"The page for these {len(trace.tokens):,} tokens would be too large: it reaches {size / 1e6:,.0f} MB at {block.name}, "
        f"but the limit is {max_bytes / 1e6:,.0f} MB. Export {remedy}, or a shorter text, or increase `max_bytes`."
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
    stored = trace.provenance.get("text")
    text = stored if isinstance(stored, str) else "".join(token.text for token in trace.tokens)
    short = text if len(text) <= 60 else f"{text[:59]}…"
    edited = "edited · " if trace.provenance.get("edits") else ""
    return f"{edited}{short} · attnscope"


def _ascii(text: str) -> str:
    """Any text, escaped for an HTML element, in ASCII."""
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")


@cache
def _program() -> str:
    try:
        return _PROGRAM.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingError(
            "attnscope's front end is missing. Run `make setup` in a checkout, or reinstall attnscope."
        ) from error


@cache
def _compressed(text: str) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9)
    return packer.compress(text.encode()) + packer.flush()
