"""Calls of the Hugging Face model itself while edits are active."""

from __future__ import annotations

import copy
import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from attnscope.capture import Recorder, structural_clone
from attnscope.capture.attention_function import ACTIVE, NAME
from attnscope.capture.clone import set_attention
from attnscope.capture.residual_hooks import positions_before, residual_edits
from attnscope.edits.plan import Plan
from attnscope.errors import UnsupportedError
from attnscope.model.architecture.probe import Architecture
from attnscope.model.architecture.probed_model import ProbedModel


@dataclass(eq=False)
class EditedRun:
    """A clone of a model whose passes are edited. Any number of threads may call it until the `with` statement ends."""

    clone: nn.Module
    architecture: Architecture
    plan: Plan
    title: str
    closed: bool = False
    names: dict[int, str] = field(init=False)
    paths: dict[int, str] = field(default_factory=dict[int, str])

    def __post_init__(self) -> None:
        self.names = {id(module): name for name, module in self.clone.named_modules()}
        for module in self.clone.modules():
            if isinstance(module, PreTrainedModel):
                _set_forward(module, _EditedForward(module, self))


class _Forward(ABC):
    """A forward method that replaces a module's own. A copy of the module gets its own method back."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.before: Callable[..., Any] | None = module.__dict__.get("forward")
        self.forward: Callable[..., Any] = module.forward
        functools.update_wrapper(self, self.forward)  # transformers inspects its signature

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the forward method."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if self.before is not None:
            return copy.deepcopy(self.before, memo)
        return MethodType(type(self.module).forward, memo.get(id(self.module), self.module))


class _EditedForward(_Forward):
    """The forward method of a model inside the clone: starts a new recorded pass, or continues the current one."""

    def __init__(self, module: nn.Module, run: EditedRun) -> None:
        super().__init__(module)
        self._run = run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = self._run
        if run.closed:
            raise UnsupportedError(
                f"The edits of {run.title} are active only inside the block `with model.edited(…):`."
            )
        now = ACTIVE.get()
        if now is not None and now.plan is run.plan:
            return self.forward(*args, **kwargs)
        recorder = Recorder(names=run.names, places=run.architecture.places, plan=run.plan, keeps=False)
        recorder.before = positions_before(kwargs)
        token = ACTIVE.set(recorder)
        try:
            return self.forward(*args, **kwargs)
        finally:
            ACTIVE.reset(token)


_RUNS: ContextVar[tuple[EditedRun, ...]] = ContextVar("attnscope_edited", default=())
"""The active edits in this context (thread), the innermost last."""


@contextmanager
def edited_run(hf_model: nn.Module, probed: ProbedModel, plan: Plan) -> Generator[nn.Module]:
    """Inside the `with` statement, calls of `hf_model` (and the models inside it) from this context are edited; others are not.

    Yields the edited model, which any thread may call. Raises `UnsupportedError` if the model cannot be cloned.
    """
    module, architecture = probed.module, probed.architecture
    clone = structural_clone(module)
    set_attention(clone, NAME)
    run = EditedRun(clone, architecture, plan, probed.title)
    run.paths = {id(one): name for name, one in module.named_modules() if isinstance(one, PreTrainedModel)}
    run.paths[id(hf_model)] = ""
    with ExitStack() as stack:
        stack.enter_context(residual_edits(clone, plan, architecture.places))
        for one in {id(one): one for one in (hf_model, *module.modules()) if id(one) in run.paths}.values():
            stack.enter_context(_dispatching(one))
        token = _RUNS.set((*_RUNS.get(), run))
        try:
            yield clone
        finally:
            run.closed = True
            _RUNS.reset(token)


class _Dispatcher(_Forward):
    """The forward method of the user's model: calls the edited model of the current context, if there is one.

    `count` is the number of `with` statements that use it.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.count = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for run in reversed(_RUNS.get()):
            path = run.paths.get(id(self.module))
            if path is not None:
                return run.clone.get_submodule(path).forward(*args, **kwargs)
        return self.forward(*args, **kwargs)


_LOCK = threading.Lock()


@contextmanager
def _dispatching(module: nn.Module) -> Generator[None]:
    """Inside the `with` statement, the module's calls go to the edited model of their context, if there is one."""
    with _LOCK:
        found = module.__dict__.get("forward")
        dispatcher = found if isinstance(found, _Dispatcher) else _Dispatcher(module)
        dispatcher.count += 1
        _set_forward(module, dispatcher)
    try:
        yield
    finally:
        with _LOCK:
            dispatcher.count -= 1
            if dispatcher.count == 0:
                _set_forward(module, dispatcher.before)


def _set_forward(module: nn.Module, forward: Callable[..., Any] | None) -> None:
    # not as an attribute: a compiled model would pass it on to the module that it wraps
    if forward is None:
        module.__dict__.pop("forward", None)
    else:
        module.__dict__["forward"] = forward
