"""Write a page to a file, atomically."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from attnscope.files import check_target, replacing
from attnscope.offline.document import MAX_BYTES, Document, document
from attnscope.session.protocols import ModelLike
from attnscope.trace import Trace
from attnscope.trace.positions import Position
from attnscope.validation import PATH, check_arguments
from attnscope.workspace import Workspace

_WHAT = "the page"
_log = logging.getLogger(__name__)


@check_arguments(path=PATH)
def export(
    trace: Trace | Workspace,
    path: str | os.PathLike[str],
    layers: Iterable[int] | None = None,
    *,
    view: str | None = None,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    token: Position | None = None,
    stack: str | None = None,
    form: str = "auto",
    neurons: bool = True,
    values: bool | None = None,
    error: float | None = None,
    address: str | None = None,
    title: str | None = None,
    baseline: Trace | None = None,
    field: str | None = None,
    model: ModelLike | Sequence[ModelLike] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Write one self-contained HTML file that shows a trace in any browser, from `file://` and without a network.

    The same trace gives the same bytes. The size is logged (level info) before the file is written.

    Args:
        trace: The trace to export, or a workspace: its current trace beside its baseline, as the app showed them.
        path: The file to write.
        layers: The layers to include; None for all. The page says which layers were omitted.
        view: `"model"`, `"head"` or `"neuron"` to open with that view alone; None for all three.
        layer: The layer to select at first.
        heads: The heads to select at first.
        token: The position of the query token to select at first.
        stack: The stack to open with.
        form: What the file stores: `"qk"` (queries and keys, for neurons and scores), `"attention"` (weights only), or
            `"auto"`: queries and keys, or with `neurons=False` whichever is smaller.
        neurons: Whether to include queries and keys for the neuron view. Used by `form="auto"`.
        values: Whether to include value vectors and the norms computed with W_O; None to include them if the page stays small.
        error: The largest error of an attention weight; None for 5e-5 to 3e-3, depending on the size. The page shows it.
        address: What the page shows at first, as the hash of a page's address (`"layer=9&heads=4&pins=q8,k4"`). Its parts take
            precedence over the other arguments.
        title: The title of the page; None for the text.
        baseline: A second trace that this one is compared with, such as the same input without the edits. The page shows both
            passes and their difference. What they have in common is stored once.
        field: With a baseline, what the page shows at first: `"before"` (the baseline), `"after"` (this trace), or
            `"difference"` (after − before); None for the difference.
        model: With a baseline, the model that made both traces, or a list of two: that of the trace and that of the baseline.
            The page then also says how the prediction changes.
        max_bytes: The largest file to write.

    Returns:
        The path.

    Raises:
        InputError: An argument is invalid, nothing in the two traces corresponds, or `path` is a folder or in a folder that
            does not exist.
        WriteError: The file cannot be written: the disk is full, or permission is denied.
        TooLongError: The page would be larger than `max_bytes`. Nothing is written.
        MissingError: The front end has not been built.
    """
    check_target(Path(path), _WHAT)
    made = document(
        trace,
        view=view,
        layer=layer,
        heads=heads,
        token=token,
        stack=stack,
        layers=layers,
        form=form,
        neurons=neurons,
        values=values,
        error=error,
        address=address,
        title=title,
        baseline=baseline,
        field=field,
        model=model,
        max_bytes=max_bytes,
    )
    _log.info("%s: %.1f MB", path, made.size / 1e6)
    return write(made, Path(path))


def write(made: Document, path: Path) -> Path:
    """Write the page to a file, atomically. Raises `InputError` or `WriteError`."""
    with replacing(path, _WHAT) as unfinished:
        unfinished.write_text(made.html, encoding="ascii", newline="\n")
    return path
