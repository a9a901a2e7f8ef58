"""`TraceParts`: the contents of a trace as plain values, built from a file or from weights that the user passes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from attnscope.trace.certificate import Certificate
from attnscope.trace.prediction import Prediction
from attnscope.trace.rotary import rotary_fields
from attnscope.trace.serialization import content_hash
from attnscope.trace.stack import TracedStack
from attnscope.types import InputImage, Token


@dataclass(frozen=True, kw_only=True)
class TraceParts:
    """Everything that a trace file stores. `provenance` does not include the rotary embedding and the certificate."""

    sides: Mapping[str, list[Token]]
    stacks: Mapping[str, TracedStack]
    certificate: Certificate
    provenance: Mapping[str, Any]
    warnings: Sequence[str] = ()
    next_tokens: list[tuple[str, int, float]] | None = None
    predictions: Sequence[Prediction] = ()
    inputs: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    images: Sequence[InputImage] = ()

    @property
    def id(self) -> str:
        """A hash (32 hex digits) of the content: tokens, edits, and the bytes of everything captured."""
        return content_hash(self.sides, self.stacks, self.provenance.get("edits", []), self.images)

    @property
    def full_provenance(self) -> dict[str, Any]:
        """The provenance including the rotary embedding and the certificate, as JSON values."""
        rotary = {name: rotary_fields(stack.records, stack.rotary) for name, stack in self.stacks.items()}
        return {**self.provenance, "rotary": rotary, "certificate": self.certificate.as_dict()}
