"""Scale the pairs of dimensions that carry a head's slope over distance, beside random pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from attnscope.analysis.token_groups import TokenGroups
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


def scale_pairs(
    inputs: StudyInputs,
    layer: int,
    head: int,
    count: int = 4,
    *,
    factor: float = 0.0,
    controls: int = 20,
    stack: str | None = None,
    seed: int = 0,
    max_new_tokens: int = 12,
    observer: Observer | None = None,
) -> Result:
    """Implement `Study.scale_pairs`."""
    for name, value, least in (("count", count, 1), ("controls", controls, 1), ("max_new_tokens", max_new_tokens, 0)):
        if not is_whole(value) or value < least:
            raise InputError(f"`{name}` must be a whole number of at least {least}; got {value!r:.80}.")
    shares = decay(inputs, layer, head, stack=stack).summary("share")
    pairs = [tuple(int(dim) for dim in str(dims).split("+")) for dims in shares["dims"]]
    if count >= len(pairs):
        raise InputError(f"Head {layer}.{head} has {len(pairs)} pairs, so `count` must be less than that; got {count}.")
    ranked = [int(at) for at in np.argsort(-shares["mean"].to_numpy(), kind="stable")]
    top, rest = ranked[:count], ranked[count:]
    rng = np.random.default_rng(seed)
    sets = {"unedited": None, "top": top} | {
        f"random {number + 1}": sorted(rng.choice(rest, size=min(count, len(rest)), replace=False).tolist())
        for number in range(controls)
    }
    variants = {name: _edits(layer, head, stack, factor, pairs, chosen) for name, chosen in sets.items()}
    found = {name: np.full((len(inputs), len(variants)), np.nan) for name in ("distance", "sink", "loss")}
    watched = progress_of(observer, len(variants) * len(inputs))
    for column, edits in enumerate(variants.values()):
        for index, trace in inputs.traces(edits=edits, observer=watched.within):
            for name, value in _measured(trace, layer, head, stack).items():
                found[name][index, column] = value
            watched.advance()
    table = ResultTable(("variant", "dims"))
    cells = pd.DataFrame(
        {
            "variant": list(sets),
            "dims": [" ".join("+".join(map(str, pairs[at])) for at in chosen or ()) for chosen in sets.values()],
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
        inputs=frame.assign(**texts),
        cells=cells,
        values=table.values(),
        notes=(f"The {count} top pairs carry {carried:.0%} of the slope; they were chosen on the same prompts.",),
    )


def _edits(
    layer: int, head: int, stack: str | None, factor: float, pairs: Sequence[tuple[int, ...]], chosen: list[int] | None
) -> list[Edit]:
    dims = [dim for at in chosen or () for dim in pairs[at]]
    return [ScaleNeuron(layer, head, dims, factor, "q", stack=stack)] if dims else []


def _measured(trace: Trace, layer: int, head: int, stack: str | None) -> dict[str, float]:
    """Mean distance and sink mass of one head, as `analysis.heads` defines them, and the model's loss on the prompt."""
    groups = TokenGroups.of(trace, stack)
    rows = groups.counted.nonzero()[:, 0]
    weights = trace.attention(layer, head, stack, rows.tolist()).double()
    apart = (rows[:, None] - torch.arange(weights.shape[1])).abs()
    values = {
        "distance": float((weights * apart).sum(-1).mean()),
        "sink": float(weights[:, groups.sinks].sum(-1).mean()),
        "loss": float("nan"),
    }
    logits, ids = trace.logits, [token.id for token in trace.tokens]
    if logits is None or len(ids) < 2 or not groups.causal:
        return values
    targets = torch.tensor(ids[1:], device=logits.device)
    return values | {"loss": float(torch.nn.functional.cross_entropy(logits[:-1].double(), targets))}


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
