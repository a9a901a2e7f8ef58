"""Clones of a model that are used again while the model is unchanged: for a short text, copying takes as long as half the pass.

A clone is used by one pass at a time. It is taken only if the model is what it was when the clone was made, and kept only if the
pass left nothing behind on it (hooks, attributes, buffers that a pass over a long text replaces); otherwise a new clone is made.
"""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakValueDictionary

from torch import nn

from attnscope.capture.clone import attention_configs, clone_of, implementation_for
from attnscope.capture.snapshot import Snapshot

MOST_IDLE = 2
"""How many unused clones of a model are kept: a pass may run inside another one, or in another thread."""


class UsableClone:
    """A clone of a model for one pass at a time. Raises `UnsupportedError` if the model cannot be cloned."""

    def __init__(self, model: nn.Module, *, lasting: bool) -> None:
        before = (
            Snapshot.of(model) if lasting else None
        )  # not afterwards: another thread may change the model meanwhile
        made = clone_of(model)
        self.module = made.module
        self._configs = [(*one, one[0]._attn_implementation_internal) for one in attention_configs(made.module)]
        self._of_model = before if made.lasting else None
        self._own = None if self._of_model is None else Snapshot.of(made.module)

    def set_attention(self, implementation: str | None) -> None:
        """Set the attention implementation of the whole clone; None: that of the model."""
        for config, eager_only, own in self._configs:
            chosen = own if implementation is None else implementation_for(implementation, eager_only=eager_only)
            config._attn_implementation_internal = chosen

    @property
    def fits(self) -> bool:
        """Whether the model is still what it was when this clone was made."""
        return self._of_model is not None and self._of_model.holds()

    @property
    def clean(self) -> bool:
        """Whether nothing on the clone has changed since it was made."""
        return self._own is not None and self._own.holds()


class ClonePool:
    """The unused clones of one model, kept as long as something refers to the pool. Use `ClonePool.of`."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._idle: list[UsableClone] = []
        self._lock = threading.Lock()

    @classmethod
    def of(cls, model: nn.Module) -> ClonePool:
        """The pool of a model. All who ask for it share one."""
        with _LOCK:
            pool = _POOLS.get(id(model))
            if pool is None:
                pool = _POOLS[id(model)] = cls(model)
            return pool

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is the pool of the copied model."""
        return ClonePool.of, (self._model,)

    def take(self) -> UsableClone:
        """A clone of the model as it is now, for one pass. Raises `UnsupportedError` if it cannot be cloned."""
        while True:
            with self._lock:
                found = self._idle.pop() if self._idle else None
            if found is None:
                return UsableClone(self._model, lasting=True)
            if found.fits:
                return found

    def give_back(self, used: UsableClone) -> None:
        """Keep a clone for the next pass if this one left nothing behind."""
        used.set_attention(None)
        if used.clean:
            with self._lock:
                if len(self._idle) < MOST_IDLE:
                    self._idle.append(used)


_LOCK = threading.Lock()
_POOLS: WeakValueDictionary[int, ClonePool] = WeakValueDictionary()
"""By the identity of the model, which a pool keeps alive. Whoever wraps a model keeps its pool alive."""


def pool_of(model: nn.Module) -> ClonePool | None:
    """The pool of a model that somebody keeps; None if there is none, so that no clone outlives its use."""
    with _LOCK:
        return _POOLS.get(id(model))
