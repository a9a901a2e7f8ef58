"""Trace many texts: those of equal length in one pass, which is much cheaper than one pass for each.

There is no padding, so every row of a batch is computed as it is alone, up to rounding. That is checked: the first row of each
batch also runs alone, and where its numbers differ, or the model cannot be recorded in a batch, the texts are traced one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from attnscope.capture import virtual_tokens
from attnscope.edits import Edit
from attnscope.errors import CancelledError
from attnscope.model.handle import ModelHandle
from attnscope.model.hf.hidden_states import relative
from attnscope.model.hf.module_info import is_encoder_decoder
from attnscope.model.inputs.input_kind import InputKind
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.tracing.packed_sequences import first_restart
from attnscope.model.tracing.provenance import fingerprint
from attnscope.model.tracing.run import PassResult, captured_rows, run
from attnscope.model.tracing.trace_inputs import ReadyPass, ready_pass, trace_from, trace_inputs
from attnscope.trace import Trace
from attnscope.types import Observer

_LOG = logging.getLogger(__name__)

TOKENS_AT_ONCE = 1024
"""The most tokens of a batch, unless a single text has more. More make the pass no faster."""

_TEXTS: frozenset[InputKind] = frozenset({"text", "chat", "ids", "tensors"})
_BY_TOKEN = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})


def traces_of(
    handle: ModelHandle,
    encoded: Sequence[ModelInputs],
    *,
    edits: Sequence[Edit] = (),
    observer: Observer | None = None,
    tokens_at_once: int = TOKENS_AT_ONCE,
) -> Iterator[tuple[int, Trace]]:
    """Trace every input, and return each trace with the index of its input, as soon as it is ready (not in order).

    Texts of equal length run together, at most `tokens_at_once` tokens; each trace is what `trace_inputs` returns for its input
    alone, up to rounding. All other inputs (images, encoder-decoder models, models without the attention interface) run one by
    one. No more than one batch is in memory, besides what the caller keeps. Raises the errors of `trace_inputs`.
    """
    together = _takes_batches(handle)
    for indices in _groups(encoded, tokens_at_once) if together else [[i] for i in range(len(encoded))]:
        batch = _traced_together(handle, [encoded[i] for i in indices], edits, observer) if together else None
        if batch is None:
            together = together and len(indices) == 1  # what failed once would only cost another pass
            batch = (trace_inputs(handle, encoded[i], edits, observer) for i in indices)
        yield from zip(indices, batch, strict=True)


def _takes_batches(handle: ModelHandle) -> bool:
    """Whether several texts may run in one pass of this model."""
    module = handle.module
    if handle.towers or virtual_tokens(module) is not None or is_encoder_decoder(module):
        return False
    architecture = handle.probed.architecture
    return architecture.route == "interface" and not architecture.outside


def _groups(encoded: Sequence[ModelInputs], tokens_at_once: int) -> list[list[int]]:
    """The indices of inputs that fit into one batch: with the same arguments and the same number of tokens."""
    by_shape: dict[tuple[object, ...], list[int]] = {}
    for index, one in enumerate(encoded):
        plain = one.kind in _TEXTS and one.target_tokens is None and one.image_tokens is None and not one.images
        plain = plain and _is_plain(one.inputs)
        shape = (tuple(sorted(one.inputs)), len(one.tokens), one.use_cache) if plain else (index,)
        by_shape.setdefault(shape, []).append(index)
    groups: list[list[int]] = []
    for indices in by_shape.values():
        size = max(1, tokens_at_once // max(1, len(encoded[indices[0]].tokens)))
        groups.extend(indices[start : start + size] for start in range(0, len(indices), size))
    return groups


def _is_plain(inputs: Mapping[str, Tensor]) -> bool:
    """Whether there is one value per token in every argument, and one sequence."""
    shapes = {tuple(value.shape) for value in inputs.values()}
    return (
        inputs.keys() <= _BY_TOKEN and len(shapes) == 1 and len(next(iter(shapes))) == 2 and not first_restart(inputs)
    )


def _traced_together(
    handle: ModelHandle, encoded: Sequence[ModelInputs], edits: Sequence[Edit], observer: Observer | None
) -> Iterator[Trace] | None:
    """The traces of several inputs from one pass; None if they have to run one by one."""
    if len(encoded) == 1:
        return None
    try:
        ready = [ready_pass(handle, handle.preprocessor.complete(one, observer), edits) for one in encoded]
        if not _same_arguments(ready):
            return None
        first = ready[0]
        alone = run(first.probed, first.inputs, observer, first.plan)
        names = first.inputs.keys()
        inputs = {name: torch.cat([one.inputs[name] for one in ready]) for name in names}
        passed = captured_rows(first.probed, inputs, len(ready), observer, first.plan)
    except CancelledError:
        raise
    except Exception:  # noqa: BLE001 - one by one, the input that is at fault raises its own error
        _LOG.info("%s fails with %d texts at once.", handle.title, len(encoded), exc_info=True)
        return None
    error = _difference(alone, passed[0])
    if error is None or error > first.probed.tolerance:
        _LOG.info("%s computes other numbers with several texts at once (%s).", handle.title, error)
        return None
    passed[0] = alone
    return _finished(handle, encoded, ready, passed, edits, observer)


def _finished(
    handle: ModelHandle,
    encoded: Sequence[ModelInputs],
    ready: list[ReadyPass],
    passed: list[PassResult],
    edits: Sequence[Edit],
    observer: Observer | None,
) -> Iterator[Trace]:
    """The traces of the rows of a batch, in order. A row whose attention is not reproduced runs again, alone."""
    weights = fingerprint(handle.module)
    for one in encoded:
        its_pass, result = ready.pop(0), passed.pop(0)
        if result.certificate.ok:
            yield trace_from(handle, its_pass, result, weights=weights)
        else:
            yield trace_inputs(handle, one, edits, observer)


def _same_arguments(ready: Sequence[ReadyPass]) -> bool:
    """Whether inputs that look alike also call the model alike, with the same edits at the same positions."""
    first = ready[0]
    return all(
        one.inputs.keys() == first.inputs.keys()
        and all(value.shape == first.inputs[name].shape for name, value in one.inputs.items())
        and _edits_of(one) == _edits_of(first)
        for one in ready[1:]
    )


def _edits_of(one: ReadyPass) -> list[Any]:
    return [] if one.plan is None else [edit.as_json() for edit in one.plan.edits]


def _difference(alone: PassResult, row: PassResult) -> float | None:
    """The largest relative difference between the outputs of a pass on one input and those of its row in a batch."""
    pairs = [
        (alone.output, row.output),
        *((alone.base[path], row.base[path]) for path in alone.base if path in row.base),
    ]
    errors = [
        relative(value, other[name])
        for one, other in pairs
        for name, value in one.items()
        if isinstance(value, Tensor) and value.is_floating_point() and isinstance(other.get(name), Tensor)
    ]
    return max(errors, default=None)
