"""A model ready for one pass with an attention implementation of our choice, the user's own left as it is."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from torch import nn

from attnscope.capture.clone import HOOK_TABLES, configs_of, set_attention, structural_clone
from attnscope.errors import UnsupportedError

_BORROWING = threading.RLock()


@contextmanager
def prepared(model: nn.Module, implementation: str | None) -> Generator[nn.Module]:
    """`model` for one pass: in eval mode and, unless None, with the attention implementation of that name.

    This is a structural clone wherever the model can be cloned. A model that cannot (modules that refuse to be copied) is
    switched itself, under a lock, and put back as it was, also when the pass raises; passes that other code runs on such a
    model at the same time are not supported.
    """
    try:
        clone = structural_clone(model)
    except UnsupportedError:
        with _borrowed(model, implementation) as itself:
            yield itself
        return
    if implementation is not None:
        set_attention(clone, implementation)
    yield clone


@contextmanager
def _borrowed(model: nn.Module, implementation: str | None) -> Generator[nn.Module]:
    with _BORROWING:
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
    """A module's mode, hooks and attributes: transformers installs hooks of its own when hidden states are asked for."""

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
