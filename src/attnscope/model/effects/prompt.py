"""`Prompt`: an input that is encoded once and then run many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from attnscope.attention import LayerRecord
from attnscope.edits import Edit
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.architecture.probe import StackArchitecture
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.handle import ModelHandle
from attnscope.model.inputs.image_tokens import with_patches
from attnscope.model.inputs.images import check_without_image
from attnscope.model.inputs.input_kind import IMAGE_KINDS
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.virtual_positions import refuse_virtual_tokens
from attnscope.model.residual_stream.stream import last_tower
from attnscope.model.tracing.edit_plan import check_editable
from attnscope.model.tracing.generated_tokens import generated_tokens
from attnscope.model.tracing.packed_sequences import as_called
from attnscope.model.tracing.provenance import check_made_by
from attnscope.model.tracing.run import explain_failure, run
from attnscope.trace import Trace
from attnscope.trace.stack import TracedStack
from attnscope.types import Observer, Stack, Token


@dataclass(frozen=True, eq=False)
class Prompt:
    """An encoded input and the model that runs it.

    Attributes:
        handle: The model, or the tower of it that reads this input.
        probed: The same, probed for this kind of input.
        inputs: The arguments of the forward method, a batch of one.
        sides: The tokens by side; None if they can only be counted in a pass (audio).
        trace: The trace that the input was taken from, if it was, and if it has no edits.
        edited: The trace with edits that the input was taken from, if it was.
        generated: How many of the tokens of each side were generated, after the prompt that the edits were made for.
    """

    handle: ModelHandle
    probed: ProbedModel
    inputs: Mapping[str, Tensor]
    sides: Mapping[str, Sequence[Token]] | None
    trace: Trace | None = None
    edited: Trace | None = None
    generated: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def stacks(self) -> dict[str, Stack]:
        """The sizes of the stacks."""
        return {name: Stack.of(one.shapes) for name, one in self.probed.architecture.stacks.items()}

    @property
    def last_stack(self) -> str:
        """The stack whose states become the logits."""
        return last_tower(self.probed.architecture.stacks)

    @property
    def predicting(self) -> Sequence[Token]:
        """The tokens that have logits. Raises `UnsupportedError` if they are unknown."""
        return self.tokens_of(self.last_stack)[0]

    def tokens_of(self, stack: str) -> tuple[Sequence[Token], Sequence[Token]]:
        """The query tokens and the key tokens of a stack. Raises `UnsupportedError` if they are unknown."""
        found = self.architecture_of(stack)
        if self.sides is None or found.query_side not in self.sides or found.key_side not in self.sides:
            raise UnsupportedError("The positions of this input are not known before it runs. Pass its trace instead.")
        return self.sides[found.query_side], self.sides[found.key_side]

    def architecture_of(self, stack: str) -> StackArchitecture:
        """What the probe found out about a stack."""
        return self.probed.architecture.stacks[stack]

    def chosen_stack(self, stack: str | None) -> str:
        """The stack with this name; for None the only one, or the last. Raises `InputError` for an unknown name."""
        names = tuple(self.probed.architecture.stacks)
        if stack is None:
            return names[0] if len(names) == 1 else self.last_stack
        if stack not in names:
            raise InputError(f"There is no stack {stack!r:.80}; this model has {', '.join(map(repr, names))}.")
        return stack

    def traced_stack(self, stack: str, observer: Observer | None = None) -> TracedStack:
        """The attention of a stack in this prompt's unedited pass, which runs unless the prompt came as a trace."""
        if self.trace is not None:
            return self.trace.traced_stack(stack)
        return run(self.probed, self.inputs, observer).stacks[stack]

    def masks_of(self, stack: str, observer: Observer | None = None) -> Sequence[LayerRecord | None]:
        """The records of the layers of a stack, of which only the masks are those of the unedited pass."""
        found = self.traced_stack(stack, observer) if self.edited is None else self.edited.traced_stack(stack)
        return found.records

    def check_editable(self) -> None:
        """Raise `UnsupportedError` if the model does not use transformers' attention interface."""
        check_editable(self.probed.architecture, self.probed.title)


def prompt_of(
    handle: ModelHandle,
    text: Any,
    pair: str | None = None,
    *,
    target: Any = None,
    image: Any = None,
    own_edits: bool = False,
    observer: Observer | None = None,
) -> Prompt:
    """The prompt of an input, as for `Model.trace`; of a trace, the input that it was made from.

    A trace may have been made with edits only if these are meant (`own_edits`).

    Raises `InputError`, `TooLongError`, `MissingError` and `UnsupportedError` as `trace` does.
    """
    refuse_virtual_tokens(handle.module, "measure the effect of an edit")
    if isinstance(text, Trace):
        check_without_image(image)
        return _of_trace(handle, text, own_edits=own_edits)
    encoded = text
    if isinstance(encoded, ModelInputs):
        check_without_image(image)
    else:
        preprocessor = handle.preprocessor
        encoded = preprocessor.encode(preprocessor.read_one(text, pair, target, image), observer)
    encoded = handle.preprocessor.complete(encoded, observer)
    tower = handle.tower_for(encoded.inputs)
    with explain_failure(tower.module, encoded, tower.title):
        inputs, _ = as_called(tower.module, tower.preprocessor.tensors(encoded), use_cache=encoded.use_cache)
        probed = tower.probed_for(inputs)
        if encoded.kind in IMAGE_KINDS:
            encoded = with_patches(tower.module, probed.architecture, encoded, inputs, tower.patches)
    counted = encoded.kind != "audio" and all(encoded.sides.values())
    return Prompt(tower, probed, inputs, encoded.sides if counted else None)


def edits_of(text: Any) -> tuple[Edit, ...]:
    """The edits of a trace, for a method that is about these if no others are passed. Raises `InputError` for another input."""
    if not isinstance(text, Trace):
        raise InputError("Pass `edits`, or a trace that was made with edits.")
    return tuple(text.edits)


def _of_trace(handle: ModelHandle, trace: Trace, *, own_edits: bool) -> Prompt:
    if trace.edits and not own_edits:
        raise InputError(
            "This trace was made with edits, but effects are measured against an unedited pass. Pass the text."
        )
    tower = check_made_by(handle, trace)
    return Prompt(
        tower,
        tower.probed_for(trace.inputs),
        trace.inputs,
        trace.sides,
        trace=None if trace.edits else trace,
        edited=trace if trace.edits else None,
        generated=generated_tokens(trace),
    )
