"""`Interpretation`: the residual stream, direct logit attribution and patching between prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from attnscope.edits import Edit
from attnscope.errors import InputError, UnsupportedError
from attnscope.model.architecture.dummy_inputs import kind_of, probe_inputs
from attnscope.model.handle import ModelHandle
from attnscope.model.hf.module_info import is_encoder_decoder, target_vocabulary_size
from attnscope.model.inputs.images import check_without_image
from attnscope.model.inputs.virtual_positions import refuse_virtual_tokens
from attnscope.model.metrics.answer import position_of
from attnscope.model.metrics.answer_passes import ScoringPass, scoring_passes
from attnscope.model.metrics.continuation import AnswerText, Continuation, continuation_of
from attnscope.model.metrics.metric import Measurement
from attnscope.model.patching.activation_patching import ActivationPatching
from attnscope.model.patching.causal_mediation import Mediation
from attnscope.model.patching.prompt_pair import PromptPair
from attnscope.model.patching.sweep import Sweep
from attnscope.model.patching.sweep_plan import SweepQuestion, plan_of
from attnscope.model.residual_stream.answered_states import AnsweredStates
from attnscope.model.residual_stream.locate import locate_stream
from attnscope.model.residual_stream.states import States
from attnscope.model.residual_stream.states_pass import PassEdits, PassInput, StatesPass
from attnscope.model.residual_stream.stream import Stream
from attnscope.model.tracing.generated_tokens import trace_plan
from attnscope.model.tracing.next_tokens import predicts_at_end
from attnscope.model.tracing.provenance import fingerprint
from attnscope.model.tracing.run import run
from attnscope.model.tracing.trace_inputs import trace_of
from attnscope.trace import Trace
from attnscope.trace.positions import Position
from attnscope.types import Observer


@dataclass(frozen=True)
class Images:
    """The images of two prompts, None for none. `corrupted` is that of both prompts unless the second has its own."""

    clean: Any = None
    corrupted: Any = None

    @classmethod
    def of(cls, image: Any, corrupted_image: Any) -> Images:
        """The images from the arguments of `Model.patch`."""
        return cls(image, image if corrupted_image is None else corrupted_image)


class Interpretation:
    """Analyses of a model's residual stream. The stream is located once for each kind of input."""

    def __init__(self, handle: ModelHandle) -> None:
        self._handle = handle
        self._streams: dict[int, Stream] = {}

    def states(
        self,
        text: Any,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        *,
        pair: str | None = None,
        target: Any = None,
        image: Any = None,
        position: Position | None = None,
        edits: Sequence[Edit] = (),
        observer: Observer | None = None,
    ) -> States:
        """Implement `Model.states`."""
        trace = self._traced(text, pair, target, image, observer, edits)
        return self._of(trace).states(trace, answer, foil, position, observer)

    def patch(
        self,
        clean: Any,
        corrupted: Any,
        question: SweepQuestion,
        *,
        target: Any = None,
        images: Images | None = None,
        observer: Observer | None = None,
    ) -> Sweep:
        """Implement `Model.patch`."""
        images = images or Images()
        source = self._traced(clean, None, target, images.clean, observer)
        other = self._traced(corrupted, None, target, images.corrupted, observer)
        return self._of(source).patch(source, other, question, observer)

    def mediate(
        self,
        clean: Any,
        corrupted: Any,
        question: SweepQuestion,
        *,
        target: Any = None,
        images: Images | None = None,
        observer: Observer | None = None,
    ) -> Mediation:
        """Implement `Model.mediate`: both sweeps of a causal mediation analysis, with y = p(answer) / p(foil)."""
        images = images or Images()
        first = self._traced(clean, None, target, images.clean, observer)
        second = self._traced(corrupted, None, target, images.corrupted, observer)
        tower = self._of(first)
        return Mediation(
            log_into_clean=tower.patch(first, second, question, observer, into="clean"),
            log_into_corrupted=tower.patch(first, second, question, observer),
        )

    def _traced(
        self,
        text: Any,
        pair: str | None,
        target: Any,
        image: Any,
        observer: Observer | None,
        edits: Sequence[Edit] = (),
    ) -> Trace:
        """Return `text` if it is a trace already, otherwise trace it."""
        if isinstance(text, Trace):
            check_without_image(image)
            if edits:
                raise InputError(
                    "A trace already contains its edits, so `edits` cannot be added to it. Pass the text instead."
                )
            return text
        found = trace_of(self._handle, text, pair, target=target, image=image, edits=edits, observer=observer)
        if not isinstance(found, Trace):
            raise InputError("Pass a single prompt; got a batch of several.")
        return found

    def _of(self, trace: Trace) -> _Tower:
        """The part of the model that ran for a trace."""
        refuse_virtual_tokens(self._handle.module, "read or patch the residual stream")
        handle = self._handle.tower_for(trace.inputs) if trace.inputs else self._handle
        return _Tower(handle, self._streams)


@dataclass(frozen=True)
class _Tower:
    """A model, or one of its towers, with the residual streams located so far."""

    handle: ModelHandle
    streams: dict[int, Stream]

    def states(
        self,
        trace: Trace,
        answer: AnswerText | None,
        foil: AnswerText | None,
        position: Position | None,
        observer: Observer | None,
    ) -> States:
        """The states of a trace's input, with the contributions to the answer's logit (by default the most probable token's)."""
        stream = self._stream(trace)
        notes = [stream.note] if stream.note else []
        has_answer = answer is not None or foil is not None
        at = len(trace.tokens_for(stream.last)[0]) - 1
        try:
            at = self._position(trace, stream, position)
        except InputError:
            if has_answer or position is not None:
                raise
            if stream.unembedding is not None:
                notes.append("No `position` was given, so the contributions to an answer were not computed.")
        edited = self._edited(trace)
        passed = StatesPass(self.handle.module, stream, PassInput.of(trace, stream.last), (at,), edited, observer)
        if has_answer and stream.unembedding is None:
            raise UnsupportedError(stream.note or "The contributions to an answer are unknown for this model.")
        answered = None
        if stream.unembedding is not None and passed.logits is not None and len(notes) == 0:
            logits = passed.logits[0]
            chosen = _answer_or_best(answer, foil, lambda: int(logits.argmax()))
            causal = trace.traced_stack(stream.last).causal
            continuations = self.continuations(chosen, foil, causal=causal)
            answered = self._answered(trace, passed, Measurement("logit", *continuations, at), edited, observer)
            notes += _pieces(answer, foil, *continuations)
        unknown = next((block.note for block in passed.blocks if block.note), None)
        return States(
            trace,
            passed.tower,
            passed.states,
            read=lambda ident: self.handle.preprocessor.read_output(ident).text,
            reading=passed.reading if stream.logits else None,
            contributions=None if answered is None else answered.contributions(),
            answered=answered if has_answer else None,
            notes=[*notes, *([unknown] if unknown else [])],
        )

    def _answered(
        self,
        trace: Trace,
        passed: StatesPass,
        measurement: Measurement,
        edited: PassEdits | None,
        observer: Observer | None,
    ) -> AnsweredStates:
        """The passes that predict the tokens of an answer and a foil; `passed` is the one that predicts the first."""
        stream, found = self._stream(trace), list[tuple[ScoringPass, StatesPass]]()
        for one in scoring_passes(trace.inputs, measurement):
            if not one.added:
                found.append((one, passed))
                continue
            probed = self.handle.probed_for(one.inputs)
            plan = None if edited is None else edited.plan
            given = PassInput(one.inputs, run(probed, one.inputs, observer, plan).stacks, passed.tokens + one.added)
            found.append((one, StatesPass(self.handle.module, stream, given, one.positions, edited, observer)))
        return AnsweredStates(measurement, tuple(found))

    def patch(
        self,
        clean: Trace,
        corrupted: Trace,
        question: SweepQuestion,
        observer: Observer | None,
        into: Literal["corrupted", "clean"] = "corrupted",
    ) -> Sweep:
        """Sweep patches into one of two prompts. Raises `InputError`, `UnsupportedError` or `CancelledError`."""
        if clean.provenance.get("weights") != corrupted.provenance.get("weights"):
            raise InputError("Both traces must come from the same model; these have different weights.")
        if clean.edits or corrupted.edits:
            raise InputError(
                "One of the traces was made with edits, but patching runs the unedited model. Pass the text instead."
            )
        pair = PromptPair.of(clean, corrupted, question.spans, question.unequal)
        stream = self._stream(clean)
        if not stream.logits:
            raise UnsupportedError(
                stream.note or "This model predicts no tokens, so there is nothing for patching to measure."
            )
        measurements = self._measurements(pair, stream, question)
        notes = _pieces(question.answer, question.foil, measurements[0].answer, measurements[0].foil)
        plan = plan_of(pair, stream, measurements, question, into, notes)
        return ActivationPatching(self.handle.probed_for(clean.inputs), stream, plan, observer).run()

    def _measurements(
        self, pair: PromptPair, stream: Stream, question: SweepQuestion
    ) -> tuple[Measurement, Measurement]:
        """What is measured of the clean and of the corrupted prompt."""
        traces = (pair.clean, pair.corrupted)
        if question.position is None:
            clean, corrupted = (self._position(one, stream, None) for one in traces)
        else:
            side = pair.clean.traced_stack(stream.last).query_side
            clean, corrupted = (max(one) for one in pair.span(question.position, side, from_end=True))
        causal = pair.clean.traced_stack(stream.last).causal
        last = len(pair.clean.tokens_for(stream.last)[0]) - 1
        chosen = _answer_or_best(
            question.answer, question.foil, lambda: _most_probable(pair.clean, clean, last if causal else None)
        )
        answer, foil = self.continuations(chosen, question.foil, causal=causal)
        several = len(answer.tokens) > 1
        default = "probability" if foil is None and not several else "logit"
        first, second = (
            Measurement.of(question.metric, answer, foil, at, default=default) for at in (clean, corrupted)
        )
        return first, second

    def _stream(self, trace: Trace) -> Stream:
        if not trace.inputs:
            raise InputError(
                "This trace has no model inputs, so the model cannot run on it again. Pass the text instead."
            )
        if trace.provenance.get("weights") != fingerprint(self.handle.module):
            raise InputError("This trace was made by a model with other weights than this one. Pass the text instead.")
        architecture = self.handle.probed_for(trace.inputs).architecture
        if id(architecture) not in self.streams:
            few = probe_inputs(self.handle.module, kind_of(trace.inputs), trace.inputs)
            self.streams[id(architecture)] = locate_stream(self.handle.module, architecture, few)
        return self.streams[id(architecture)]

    def _edited(self, trace: Trace) -> PassEdits | None:
        architecture = self.handle.probed_for(trace.inputs).architecture
        plan = trace_plan(architecture, trace, type(self.handle.module).__name__)
        return None if plan is None else PassEdits(plan, architecture.places)

    def _position(self, trace: Trace, stream: Stream, position: Position | None) -> int:
        at_end = trace.traced_stack(stream.last).causal or (
            bool(trace.next_tokens) and predicts_at_end(self.handle.module, trace.inputs)
        )
        return position_of(position, trace.tokens_for(stream.last)[0], self.handle.tokenizer, causal=at_end)

    def continuations(
        self, answer: AnswerText, foil: AnswerText | None, *, causal: bool
    ) -> tuple[Continuation, Continuation | None]:
        """The tokens of an answer and a foil. Raises `InputError` for several tokens unless the model is causal."""
        vocabulary = target_vocabulary_size(self.handle.module) or torch.iinfo(torch.int64).max
        target = is_encoder_decoder(self.handle.module)
        found: list[Continuation] = []
        for what, text in (("answer", answer), ("foil", foil)):
            if text is None:
                continue
            read = self.handle.preprocessor.read_output
            one = continuation_of(self.handle.tokenizer, text, what, vocabulary, read, target=target)
            if len(one.tokens) > 1 and not causal:
                pieces = ", ".join(repr(token.text) for token in one.tokens)
                raise InputError(
                    f"The {what} must be one token, because this model predicts tokens in place, not what follows; "
                    f"{one.text!r:.80} is {len(one.tokens)}: {pieces}."
                )
            found.append(one)
        return found[0], (found[1] if foil is not None else None)


def _pieces(
    answer: AnswerText | None, foil: AnswerText | None, tokens: Continuation, foil_tokens: Continuation | None
) -> tuple[str, ...]:
    """A sentence for each text of several tokens."""
    given = (("answer", answer, tokens), ("foil", foil, foil_tokens))
    return tuple(note for what, text, one in given if one is not None and (note := one.note(what, text)) is not None)


def _answer_or_best(answer: AnswerText | None, foil: AnswerText | None, most_probable: Callable[[], int]) -> AnswerText:
    """Return the answer, or else the most probable token. Raises `InputError` for a foil without an answer."""
    if answer is None and foil is not None:
        raise InputError("`foil` needs an `answer`; pass both.")
    return most_probable() if answer is None else answer


def _most_probable(trace: Trace, at: int, last: int | None) -> int:
    if trace.next_tokens and at == last:
        return trace.next_tokens[0][1]
    logits = trace.logits
    if logits is None:
        raise InputError("This model predicts no tokens, so there is no most probable answer. Pass `answer`.")
    return int(logits[at].argmax())
