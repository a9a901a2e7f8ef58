"""The arguments of a question in JSON, for provenance and as the key of a kept result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from attnscope.model.metrics.metric import Metric
from attnscope.model.model import handle_of
from attnscope.model.tracing.provenance import model_provenance
from attnscope.study.inputs import StudyInputs


def described(value: Any) -> tuple[Any, bool]:
    """A value in JSON, and whether that describes it completely (a function is not described by its name)."""
    if isinstance(value, np.generic):
        return described(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value), True
    if value is None or isinstance(value, (bool, int, float, str)):
        return value, True
    if isinstance(value, StudyInputs):
        return model_provenance(handle_of(value.model)), True
    if isinstance(value, Metric):
        return described({one: getattr(value, one) for one in ("answer", "foil", "name", "position")})
    if hasattr(value, "as_json"):
        said = value.as_json()
        return said, said.get("pattern") != "predicate"
    if isinstance(value, Mapping):
        parts = {str(name): described(one) for name, one in cast("Mapping[Any, Any]", value).items()}
        return {name: one[0] for name, one in parts.items()}, all(one[1] for one in parts.values())
    if isinstance(value, (list, tuple, range)):
        found = [described(one) for one in cast("Sequence[Any]", value)]
        return [one[0] for one in found], all(one[1] for one in found)
    return f"{type(value).__name__} {getattr(value, '__name__', '')}".strip(), False
