"""Gradients of a metric with respect to the outputs of heads, in one forward and one backward pass.

The derivative is taken at zeros that are added to the outputs, so no parameter gets a gradient and the model is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.capture import Place, Recorder, Tap, capture_on, prepared_for_capture
from attnscope.errors import UnsupportedError
from attnscope.model.effects.passes import logits_of, only
from attnscope.model.effects.prompt import Prompt
from attnscope.model.effects.question import Question
from attnscope.model.metrics.answer_passes import ScoringPass
from attnscope.types import Observer


@dataclass(frozen=True, eq=False)
class HeadActivations:
    """What one layer computed in one pass: the heads' outputs before W_O, the values, and ∂metric/∂output (None if not taken)."""

    output: Float[Tensor, "query head v_dim"]
    value: Float[Tensor, "kv_head key v_dim"]
    gradient: Float[Tensor, "query head v_dim"] | None = None


Activations = Mapping[Place, HeadActivations]


@dataclass(frozen=True, eq=False)
class MeasuredPass:
    """The metric of a prompt, and the activations of each of its scoring passes."""

    value: float
    passes: tuple[Activations, ...]


class _Reading(Tap):
    """Keeps outputs and values."""

    def __init__(self) -> None:
        self.found: dict[Place, HeadActivations] = {}

    def output(self, place: Place, output: Tensor, value: Tensor) -> Tensor:
        if place in self.found:
            raise UnsupportedError(
                f"Layer {place.layer} computes attention several times, which attnscope cannot attribute."
            )
        self.found[place] = HeadActivations(output[0].detach(), value[0].detach())
        return output


class _Differentiating(_Reading):
    """Keeps outputs and values, and adds zeros to the outputs, with respect to which the metric is differentiated."""

    gradients = True

    def __init__(self) -> None:
        super().__init__()
        self.added: dict[Place, Tensor] = {}

    def output(self, place: Place, output: Tensor, value: Tensor) -> Tensor:
        super().output(place, output, value)
        self.added[place] = torch.zeros_like(output, requires_grad=True)
        return output + self.added[place]


def activations(prompt: Prompt, question: Question, observer: Observer | None = None) -> MeasuredPass:
    """The metric and the activations of a prompt. Raises `UnsupportedError`, or `CancelledError` if the observer cancels."""
    taps = [_Reading() for _ in question.passes]
    with prepared_for_capture(prompt.probed.module) as clone:
        pairs = zip(question.passes, taps, strict=True)
        logits = [_logits(clone, prompt, one, tap, observer).float().cpu() for one, tap in pairs]
    return MeasuredPass(float(question.values(logits)[0]), tuple(tap.found for tap in taps))


def differentiated(prompt: Prompt, question: Question, observer: Observer | None = None) -> MeasuredPass:
    """The same with the gradient of the metric with respect to every head's output.

    Raises `UnsupportedError` if the metric or the model is not differentiable.
    """
    taps = [_Differentiating() for _ in question.passes]
    with prepared_for_capture(prompt.probed.module) as clone:
        pairs = zip(question.passes, taps, strict=True)
        logits = [_logits(clone, prompt, one, tap, observer) for one, tap in pairs]
        with torch.inference_mode(mode=False), torch.enable_grad():
            value = question.values([one.float() for one in logits])[0]
            added = [(tap, place, zeros) for tap in taps for place, zeros in tap.added.items()]
            if not value.requires_grad:
                raise UnsupportedError(
                    f"The metric {question.name} has no gradient for {prompt.probed.title}. A function of the logits must "
                    "compute with torch, and the model must be differentiable."
                )
            found = torch.autograd.grad(value, [zeros for _, _, zeros in added], allow_unused=True)
    gradients: list[dict[Place, HeadActivations]] = [{} for _ in taps]
    reached = cast("Sequence[Tensor | None]", found)  # None where the metric does not depend on a layer
    for (tap, place, zeros), gradient in zip(added, reached, strict=True):
        at, own = (torch.zeros_like(zeros) if gradient is None else gradient)[0], tap.found[place]
        gradients[taps.index(tap)][place] = HeadActivations(own.output, own.value, at)
    return MeasuredPass(float(value.detach()), tuple(gradients))


def _logits(clone: nn.Module, prompt: Prompt, one: ScoringPass, tap: Tap, observer: Observer | None) -> Tensor:
    places = prompt.probed.architecture.places
    recorder = Recorder(keeps=False, observer=observer, places=places, tap=tap)
    with torch.inference_mode(mode=not tap.gradients and torch.is_inference_mode_enabled()):
        # copies, because tensors that were made in inference mode cannot be differentiated through
        inputs = {name: value.clone() for name, value in one.inputs.items()}
        return logits_of(clone, one, capture_on(clone, inputs, recorder, **only(one)).output)
