"""The `--baseline` and `--compare` options: a second pass that the first one is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from attnscope.cli.chats import TextOrChat
from attnscope.cli.images import image_paths
from attnscope.cli.inputs import check_no_input, require_input, traced
from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.edits import Edit
    from attnscope.session.protocols import ModelLike
    from attnscope.trace import Trace

Baseline = Annotated[
    str | None,
    typer.Option(
        help="What to compare with: another text, which the same model runs, or a saved trace (a .trace file). Default for a "
        "workspace: its own baseline."
    ),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Compare the edited pass with the same input without the edits.")
]
FieldOption = Annotated[
    str | None,
    typer.Option(
        "--field",
        help="With a baseline, what to show at first: before (the baseline), after, or difference. Default: difference.",
    ),
]


@dataclass(frozen=True)
class Passes:
    """The pass that a command is about, its baseline (None without one), and the view of a workspace, as an address.

    `model` is the model that made both; None if it is unknown.
    """

    current: Trace
    baseline: Trace | None = None
    address: str = ""
    model: ModelLike | None = None


def passes_of(
    source: str,
    text: TextOrChat | None,
    pair: str | None,
    target: str | None,
    images: Sequence[Path] | None,
    edits: Sequence[Edit],
    *,
    continue_final_message: bool,
    baseline: str | None,
    compare: bool,
) -> Passes:
    """The passes that the command is about; of a workspace, its current trace and its baseline.

    Raises `InputError` for options that do not fit each other, and for a saved trace that would have to be run.
    """
    from rich.console import Console

    from attnscope.cli.sources import model_entry, saved_file, saved_trace
    from attnscope.workspace import Workspace

    if compare and baseline is not None:
        raise InputError("--compare and --baseline are two baselines. Drop one of them.")
    if compare and not edits:
        raise InputError("--compare compares an edited pass with the same input without edits. Pass --edit or --edits.")
    before = opened = None if baseline is None else saved_trace(baseline)
    saved = saved_file(source)
    if saved is not None:
        if edits:
            raise InputError(f"{source!r:.300} is a saved trace, which cannot be edited. Pass its model and its text.")
        if baseline is not None and before is None:
            raise InputError(
                f"{source!r:.300} is a saved trace without a model, which cannot run the text of --baseline. Pass a .trace file."
            )
        check_no_input(source, text, pair, target, images, continue_final_message=continue_final_message)
        if isinstance(saved, Workspace):
            return Passes(saved.current, saved.baseline if before is None else before, saved.address)
        return Passes(saved, before)
    image = image_paths(images)
    require_input(source, text, image)
    entry = model_entry(source)
    with Console(stderr=True).status(f"Tracing {entry.title}"):
        model = entry.load()

        def run(edits: Sequence[Edit]) -> Trace:
            return traced(model, text, pair, target, edits, image=image, continue_final_message=continue_final_message)

        trace = run(edits)
        if compare:
            before = run(())
        elif baseline is not None and before is None:
            before = traced(model, baseline, None, target)
    return Passes(trace, before, model=model if opened is None else None)  # a saved trace has no logits
