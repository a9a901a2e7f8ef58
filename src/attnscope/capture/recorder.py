"""Record the calls of the attention function in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from attnscope.attention import Bias, LayerRecord, Mask
from attnscope.capture.call_sites import Place, Places
from attnscope.capture.tap import Tap
from attnscope.edits.apply import Layer
from attnscope.edits.plan import Plan
from attnscope.errors import CancelledError, UnsupportedError
from attnscope.types import Observer


@dataclass
class Capture:
    """One call of the attention function, in the order of the pass.

    Attributes:
        record: What the attention was computed from (q, k, v), or the weights themselves.
        causal: Whether no query attends to a later key.
        rows: The sampled rows that the certificate compares.
        output: The attention output for these rows [rows, heads, v_dim], float32.
        values: [kv_heads, keys, v_dim], kept only if the record itself has no value vectors.
        projection: The module that reads the output first (W_O), if there is one.
        gate: [queries, heads, v_dim], the input of that module divided by the output, if they differ.
        unsupported: Why this call cannot be shown, if so.
        place: The layer that made the call; None until the probe has found it.
        continues: Whether the queries continue those of the previous call: the module computes its attention in parts (windows
            of an image, several images).
    """

    module: nn.Module
    name: str
    record: LayerRecord
    causal: bool
    rows: Tensor
    output: Tensor
    values: Tensor | None = None
    projection: nn.Module | None = None
    unsupported: str | None = None
    place: Place | None = None
    continues: bool = False
    gate: Tensor | None = None


@dataclass
class RowCalls:
    """The calls of one row of the batch, and messages from its edits."""

    calls: list[Capture] = field(default_factory=list[Capture])
    notes: dict[str, None] = field(default_factory=dict[str, None])


@dataclass
class Recorder:
    """Collect the calls of one pass.

    Attributes:
        observer: Reports progress per layer and may cancel the pass.
        sample: Number of rows of each call that are kept for the certificate (0: all of them).
        keep_weights: Keep the weights that the module's own eager function returns, in place of q and k.
        places: The layer that each call belongs to.
        plan: The edits to apply.
        keeps: False: record nothing, only apply edits; the input may then be a batch of any size.
        rows: Number of rows of the batch whose calls are recorded, each apart.
        tap: What reads or changes values and outputs, in a pass that records nothing.
        before: Number of positions in the cache before this pass.
        virtual: Number of virtual tokens before the text that have only keys and values (prefix tuning).
        by_row: What was recorded, by row of the batch.
    """

    observer: Observer | None = None
    sample: int = 4
    keep_weights: bool = False
    places: Places | None = None
    plan: Plan | None = None
    keeps: bool = True
    tap: Tap | None = None
    before: int = 0
    virtual: int = 0
    rows: int = 1
    names: dict[int, str] = field(default_factory=dict[int, str])
    called: Counter[str] = field(default_factory=Counter[str])
    by_row: list[RowCalls] = field(init=False)
    last_output: Tensor | None = None
    last_capture: Capture | None = None
    last_query: Tensor | None = None
    last_module: nn.Module | None = None
    _masks: dict[tuple[object, ...], tuple[Tensor, Mask, Bias | None]] = field(
        default_factory=dict[tuple[object, ...], tuple[Tensor, Mask, Bias | None]]
    )
    _causal_floats: dict[tuple[object, ...], Tensor] = field(default_factory=dict[tuple[object, ...], Tensor])

    def __post_init__(self) -> None:
        self.by_row = [RowCalls() for _ in range(self.rows)]

    @property
    def calls(self) -> list[Capture]:
        """The calls of the only row, or of the first."""
        return self.by_row[0].calls

    @property
    def notes(self) -> dict[str, None]:
        """Messages from the edits of the only row, or of the first."""
        return self.by_row[0].notes

    def check_cancelled(self) -> None:
        """Raise `CancelledError` if the observer has cancelled the pass."""
        if self.observer is not None and self.observer.cancelled():
            raise CancelledError("The run was cancelled.")

    def continues(self, module: nn.Module, query: Tensor) -> bool:
        """Whether these queries [batch, heads, queries, dim] directly follow those of the module's last call in one tensor."""
        last = self.last_query
        if last is None or last is query or self.last_module is not module or last.stride() != query.stride():
            return False
        same = last.untyped_storage().data_ptr() == query.untyped_storage().data_ptr()
        return same and query.storage_offset() == last.storage_offset() + last.shape[2] * last.stride(2)

    def arrive(self, module: nn.Module, *, continues: bool = False) -> tuple[str, Place | None]:
        """The path of the calling module and the place of this call. Call this exactly once for each attention call."""
        path = self.names.get(id(module), type(module).__name__)
        if continues:
            return path, None if self.places is None else self.places.of(path, self.called[path] - 1)
        number = self.called[path]
        self.called[path] += 1
        return path, None if self.places is None else self.places.of(path, number)

    def before_in(self, stack: str) -> int:
        """How many positions come before the first query of a call in this stack."""
        return 0 if self.places is not None and stack in self.places.fixed else self.before

    def edits_at(self, name: str, place: Place | None, queries: int, keys: int) -> Layer | None:
        """The edits for a call with this many queries and keys; None if there are none."""
        if self.plan is None:
            return None
        if place is None:
            raise UnsupportedError(
                f"{name} computes attention for this input, but not during the probe, so attnscope cannot tell "
                "which layer it belongs to."
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
        """Record a call. `output` is kept until the next call, so that the module that reads it can be recognized."""
        self.calls.append(capture)
        before = self.last_output if capture.continues else None
        self.last_output = output if before is None else torch.cat([before, output], dim=1)
        self.last_capture = capture
        if self.observer is not None:
            self.observer.layer(len(self.calls), 0 if self.places is None else len(self.places))

    def add_rows(self, captures: Sequence[Capture], output: Tensor) -> None:
        """Record a call, one capture for each row of the batch."""
        for row, capture in zip(self.by_row[1:], captures[1:], strict=True):
            row.calls.append(capture)
        self.add(captures[0], output)

    def rows_of(self, capture: Capture) -> list[Capture]:
        """The captures of the last call for all rows of the batch, given that of the first."""
        return [capture, *(row.calls[-1] for row in self.by_row[1:])]

    def finish(self) -> None:
        """Release everything that only the pass needed."""
        self.last_output = self.last_capture = self.last_query = self.last_module = None
        self._masks.clear()
        self._causal_floats.clear()

    def sampled_rows(self, queries: int) -> Tensor:
        """The rows to compare: the first, the last, and some in between that vary from layer to layer."""
        if self.sample == 0 or queries <= self.sample:
            return torch.arange(queries)
        inner = torch.Generator().manual_seed(len(self.calls) * 7919 + queries)
        picked = torch.randperm(queries - 2, generator=inner)[: self.sample - 2] + 1
        return torch.cat([torch.tensor([0, queries - 1]), picked]).sort().values

    def described(self, mask: Tensor) -> tuple[Mask, Bias | None]:
        """The symbolic form of the mask tensor [batch, heads or 1, queries, keys] that the model passed.

        A tensor that several layers share is analyzed only once.
        """
        key = (mask.data_ptr(), mask.shape, mask.stride(), mask.dtype)
        if key not in self._masks:
            self._masks[key] = (mask, *describe(mask))
        return self._masks[key][1:]

    def causal_float(self, queries: int, keys: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """A causal mask for eager functions: 0, or the smallest number of the dtype where masked. All layers share it."""
        key = (queries, keys, dtype, device)
        if key not in self._causal_floats:
            open_ = torch.ones(queries, keys, dtype=torch.bool, device=device).tril()
            self._causal_floats[key] = as_float(open_[None, None], dtype)
        return self._causal_floats[key]


def as_float(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert a boolean mask to an additive one."""
    zero = torch.zeros((), dtype=dtype, device=allowed.device)
    return torch.where(allowed, zero, torch.finfo(dtype).min)


def describe(mask: Tensor) -> tuple[Mask, Bias | None]:
    """Split a mask tensor (boolean or additive, batch of one) into the keys that it allows and the bias that it adds."""
    first = mask[0]
    if first.dtype == torch.bool:
        return Mask.fit(first), None
    allowed = first > torch.finfo(first.dtype).min / 2
    return Mask.fit(allowed), Bias.fit(torch.where(allowed, first, 0))
