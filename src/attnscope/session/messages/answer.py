"""One response of a session: what every host carries, and what is written as one message (docs/reference/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

Arrays = dict[str, np.ndarray]


class TokenFields(TypedDict):
    """A token as two JSON fields."""

    text: str
    id: int


@dataclass(frozen=True, eq=False)
class Answer:
    """A response of a type. `fields` become JSON: a typed dictionary of the message's own file; `arrays` are its tensors."""

    type: str
    fields: Mapping[str, object]
    arrays: Arrays = field(default_factory=Arrays)
