"""What a `Model` does with edits besides tracing: calls of the Hugging Face model itself, and weights."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from attnscope.edits import Edit, Plan, Planned
from attnscope.model.handle import Core
from attnscope.model.interventions.bake import baked
from attnscope.model.interventions.edited_model import edited_run
from attnscope.model.tracing.edit_plan import plan_for


class Editable(Core):
    """A part of `Model`."""

    def plan(self, edits: Sequence[Edit | Planned]) -> Plan | None:
        """The plan of edits for the inputs that the model is usually given; None where there are none. See `edits.plan`."""
        return plan_for(self.probed.architecture, edits, title=self.probed.title)

    @contextmanager
    def edited(self, edits: Sequence[Edit]) -> Generator[nn.Module]:
        """While the block lasts, calls of `hf_model` (and its `generate`) from this thread are edited; others are not.

        Gives the edited model itself, in eval mode, which any thread may call until the block ends: a clone with the hooks that
        `hf_model` has when the block begins. A block inside another takes its place. Positions count from the first token of
        the input, also in generation with a cache. Raises `InputError` for edits that do not fit, `RefusedError`
        where the model cannot be edited or cloned.
        """
        with edited_run(self.hf_model, self.probed, self.plan(edits) or Plan((), {})) as clone:
            yield clone

    def bake(self, edits: Sequence[Edit]) -> Any:
        """A copy of the Hugging Face model with `edits` in its weights; its `save_pretrained(folder)` writes it.

        `ScaleHead` and `ScaleNeuron` are edits of weights; others are refused by name (`RefusedError`), and so are those whose
        weights cannot be told (a norm after the projection, one dimension of a rotary pair, weights shared between layers).
        """
        return baked(self.probed, self.plan(edits))
