"""The part of a file that compares its pass with a baseline, and the baseline itself.

What both passes have in common, such as the layers below the first change, is written once: a message of the baseline that
equals that of the current pass is omitted, and its layer is listed (docs/reference/wire.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from attnscope.errors import InputError
from attnscope.offline.choice import Choice
from attnscope.offline.parts import Part, answers, changed, parts, responses_to
from attnscope.session import Limits, Session, StoredTrace
from attnscope.session.messages.error import error_message
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import InputText
from attnscope.trace import Trace
from attnscope.trace.correspondence import Correspondence
from attnscope.wire import Message, encode

PREFIX = "baseline"
"""The first word of the names of the baseline's parts."""

Shared = dict[str, list[int]]
"""For each name of parts without the layer, such as `layer decoder`: the layers whose messages are those of the current pass."""


NO_EFFECT = error_message(
    "effect",
    "unsupported",
    "This page was exported without its model, so it does not say what the model answers instead. To include it, pass `model` to "
    "`attnscope.export`.",
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A baseline, and the response to an `effect` request: what the model predicts in both passes, or why that is unknown."""

    baseline: Trace
    effect: Message = NO_EFFECT


class CommonMessages:
    """Finds the messages of the baseline that equal those of the current pass."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, int], str] = {}
        self.shared: Shared = {}

    def add(self, part: Part) -> None:
        """Remember a part of the current pass."""
        for message in part.messages:
            if "layer" in message.body:
                self._written[part.name, message.body["layer"]] = _digest(message)

    def rest(self, part: Part) -> Part | None:
        """A part of the baseline without the messages that are written already; None if nothing is left."""
        kept: list[Message] = []
        for message in part.messages:
            layer = message.body.get("layer")
            if layer is not None and self._written.get((part.name, layer)) == _digest(message):
                self.shared.setdefault(part.name.removesuffix(f" {layer}"), []).append(layer)
            else:
                kept.append(message)
        if not kept:
            return None
        kept[-1] = changed(kept[-1], last=True)
        return replace(part, name=f"{PREFIX} {part.name}", messages=kept)


def comparison_of(
    trace: Trace, baseline: object, model: ModelLike | Sequence[ModelLike] | None, effect: Message | None
) -> Comparison | None:
    """The comparison with a baseline; None without one.

    `model` made both traces, or is a list of the two models that did. Raises `InputError` unless the baseline is another trace,
    of which something corresponds, and for a model without a baseline.
    """
    if baseline is None:
        if model is not None:
            raise InputError("`model` needs a `baseline`: it predicts what a page says about the effect of a change.")
        return None
    if not isinstance(baseline, Trace):
        raise InputError(
            f"`baseline` must be a Trace; got {type(baseline).__name__}. Make one with `model.trace(text)`, without the edits."
        )
    if baseline.id == trace.id:
        raise InputError("`baseline` is the same trace, so there is nothing to compare.")
    Correspondence.of(trace, baseline)
    if effect is not None or model is None:
        return Comparison(baseline, effect or NO_EFFECT)
    return Comparison(baseline, _effect(trace, baseline, model))


def limits_of(*traces: Trace) -> Limits:
    """Limits that allow a session to hold these traces."""
    return Limits(trace_bytes=sum(trace.nbytes for trace in traces))


def compared_parts(
    session: Session, comparison: Comparison, trace: Trace, chosen: Choice, common: CommonMessages
) -> Iterator[Part]:
    """The alignment, the effect, and what the baseline does not share with the trace."""
    [alignment] = answers(session, "align", trace=trace.id, baseline=comparison.baseline.id)
    yield Part("align", [alignment])
    yield Part("effect", [replace(comparison.effect, id="effect")])
    for part in parts(session, comparison.baseline, chosen):
        rest = common.rest(part)
        if rest is not None:
            yield rest


def _effect(trace: Trace, baseline: Trace, model: ModelLike | Sequence[ModelLike]) -> Message:
    """The response to an `effect` request, or the error that says why there is none."""
    models = list(model) if isinstance(model, Sequence) else [model, model]
    if len(models) != 2 or not all(hasattr(one, "prediction") for one in models):
        raise InputError(
            f"`model` must be a Model, or a list of two (of the trace, of the baseline); got {model!r:.80}."
        )
    stored = [StoredTrace(one, its, InputText.of(one)) for one, its in zip((trace, baseline), models, strict=True)]
    session = Session(traces=stored, limits=limits_of(trace, baseline))
    return responses_to(session, "effect", trace=trace.id, baseline=baseline.id)[-1]


def _digest(message: Message) -> str:
    """A hash of everything in a message but the id of its trace and whether it is the last one."""
    return hashlib.sha256(encode(changed(message, trace="", last=True))).hexdigest()
