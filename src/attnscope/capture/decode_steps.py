"""Record a run of several passes with a key/value cache, and join the rows of all steps into one record per layer.

The queries of each step, and the keys and values that are new in it, are copied. Nothing in a cache is kept, so it does
not matter that caches grow, change, and drop keys that leave a window: each key is recorded as it was when it was first
used.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from attnscope.attention import QKRecord
from attnscope.attention.concat import Part, joined_bias, joined_mask
from attnscope.attention.overrides import Overrides
from attnscope.attention.overrides import joined as joined_edits
from attnscope.capture.call_sites import Place
from attnscope.capture.recorder import Capture, Recorder
from attnscope.capture.windowed import join_parts
from attnscope.errors import UnsupportedError


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of one step in one layer. `query` and `key` are the positions of the record's first query and key.

    The record holds only the keys and values that are new in the step; its mask and bias cover all `keys`.
    """

    query: int
    key: int
    keys: int
    capture: Capture

    @property
    def record(self) -> QKRecord:
        assert isinstance(self.capture.record, QKRecord)
        return self.capture.record

    @property
    def end(self) -> int:
        return self.query + self.record.queries


@dataclass
class _Layer:
    """One layer over all steps. `first` is its first capture, which holds everything that does not change later."""

    first: Capture
    origin: int
    steps: list[_Rows]

    def add(self, new: _Rows) -> bool:
        """Append the rows of a step; rows that are computed again replace the earlier ones.

        Returns whether replaced rows differ, because earlier queries now attend to later keys.
        """
        differ = False
        while self.steps and self.steps[-1].query >= new.query:
            old = self.steps.pop()
            differ = differ or _looks_beyond(new, old)
        if self.steps and self.steps[-1].end != new.query:
            raise UnsupportedError(
                f"{type(self.first.module).__name__} computes position {new.query} after position "
                f"{self.steps[-1].end - 1}, so attnscope cannot join its generation steps."
            )
        self.steps.append(new)
        return differ

    def joined(self, *, grows: bool) -> Capture:
        """Return all steps as one capture."""
        records = [step.record for step in self.steps]
        parts = [Part(step.query, step.key, step.record.mask, step.record.bias) for step in self.steps]
        last = self.steps[-1]
        keys = last.end if grows else last.keys
        record = replace(
            records[0],
            q=torch.cat([one.q for one in records], dim=1),
            k=torch.cat([one.k for one in records], dim=1) if grows else records[0].k,
            v=torch.cat([one.v for one in records], dim=1) if grows else records[0].v,
            mask=joined_mask(parts, keys),
            bias=joined_bias(parts, keys),
            edited=joined_edits(
                [_shifted(step.record.edited, step.key, keys) for step in self.steps],
                [one.queries for one in records],
                records[0].v.shape[2],
            ),
        )
        gates = [step.capture.gate for step in self.steps if step.capture.gate is not None]
        gate = torch.cat(gates) if len(gates) == len(self.steps) else None
        return replace(
            self.first,
            projection=self.first.projection if gate is not None or self.first.gate is None else None,
            gate=gate,
            record=record,
            rows=torch.cat([step.capture.rows + step.query for step in self.steps]),
            output=torch.cat([step.capture.output for step in self.steps]),
        )


def _looks_beyond(new: _Rows, old: _Rows) -> bool:
    """Whether queries of an earlier step, computed again, attend to keys that did not exist then."""
    if new.capture.causal:
        return False
    again = torch.arange(old.query, min(old.end, new.end)) - new.query
    return bool(new.record.mask.allowed(again, slice(old.keys, None)).any())


def _shifted(edited: Overrides | None, key: int, keys: int) -> Overrides | None:
    """Shift the keys of edits to absolute positions: a step's first key is at position `key`."""
    if edited is None:
        return None
    width = edited.rows.shape[1]
    shift = torch.tensor([0, 0, key], dtype=torch.int32)
    return replace(edited, cuts=edited.cuts + shift, rows=pad(edited.rows, (key, keys - key - width)))


@dataclass
class StepsRecorder(Recorder):
    """Collect the calls of a run of several passes, layer by layer. Call `begin` before each pass.

    `rereads` says whether later passes computed earlier rows again and let them attend to newer keys.
    """

    step: int = -1
    rereads: bool = False
    _layers: dict[Place, _Layer] = field(default_factory=dict[Place, _Layer])
    _once: dict[Place, list[Capture]] = field(default_factory=dict[Place, list[Capture]])
    _once_step: int = -1

    def begin(self) -> None:
        """Start recording the next pass of the run."""
        self.step += 1
        self._masks.clear()
        self._causal_floats.clear()

    def first_query(self, place: Place, queries: int) -> int:
        """The position of the first of `queries` queries that a layer processes in this pass."""
        layer = self._layers.get(place)
        return 0 if layer is None else layer.origin + self.step - queries

    def add(self, capture: Capture, output: Tensor) -> None:
        """Record the rows that this call adds."""
        place, record = capture.place, capture.record
        if place is None or not isinstance(record, QKRecord):
            raise UnsupportedError(
                f"{type(capture.module).__name__} computes attention for this input, but not during the "
                "probe, so attnscope cannot tell which layer it belongs to."
            )
        if not place.shown or (self.places is not None and place.stack in self.places.fixed):
            self._add_once(place, capture, output)
            return
        layer = self._layers.get(place)
        if layer is None:
            super().add(capture, output)
            whole = _Rows(0, 0, record.keys, capture)
            self._layers[place] = _Layer(capture, record.queries - max(self.step, 0), [whole])
            return
        # The first step has already found the output projection; a gate has to be measured in every step.
        gated = layer.first.gate is not None
        self.last_output, self.last_capture = (output, capture) if gated else (None, None)
        layer.first.unsupported = layer.first.unsupported or capture.unsupported
        self.rereads |= layer.add(self._rows(place, capture, record))

    def joined(self) -> list[Capture]:
        """Return one capture per layer with the rows of all steps: those of a source or an image, then those that grow."""
        once = [capture for captures in self._once.values() for capture in captures]
        grown = [layer.joined(grows=place.stack != "cross") for place, layer in self._layers.items()]
        return [*join_parts(once), *grown]

    def _add_once(self, place: Place, capture: Capture, output: Tensor) -> None:
        """Record a layer to which generation adds no positions. Without a cache, later steps compute it again."""
        known = self._once.get(place)
        if known is None:
            self._once[place] = [capture]
        elif capture.continues and self._once_step == self.step:
            known.append(capture)
        else:
            self.last_output = self.last_capture = None
            return
        self._once_step = self.step
        super().add(capture, output)

    def _rows(self, place: Place, capture: Capture, record: QKRecord) -> _Rows:
        queries, keys = record.queries, record.keys
        query = self.first_query(place, queries)
        grows = place.stack != "cross"
        key = query + queries - keys if grows else 0
        if query < 0 or key < 0:
            raise UnsupportedError(
                f"{type(capture.module).__name__} attends to {keys} keys at a point where there are "
                f"{query + queries} tokens, so attnscope cannot join its generation steps."
            )
        new = slice(keys - queries, keys) if grows else slice(0, keys if query == 0 else 0)
        capture.record = replace(record, q=record.q.clone(), k=record.k[:, new].clone(), v=record.v[:, new].clone())
        return _Rows(query, key, keys, capture)
