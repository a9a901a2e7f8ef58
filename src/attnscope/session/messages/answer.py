"""One response of a session, before it is encoded as a message (docs/reference/wire.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

Arrays = dict[str, np.ndarray]


class TokenFields(TypedDict):
    """A token's JSON fields."""

    text: str
    id: int


@dataclass(frozen=True, eq=False)
class Answer:
    """A response.

    `fields` become JSON and are a typed dictionary from the file of that message type; `arrays` become tensors.
    """

    type: str
    fields: Mapping[str, object]
    arrays: Arrays = field(default_factory=Arrays)
