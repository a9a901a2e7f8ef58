"""What a run of many passes with a cache leaves behind: of each layer the rows of one step after another, as one record.

A step's queries, and the keys and values that are new in it, are copied; what a cache holds is not kept. So it does not matter
that caches grow, are changed, and drop what is out of a window: a key is kept as it was when it was first looked at.
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
from attnscope.errors import UnsupportedError


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of one step in one layer. `query` and `key` are the positions of the first query and key of its `record`.

    Of the record's keys and values only the new ones are left, while its mask and bias are over `keys` of them.
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
    """One layer over all steps. `first` is its first capture, with what does not change later."""

    first: Capture
    origin: int
    steps: list[_Rows]

    def add(self, new: _Rows) -> None:
        """Put the rows of a step after the others; rows that are computed once more take the place of the old ones."""
        while self.steps and self.steps[-1].query >= new.query:
            self.steps.pop()
        if self.steps and self.steps[-1].end != new.query:
            raise UnsupportedError(
                f"{type(self.first.module).__name__}: position {new.query} is computed while {self.steps[-1].end} are known, "
                "so its steps cannot be put together."
            )
        self.steps.append(new)

    def joined(self, *, grows: bool) -> Capture:
        """All steps as one capture."""
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
                [_moved(step.record.edited, step.key, keys) for step in self.steps],
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


def _moved(edited: Overrides | None, key: int, keys: int) -> Overrides | None:
    """The same with keys as positions: a step's first key stands at `key`."""
    if edited is None:
        return None
    width = edited.rows.shape[1]
    shift = torch.tensor([0, 0, key], dtype=torch.int32)
    return replace(edited, cuts=edited.cuts + shift, rows=pad(edited.rows, (key, keys - key - width)))


@dataclass
class StepsRecorder(Recorder):
    """Collects the calls of a run of several passes, layer by layer. Whoever runs them says with `begin` that one begins."""

    step: int = -1
    _layers: dict[Place, _Layer] = field(default_factory=dict[Place, _Layer])

    def begin(self) -> None:
        """A pass of the run begins."""
        self.step += 1
        self._masks.clear()
        self._causal_floats.clear()

    def first_query(self, place: Place, queries: int) -> int:
        """The position of the first of so many queries that a layer is asked for in this pass."""
        layer = self._layers.get(place)
        return 0 if layer is None else layer.origin + self.step - queries

    def add(self, capture: Capture, output: Tensor) -> None:
        """Keep the rows that this call adds."""
        place, record = capture.place, capture.record
        if place is None or not isinstance(record, QKRecord):
            raise UnsupportedError(
                f"{type(capture.module).__name__} computes attention that was not seen in the probe."
            )
        layer = self._layers.get(place)
        if layer is None:
            super().add(capture, output)
            whole = _Rows(0, 0, record.keys, capture)
            self._layers[place] = _Layer(capture, record.queries - max(self.step, 0), [whole])
            return
        # Who reads it is known from the first step; what a gate makes of it is not.
        gated = layer.first.gate is not None
        self.last_output, self.last_capture = (output, capture) if gated else (None, None)
        layer.first.refusal = layer.first.refusal or capture.refusal
        layer.add(self._rows(place, capture, record))

    def joined(self) -> list[Capture]:
        """One capture a layer, with the rows of all steps, in the order of the first pass."""
        return [layer.joined(grows=place.stack != "cross") for place, layer in self._layers.items()]

    def _rows(self, place: Place, capture: Capture, record: QKRecord) -> _Rows:
        queries, keys = record.queries, record.keys
        query = self.first_query(place, queries)
        grows = place.stack != "cross"
        key = query + queries - keys if grows else 0
        if query < 0 or key < 0:
            raise UnsupportedError(
                f"{type(capture.module).__name__} looks at {keys} keys where {query + queries} tokens are, so its steps can't be "
                "put together."
            )
        new = slice(keys - queries, keys) if grows else slice(0, keys if query == 0 else 0)
        capture.record = replace(record, q=record.q.clone(), k=record.k[:, new].clone(), v=record.v[:, new].clone())
        return _Rows(query, key, keys, capture)
