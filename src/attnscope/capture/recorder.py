"""What one pass leaves behind: one call of the attention function after another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from attnscope.attention import Bias, LayerRecord, Mask
from attnscope.capture.call_sites import Place, Places
from attnscope.edits.apply import Layer
from attnscope.edits.plan import Plan
from attnscope.errors import CancelledError, UnsupportedError
from attnscope.types import Observer


@dataclass
class Capture:
    """One call of the attention function, in the order of the pass.

    `rows` and `output` ([rows, heads, v_dim], float32) are the sample that the certificate compares; `values`
    ([kv_heads, keys, v_dim]) are kept beside the record only where the record itself has none. `projection` is the module
    that read the output first (W_O), if one did; `gate` [queries, heads, v_dim] is what it read divided by the output, where
    both differ. `refusal` says why this call cannot be shown. `place` is where in the model it was made, None before that is
    known (in the probe). `continues` marks a call over the positions after those of the one before, where a module computes
    its attention part by part (windows, several images).
    """

    module: nn.Module
    name: str
    record: LayerRecord
    causal: bool
    rows: Tensor
    output: Tensor
    values: Tensor | None = None
    projection: nn.Module | None = None
    refusal: str | None = None
    place: Place | None = None
    continues: bool = False
    gate: Tensor | None = None


@dataclass
class Recorder:
    """Collects the calls of one pass. `sample` rows of each call are kept for the certificate (0: all of them).

    With `keep_weights` the weights that the module's own eager function returns are kept instead of q and k. `places` tells
    where in the model each call is made. `plan` is what is edited, `before` how many positions lie before the pass (in a
    cache), `notes` what edits had to say. Without `keeps` nothing is kept, and the input may be a batch.
    """

    observer: Observer | None = None
    sample: int = 4
    keep_weights: bool = False
    places: Places | None = None
    plan: Plan | None = None
    keeps: bool = True
    before: int = 0
    names: dict[int, str] = field(default_factory=dict[int, str])
    notes: dict[str, None] = field(default_factory=dict[str, None])
    called: Counter[str] = field(default_factory=Counter[str])
    calls: list[Capture] = field(default_factory=list[Capture])
    last_output: Tensor | None = None
    last_capture: Capture | None = None
    last_query: Tensor | None = None
    last_module: nn.Module | None = None
    _masks: dict[tuple[object, ...], tuple[Tensor, Mask, Bias | None]] = field(
        default_factory=dict[tuple[object, ...], tuple[Tensor, Mask, Bias | None]]
    )
    _causal_floats: dict[tuple[object, ...], Tensor] = field(default_factory=dict[tuple[object, ...], Tensor])

    def check_cancelled(self) -> None:
        """Raise `CancelledError` if the observer wants the pass to stop."""
        if self.observer is not None and self.observer.cancelled():
            raise CancelledError("The run was cancelled.")

    def continues(self, module: nn.Module, query: Tensor) -> bool:
        """Whether these queries [batch, heads, queries, dim] lie behind those of the module's last call: a tensor split."""
        last = self.last_query
        if last is None or last is query or self.last_module is not module or last.stride() != query.stride():
            return False
        same = last.untyped_storage().data_ptr() == query.untyped_storage().data_ptr()
        return same and query.storage_offset() == last.storage_offset() + last.shape[2] * last.stride(2)

    def arrive(self, module: nn.Module, *, continues: bool = False) -> tuple[str, Place | None]:
        """The path of the module that calls now, and the place of this call. To be asked once for each call."""
        path = self.names.get(id(module), type(module).__name__)
        if continues:
            return path, None if self.places is None else self.places.of(path, self.called[path] - 1)
        number = self.called[path]
        self.called[path] += 1
        return path, None if self.places is None else self.places.of(path, number)

    def before_in(self, stack: str) -> int:
        """How many positions lie before the first query of a call in this stack."""
        return 0 if stack == "encoder" else self.before

    def edits_at(self, name: str, place: Place | None, queries: int, keys: int) -> Layer | None:
        """What is edited in a call of so many queries and keys; None where nothing is."""
        if self.plan is None:
            return None
        if place is None:
            raise UnsupportedError(
                f"{name} computes attention for this input, and did not when the model was looked at first, so it is not known "
                "what is to be edited there."
            )
        found = self.plan.at(place.stack, place.layer)
        if found is None:
            return None
        before = self.before_in(place.stack)
        first_key = (
            0 if place.stack == "cross" else max(0, before + queries - keys)
        )  # a window may have dropped the oldest
        return Layer(found, before, first_key, f"{place.layer}.")

    def add(self, capture: Capture, output: Tensor) -> None:
        """Keep a call; `output` is held until the next one, so that its reader can be recognized."""
        self.calls.append(capture)
        before = self.last_output if capture.continues else None
        self.last_output = output if before is None else torch.cat([before, output], dim=1)
        self.last_capture = capture
        if self.observer is not None:
            self.observer.layer(len(self.calls), 0 if self.places is None else len(self.places))

    def finish(self) -> list[Capture]:
        """The calls, with everything let go that only the pass needed."""
        self.last_output = self.last_capture = self.last_query = self.last_module = None
        self._masks.clear()
        self._causal_floats.clear()
        return self.calls

    def sampled_rows(self, queries: int) -> Tensor:
        """The rows to compare: the ends and some in between that differ from layer to layer."""
        if self.sample == 0 or queries <= self.sample:
            return torch.arange(queries)
        inner = torch.Generator().manual_seed(len(self.calls) * 7919 + queries)
        picked = torch.randperm(queries - 2, generator=inner)[: self.sample - 2] + 1
        return torch.cat([torch.tensor([0, queries - 1]), picked]).sort().values

    def described(self, mask: Tensor) -> tuple[Mask, Bias | None]:
        """The symbolic form of the mask tensor [batch, heads or 1, queries, keys] that the model passed.

        A tensor that many layers share is looked at once.
        """
        key = (mask.data_ptr(), mask.shape, mask.stride(), mask.dtype)
        if key not in self._masks:
            self._masks[key] = (mask, *describe(mask))
        return self._masks[key][1:]

    def causal_float(self, queries: int, keys: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """A causal mask as eager functions want it: 0, and the smallest number of the dtype; one for all layers."""
        key = (queries, keys, dtype, device)
        if key not in self._causal_floats:
            open_ = torch.ones(queries, keys, dtype=torch.bool, device=device).tril()
            self._causal_floats[key] = as_float(open_[None, None], dtype)
        return self._causal_floats[key]


def as_float(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask as an additive one."""
    zero = torch.zeros((), dtype=dtype, device=allowed.device)
    return torch.where(allowed, zero, torch.finfo(dtype).min)


def describe(mask: Tensor) -> tuple[Mask, Bias | None]:
    """Split a mask tensor (boolean, or additive) of a batch of one into what is allowed and what is added."""
    first = mask[0]
    if first.dtype == torch.bool:
        return Mask.fit(first), None
    allowed = first > torch.finfo(first.dtype).min / 2
    return Mask.fit(allowed), Bias.fit(torch.where(allowed, first, 0))
