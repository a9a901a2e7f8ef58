"""`Session`: a request in, responses out one after another. Hosts (HTTP, notebook, file) only carry the bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import numpy as np

from attnscope.analysis import edge_of, overview
from attnscope.edits import Edit
from attnscope.errors import DamagedError, InputError, UnsupportedError
from attnscope.model.inputs.preprocessor import no_target_side, no_text_input
from attnscope.session.jobs import PASSES, Job, Jobs
from attnscope.session.limits import Limits
from attnscope.session.messages.answer import Answer
from attnscope.session.messages.edits import edits_of
from attnscope.session.messages.error import error_message, failure
from attnscope.session.messages.fields import index_of, indices_of, optional_text_of, text_of
from attnscope.session.messages.generate import GenerateRequest, generation_fields
from attnscope.session.messages.image import ImageRequest
from attnscope.session.messages.layer import layer_message, tile_arrays
from attnscope.session.messages.overview import edge_arrays, measure_fields, overview_message
from attnscope.session.messages.patch import PatchRequest, patch_message
from attnscope.session.messages.run import RunRequest
from attnscope.session.messages.states import StatesRequest
from attnscope.session.messages.trace import Example, certificate_fields, trace_arrays, trace_bytes, trace_fields
from attnscope.session.messages.values import values_message
from attnscope.session.model_catalog import ModelCatalog, ModelEntry
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import HeldTrace, TraceStore
from attnscope.trace import Trace
from attnscope.wire import Message, decode, encode

Send = Callable[[bytes], None]
Gone = Callable[[], bool]
Answers = Answer | Iterator[Answer]

_NO_PROJECTION = (
    "No output projection (W_O) reads the attention of this layer directly, so the norms of outputs are not known."
)
_NOT_SAVED = (
    "This trace came without its output projections (W_O), so the norms of outputs are not known. Save it with weights=True, "
    "or open it with its model."
)


def _never() -> bool:
    return False


class Exporter(Protocol):
    """Makes a page of its own of a trace: it lies in a layer above."""

    def __call__(self, trace: Trace, *, stack: str, layer: int, heads: Sequence[int], max_bytes: int) -> str:
        """The HTML of the page, which starts at these heads. Raises `TooLongError` above `max_bytes`."""
        ...


class Session:
    """Models and traces, and the only place where requests about them are answered.

    `models` are offered in their order and loaded when first needed; `model` names the one that `run` takes when a
    request names none (the first, if left out). `traces` are shown besides. `exporter` makes files of them.
    Requests may come from any number of
    threads; one pass through a model runs at a time.
    """

    def __init__(
        self,
        models: Iterable[ModelEntry] = (),
        *,
        model: str | None = None,
        examples: Iterable[Example] = (),
        traces: Iterable[HeldTrace] = (),
        limits: Limits | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._exporter = exporter
        self._held = TraceStore(self.limits.trace_bytes)
        self._shown: str | None = None
        for held in traces:
            self._held.add(held)
            self._shown = self._shown or held.trace.id
        self._catalog = ModelCatalog(models)
        names = self._catalog.names
        if model is not None and model not in names:
            raise InputError(
                f"The session's own model {model!r} is not among its models: {', '.join(names) or 'none'}."
            )
        self._model = model or next(iter(names), None)
        self._examples = [example for example in examples if example.model is None or example.model in names]
        self._jobs = Jobs(most=self.limits.requests, most_passes=self.limits.passes)
        self._pass = threading.Lock()
        self._answers: dict[str, Callable[[Mapping[str, Any], Job], Answers]] = {
            "hello": self._hello,
            "run": self._run,
            "generate": self._generate,
            "patch": self._patch,
            "states": self._states,
            "trace": self._trace,
            "overview": self._overview,
            "layer": self._layer,
            "tile": self._tile,
            "values": self._values,
            "edge": self._edge,
            "check": self._check,
            "export": self._export,
            "cancel": self._cancel,
        }

    def respond(self, data: bytes, send: Send, *, gone: Gone = _never) -> None:
        """Answer the request in `data`: the bytes of each response go to `send`, in order, before this returns.

        Whatever the request holds, nothing is raised, and the last response says what became of it. `send` must not
        raise either. `gone` tells whether whoever asked has left, so that the work can stop.
        """
        try:
            request = decode(data)
        except DamagedError as error:
            send(encode(error_message("", "bad_request", str(error))))
            return
        self.answer(request, send, gone=gone)

    def answer(self, request: Message, send: Send, *, gone: Gone = _never) -> None:
        """Like `respond`, for a host that has decoded the request already."""

        def report(stage: str, done: int, total: int, text: str) -> None:
            body = {"last": False, "stage": stage, "done": done, "total": total, "text": text}
            send(encode(Message("progress", request.id, body)))

        def tell(kind: str, fields: dict[str, Any]) -> None:
            send(_encoded(request.id, Answer(kind, fields), last=False))

        page = request.body.get("page")
        job = Job(request.id, request.type, page if isinstance(page, str) else None, report, gone, tell)
        try:
            answers = self._work(request, job)
            answer = next(answers)
            for following in answers:
                send(_encoded(request.id, answer, last=False))
                answer = following
            response = _encoded(request.id, answer, last=True)
        except Exception as error:  # noqa: BLE001 - it becomes a response, and a log entry where nobody foresaw it
            response = encode(failure(error, job))
        send(response)

    def cancel(self, ident: str, page: str | None = None) -> bool:
        """Stop the request with this id (of this page, where one is named). Whether there was one."""
        return self._jobs.stop(ident, page)

    def start_loading(self, name: str | None = None) -> None:
        """Begin to load a model (the session's own, if none is named), so that the first run finds it there."""
        chosen = name or self._model
        if chosen is not None:
            self._catalog.start(chosen)

    def trace(self, trace_id: str) -> Trace:
        """A trace that this session holds. Raises `MissingError` where it does not, or not any more."""
        return self._held.get(trace_id).trace

    def close(self, within_s: float = 0.0) -> bool:
        """Stop all work and take no more. Whether nothing is in work any more after at most `within_s` seconds."""
        self._jobs.close()
        return self._jobs.idle(within_s)

    def _work(self, request: Message, job: Job) -> Iterator[Answer]:
        answer = self._answers.get(request.type)
        if answer is None:
            raise InputError(
                f"There is no request {request.type[:100]!r}; this session answers {', '.join(self._can())}."
            )
        if request.type == "cancel":  # also a session with its hands full can be told to stop
            yield from _one_by_one(answer(request.body, job))
            return
        body = {**request.body, **request.tensors} if request.type == "run" else request.body
        with self._jobs.running(job, is_pass=request.type in PASSES):
            yield from _one_by_one(answer(body, job))

    def _can(self) -> list[str]:
        missing = {"hello"}
        if not self._catalog.names:
            missing |= PASSES
        if self._exporter is None:
            missing.add("export")
        return [name for name in self._answers if name not in missing]

    def _hello(self, _body: Mapping[str, Any], _job: Job) -> Answer:
        fields = {
            "version": _version(),
            "models": self._catalog.describe(),
            "model": self._model,
            "trace": self._shown,
            "examples": [asdict(example) for example in self._examples],
            "can": self._can(),
            "measures": measure_fields(),
            "limits": {
                "tokens": self.limits.tokens,
                "characters": self.limits.characters,
                "new_tokens": self.limits.new_tokens,
                "image_bytes": self.limits.image_bytes,
            },
        }
        return Answer("hello", fields)

    def _run(self, body: Mapping[str, Any], job: Job) -> Answer:
        if "image" in body:
            return self._traced(ImageRequest.of(body, self.limits), self._asked_model(body, job), (), job)
        asked = RunRequest.of(body, self.limits)
        edits = edits_of(body, self.trace, self.limits)
        model = self._asked_model(body, job)
        if "text" not in model.takes:
            raise InputError(f"{no_text_input(model.title)} Choose an image.")
        if asked.target is not None and model.kind != "encoder-decoder":
            raise InputError(no_target_side(model.title))
        return self._traced(asked, model, edits, job)

    def _traced(self, asked: RunRequest | ImageRequest, model: ModelLike, edits: Sequence[Edit], job: Job) -> Answer:
        """The trace of what was asked for. It is tokenized once: what is counted is what the pass reads."""
        inputs, tokens = asked.encode(model, self.limits)
        self.limits.check_trace(trace_bytes(model, tokens))
        job.stage = "run"
        with job.holding(self._pass, "waiting for another pass"):
            trace = model.trace(inputs, edits=edits, observer=job)
        return self._held_answer(HeldTrace(trace, model, asked.input_text(inputs)))

    def _held_answer(self, held: HeldTrace) -> Answer:
        """Keeps a trace, and answers with it."""
        self._held.add(held)
        return Answer("trace", trace_fields(held), trace_arrays(held.trace))

    def _generate(self, body: Mapping[str, Any], job: Job) -> Answer:
        asked = GenerateRequest.of(body, self.limits)
        edits = edits_of(body, self.trace, self.limits)
        model = self._asked_model(body, job)
        prompt = asked.encode(model, self.limits)
        job.stage = "generate"
        with job.holding(self._pass, "waiting for another pass"):
            made = asked.run(model, prompt, edits, job)
        answer = self._held_answer(HeldTrace(made.trace, model, asked.input_text(prompt, made.trace)))
        generation = generation_fields(made, asked.settings)
        return replace(answer, fields={**answer.fields, "generation": generation})

    def _patch(self, body: Mapping[str, Any], job: Job) -> Answer:
        asked = PatchRequest.of(body, self.limits)
        model = self._asked_model(body, job)
        prompts = asked.encode(model, self.limits)
        job.stage = "patch"
        with job.holding(self._pass, "waiting for another pass"):
            fields, arrays = patch_message(asked.run(model, prompts, job))
        return Answer("patch", fields, arrays)

    def _states(self, body: Mapping[str, Any], job: Job) -> Answer:
        held, asked = self._held.get(text_of(body, "trace")), StatesRequest.of(body)
        asked.check(held.trace, self.limits)
        if held.model is None:
            raise UnsupportedError(
                "This trace came without its model, so its states are not known: run the text again."
            )
        job.stage = "states"
        with job.holding(self._pass, "waiting for another pass"):
            fields, arrays = asked.run(held.model, held.trace, job)
        return Answer("states", fields, arrays)

    def _trace(self, body: Mapping[str, Any], _job: Job) -> Answer:
        held = self._held.get(text_of(body, "trace"))
        return Answer("trace", trace_fields(held), trace_arrays(held.trace))

    def _overview(self, body: Mapping[str, Any], job: Job) -> Iterator[Answer]:
        trace_id, stack, held = self._stack(body)
        if all(shape is None for shape in held.trace.stacks[stack].shapes):
            raise InputError(f"No layer of the stack {stack!r} has attention, so there is no overview of it.")
        chosen = optional_text_of(body, "filter")
        job.stage = "overview"
        for one in overview(held.trace, stack, filter=chosen, cancelled=job.cancelled):
            fields, arrays = overview_message(one)
            yield Answer("overview", {"trace": trace_id, "stack": stack, **fields}, arrays)

    def _layer(self, body: Mapping[str, Any], _job: Job) -> Answer:
        trace_id, stack, layer, held = self._place(body)
        fields, arrays = layer_message(held.trace.layer_record(layer, stack), self.limits)
        return Answer("layer", {"trace": trace_id, "stack": stack, "layer": layer, **fields}, arrays)

    def _tile(self, body: Mapping[str, Any], _job: Job) -> Answer:
        trace_id, stack, layer, held = self._place(body)
        record = held.trace.layer_record(layer, stack)
        heads = indices_of(body, "heads", record.shape.heads, "head")
        rows = indices_of(body, "rows", record.queries, "row")
        arrays = tile_arrays(record, heads, rows, self.limits)
        return Answer("tile", {"trace": trace_id, "stack": stack, "layer": layer, "heads": heads, "rows": rows}, arrays)

    def _values(self, body: Mapping[str, Any], job: Job) -> Answer:
        trace_id, stack, layer, held = self._place(body)
        job.stage = "values"
        traced = held.trace.traced_stack(stack)
        fields, arrays = values_message(
            held.trace.layer_record(layer, stack),
            traced.projections[layer] if layer < len(traced.projections) else None,
            self.limits,
            why_not=_NO_PROJECTION if held.model is not None else _NOT_SAVED,
            cancelled=job.cancelled,
        )
        return Answer("values", {"trace": trace_id, "stack": stack, "layer": layer, **fields}, arrays)

    def _edge(self, body: Mapping[str, Any], _job: Job) -> Answer:
        trace_id, stack, held = self._stack(body)
        query_tokens, key_tokens = held.trace.tokens_for(stack)
        query = index_of(body, "query", len(query_tokens), "query")
        key = index_of(body, "key", len(key_tokens), "key")
        arrays = edge_arrays(edge_of(held.trace, query, key, stack))
        return Answer("edge", {"trace": trace_id, "stack": stack, "query": query, "key": key}, arrays)

    def _check(self, body: Mapping[str, Any], job: Job) -> Answer:
        held = self._held.get(text_of(body, "trace"))
        if held.model is None:
            raise UnsupportedError("This trace came without its model, so it cannot be checked: run the text again.")
        job.stage = "check"
        with job.holding(self._pass, "waiting for another pass"):
            certificate = held.model.check_trace(held.trace, observer=job)
        return Answer("check", {"trace": held.trace.id, "certificate": certificate_fields(certificate)})

    def _export(self, body: Mapping[str, Any], _job: Job) -> Answer:
        if self._exporter is None:
            raise UnsupportedError("This session writes no files: `attnscope.export(trace, path)` does.")
        trace_id, stack, layer, held = self._place(body)
        heads = indices_of(body, "heads", held.trace.layer_record(layer, stack).shape.heads, "head")
        page = self._exporter(held.trace, stack=stack, layer=layer, heads=heads, max_bytes=self.limits.answer_bytes)
        return Answer("export", {"trace": trace_id}, {"html": np.frombuffer(page.encode(), np.uint8)})

    def _cancel(self, body: Mapping[str, Any], job: Job) -> Answer:
        return Answer("cancel", {"found": self._jobs.stop(text_of(body, "target"), job.page)})

    def _asked_model(self, body: Mapping[str, Any], job: Job) -> ModelLike:
        """The model that a request names, or the session's own."""
        name = optional_text_of(body, "model") or self._model
        if name is None:
            raise UnsupportedError("This session has no model: it shows traces that were made elsewhere.")
        return self._catalog.get(name, job)

    def _place(self, body: Mapping[str, Any]) -> tuple[str, str, int, HeldTrace]:
        """The trace, stack and layer that a request is about."""
        trace_id, stack, held = self._stack(body)
        return trace_id, stack, index_of(body, "layer", held.trace.stacks[stack].layers, "layer"), held

    def _stack(self, body: Mapping[str, Any]) -> tuple[str, str, HeldTrace]:
        """The trace and stack that a request is about."""
        trace_id, stack = text_of(body, "trace"), text_of(body, "stack")
        held = self._held.get(trace_id)
        if stack not in held.trace.stacks:
            raise InputError(f"This trace has no stack {stack[:100]!r}; it has {', '.join(held.trace.stacks)}.")
        return trace_id, stack, held


def _one_by_one(answers: Answers) -> Iterator[Answer]:
    return iter([answers]) if isinstance(answers, Answer) else answers


def _encoded(ident: str, answer: Answer, *, last: bool) -> bytes:
    return encode(Message(answer.type, ident, {"last": last, **answer.fields}, answer.arrays))


def _version() -> str:
    try:
        return version("attnscope")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+unknown"
