"""The `patch` request and its response: an activation patching sweep between two prompts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from PIL import Image

from attnscope.errors import InputError
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.preprocessor import no_target_side
from attnscope.model.metrics.metric import METRICS
from attnscope.model.patching.sweep import WHAT, Column, Sweep
from attnscope.session.jobs import Job
from attnscope.session.limits import Limits
from attnscope.session.messages.answer import Arrays, TokenFields
from attnscope.session.messages.fields import answer_of, integer_of, integers_of, optional_text_of, prompt_of
from attnscope.session.messages.image import check_prompt, check_takes, image_of
from attnscope.session.messages.states import short
from attnscope.session.protocols import ModelLike
from attnscope.types import Observer


class PatchFields(TypedDict):
    """The fields of a `patch` response. Numbers that are not finite are null, since JSON cannot represent them."""

    what: str
    by: str
    stack: str
    metric: str
    formula: str
    clean: float | None
    corrupted: float | None
    layers: list[int]
    columns: list[int]
    labels: list[str]
    sources: list[str]
    answer: TokenFields
    foil: TokenFields | None
    position: int
    error: float | None
    notes: list[str]


@dataclass(frozen=True)
class PatchRequest:
    """A `patch` request, with everything checked that can be checked without the model."""

    clean: str
    corrupted: str
    target: str | None
    options: Mapping[str, Any]
    image: Image.Image | None = None
    corrupted_image: Image.Image | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any], limits: Limits) -> PatchRequest:
        """Read a request. Raises `InputError` for an invalid field, and `TooLongError` above the limits."""
        image, other = image_of(body, "image", limits), image_of(body, "corrupted_image", limits)
        other = image if other is None else other
        clean, corrupted = prompt_of(body, "clean", None, image), prompt_of(body, "corrupted", None, other)
        target = optional_text_of(body, "target")
        for text, its_image in ((clean, image), (corrupted, other)):
            check_prompt(text, None, target, its_image, limits)
        what = optional_text_of(body, "what") or "output"
        if what not in WHAT:
            raise InputError(f"`what` must be one of {', '.join(WHAT)}; got {what[:100]!r:.300}.")
        options: dict[str, Any] = {
            "what": what,
            "by": optional_text_of(body, "by"),
            "metric": optional_text_of(body, "metric"),
            "stack": optional_text_of(body, "stack"),
            "answer": answer_of(body, "answer"),
            "foil": answer_of(body, "foil"),
            "position": integer_of(body, "position"),
            **{name: integers_of(body, name) for name in ("layers", "heads", "positions")},
        }
        return cls(clean, corrupted, target, options, image, other)

    def encode(self, model: ModelLike, limits: Limits, observer: Observer) -> tuple[ModelInputs, ModelInputs]:
        """Both prompts as model inputs.

        Raises `TooLongError` before anything runs if the sweep is too large: each cell is one forward pass over the prompt.
        """
        prompts = ((self.clean, self.image), (self.corrupted, self.corrupted_image))
        for text, image in prompts:
            check_takes(model, text, image)
        if self.target is not None and model.kind != "encoder-decoder":
            raise InputError(no_target_side(model.title))
        clean, corrupted = (
            model.encode(text or None, target=self.target, image=image, observer=observer) for text, image in prompts
        )
        tokens = max(model.count_tokens(one) for one in (clean, corrupted))
        limits.check_tokens(tokens)
        stack = max(model.stacks.values(), key=lambda one: one.layers)
        by = self.options["by"] or ("head" if self.options["what"] in ("output", "attention") else "position")
        layers, heads, positions = (self.options[name] for name in ("layers", "heads", "positions"))
        columns = {"head": len(heads or range(stack.heads)), "position": len(positions or range(tokens))}.get(by, 1)
        limits.check_patched(len(layers or range(stack.layers)) * columns * tokens)
        return clean, corrupted

    def run(self, model: ModelLike, prompts: tuple[ModelInputs, ModelInputs], job: Job) -> Sweep:
        """Run the sweep, and report progress layer by layer."""
        return model.patch(*prompts, observer=job, **self.options)


def patch_message(sweep: Sweep) -> tuple[PatchFields, Arrays]:
    """The fields and tensors of a `patch` response."""
    fields: PatchFields = {
        "what": sweep.what,
        "by": sweep.by,
        "stack": sweep.stack,
        "metric": sweep.metric,
        "formula": METRICS[sweep.metric],
        "clean": _finite(sweep.clean),
        "corrupted": _finite(sweep.corrupted),
        "layers": list(sweep.layers),
        "columns": [_last(one) for one in sweep.columns],
        "labels": list(sweep.labels),
        "sources": list(sweep.sources),
        "answer": short(sweep.answer.text, sweep.answer.id),
        "foil": None if sweep.foil is None else short(sweep.foil.text, sweep.foil.id),
        "position": sweep.position,
        "error": _finite(sweep.error),
        "notes": list(sweep.notes),
    }
    shape = (len(sweep.layers), len(sweep.columns))
    arrays: Arrays = {
        "values": sweep.values.reshape(shape).float().numpy(),
        "effects": sweep.effects.reshape(shape).float().numpy(),
        "unchanged": sweep.unchanged.reshape(shape).byte().numpy(),
    }
    return fields, arrays


def _last(column: Column) -> int:
    """A head or a position; of a span, the last position."""
    return column if isinstance(column, int) else max(one for one in column if isinstance(one, int))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
