"""How closely the weights shown match what the model computed, layer by layer.

There are three comparisons, because no single one is conclusive:

(a) `hidden_states`    the hidden states of the capturing forward pass against those of an untouched pass in the model's own
                       implementation and dtype; largest difference, relative to their largest absolute value
(b) `weighted_values`  Σ_j α_ij v_j from the weights shown against the output of the model's attention function; largest
                       difference, relative to the largest absolute value of that output
(c) `eager_weights`    the weights shown against `output_attentions` of the model's eager implementation; largest absolute
                       difference. Eager weights that fail (b) themselves are not used as a reference, and the note says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch

from attnscope.appearance.numerals import rounded_up

Scope = Literal["sampled", "full"]

_TOLERANCE: dict[torch.dtype, float] = {
    torch.float64: 1e-5,
    torch.float32: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 8e-2,
}


TOLERANCES = frozenset(_TOLERANCE.values())

WITHOUT_MODEL = "These weights were passed in without a model, so they could not be checked."
"""The sentence of a certificate in which nothing was compared."""

_RECORDED = " This is as recorded in the file; it was not checked again."


def tolerance_of(dtype: torch.dtype) -> float:
    """The largest error that rounding alone explains. In bfloat16 (8 significant bits) 0.08 is normal, not a capture error."""
    return _TOLERANCE.get(dtype, 1e-4)


@dataclass(frozen=True, slots=True)
class LayerCertificate:
    """The errors of one layer, as numbers without a unit; None for a comparison that was not made.

    `weighted_values` and `hidden_states` are relative to the largest absolute value compared, `eager_weights` is absolute.
    `note` is a sentence of explanation, or None.
    """

    layer: int
    ok: bool
    weighted_values: float | None = None
    hidden_states: float | None = None
    eager_weights: float | None = None
    note: str | None = None

    @property
    def max_error(self) -> float:
        """The largest of the layer's errors; 0 if nothing was compared."""
        return max(
            (e for e in (self.weighted_values, self.hidden_states, self.eager_weights) if e is not None), default=0.0
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """How the weights shown compare with what the model computed.

    `ok` is True if every layer was checked and no error exceeds `tolerance`, the largest error that rounding explains in the
    model's dtype. `scope` is `sampled` (a few rows of every head, weights times value vectors only) or `full`. `sentence` states
    the result in words; `stacks` holds one `LayerCertificate` per layer with attention, by stack. `recorded` is True for a
    certificate that was read from a file: its errors were measured when the file was made, and not again.
    """

    ok: bool
    max_error: float
    tolerance: float
    scope: Scope
    sentence: str
    stacks: dict[str, list[LayerCertificate]]
    recorded: bool = False

    @classmethod
    def recorded_in_file(cls, stacks: dict[str, list[LayerCertificate]], tolerance: float, scope: Scope) -> Certificate:
        """A certificate that was read from a file. `ok`, `max_error` and the sentence are computed from its layers."""
        if not stacks:
            return cls(
                ok=False,
                max_error=0.0,
                tolerance=tolerance,
                scope=scope,
                sentence=WITHOUT_MODEL,
                stacks={},
                recorded=True,
            )
        found = cls.of(stacks, tolerance, scope)
        return replace(found, sentence=f"{found.sentence}{_RECORDED}", recorded=True)

    @classmethod
    def of(cls, stacks: dict[str, list[LayerCertificate]], tolerance: float, scope: Scope) -> Certificate:
        """The certificate over all layers."""
        layers = [layer for stack in stacks.values() for layer in stack]
        failed = [layer for layer in layers if not layer.ok]
        reported = [layer for layer in layers if layer.weighted_values is None]
        max_error = max((layer.max_error for layer in layers), default=0.0)
        if failed:
            where = (
                "" if len(stacks) == 1 else f" of the {next(name for name, own in stacks.items() if failed[0] in own)}"
            )
            sentence = (
                f"Not exact: layer {failed[0].layer}{where} differs by {rounded_up(failed[0].max_error)}, "
                f"more than the {tolerance:g} that rounding explains."
            )
        elif reported and len(reported) < len(layers):
            names = " and ".join(name for name, own in stacks.items() if any(one in reported for one in own))
            sentence = (
                f"The weights of the {names} are those that the model reports itself; they could not be checked against what it "
                "computed. All other weights times value vectors equal the attention output of the model up to "
                f"{rounded_up(max_error)}."
            )
        elif reported:
            sentence = (
                "These are the weights that the model reports itself; its attention runs outside transformers' attention "
                "interface, so they could not be checked against what it computed."
            )
        elif scope == "sampled":
            sentence = (
                "In a few rows of every head, the weights shown times the value vectors equal the attention output of the model, "
                f"up to {rounded_up(max_error)} of its largest value."
            )
        else:
            sentence = f"{_compared(layers)} agree with those of the model up to {rounded_up(max_error)}."
        return cls(not failed and not reported, max_error, tolerance, scope, sentence, stacks)

    def as_dict(self) -> dict[str, Any]:
        """The certificate as plain JSON values; `recorded` only if it is True, as in files of version 0.1."""
        return {name: value for name, value in asdict(self).items() if name != "recorded" or value}


def _compared(layers: list[LayerCertificate]) -> str:
    """What a full check compared. Edited passes have no reference for hidden states, and some models no eager weights."""
    hidden = any(layer.hidden_states is not None for layer in layers)
    eager = any(layer.eager_weights is not None for layer in layers)
    if hidden and eager:
        return "Hidden states, weights times value vectors, and eager weights"
    others = "hidden states" if hidden else "eager weights" if eager else ""
    return f"{others.capitalize()} and weights times value vectors" if others else "Weights times value vectors"
