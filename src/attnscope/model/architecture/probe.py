"""What a model looks like to the attention interface, found out by running it once over a few tokens.

No table of architectures: the probe shows which modules compute attention and in which order, whose tokens they look at,
whether they look back only, and whether the capturing pass gives the same hidden states as an untouched one. It runs once
for each kind of input.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from attnscope.capture import (
    LEFT_OUT,
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
from attnscope.model.architecture.rope import TOKENS, kept_angles, rotary_of
from attnscope.model.architecture.stacks import Group, grouped, left_out
from attnscope.model.hf.context_length import position_limit
from attnscope.model.hf.hidden_states import hidden_difference
from attnscope.model.hf.module_info import is_encoder_decoder, tolerance_for
from attnscope.types import LayerShape, Rotary

Route = Literal["interface", "reported"]

_LOG = logging.getLogger(__name__)


class NotRunError(UnsupportedError):
    """A model does not run over what it was given, which it is looked at with first."""


_SIDES = {"encoder": ("source", "source"), "decoder": ("target", "target"), "cross": ("target", "source")}


@dataclass(frozen=True)
class StackArchitecture:
    """One stack of attention layers. All lists are by layer number, with None where a layer has no attention.

    `numbers[i]` is the layer of the stack's i-th call in a pass. `projections` are the paths of the output projections (W_O),
    None where no module reads the attention directly; in the layers `gated` it reads it times a gate. `rotary` is how q and k
    turn. A stack that is `reported` computes its attention outside transformers' attention interface, while others of the
    model do not.
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
    """`route` is `interface` where attention goes through transformers' attention interface, else `reported`.

    `stacks` are by name, in the order encoder, decoder, cross, vision; `places` tells of each call where it belongs.
    `hidden_states` is the difference of the capturing (or reporting) pass from an untouched one. Rotations hold for texts that
    leave the `angles` as the model kept them in the probe. `notes` say what of the model cannot be shown, one sentence each.
    """

    route: Route
    stacks: Mapping[str, StackArchitecture]
    places: Places
    hidden_states: float | None
    angles: tuple[tuple[float, ...], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def outside(self) -> tuple[str, ...]:
        """The stacks whose attention the model has to report itself."""
        return tuple(name for name, stack in self.stacks.items() if stack.reported)

    def renamed(self, old: str, new: str) -> Architecture:
        """The same with another name for a stack."""
        stacks = {new if name == old else name: stack for name, stack in self.stacks.items()}
        return replace(self, stacks=stacks, places=self.places.renamed(old, new))

    @property
    def kind(self) -> str:
        """`"decoder"`, `"encoder"` or `"encoder-decoder"`."""
        if any(stack.query_side != stack.key_side for stack in self.stacks.values()):
            return "encoder-decoder"
        return "decoder" if "decoder" in self.stacks else "encoder"


def probe(model: nn.Module, inputs: Mapping[str, Tensor]) -> Architecture:
    """Run `model` over `inputs`, captured and untouched. Raises `UnsupportedError` where it cannot be shown exactly."""
    untouched = _untouched(model, inputs)
    look = _look(model, inputs, untouched)
    if not look.calls:
        return _reported(model, inputs, untouched)
    if look.error is not None and not look.error <= tolerance_for(model):
        raise UnsupportedError(
            f"{type(model).__name__} computes something else when its attention is captured (its hidden states differ by "
            f"{look.error:.2g}), so what would be shown is not what it does."
        )
    groups = grouped(look.calls, inputs, encoder_decoder=is_encoder_decoder(model))
    stacks = {name: _stack(group, model, look) for name, group in groups.items()}
    places = {
        id(call): Place(name, number)
        for name, group in groups.items()
        for call, number in zip(group.calls, stacks[name].numbers, strict=True)
    }
    between, said = left_out(look.calls, groups)
    places |= {id(call): Place(LEFT_OUT, number) for number, call in enumerate(between)}
    all_places = Places.of_calls((call.name, places[id(call)]) for call in look.calls)
    stacks = _with_gates(model, inputs, stacks, all_places, {places[id(call)]: call for call in look.calls})
    others, notes = _outside(model, inputs, untouched, [name for name in _SIDES if name not in stacks])
    return Architecture(
        route="interface",
        stacks=ordered({**stacks, **others}),
        places=all_places,
        hidden_states=look.error,
        angles=look.angles,
        notes=(*said, *notes),
    )


def _with_gates(
    model: nn.Module,
    inputs: Mapping[str, Tensor],
    stacks: Mapping[str, StackArchitecture],
    places: Places,
    calls: Mapping[Place, Capture],
) -> dict[str, StackArchitecture]:
    """The stacks without the projections that read something else than a head's own output, gated or not."""
    if all(call.gate is None for call in calls.values()):
        return dict(stacks)
    gated = gated_places(model, inputs, places, {place: call for place, call in calls.items() if place.shown})
    found: dict[str, StackArchitecture] = {}
    for name, stack in stacks.items():
        strange = {place.layer for place, call in calls.items() if place.stack == name and call.gate is not None} - {
            place.layer for place in gated if place.stack == name
        }
        found[name] = replace(
            stack,
            projections=tuple(None if i in strange else path for i, path in enumerate(stack.projections)),
            gated=frozenset(place.layer for place in gated if place.stack == name),
        )
    return found


@dataclass(frozen=True)
class _Look:
    """One captured pass of the probe: its calls, how they turn, and how far its hidden states are from the untouched ones."""

    calls: list[Capture]
    rotary: list[Rotary | None]
    angles: tuple[tuple[float, ...], ...]
    names: Mapping[int, str]
    error: float | None

    def path(self, module: nn.Module | None) -> str | None:
        """Where in the model a module is."""
        return None if module is None else self.names[id(module)]


def _look(model: nn.Module, inputs: Mapping[str, Tensor], untouched: Any) -> _Look:
    with prepared_for_capture(model) as clone:
        recorder = Recorder()
        try:
            captured = capture_on(clone, inputs, recorder, output_hidden_states=True)
        except AttnscopeError:
            raise
        except Exception:
            if recorder.calls:
                raise
            # Attention of its own, which cannot do with the interface's masks (MPT): shown, if at all, as it reports it.
            _LOG.info("The first look at %s could not capture anything.", type(model).__name__, exc_info=True)
            return _Look([], [], (), {}, None)
        error, calls = hidden_difference(untouched, captured.output), captured.calls
        rotary = _rotary(clone, inputs, calls) if calls else []
        return _Look(calls, rotary, kept_angles(clone), recorder.names, error)


def _outside(
    model: nn.Module, inputs: Mapping[str, Tensor], untouched: Any, missing: Sequence[str]
) -> tuple[dict[str, StackArchitecture], tuple[str, ...]]:
    """The stacks that did not go through the interface, as the model reports them; and why others are not shown."""
    if not is_encoder_decoder(model) or not missing:
        return {}, ()
    try:
        found, _, notes = reported_weights(model, inputs, untouched, missing)
    except UnsupportedError as refused:
        return {}, (str(refused),)
    return {name: _reported_stack(name, weights, across=True) for name, weights in found.items()}, notes


def _stack(group: Group, model: nn.Module, look: _Look) -> StackArchitecture:
    turns = dict(zip(map(id, look.calls), look.rotary, strict=True))
    kinds = layer_kinds(model.config) if group.query_side == "text" else ()
    numbers, depth = layer_numbers(group.calls, kinds), len(kinds)
    return StackArchitecture(
        numbers=numbers,
        shapes=tuple(by_layer(numbers, [call.record.shape for call in group.calls], depth)),
        causal=group.causal,
        query_side=group.query_side,
        key_side=group.key_side,
        projections=tuple(by_layer(numbers, [look.path(call.projection) for call in group.calls], depth)),
        rotary=tuple(by_layer(numbers, [turns[id(call)] for call in group.calls], depth)),
    )


def _rotary(clone: nn.Module, inputs: Mapping[str, Tensor], calls: Sequence[Capture]) -> list[Rotary | None]:
    """How q and k turn in each call, seen in a pass over more tokens."""
    tokens = min(TOKENS, position_limit(clone)[0] or TOKENS)
    longer = probe_inputs(clone, kind_of(inputs), inputs, tokens=tokens)
    return rotary_of(clone, longer, calls)


def _untouched(model: nn.Module, inputs: Mapping[str, Tensor]) -> Any:
    try:
        return run_untouched(model, inputs, output_hidden_states=True)
    except Exception as error:
        made_up = "input_ids" in inputs and "pixel_values" not in inputs
        given = f"{PROBE_TOKENS} plain token ids" if made_up else "this input"
        given = "this image" if "pixel_values" in inputs else given
        kind = UnsupportedError if made_up else NotRunError
        raise kind(
            f"{type(model).__name__} does not run over {given}, which is how a model is looked at first "
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
