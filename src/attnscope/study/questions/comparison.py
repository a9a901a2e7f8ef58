"""The same heads in two models: how far their attention differs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from attnscope import analysis
from attnscope.analysis.token_groups import TokenGroups
from attnscope.attention.record import ROWS_AT_ONCE
from attnscope.errors import InputError
from attnscope.study.inputs import StudyInputs
from attnscope.study.result import Result
from attnscope.study.table import ResultTable
from attnscope.trace import Trace
from attnscope.types import Observer

MEASURES = ("distance", "entropy", "sinks")


def compare(ours: StudyInputs, others: StudyInputs, *, stack: str | None, observer: Observer | None) -> Result:
    """Implement `Study.compare`."""
    for index in range(len(ours)):
        _check_tokens(ours, others, index)
    table = ResultTable(("layer", "head"))
    for index, trace in ours.traces(observer=observer):
        [(_, other)] = list(others.traces([index]))
        first, second = (analysis.heads(one, stack) for one in (trace, other))
        if first[["layer", "head"]].values.tolist() != second[["layer", "head"]].values.tolist():
            raise InputError(
                f"The models have different heads: {len(first)} in {ours.model.title}, {len(second)} in {others.model.title}."
            )
        values = {name: (first[name] - second[name]).to_numpy(float) for name in MEASURES}
        table.add(index, first, {"divergence": _divergences(trace, other, first, stack)} | values)
    return Result(
        question="compare",
        sentence=(
            f"Jensen–Shannon divergence (nats) between the attention of {ours.model.title} and {others.model.title} in the same "
            f"head, averaged over queries; and {', '.join(MEASURES)} of the first minus those of the second."
        ),
        inputs=ours.frame(table.indices),
        cells=table.cells,
        values=table.values(),
    )


def _check_tokens(ours: StudyInputs, others: StudyInputs, index: int) -> None:
    first, second = ([token.text for token in one.encoded(index).tokens] for one in (ours, others))
    if first == second:
        return
    at = next(
        (i for i, (one, two) in enumerate(zip(first, second, strict=False)) if one != two), min(len(first), len(second))
    )
    raise InputError(
        f"The models split prompt {index} into different tokens (from token {at} on; {len(first)} and {len(second)} tokens), so "
        "their heads cannot be compared on it. Compare models with the same tokenizer."
    )


def _divergences(trace: Trace, other: Trace, heads: pd.DataFrame, stack: str | None) -> np.ndarray:
    """JS(α, β) of each head, averaged over the queries, in row chunks."""
    counted = TokenGroups.of(trace, stack).counted.nonzero()[:, 0]
    found: list[float] = []
    for layer in heads["layer"].drop_duplicates().tolist():
        first, second = trace.layer_record(layer, stack), other.layer_record(layer, stack)
        every = torch.arange(first.shape.heads)
        total = torch.zeros(len(every), dtype=torch.float64)
        for rows in counted.split(ROWS_AT_ONCE):
            weights = (_with_learned_sink(one.attention(every, rows).double()) for one in (first, second))
            total += _jensen_shannon(*weights).sum(-1)
        found += (total / len(counted)).tolist()
    return np.array(found)


def _with_learned_sink(weights: torch.Tensor) -> torch.Tensor:
    """The rows with one more key: what a learned sink takes."""
    return torch.cat([weights, (1 - weights.sum(-1, keepdim=True)).clamp(min=0.0)], dim=-1)


def _jensen_shannon(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """½ KL(one ‖ mean) + ½ KL(two ‖ mean), over the last dimension."""
    mean = (one + two) / 2
    return (_entropy(mean) - (_entropy(one) + _entropy(two)) / 2).clamp(min=0.0)


def _entropy(weights: torch.Tensor) -> torch.Tensor:
    return -torch.special.xlogy(weights, weights).sum(-1)
