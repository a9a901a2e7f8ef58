"""The models of a session, loaded when first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from attnscope.errors import InputError, MissingError
from attnscope.model.model import ADAPTER_OFF
from attnscope.session.jobs import Job
from attnscope.session.protocols import ModelLike

NO_MODEL = "This session has no model: it only shows existing traces."


@dataclass(frozen=True)
class ModelEntry:
    """A model that a session offers.

    `load` is called in its own thread, at most once at a time, and again if it failed. `model` is the model if it is already
    loaded.
    """

    name: str
    title: str
    kind: str
    load: Callable[[], ModelLike]
    model: ModelLike | None = None

    @classmethod
    def loaded(cls, model: ModelLike) -> ModelEntry:
        """An entry for a model that is already loaded."""
        return cls(model.name, model.title, model.kind, lambda: model, model)


class _Loading:
    """One attempt to load a model."""

    def __init__(self, model: ModelLike | None = None) -> None:
        self.done = threading.Event()
        self.model = model
        self.error: BaseException | None = None
        if model is not None:
            self.done.set()

    def run(self, load: Callable[[], ModelLike]) -> None:
        try:
            self.model = load()
        except BaseException as error:  # noqa: BLE001 - raised in the threads that wait for the model
            self.error = error
        self.done.set()


class ModelCatalog:
    """Models by name, in the order in which the page offers them. Thread-safe.

    As soon as a model with an adapter is loaded, the same model without it is offered behind it.
    """

    def __init__(self, entries: Iterable[ModelEntry]) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._loading = {e.name: _Loading(e.model) for e in self._entries.values() if e.model is not None}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """All names, in order."""
        return list(self._offered())

    def describe(self) -> list[dict[str, object]]:
        """The description of each model, for the page. A loaded model's own title and kind override those of its entry."""
        described: list[dict[str, object]] = []
        for entry in self._offered().values():
            attempt = self._loading.get(entry.name)
            model = attempt.model if attempt is not None else None
            of = model if model is not None else entry
            chat = None if model is None else model.chat
            described.append(
                {
                    "name": entry.name,
                    "title": of.title,
                    "kind": of.kind,
                    "loaded": model is not None,
                    "chat": chat,
                    "takes": None if model is None else list(model.takes),
                }
            )
        return described

    def loaded(self) -> list[ModelLike]:
        """The models that are loaded, in order."""
        attempts = [self._loading.get(name) for name in self._entries]
        return [attempt.model for attempt in attempts if attempt is not None and attempt.model is not None]

    def candidates(self, provenances: Iterable[Mapping[str, object]], job: Job) -> list[ModelLike]:
        """The models that may have made traces with these provenances: those that are loaded, and those of their names.

        Waits until the latter are loaded; raises `CancelledError` if the job should stop.
        """
        names = {
            value for one in provenances for value in (one.get("model"), one.get("title")) if isinstance(value, str)
        }
        ready = self.loaded()
        named = [self.get(entry.name, job) for entry in self._entries.values() if {entry.name, entry.title} & names]
        return [*ready, *(model for model in named if model not in ready)]

    def start(self, name: str) -> None:
        """Start loading a model, without waiting for it."""
        self._attempt(name)

    def get(self, name: str, job: Job) -> ModelLike:
        """The model of this name. Waits until it is loaded; raises `CancelledError` if the job should stop."""
        entry, attempt = self._attempt(name)
        if not attempt.done.is_set():
            job.stage = "load"
            job.report_step(f"loading {entry.title}")
            job.wait(attempt.done)
        if attempt.model is not None:
            return attempt.model
        with self._lock:  # the next request tries again
            if self._loading.get(name) is attempt:
                del self._loading[name]
        assert attempt.error is not None
        raise attempt.error

    def _offered(self) -> dict[str, ModelEntry]:
        """All entries, in order, with those without an adapter behind the loaded models that have one."""
        found: dict[str, ModelEntry] = {}
        for entry in self._entries.values():
            found[entry.name] = entry
            attempt = self._loading.get(entry.name)
            model = None if attempt is None else attempt.model
            if model is not None and model.adapter:
                off = f"{entry.name}{ADAPTER_OFF}"
                found.setdefault(off, ModelEntry(off, f"{model.title}{ADAPTER_OFF}", model.kind, model.without_adapter))
        return found

    def _attempt(self, name: str) -> tuple[ModelEntry, _Loading]:
        offered = self._offered()
        entry = offered.get(name)
        if entry is None:
            if not offered:
                raise InputError(NO_MODEL)
            known = ", ".join(offered)
            raise MissingError(f"Unknown model {name[:100]!r:.300}. This session has {known}.")
        with self._lock:
            attempt = self._loading.get(name)
            if attempt is None:
                attempt = self._loading[name] = _Loading()
                threading.Thread(target=attempt.run, args=(entry.load,), name=f"load {name}", daemon=True).start()
        return entry, attempt
