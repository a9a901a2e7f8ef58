"""Scale the pairs of dimensions that carry a head's slope over distance, beside random pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attnscope.analysis.token_groups import TokenGroups
from attnscope.attention import QKRecord
from attnscope.edits import Edit, ScaleNeuron
from attnscope.errors import InputError
from attnscope.study.inputs import StudyInputs, progress_of
from attnscope.study.questions.decays import decay
from attnscope.study.result import Result
from attnscope.study.table import ResultTable
from attnscope.trace import Trace
from attnscope.types import Observer
from attnscope.validation import is_whole

CONTINUED = 4
"""Continuations are written for this many prompts."""

_VALUES = ("distance_off_sink", "distance", "sink", "loss")


def scale_pairs(
    inputs: StudyInputs,
    layer: int,
    head: int,
    count: int,
    *,
    pairs: Sequence[str] | None,
    factor: float,
    controls: int,
    stack: str | None,
    seed: int,
    max_new_tokens: int,
    observer: Observer | None,
) -> Result:
    """Implement `Study.scale_pairs`."""
    for name, value, least in (("count", count, 1), ("controls", controls, 1), ("max_new_tokens", max_new_tokens, 0)):
        if not is_whole(value) or value < least:
            raise InputError(f"`{name}` must be a whole number of at least {least}; got {value!r:.80}.")
    if not isinstance(factor, (int, float)) or not math.isfinite(factor):
        raise InputError(f"`factor` must be a finite number; got {factor!r:.80}.")
    shares = decay(inputs, layer, head, stack=stack, furthest=None, observer=observer).summary("share")
    every = [tuple(int(dim) for dim in str(dims).split("+")) for dims in shares["dims"]]
    ranked = [int(at) for at in np.argsort(-shares["mean"].to_numpy(), kind="stable")]
    top = ranked[:count] if pairs is None else _named(pairs, list(shares["dims"]), f"{layer}.{head}")
    if len(top) >= len(every):
        raise InputError(f"Head {layer}.{head} has {len(every)} pairs, so fewer must be scaled; got {len(top)}.")
    rest = [at for at in ranked if at not in top]
    rng = np.random.default_rng(seed)
    sets = {"unedited": None, "top": top} | {
        f"random {number + 1}": sorted(rng.choice(rest, size=min(len(top), len(rest)), replace=False).tolist())
        for number in range(controls)
    }
    variants = {name: _edits(layer, head, stack, factor, every, chosen) for name, chosen in sets.items()}
    found = {name: np.full((len(inputs), len(variants)), np.nan) for name in _VALUES}
    watched = progress_of(observer, len(inputs))
    for index, trace in inputs.traces(observer=observer):
        scaled = [[dim for at in chosen or () for dim in every[at]] for chosen in sets.values()]
        for column, dims in enumerate(scaled):
            for name, value in _attended(trace, layer, head, stack, dims, factor).items():
                found[name][index, column] = value
        found["loss"][index] = _losses(inputs, index, trace, stack, list(variants.values()), watched.within)
    table = ResultTable(("variant", "dims"))
    cells = pd.DataFrame(
        {
            "variant": list(sets),
            "dims": [" ".join("+".join(map(str, every[at])) for at in chosen or ()) for chosen in sets.values()],
        }
    )
    for index in range(len(inputs)):
        table.add(index, cells, {name: values[index] for name, values in found.items()})
    frame = inputs.frame(table.indices)
    texts = _continuations(inputs, variants, max_new_tokens, watched.within) if max_new_tokens else {}
    carried = float(shares["mean"].iloc[top].sum())
    return Result(
        question="scale_pairs",
        sentence=f"Head {layer}.{head}, pairs of q × {factor:g}: its mean distance and sink mass, and the model's loss.",
        inputs=frame.rename(columns={name: f"label_{name}" for name in texts}).assign(**texts),
        cells=cells,
        values=table.values(),
        notes=(
            f"The {len(top)} scaled pairs carry {carried:.0%} of the slope on these prompts"
            f"{', on which they were chosen' if pairs is None else ''}.",
        ),
    )


def _named(pairs: Sequence[str], names: Sequence[str], head: str) -> list[int]:
    """The indices of pairs that are given as in the column `dims` of `Study.decay`."""
    wanted = [pairs] if isinstance(pairs, str) else list(pairs)
    unknown = next((one for one in wanted if one not in names), None)
    if not wanted or unknown is not None or len(set(wanted)) < len(wanted):
        raise InputError(
            f"`pairs` must be a list of different pairs of head {head} as in the column `dims` of `decay`, such as "
            f"{names[0]!r}; got {pairs!r:.80}."
        )
    return [names.index(one) for one in wanted]


def _edits(
    layer: int, head: int, stack: str | None, factor: float, pairs: Sequence[tuple[int, ...]], chosen: list[int] | None
) -> list[Edit]:
    dims = [dim for at in chosen or () for dim in pairs[at]]
    return [ScaleNeuron(layer, head, dims, factor, "q", stack=stack)] if dims else []


def _attended(
    trace: Trace, layer: int, head: int, stack: str | None, dims: Sequence[int], factor: float
) -> dict[str, float]:
    """The distance (also without sinks) and sink mass of one head, as in `analysis.heads`, with some dimensions of q scaled.

    An edit of q changes nothing that q, k and the mask of its own layer depend on, so no other pass is needed.
    """
    record, groups = trace.layer_record(layer, stack), TokenGroups.of(trace, stack)
    assert isinstance(record, QKRecord)
    q = record.q.clone()
    q[head, :, list(dims)] *= factor
    rows = groups.counted.nonzero()[:, 0]
    weights = replace(record, q=q).attention(torch.tensor([head]), rows)[0].double()
    apart = (rows[:, None] - torch.arange(weights.shape[1])).abs()
    kept = weights.clone()
    kept[:, groups.sinks] = 0
    rest = kept.sum(-1)
    return {
        "distance_off_sink": float(((kept * apart).sum(-1) / rest)[rest > 0].mean()),
        "distance": float((weights * apart).sum(-1).mean()),
        "sink": float(weights[:, groups.sinks].sum(-1).mean()),
    }


def _losses(
    inputs: StudyInputs,
    index: int,
    trace: Trace,
    stack: str | None,
    variants: Sequence[list[Edit]],
    observer: Observer | None,
) -> list[float]:
    """The model's loss on a prompt with each list of edits; NaN for a model that does not predict the next token."""
    ids = torch.tensor([token.id for token in trace.tokens])
    logits, causal = trace.logits, TokenGroups.of(trace, stack).causal
    if logits is None or not causal or len(logits) != len(ids) or len(ids) < 2:
        return [float("nan")] * len(variants)

    def loss(found: Tensor) -> float:
        return float(torch.nn.functional.cross_entropy(found[:-1].double(), ids[1:]))

    edited = [edits for edits in variants if edits]
    after = iter(inputs.model.effects(inputs.encoded(index), edited, loss, top=0, observer=observer))
    unedited = loss(logits.cpu())
    return [next(after).after if edits else unedited for edits in variants]


def _continuations(
    inputs: StudyInputs, variants: dict[str, list[Edit]], count: int, observer: Observer | None
) -> dict[str, list[str | None]]:
    """What the model writes after the first prompts: unedited, with the top pairs scaled, and with the first random ones."""
    named = {"unedited": "unedited", "top": "top", "random": "random 1"}
    return {
        column: [
            inputs.model.generate(inputs.encoded(index), count, variants[name], observer=observer).text
            if index < CONTINUED
            else None
            for index in range(len(inputs))
        ]
        for column, name in named.items()
    }
