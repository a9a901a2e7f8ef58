"""A saved trace with the model that made it, which can compute what the file does not hold: head outputs and logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from attnscope.capture import capture, run_untouched
from attnscope.errors import DamagedError
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.handle import ModelHandle
from attnscope.model.hf.module_info import input_device
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.model.tracing.provenance import fingerprint
from attnscope.trace import Trace
from attnscope.trace.stack import TracedStack

_FAILURES = (IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What a model may raise on inputs that come from a file."""


def with_model(trace: Trace, handle: ModelHandle, name: str = "the trace") -> Trace | None:
    """The trace with the output projections and the logits of this model; None if a model with other weights made it.

    `name` names the trace in messages. Raises `DamagedError` if the model cannot run on the inputs recorded in the trace.
    """
    tower = handle.tower_for(trace.inputs)
    if trace.provenance.get("weights") != fingerprint(tower.module):
        return None
    try:
        probed = tower.probed_for(trace.inputs)
    except _FAILURES as error:
        raise _unusable(name, error) from error
    stacks = {
        one: replace(stack, projections=_projections(probed, stack, one))
        for one in trace.stacks
        if (stack := trace.traced_stack(one))
    }

    def logits(positions: Sequence[int] | None = None) -> Tensor | None:
        plan = plan_for(probed.architecture, trace.edits, title=probed.title)
        device = input_device(probed.module)
        inputs = {one: tensor.to(device) for one, tensor in trace.inputs.items()}
        try:
            if plan is None:
                output = run_untouched(probed.module, inputs)
            else:
                output = capture(
                    probed.module, inputs, places=probed.architecture.places, plan=plan, keeps=False
                ).output
        except (IndexError, RuntimeError, TypeError, ValueError) as error:  # the inputs come from the file
            raise DamagedError(
                f"The model cannot run on the inputs recorded in {name} ({str(error)[:200]})."
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


def _unusable(name: str, error: Exception) -> DamagedError:
    return DamagedError(f"The model cannot run on the inputs recorded in {name} ({str(error)[:200]}).")


def _projections(probed: ProbedModel, stack: TracedStack, name: str) -> list[nn.Module | None]:
    """The projections that read each layer's head outputs, without those that need a gate the trace does not have."""
    architecture = probed.architecture.stacks[name]
    no_gate = {i for i, record in enumerate(stack.records) if getattr(record, "gate", None) is None}
    return [
        None if path is None or i in architecture.gated & no_gate else probed.module.get_submodule(path)
        for i, path in enumerate(architecture.projections)
    ]
