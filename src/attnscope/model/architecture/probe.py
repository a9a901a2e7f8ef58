"""Find out how a model computes attention, by running it once on a few tokens.

There is no table of architectures. The probe shows which modules compute attention and in which order, which tokens they attend
to, whether they are causal, and whether the capturing pass gives the same hidden states as an untouched pass. It runs once for
each kind of input.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from attnscope.capture import (
    NOT_SHOWN,
    Capture,
    Place,
    Places,
    Recorder,
    capture_on,
    prepared_for_capture,
    run_untouched,
)
from attnscope.errors import AttnscopeError, UnsupportedError
from attnscope.model.architecture.dummy_inputs import PROBE_TOKENS, kind_of, probe_inputs
from attnscope.model.architecture.gated_attention import gated_places
from attnscope.model.architecture.layer_index import by_layer, layer_kinds, layer_numbers, ordered
from attnscope.model.architecture.output_attentions import Weights, reported_weights
from attnscope.model.architecture.replaced_attention import check_replaced_attention
from attnscope.model.architecture.rope import TOKENS, buffered_angles, rotary_of
from attnscope.model.architecture.stacks import Group, calls_not_shown, grouped
from attnscope.model.hf.context_length import position_limit
from attnscope.model.hf.hidden_states import hidden_difference, overflow
from attnscope.model.hf.module_info import first_dtype, implementation_of, is_encoder_decoder, tolerance_for
from attnscope.types import LayerShape, Rotary

Route = Literal["interface", "reported"]

_LOG = logging.getLogger(__name__)


class ProbeFailedError(UnsupportedError):
    """The model fails on the input that the probe uses."""


_SIDES = {"encoder": ("source", "source"), "decoder": ("target", "target"), "cross": ("target", "source")}


@dataclass(frozen=True)
class StackArchitecture:
    """One stack of attention layers. All lists are indexed by layer number, with None for layers without attention.

    Attributes:
        numbers: The layer of each call of the stack, in the order of a pass.
        shapes: Heads and dimensions of each layer.
        causal: Whether any layer is causal.
        query_side: The side that the queries come from: `text`, `source`, `target` or `image`.
        key_side: The side that the keys come from.
        projections: The paths of the output projections (W_O); None where no module reads the attention directly.
        rotary: The rotary embedding of q and k.
        reported: Whether this stack alone bypasses transformers' attention interface, so the model reports its weights.
        gated: The layers whose projection reads the head outputs times a gate.
    """

    numbers: tuple[int, ...]
    shapes: tuple[LayerShape | None, ...]
    causal: bool
    query_side: str = "text"
    key_side: str = "text"
    projections: tuple[str | None, ...] = ()
    rotary: tuple[Rotary | None, ...] = ()
    reported: bool = False
    gated: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Architecture:
    """What the probe found out about a model.

    Attributes:
        route: `interface` if the attention uses transformers' attention interface, otherwise `reported`.
        stacks: The stacks by name, in the order encoder, decoder, cross, vision.
        places: The stack and layer of each call.
        hidden_states: The difference between the capturing (or reporting) pass and an untouched pass.
        angles: The rotary angles per token during the probe; `rotary` holds only for inputs that leave them unchanged.
        notes: One sentence for each part of the model that cannot be shown.
    """

    route: Route
    stacks: Mapping[str, StackArchitecture]
    places: Places
    hidden_states: float | None
    angles: tuple[tuple[float, ...], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def outside(self) -> tuple[str, ...]:
        """The stacks whose attention weights the model has to report itself."""
        return tuple(name for name, stack in self.stacks.items() if stack.reported)

    def renamed(self, old: str, new: str) -> Architecture:
        """Return a copy with one stack renamed."""
        stacks = {new if name == old else name: stack for name, stack in self.stacks.items()}
        return replace(self, stacks=stacks, places=self.places.renamed(old, new))

    @property
    def kind(self) -> str:
        """`"decoder"`, `"encoder"` or `"encoder-decoder"`."""
        if any(stack.query_side != stack.key_side for stack in self.stacks.values()):
            return "encoder-decoder"
        return "decoder" if "decoder" in self.stacks else "encoder"


def probe(model: nn.Module, inputs: Mapping[str, Tensor]) -> Architecture:
    """Run `model` on `inputs`, captured and untouched. Raises `UnsupportedError` if its attention cannot be shown exactly."""
    untouched = _untouched(model, inputs)
    try:
        return _probe(model, inputs, untouched)
    except UnsupportedError as unsupported:
        overflows = overflow(untouched, first_dtype(model))
        if overflows is None:
            raise
        raise UnsupportedError(overflows) from unsupported


def _probe(model: nn.Module, inputs: Mapping[str, Tensor], untouched: Any) -> Architecture:
    probe_pass = _run_probe(model, inputs, untouched)
    if not probe_pass.calls:
        return _reported(model, inputs, untouched)
    if probe_pass.error is not None and not probe_pass.error <= tolerance_for(model):
        raise UnsupportedError(_why_changed(model, inputs, untouched, probe_pass.error))
    check_replaced_attention(model, probe_pass.calls)
    groups = grouped(probe_pass.calls, inputs, encoder_decoder=is_encoder_decoder(model))
    stacks = {name: _stack(group, model, probe_pass) for name, group in groups.items()}
    places = {
        id(call): Place(name, number)
        for name, group in groups.items()
        for call, number in zip(group.calls, stacks[name].numbers, strict=True)
    }
    others, other_notes = calls_not_shown(probe_pass.calls, groups)
    places |= {id(call): Place(NOT_SHOWN, number) for number, call in enumerate(others)}
    all_places = Places.of_calls(
        ((call.name, places[id(call)]) for call in probe_pass.calls),
        fixed=[name for name, stack in stacks.items() if stack.query_side in ("source", "image")],
    )
    stacks = _with_gates(model, inputs, stacks, all_places, {places[id(call)]: call for call in probe_pass.calls})
    outside, outside_notes = _outside(model, inputs, untouched, [name for name in _SIDES if name not in stacks])
    return Architecture(
        route="interface",
        stacks=ordered({**stacks, **outside}),
        places=all_places,
        hidden_states=probe_pass.error,
        angles=probe_pass.angles,
        notes=(*other_notes, *outside_notes),
    )


def _with_gates(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    stacks: Mapping[str, StackArchitecture],
    places: Places,
    calls: Mapping[Place, Capture],
) -> dict[str, StackArchitecture]:
    """Mark gated layers, and drop projections that read neither the head outputs nor the gated head outputs."""
    if all(call.gate is None for call in calls.values()):
        return dict(stacks)
    gated = gated_places(model, inputs, places, {place: call for place, call in calls.items() if place.shown})
    found: dict[str, StackArchitecture] = {}
    for name, stack in stacks.items():
        not_gated = {place.layer for place, call in calls.items() if place.stack == name and call.gate is not None} - {
            place.layer for place in gated if place.stack == name
        }
        found[name] = replace(
            stack,
            projections=tuple(None if i in not_gated else path for i, path in enumerate(stack.projections)),
            gated=frozenset(place.layer for place in gated if place.stack == name),
        )
    return found


@dataclass(frozen=True)
class _ProbePass:
    """One captured pass of the probe: its calls, their rotary embeddings, and the error of its hidden states."""

    calls: list[Capture]
    rotary: list[Rotary | None]
    angles: tuple[tuple[float, ...], ...]
    names: Mapping[int, str]
    error: float | None

    def path(self, module: nn.Module | None) -> str | None:
        """The path of a module in the model."""
        return None if module is None else self.names[id(module)]


def _run_probe(model: nn.Module, inputs: Mapping[str, Tensor], untouched: Any) -> _ProbePass:
    with prepared_for_capture(model) as clone:
        recorder = Recorder()
        try:
            captured = capture_on(clone, inputs, recorder, output_hidden_states=True)
        except AttnscopeError:
            raise
        except Exception:
            if recorder.calls:
                raise
            # A model with its own attention code that cannot use the interface's masks (MPT) can still report its weights.
            _LOG.info("The probe of %s could not capture any attention.", type(model).__name__, exc_info=True)
            return _ProbePass([], [], (), {}, None)
        error, calls = hidden_difference(untouched, captured.output), captured.calls
        rotary = _rotary(clone, inputs, calls) if calls else []
        return _ProbePass(calls, rotary, buffered_angles(clone), recorder.names, error)


def _why_changed(model: nn.Module, inputs: Mapping[str, Tensor], untouched: Any, error: float) -> str:
    """Why the captured pass computes something else: the model itself may do so with sdpa, which capturing follows."""
    name, own = type(model).__name__, implementation_of(model)
    if own != "sdpa":
        try:
            other = run_untouched(model, inputs, implementation="sdpa", output_hidden_states=True)
        except (AttributeError, LookupError, TypeError, ValueError):
            _LOG.info("%s fails with sdpa attention.", name, exc_info=True)
        else:
            difference = hidden_difference(untouched, other)
            if difference is not None and not difference <= tolerance_for(model):
                return (
                    f"{name} computes other hidden states with {own!r} attention than with 'sdpa' (they differ by "
                    f"{difference:.2g}), and attnscope can only capture the latter. To trace that, load the model with "
                    "`attn_implementation='sdpa'`."
                )
    return (
        f"The hidden states of {name} change by {error:.2g} when its attention is captured, so attnscope cannot show what the "
        "model really does."
    )


def _outside(
    model: nn.Module, inputs: Mapping[str, Tensor], untouched: Any, missing: Sequence[str]
) -> tuple[dict[str, StackArchitecture], tuple[str, ...]]:
    """The stacks that bypass the interface, as the model reports them, and notes on those that cannot be shown."""
    if not is_encoder_decoder(model) or not missing:
        return {}, ()
    try:
        found, _, notes = reported_weights(model, inputs, untouched, missing)
    except UnsupportedError as unsupported:
        return {}, (str(unsupported),)
    return {name: _reported_stack(name, weights, across=True) for name, weights in found.items()}, notes


def _stack(group: Group, model: nn.Module, probe_pass: _ProbePass) -> StackArchitecture:
    rotary = dict(zip(map(id, probe_pass.calls), probe_pass.rotary, strict=True))
    kinds = layer_kinds(model.config) if group.query_side == "text" else ()
    numbers, depth = layer_numbers(group.calls, kinds), len(kinds)
    return StackArchitecture(
        numbers=numbers,
        shapes=tuple(by_layer(numbers, [call.record.shape for call in group.calls], depth)),
        causal=group.causal,
        query_side=group.query_side,
        key_side=group.key_side,
        projections=tuple(by_layer(numbers, [probe_pass.path(call.projection) for call in group.calls], depth)),
        rotary=tuple(by_layer(numbers, [rotary[id(call)] for call in group.calls], depth)),
    )


def _rotary(clone: nn.Module, inputs: Mapping[str, Tensor], calls: Sequence[Capture]) -> list[Rotary | None]:
    """The rotary embedding of each call, measured in a pass over more tokens."""
    tokens = min(TOKENS, position_limit(clone)[0] or TOKENS)
    longer = probe_inputs(clone, kind_of(inputs), inputs, tokens=tokens)
    return rotary_of(clone, longer, calls)


def _untouched(model: nn.Module, inputs: Mapping[str, Tensor]) -> Any:
    try:
        return run_untouched(model, inputs, output_hidden_states=True)
    except Exception as error:
        made_up = "input_ids" in inputs and "pixel_values" not in inputs
        description = f"{PROBE_TOKENS} plain token ids" if made_up else "this input"
        description = "this image" if "pixel_values" in inputs else description
        kind = UnsupportedError if made_up else ProbeFailedError
        raise kind(
            f"{type(model).__name__} fails on {description}, which attnscope uses to probe the model "
            f"({type(error).__name__}: {error})."
        ) from error


def _reported(model: nn.Module, inputs: Mapping[str, Tensor], untouched: Any) -> Architecture:
    found, error, notes = reported_weights(model, inputs, untouched)
    across = is_encoder_decoder(model)
    stacks = {name: _reported_stack(name, weights, across=across) for name, weights in found.items()}
    return Architecture("reported", stacks, Places({}), error, notes=notes)


def _reported_stack(name: str, weights: Weights, *, across: bool) -> StackArchitecture:
    query, key = _SIDES[name] if across else ("text", "text")
    return StackArchitecture(
        numbers=tuple(range(len(weights))),
        shapes=tuple(None if one is None else LayerShape(one.shape[0], one.shape[0], 0, 0) for one in weights),
        causal=name == "decoder",
        query_side=query,
        key_side=key,
        reported=True,
    )
