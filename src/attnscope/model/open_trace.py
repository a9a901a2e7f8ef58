"""`attnscope.open`: open a saved trace, with or without the model that made it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from attnscope.attention import QKRecord
from attnscope.capture import capture, run_untouched
from attnscope.edits import AddVector, Edit
from attnscope.edits.serialization import unresolved
from attnscope.edits.validation import check_layer, check_positions, resolved, shape_of, stack_of
from attnscope.errors import DamagedError, InputError
from attnscope.files import shown
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.hf.module_info import input_device
from attnscope.model.model import Model, handle_of
from attnscope.model.tracing.generated_tokens import trace_plan
from attnscope.model.tracing.provenance import fingerprint
from attnscope.trace import Trace
from attnscope.trace.file import path_of, read
from attnscope.trace.stack import TracedStack


def _projections(probed: ProbedModel, stack: TracedStack, name: str) -> list[nn.Module | None]:
    """The projections that read each layer's head outputs, without those that need a gate the trace does not have."""
    architecture = probed.architecture.stacks[name]
    no_gate = {i for i, record in enumerate(stack.records) if getattr(record, "gate", None) is None}
    return [
        None if path is None or i in architecture.gated & no_gate else probed.module.get_submodule(path)
        for i, path in enumerate(architecture.projections)
    ]


def _check_edit(edit: Edit, trace: Trace) -> None:
    """Raise `InputError` for an edit that the recorded pass cannot have had: another layer, head, dimension or token."""
    name = stack_of(edit, trace.stacks)
    stack, tokens = trace.stacks[name], trace.tokens_for(name)
    check_layer(edit, stack)
    if not isinstance(edit, AddVector) and isinstance(trace.traced_stack(name).records[edit.layer], QKRecord):
        shape_of(edit, stack)
    if "generated" not in trace.provenance:  # an edit may name a token that generation did not reach
        check_positions(resolved(edit, tokens), *map(len, tokens))


def open(path: str | os.PathLike[str], *, model: Model | None = None) -> Trace:  # noqa: A001 - the public name is attnscope.open
    """Open a trace file that `Trace.save` wrote.

    Pass the `model` that made the trace to compute head outputs and logits too; attnscope checks that its weights are the same.
    Everything in the file is checked before it is used, but a file can be forged: its certificate is `recorded`, not measured
    again. To compare, trace the input again with the model; the same `Trace.id` means the same attention.

    Raises:
        MissingError: The file does not exist.
        DamagedError: The file is truncated or changed, is not a trace, contradicts itself, or has a newer format.
        TooLongError: The file does not fit into memory.
        InputError: `model` has other weights than the model that made the trace.
    """
    if model is not None and not isinstance(model, Model):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`model` must be the `attnscope.Model` that made the trace; got {type(model).__name__}.")
    trace = Trace.of_parts(read(path_of(path)))
    try:
        trace.edits = unresolved(trace.provenance.get("edits") or [])
        for edit in trace.edits:
            _check_edit(edit, trace)
    except InputError as error:
        raise DamagedError(f"The edits recorded in {shown(path)} are invalid: {error}") from error
    if model is None:
        return trace
    tower = handle_of(model).tower_for(trace.inputs)
    made_by = trace.provenance.get("weights")
    if made_by != fingerprint(tower.module):
        raise InputError(
            f"{shown(path)} was made by a model with other weights ({shown(str(trace.provenance.get('title')), 60)}). Pass "
            "that model, or open the trace without a model."
        )
    probed = tower.probed_for(trace.inputs)
    stacks = {
        name: replace(stack, projections=_projections(probed, stack, name))
        for name in trace.stacks
        if (stack := trace.traced_stack(name))
    }

    def logits(positions: Sequence[int] | None = None) -> Tensor | None:
        plan = trace_plan(probed.architecture, trace, probed.title)
        device = input_device(probed.module)
        inputs = {name: tensor.to(device) for name, tensor in trace.inputs.items()}
        try:
            if plan is None:
                output = run_untouched(probed.module, inputs)
            else:
                output = capture(
                    probed.module, inputs, places=probed.architecture.places, plan=plan, keeps=False
                ).output
        except (IndexError, RuntimeError, TypeError, ValueError) as error:  # the inputs come from the file
            raise DamagedError(
                f"The model cannot run on the inputs recorded in {shown(path)} ({str(error)[:200]})."
            ) from error
        found = getattr(output, "logits", None)
        if found is None:
            return None
        rows = found[0] if positions is None or found.ndim < 3 else found[0, list(positions)]
        return rows.float().cpu()

    return Trace(
        sides=trace.sides,
        stacks=stacks,
        certificate=trace.certificate,
        provenance=trace.provenance,
        warnings=trace.warnings,
        next_tokens=trace.next_tokens,
        logits=logits,
        inputs=trace.inputs,
        predictions=trace.predictions,
        images=trace.images,
        edits=trace.edits,
    )
