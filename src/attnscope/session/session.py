"""`Session` answers each request with one or more responses. Hosts (HTTP, notebook, file) only transport the bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import numpy as np

from attnscope.analysis.edges import edge_of
from attnscope.analysis.overview import overview
from attnscope.edits import Edit
from attnscope.errors import AttnscopeError, CancelledError, DamagedError, InputError, UnsupportedError
from attnscope.session.jobs import PASSES, Job, Jobs
from attnscope.session.limits import Limits
from attnscope.session.messages.align import align_fields
from attnscope.session.messages.answer import Answer
from attnscope.session.messages.control import ControlRequest
from attnscope.session.messages.edits import edits_fields, edits_of
from attnscope.session.messages.effect import EffectRequest
from attnscope.session.messages.error import error_message, failure
from attnscope.session.messages.fields import (
    fields_of,
    index_of,
    indices_of,
    optional_text_of,
    require_characters_in,
    text_of,
)
from attnscope.session.messages.generate import ContinueRequest, GenerateRequest, generation_fields
from attnscope.session.messages.layer import layer_message, tile_arrays
from attnscope.session.messages.overview import edge_arrays, measure_fields, overview_message
from attnscope.session.messages.patch import PatchRequest, patch_message
from attnscope.session.messages.run import RunRequest
from attnscope.session.messages.states import StatesRequest
from attnscope.session.messages.trace import Example, certificate_fields, trace_arrays, trace_bytes, trace_fields
from attnscope.session.messages.values import values_message
from attnscope.session.messages.workspace import opened_file, saved_workspace, workspace_fields
from attnscope.session.model_catalog import NO_MODEL, ModelCatalog, ModelEntry
from attnscope.session.protocols import ModelLike
from attnscope.session.trace_store import StoredTrace, TraceStore
from attnscope.trace import Trace
from attnscope.trace.correspondence import Correspondence
from attnscope.wire import Message, decode, encode
from attnscope.workspace import Workspace

Send = Callable[[bytes], None]
Disconnected = Callable[[], bool]
Answers = Answer | Iterator[Answer]

_NO_PROJECTION = (
    "Output norms are unavailable: no output projection (W_O) reads the attention output of this layer directly."
)
_NOT_SAVED = (
    "Output norms are unavailable: this trace has no output projections (W_O). Save it with weights=True, or open it with "
    "its model."
)
_NO_STATES = "This trace has no model, so its residual stream cannot be computed. Run the text again."
_NO_CONTROL = "This trace has no model, so its edits cannot be made elsewhere. Run the text again."
_NO_MODEL_TO_CONTINUE = "This trace has no model, so it cannot be continued. Run the text again."
_NO_CHECK = "This trace has no model, so it cannot be checked. Run the text again."
_WAITING = "waiting for another forward pass"


_WITH_TENSORS = frozenset({"run", "generate", "patch", "open"})
"""The requests that may have tensors: images, or a file."""


def _never() -> bool:
    return False


class Exporter(Protocol):
    """Makes an offline page from a trace. The implementation is in a higher layer of the package."""

    def __call__(
        self,
        trace: Trace,
        *,
        stack: str,
        layer: int,
        heads: Sequence[int],
        address: str | None,
        baseline: Trace | None,
        effect: Message | None,
        max_bytes: int,
    ) -> str:
        """The HTML of the page, which opens with these heads selected, and the rest of the view as in `address`.

        With a baseline, the page compares the trace with it. `effect` is then the response to an `effect` request, or the error
        that says why there is none.

        Raises `TooLongError` above `max_bytes`.
        """
        ...


class Session:
    """Models and traces, and the only place that answers requests about them.

    `models` are offered in this order and loaded when first needed. `model` is the name of the default model, for requests
    that name none; it is the first model unless set. `traces` can be shown without a model. Pages start with `workspace`,
    whatever its size; its traces get the model that made them, if it is loaded. `exporter` makes offline pages.
    Requests may come from any number of threads; only one forward pass runs at a time.
    """

    def __init__(
        self,
        models: Iterable[ModelEntry] = (),
        *,
        model: str | None = None,
        examples: Iterable[Example] = (),
        traces: Iterable[StoredTrace] = (),
        workspace: Workspace | None = None,
        limits: Limits | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._exporter = exporter
        own = 0 if workspace is None else sum(trace.nbytes for trace in workspace.traces)
        self._traces = TraceStore(self.limits.trace_bytes + own)
        self._shown: str | None = None
        for stored in traces:
            self._traces.add(stored)
            self._shown = self._shown or stored.trace.id
        self._catalog = ModelCatalog(models)
        self._workspace = workspace
        if workspace is not None:
            self._shown = workspace.current.id
            self._traces.add_saved(workspace.traces, self._catalog.loaded())
        names = self._catalog.names
        if model is not None and model not in names:
            raise InputError(
                f"The default model {model!r:.300} is not one of the session's models: {', '.join(names) or 'none'}."
            )
        self._model = model or next(iter(names), None)
        self._examples = [example for example in examples if example.model is None or example.model in names]
        self._jobs = Jobs(max_jobs=self.limits.requests, max_passes=self.limits.passes)
        self._pass_lock = threading.Lock()
        self._answers: dict[str, Callable[[Mapping[str, Any], Job], Answers]] = {
            "hello": self._hello,
            "run": self._run,
            "generate": self._generate,
            "patch": self._patch,
            "states": self._states,
            "effect": self._effect,
            "control": self._control,
            "edits": self._edits,
            "trace": self._trace,
            "overview": self._overview,
            "layer": self._layer,
            "tile": self._tile,
            "values": self._values,
            "edge": self._edge,
            "align": self._align,
            "check": self._check,
            "export": self._export,
            "save": self._save,
            "open": self._open,
            "cancel": self._cancel,
        }

    def respond(self, data: bytes, send: Send, *, disconnected: Disconnected = _never) -> None:
        """Answer the request in `data`. Passes the bytes of each response to `send`, in order, before it returns.

        This never raises: errors become the last response. `send` must not raise either. `disconnected` tells whether the
        client has gone away, so that the work can stop.
        """
        try:
            request = decode(data)
        except DamagedError as error:
            send(encode(error_message("", "bad_request", str(error))))
            return
        self.answer(request, send, disconnected=disconnected)

    def answer(self, request: Message, send: Send, *, disconnected: Disconnected = _never) -> None:
        """Like `respond`, for a host that has already decoded the request."""

        def report(stage: str, done: int, total: int, text: str) -> None:
            body = {"last": False, "stage": stage, "done": done, "total": total, "text": text}
            send(encode(Message("progress", request.id, body)))

        def send_partial(kind: str, fields: dict[str, Any]) -> None:
            send(_encoded(request.id, Answer(kind, fields), last=False))

        page = request.body.get("page")
        job = Job(request.id, request.type, page if isinstance(page, str) else None, report, disconnected, send_partial)
        try:
            answers = self._work(request, job)
            answer = next(answers)
            for following in answers:
                send(_encoded(request.id, answer, last=False))
                answer = following
            response = _encoded(request.id, answer, last=True)
        except Exception as error:  # noqa: BLE001 - becomes an `error` response, and a log entry if unexpected
            response = encode(failure(error, job))
        send(response)

    def cancel(self, ident: str, page: str | None = None) -> bool:
        """Cancel the request with this id (and of this page, unless it is None). Returns whether there was one."""
        return self._jobs.stop(ident, page)

    def start_loading(self, name: str | None = None) -> None:
        """Start loading a model (the default model if None), so that it is ready for the first run."""
        chosen = name or self._model
        if chosen is not None:
            self._catalog.start(chosen)

    def trace(self, trace_id: str) -> Trace:
        """A trace of this session. Raises `MissingError` if the session does not have it, or has dropped it."""
        return self._traces.get(trace_id).trace

    def keep(self, stored: StoredTrace) -> None:
        """Store a trace that was made elsewhere, unless the session has it already."""
        if stored.trace.id not in self._traces:
            self._traces.add(stored)

    def close(self, within_s: float = 0.0) -> bool:
        """Stop all work and accept no new requests.

        Waits up to `within_s` seconds for running requests to end, and returns whether they have.
        """
        self._jobs.close()
        return self._jobs.idle(within_s)

    def _work(self, request: Message, job: Job) -> Iterator[Answer]:
        require_characters_in(request.body)
        answer = self._answers.get(request.type)
        if answer is None:
            raise InputError(
                f"Unknown request type {request.type[:100]!r:.300}. This session answers {', '.join(self._can())}."
            )
        if request.type == "cancel":  # must also work when the session is busy
            yield from _one_by_one(answer(request.body, job))
            return
        body = {**request.body, **request.tensors} if request.type in _WITH_TENSORS else request.body
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
            "workspace": None if self._workspace is None else workspace_fields(self._workspace),
            "examples": [asdict(example) for example in self._examples],
            "can": self._can(),
            "measures": measure_fields(),
            "limits": {
                "tokens": self.limits.tokens,
                "characters": self.limits.characters,
                "new_tokens": self.limits.new_tokens,
                "image_bytes": self.limits.image_bytes,
                "file_bytes": self.limits.file_bytes,
            },
        }
        return Answer("hello", fields)

    def _run(self, body: Mapping[str, Any], job: Job) -> Answer:
        """Trace an input. It is tokenized once, so that the tokens counted are those of the forward pass."""
        edits = edits_of(body, self.trace, self.limits)
        if "trace" in body:
            return self._run_again(text_of(body, "trace"), edits, job)
        request = RunRequest.of(body, self.limits)
        model = self._requested_model(body, job)
        inputs, tokens = request.encode(model, self.limits, job)
        self.limits.check_trace(trace_bytes(model, tokens))
        job.stage = "run"
        with job.holding(self._pass_lock, _WAITING):
            trace = model.trace(inputs, edits=edits, observer=job)
        return self._store(StoredTrace(trace, model, request.input_text(inputs), inputs))

    def _run_again(self, trace_id: str, edits: Sequence[Edit], job: Job) -> Answer:
        """Trace the input of another trace, with other edits."""
        stored = self._traces.get(trace_id)
        job.stage = "run"
        with job.holding(self._pass_lock, _WAITING):
            trace = stored.run_again(edits, job)
        return self._store(replace(stored, trace=trace))

    def _store(self, stored: StoredTrace) -> Answer:
        """Store a trace and answer with it."""
        self._traces.add(stored)
        return Answer("trace", trace_fields(stored), trace_arrays(stored.trace))

    def _generate(self, body: Mapping[str, Any], job: Job) -> Answer:
        if body.get("trace") is not None:
            return self._continue(body, job)
        request = GenerateRequest.of(body, self.limits)
        edits = edits_of(body, self.trace, self.limits)
        model = self._requested_model(body, job)
        prompt = request.encode(model, self.limits, job)
        job.stage = "generate"
        with job.holding(self._pass_lock, _WAITING):
            made = request.run(model, prompt, edits, job)
        answer = self._store(StoredTrace(made.trace, model, request.input_text(prompt, made.trace)))
        generation = generation_fields(made, request.settings)
        return replace(answer, fields={**answer.fields, "generation": generation})

    def _continue(self, body: Mapping[str, Any], job: Job) -> Answer:
        """Continue the pass of a trace, with its own edits unless the request has others."""
        stored, request = self._traces.get(text_of(body, "trace")), ContinueRequest.of(body, self.limits)
        edits = None if body.get("edits") is None else edits_of(body, self.trace, self.limits)
        if stored.model is None:
            raise UnsupportedError(_NO_MODEL_TO_CONTINUE)
        request.check(stored.model, stored.trace, self.limits)
        job.stage = "generate"
        with job.holding(self._pass_lock, _WAITING):
            made = request.run(stored.model, stored.trace, edits, job)
        answer = self._store(StoredTrace(made.trace, stored.model, request.input_text(stored.input, made.trace)))
        generation = generation_fields(made, request.settings)
        return replace(answer, fields={**answer.fields, "generation": generation})

    def _patch(self, body: Mapping[str, Any], job: Job) -> Answer:
        request = PatchRequest.of(body, self.limits)
        model = self._requested_model(body, job)
        prompts = request.encode(model, self.limits, job)
        job.stage = "patch"
        with job.holding(self._pass_lock, _WAITING):
            fields, arrays = patch_message(request.run(model, prompts, job))
        return Answer("patch", fields, arrays)

    def _states(self, body: Mapping[str, Any], job: Job) -> Answer:
        stored, request = self._traces.get(text_of(body, "trace")), StatesRequest.of(body)
        request.check(stored.trace, self.limits)
        if stored.model is None:
            raise UnsupportedError(_NO_STATES)
        job.stage = "states"
        with job.holding(self._pass_lock, _WAITING):
            fields, arrays = request.run(stored.model, stored.trace, job)
        return Answer("states", fields, arrays)

    def _effect(self, body: Mapping[str, Any], job: Job) -> Answer:
        request = EffectRequest.of(body)
        current, baseline = (self._traces.get(text_of(body, name)) for name in ("trace", "baseline"))
        job.stage = "effect"
        return Answer("effect", request.run(current, baseline, job, job.holding(self._pass_lock, _WAITING)))

    def _control(self, body: Mapping[str, Any], job: Job) -> Answer:
        stored, request = self._traces.get(text_of(body, "trace")), ControlRequest.of(body)
        request.check(stored.trace, self.limits)
        if stored.model is None:
            raise UnsupportedError(_NO_CONTROL)
        job.stage = "control"
        with job.holding(self._pass_lock, _WAITING):
            return Answer("control", request.run(stored.model, stored.trace, job))

    def _edits(self, body: Mapping[str, Any], job: Job) -> Answer:
        stored = self._traces.get(text_of(body, "trace"))
        edits = edits_of(body, self.trace, self.limits)
        job.stage = "edits"
        with job.holding(self._pass_lock, _WAITING):
            return Answer("edits", edits_fields(edits, stored))

    def _trace(self, body: Mapping[str, Any], _job: Job) -> Answer:
        stored = self._traces.get(text_of(body, "trace"))
        return Answer("trace", trace_fields(stored), trace_arrays(stored.trace))

    def _overview(self, body: Mapping[str, Any], job: Job) -> Iterator[Answer]:
        trace_id, stack, stored = self._stack(body)
        if all(shape is None for shape in stored.trace.stacks[stack].shapes):
            raise InputError(f"Stack {stack!r:.300} has no layer with attention, so it has no overview.")
        chosen, compared = optional_text_of(body, "filter"), optional_text_of(body, "baseline")
        baseline = None if compared is None else self.trace(compared)
        about = {"trace": trace_id, "stack": stack} | ({} if compared is None else {"baseline": compared})
        job.stage = "overview"
        for one in overview(stored.trace, stack, filter=chosen, baseline=baseline, cancelled=job.cancelled):
            fields, arrays = overview_message(one)
            yield Answer("overview", {**about, **fields}, arrays)

    def _layer(self, body: Mapping[str, Any], _job: Job) -> Answer:
        trace_id, stack, layer, stored = self._place(body)
        fields, arrays = layer_message(
            stored.trace.layer_record(layer, stack), self.limits, exact=body.get("exact") is True
        )
        return Answer("layer", {"trace": trace_id, "stack": stack, "layer": layer, **fields}, arrays)

    def _tile(self, body: Mapping[str, Any], _job: Job) -> Answer:
        trace_id, stack, layer, stored = self._place(body)
        record = stored.trace.layer_record(layer, stack)
        heads = indices_of(body, "heads", record.shape.heads, "head")
        rows = indices_of(body, "rows", record.queries, "row")
        arrays = tile_arrays(record, heads, rows, self.limits)
        return Answer("tile", {"trace": trace_id, "stack": stack, "layer": layer, "heads": heads, "rows": rows}, arrays)

    def _values(self, body: Mapping[str, Any], job: Job) -> Answer:
        trace_id, stack, layer, stored = self._place(body)
        job.stage = "values"
        traced = stored.trace.traced_stack(stack)
        fields, arrays = values_message(
            stored.trace.layer_record(layer, stack),
            traced.projections[layer] if layer < len(traced.projections) else None,
            self.limits,
            no_projection_note=_NO_PROJECTION if stored.model is not None else _NOT_SAVED,
            cancelled=job.cancelled,
        )
        return Answer("values", {"trace": trace_id, "stack": stack, "layer": layer, **fields}, arrays)

    def _edge(self, body: Mapping[str, Any], _job: Job) -> Answer:
        trace_id, stack, stored = self._stack(body)
        query_tokens, key_tokens = stored.trace.tokens_for(stack)
        query = index_of(body, "query", len(query_tokens), "query")
        key = index_of(body, "key", len(key_tokens), "key")
        arrays = edge_arrays(edge_of(stored.trace, query, key, stack))
        return Answer("edge", {"trace": trace_id, "stack": stack, "query": query, "key": key}, arrays)

    def _align(self, body: Mapping[str, Any], _job: Job) -> Answer:
        trace, baseline = (self.trace(text_of(body, name)) for name in ("trace", "baseline"))
        fields = align_fields(Correspondence.of(trace, baseline))
        return Answer("align", {"trace": trace.id, "baseline": baseline.id, **fields})

    def _check(self, body: Mapping[str, Any], job: Job) -> Answer:
        stored = self._traces.get(text_of(body, "trace"))
        if stored.model is None:
            raise UnsupportedError(_NO_CHECK)
        job.stage = "check"
        with job.holding(self._pass_lock, _WAITING):
            certificate = stored.model.check(stored.trace, observer=job)
        return Answer("check", {"trace": stored.trace.id, "certificate": certificate_fields(certificate)})

    def _export(self, body: Mapping[str, Any], job: Job) -> Answer:
        if self._exporter is None:
            raise UnsupportedError("This session cannot export files. Use `attnscope.export(trace, path)` instead.")
        trace_id, stack, layer, stored = self._place(body)
        heads = indices_of(body, "heads", stored.trace.layer_record(layer, stack).shape.heads, "head")
        baseline = optional_text_of(body, "baseline")
        page = self._exporter(
            stored.trace,
            stack=stack,
            layer=layer,
            heads=heads,
            address=optional_text_of(body, "address"),
            baseline=None if baseline is None else self.trace(baseline),
            effect=None if baseline is None else self._effect_message(body, job),
            max_bytes=self.limits.answer_bytes,
        )
        return Answer("export", {"trace": trace_id}, {"html": np.frombuffer(page.encode(), np.uint8)})

    def _save(self, body: Mapping[str, Any], job: Job) -> Answer:
        job.stage = "save"
        name, file = saved_workspace(body, self.trace, self.limits)
        return Answer("save", {"name": name}, {"file": file})

    def _open(self, body: Mapping[str, Any], job: Job) -> Answer:
        kind, workspace = opened_file(body, self.limits)
        models = self._catalog.candidates([trace.provenance for trace in workspace.traces], job)
        job.stage = "open"
        with job.holding(self._pass_lock, _WAITING):
            self._traces.add_saved(workspace.traces, models)
        return Answer("open", workspace_fields(workspace, kind))

    def _effect_message(self, body: Mapping[str, Any], job: Job) -> Message:
        """The response to the `effect` request of an export, or the error that says why there is none."""
        asked = fields_of(body, "effect")
        pair = {name: body[name] for name in ("trace", "baseline")}
        try:
            answer = self._effect({**asked, **pair}, job)
        except CancelledError:
            raise
        except AttnscopeError as error:
            return failure(error, job)
        return Message(answer.type, answer.type, {"last": True, **answer.fields})

    def _cancel(self, body: Mapping[str, Any], job: Job) -> Answer:
        return Answer("cancel", {"found": self._jobs.stop(text_of(body, "target"), job.page)})

    def _requested_model(self, body: Mapping[str, Any], job: Job) -> ModelLike:
        """The model that a request names, or the default model."""
        name = optional_text_of(body, "model") or self._model
        if name is None:
            raise UnsupportedError(NO_MODEL)
        return self._catalog.get(name, job)

    def _place(self, body: Mapping[str, Any]) -> tuple[str, str, int, StoredTrace]:
        """The trace, stack and layer that a request is about."""
        trace_id, stack, stored = self._stack(body)
        return trace_id, stack, index_of(body, "layer", stored.trace.stacks[stack].layers, "layer"), stored

    def _stack(self, body: Mapping[str, Any]) -> tuple[str, str, StoredTrace]:
        """The trace and stack that a request is about."""
        trace_id, stack = text_of(body, "trace"), text_of(body, "stack")
        stored = self._traces.get(trace_id)
        if stack not in stored.trace.stacks:
            raise InputError(f"This trace has no stack {stack[:100]!r:.300}; it has {', '.join(stored.trace.stacks)}.")
        return trace_id, stack, stored


def _one_by_one(answers: Answers) -> Iterator[Answer]:
    return iter([answers]) if isinstance(answers, Answer) else answers


def _encoded(ident: str, answer: Answer, *, last: bool) -> bytes:
    return encode(Message(answer.type, ident, {"last": last, **answer.fields}, answer.arrays))


def _version() -> str:
    try:
        return version("attnscope")
    except PackageNotFoundError:  # run from sources that are not installed
        return "0+unknown"
