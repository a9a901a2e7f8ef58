"""Prepare a model for one pass with a chosen attention implementation, without changing the user's model."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from torch import nn

from attnscope.capture.clone import HOOK_TABLES, configs_of, set_attention
from attnscope.capture.clone_pool import UsableClone, pool_of
from attnscope.errors import UnsupportedError

_SWITCH_LOCK = threading.RLock()


@contextmanager
def prepared(model: nn.Module, implementation: str | None) -> Generator[nn.Module]:
    """Yield `model` ready for one pass: in eval mode and, unless None, with the named attention implementation.

    This is a structural clone wherever the model can be cloned, one that no other pass uses at the same time; a model that is
    wrapped keeps its clones for later passes (`ClonePool`). Hooks and attributes that you add to it have to be gone at the end.
    A model that cannot be cloned (some modules cannot be copied) is itself switched under a lock and restored afterwards, even
    if the pass raises. Running other passes on such a model at the same time is not supported.
    """
    pool = pool_of(model)
    try:
        clone = UsableClone(model, lasting=False) if pool is None else pool.take()
    except UnsupportedError:
        with _switched(model, implementation) as itself:
            yield itself
        return
    clone.set_attention(implementation)
    try:
        yield clone.module
    finally:
        if pool is not None:
            pool.give_back(clone)


@contextmanager
def _switched(model: nn.Module, implementation: str | None) -> Generator[nn.Module]:
    """Switch `model` itself, under a lock, and restore it when the block ends."""
    with _SWITCH_LOCK:
        configs = [(config, config._attn_implementation_internal) for config in configs_of(model)]
        modules = [_Snapshot(module) for module in model.modules()]
        try:
            model.eval()
            if implementation is not None:
                set_attention(model, implementation)
            yield model
        finally:
            for config, before in configs:
                config._attn_implementation_internal = before
            for module in modules:
                module.restore()


class _Snapshot:
    """A module's mode, hooks and attributes. transformers installs its own hooks to collect hidden states."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._training = module.training
        self._names = set(module.__dict__)
        self._hooks = {table: dict(getattr(module, table, {})) for table in HOOK_TABLES}

    def restore(self) -> None:
        self._module.training = self._training
        for table, hooks in self._hooks.items():
            if hasattr(self._module, table):
                getattr(self._module, table).clear()
                getattr(self._module, table).update(hooks)
        for name in set(self._module.__dict__) - self._names:
            delattr(self._module, name)
