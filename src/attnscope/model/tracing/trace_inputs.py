"""From an input to its trace: encode it, run one captured pass, and collect the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from attnscope.capture import VirtualTokens, virtual_tokens
from attnscope.edits import Edit
from attnscope.edits.plan import Plan
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.handle import ModelHandle
from attnscope.model.inputs.audio import time_tokens
from attnscope.model.inputs.decoder_inputs import Target
from attnscope.model.inputs.features import with_positions
from attnscope.model.inputs.image_tokens import with_patches
from attnscope.model.inputs.images import check_without_image
from attnscope.model.inputs.input_kind import IMAGE_KINDS
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.sentences import SentenceStart
from attnscope.model.inputs.virtual_positions import (
    check_virtual_tokens,
    shifted,
    with_undefined_rows,
    with_virtual_positions,
)
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.model.tracing.lazy_logits import lazy_logits
from attnscope.model.tracing.next_tokens import next_logits
from attnscope.model.tracing.packed_sequences import as_called
from attnscope.model.tracing.predictions import predictions_of
from attnscope.model.tracing.provenance import provenance
from attnscope.model.tracing.run import PassResult, check_sizes, explain_failure, run
from attnscope.trace import Trace
from attnscope.trace.prediction import Prediction
from attnscope.trace.stack import TracedStack
from attnscope.types import Observer


def trace_of(
    handle: ModelHandle,
    text: Any,
    pair: str | Sequence[str] | None = None,
    *,
    target: Target | Sequence[Target] | None = None,
    image: Any = None,
    max_tokens: int | None = None,
    sentence_b_start: SentenceStart = None,
    continue_final_message: bool = False,
    edits: Sequence[Edit] = (),
    observer: Observer | None = None,
) -> Trace | list[Trace]:
    """Implement `Model.trace`, for a single input or a batch. `text` may also be encoded model inputs (`Model.encode`)."""
    if isinstance(text, ModelInputs):
        check_without_image(image)
        return trace_inputs(handle, text, edits, observer)
    preprocessor = handle.preprocessor
    check_virtual_tokens(handle.module)
    found = preprocessor.read_input(
        text,
        pair,
        target=target,
        image=image,
        max_tokens=max_tokens,
        sentence_b_start=sentence_b_start,
        continue_final_message=continue_final_message,
    )
    if isinstance(found, list):
        return [trace_inputs(handle, preprocessor.encode(one, observer), edits, observer) for one in found]
    return trace_inputs(handle, preprocessor.encode(found, observer), edits, observer)


def trace_inputs(handle: ModelHandle, encoded: ModelInputs, edits: Sequence[Edit], observer: Observer | None) -> Trace:
    """The trace of one pass on encoded model inputs, by the tower that reads them if the model has several."""
    encoded = handle.preprocessor.complete(encoded, observer)
    tower = handle.tower_for(encoded.inputs)
    with explain_failure(tower.module, encoded, tower.title):
        return _traced(tower, encoded, edits, observer)


def _traced(handle: ModelHandle, encoded: ModelInputs, edits: Sequence[Edit], observer: Observer | None) -> Trace:
    ready = ready_pass(handle, encoded, edits)
    return trace_from(handle, ready, run(ready.probed, ready.inputs, observer, ready.plan))


@dataclass(frozen=True)
class ReadyPass:
    """Everything that a pass on one input needs. `text` is the input without the positions of virtual tokens."""

    encoded: ModelInputs
    text: ModelInputs
    inputs: dict[str, Tensor]
    virtual: VirtualTokens | None
    probed: ProbedModel
    plan: Plan | None


def ready_pass(handle: ModelHandle, encoded: ModelInputs, edits: Sequence[Edit]) -> ReadyPass:
    """Prepare the pass on complete model inputs."""
    module, preprocessor = handle.module, handle.preprocessor
    inputs, warnings = as_called(module, preprocessor.tensors(encoded), use_cache=encoded.use_cache)
    encoded = replace(encoded, warnings=[*encoded.warnings, *warnings])
    text, virtual = encoded, virtual_tokens(module)
    encoded = with_virtual_positions(module, encoded)
    probed = handle.probed_for(inputs)
    architecture = probed.architecture
    if encoded.kind in IMAGE_KINDS:
        encoded = with_patches(module, architecture, encoded, inputs, handle.patches)
    is_audio = encoded.kind == "audio"  # the number of positions is known only after the pass
    counted = all(encoded.sides.values()) and not is_audio
    sizes = None if not counted else {side: len(tokens) for side, tokens in encoded.sides.items()}
    plan = plan_for(architecture, edits, title=handle.title, sizes=sizes, sides=encoded.sides if counted else None)
    return ReadyPass(encoded, text, inputs, virtual, probed, plan)


def trace_from(handle: ModelHandle, ready: ReadyPass, passed: PassResult, *, weights: str | None = None) -> Trace:
    """The trace of a finished pass. `weights` is the fingerprint of the model, if it is known already."""
    module, inputs, virtual = handle.module, ready.inputs, ready.virtual
    applied = () if ready.plan is None else ready.plan.edits
    encoded = with_counted_tokens(handle, ready.encoded, inputs, passed.stacks)
    check_sizes(passed.stacks, {side: len(tokens) for side, tokens in encoded.sides.items()}, handle.title)
    output_logits = getattr(passed.output, "logits", None)
    logits = output_logits if isinstance(output_logits, Tensor) else None
    notes = ready.probed.architecture.notes
    return Trace(
        sides=encoded.sides,
        stacks=passed.stacks,
        certificate=passed.certificate,
        provenance=provenance(handle, encoded, inputs, applied, weights=weights),
        warnings=[*encoded.warnings, *passed.warnings, *notes, *_undefined(handle, logits)],
        next_tokens=_next_tokens(
            handle, next_logits(module, inputs, logits, passed.stacks, edited=ready.plan is not None)
        ),
        predictions=shifted(_predictions(handle, passed.output, ready.text, encoded, virtual), virtual),
        logits=with_undefined_rows(lazy_logits(module, inputs, passed.base, _last_logits(logits)), virtual),
        inputs=inputs,
        images=encoded.images,
        edits=applied,
    )


def with_counted_tokens(
    handle: ModelHandle, encoded: ModelInputs, inputs: Mapping[str, Tensor], stacks: Mapping[str, TracedStack]
) -> ModelInputs:
    """Add the tokens of inputs that are not tokens (audio, features), counted in the pass that made `stacks`."""
    if encoded.kind == "audio":
        first = next(iter(stacks.values()))
        count = next(record.keys for record in first.records if record is not None)
        encoded = replace(encoded, tokens=time_tokens(handle.preprocessor.feature_extractor, inputs, count))
    return with_positions(encoded, stacks)


def _predictions(
    handle: ModelHandle, output: Any, text: ModelInputs, encoded: ModelInputs, virtual: VirtualTokens | None
) -> list[Prediction]:
    """The predictions of a pass; of virtual tokens there are none."""
    if virtual is None:
        return predictions_of(handle.module, handle.tokenizer, output, encoded, handle.preprocessor.read_output)
    logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor) and logits.ndim == 3 and not virtual.keys_only:
        output = SimpleNamespace(logits=logits[:, virtual.count :])
    return predictions_of(handle.module, handle.tokenizer, output, text, handle.preprocessor.read_output)


def _undefined(handle: ModelHandle, logits: Tensor | None) -> list[str]:
    """A warning if no probabilities follow from the model's own logits: some are infinite or NaN."""
    last = _last_logits(logits)
    if last is None or not bool(torch.softmax(last, dim=-1).isnan().any()):
        return []
    return [
        f"The logits of {handle.title} overflow in {handle.dtype}, so its predictions mean nothing. Load it with "
        "`dtype='bfloat16'` or `dtype='float32'`."
    ]


def _next_tokens(handle: ModelHandle, logits: Tensor | None) -> list[tuple[str, int, float]] | None:
    if logits is None:
        return None
    top = torch.softmax(logits.float(), dim=-1).topk(min(5, len(logits)))
    pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return [(handle.preprocessor.read_output(ident).text, ident, probability) for ident, probability in pairs]


def _last_logits(logits: Tensor | None) -> Tensor | None:
    if logits is None:
        return None
    last = logits[0, -1] if logits.ndim == 3 else logits[0]
    return last.float().cpu().clone()  # not a view, which would keep all logits
