"""Attribution patching (Nanda 2023): first-order estimates of activation patching, for all heads or attention edges at once.

Two forward passes and one backward pass. The estimate for a head is Σ (clean − corrupted output) · ∂metric/∂output, with the
gradient in the corrupted run. For an attention edge, the weight α of one key for one query in one head, it is
(α_clean − α_corrupted) · ∂metric/∂α, where ∂metric/∂α_ij = Σ ∂metric/∂output_i · v_j, since the head's output at query i is
Σ_j α_ij v_j. The other weights of the row are held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.attention import LayerRecord
from attnscope.capture import Place, Recorder
from attnscope.errors import InputError
from attnscope.model.attribution.attribution import Attribution, Confirmation
from attnscope.model.attribution.gradients import MeasuredPass, activations, differentiated
from attnscope.model.attribution.patch_tap import OutputPatch, Patch, PatchTap, WeightPatch
from attnscope.model.effects.effect import asked_of, texts_of
from attnscope.model.effects.passes import Passes
from attnscope.model.effects.prompt import Prompt
from attnscope.model.effects.question import MetricArguments, Question, measured_alike
from attnscope.types import Observer
from attnscope.validation import is_whole

Of = Literal["heads", "edges"]

EDGES_AT_MOST = 20_000_000
"""The largest number of edges (layers × heads × queries × keys) that are estimated at once; each needs 4 bytes."""


@dataclass(frozen=True)
class AttributionQuestion:
    """The arguments of `Model.attribution_patch`, not yet validated."""

    of: str = "heads"
    stack: str | None = None
    layers: Sequence[int] | None = None
    confirm: int = 0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Run:
    """Both runs of an attribution: prompts, questions, activations, and what is attributed."""

    stack: str
    layers: tuple[int, ...]
    prompts: tuple[Prompt, Prompt]
    question: Question
    clean: MeasuredPass
    corrupted: MeasuredPass


def attribution_of(
    clean: Prompt,
    corrupted: Prompt,
    asked: AttributionQuestion,
    arguments: MetricArguments,
    observer: Observer | None = None,
) -> Attribution:
    """Implement `Model.attribution_patch`. Raises `InputError`, `UnsupportedError` or `CancelledError`."""
    _check(asked)
    clean.check_editable()
    _check_aligned(clean, corrupted)
    stack = corrupted.chosen_stack(asked.stack)
    layers = _layers(corrupted, stack, asked.layers)
    of_edges = asked.of == "edges"
    if of_edges:
        _check_size(corrupted, stack, len(layers))
    of_clean = asked_of(clean, arguments, observer)
    question = measured_alike(of_clean, corrupted)
    run = _Run(
        stack,
        layers,
        (clean, corrupted),
        question,
        activations(clean, of_clean, observer),
        differentiated(corrupted, question, observer),
    )
    weights = _Weights(run, observer) if of_edges else None
    estimates = _of_heads(run) if weights is None else _of_edges(run, weights)
    confirmation = _confirmed(run, weights, estimates, asked, observer) if asked.confirm else None
    answer, foil = texts_of(question)
    return Attribution(
        estimates=estimates,
        of="edges" if of_edges else "heads",
        stack=stack,
        layers=layers,
        clean=run.clean.value,
        corrupted=run.corrupted.value,
        metric=question.name,
        answer=answer,
        foil=foil,
        position=question.position,
        confirmation=confirmation,
    )


def _of_heads(run: _Run) -> Float[Tensor, "layer head"]:
    found = torch.full((len(run.layers), run.prompts[1].stacks[run.stack].heads), torch.nan, dtype=torch.float64)
    for row, layer in enumerate(run.layers):
        total: Tensor | float = 0.0
        for clean, corrupted in zip(run.clean.passes, run.corrupted.passes, strict=True):
            first, second = clean.get(Place(run.stack, layer)), corrupted.get(Place(run.stack, layer))
            if first is None or second is None:
                break
            assert second.gradient is not None
            change = first.output.double() - second.output.double()
            total = total + (change * second.gradient.double()).sum((0, 2)).cpu()
        if isinstance(total, Tensor):
            found[row, : len(total)] = total
    return found


class _Weights:
    """The attention weights of both runs [head, query, key], computed layer by layer."""

    def __init__(self, run: _Run, observer: Observer | None) -> None:
        self._stacks = [prompt.traced_stack(run.stack, observer) for prompt in run.prompts]

    def change(self, layer: int) -> Float[Tensor, "head query key"] | None:
        """α_clean − α_corrupted of a layer; None if it has no attention."""
        clean, corrupted = (stack.records[layer] for stack in self._stacks)
        return None if clean is None or corrupted is None else _attention(clean) - _attention(corrupted)


def _attention(record: LayerRecord) -> Float[Tensor, "head query key"]:
    return record.attention(torch.arange(record.shape.heads), torch.arange(record.queries)).double()


def _of_edges(run: _Run, weights: _Weights) -> Float[Tensor, "layer head query key"]:
    queries, keys = run.prompts[1].tokens_of(run.stack)
    heads = run.prompts[1].stacks[run.stack].heads
    found = torch.full((len(run.layers), heads, len(queries), len(keys)), torch.nan)
    for row, layer in enumerate(run.layers):
        change = weights.change(layer)
        if change is None:
            continue
        gradient = torch.zeros_like(change)
        for one in run.corrupted.passes:
            at = one[Place(run.stack, layer)]
            assert at.gradient is not None
            values = at.value.double().repeat_interleave(len(change) // len(at.value), dim=0)
            by_weight = torch.einsum("qhd,hkd->hqk", at.gradient.double(), values).cpu()
            gradient += by_weight[:, : len(queries), : len(keys)]
        found[row, : len(change)] = (change * gradient).float()
    return found


def _confirmed(
    run: _Run, weights: _Weights | None, estimates: Tensor, asked: AttributionQuestion, observer: Observer | None
) -> Confirmation:
    """Patch the cells with the largest estimates for real, and as many others at random."""
    flat = estimates.flatten().double()
    known = (~flat.isnan() & (flat != 0)).nonzero()[:, 0]
    order = known[flat[known].abs().argsort(descending=True)]
    top, rest = order[: asked.confirm], order[asked.confirm :]
    drawn = torch.randperm(len(rest), generator=torch.Generator().manual_seed(asked.seed))[: asked.confirm]
    chosen = torch.cat([top, rest[drawn]])
    cells = [
        tuple(int(one) for one in cell) for cell in zip(*torch.unravel_index(chosen, estimates.shape), strict=True)
    ]
    passes: Passes[Patch] = Passes(run.prompts[1], run.question, observer)
    places = run.prompts[1].probed.architecture.places

    def applied(number: int, pairs: Sequence[tuple[int, Patch]]) -> Recorder:
        return Recorder(keeps=False, observer=observer, places=places, tap=PatchTap(number, pairs))

    patches = _patches(run, weights, cells)
    measured = [batch.values for batch in passes.run(patches, applied)]
    effects = torch.cat([torch.zeros(0, dtype=torch.float64), *measured]) - passes.before
    return Confirmation(
        cells=tuple((run.layers[cell[0]], *cell[1:]) for cell in cells),
        estimates=flat[chosen],
        effects=effects if measured else torch.zeros(0, dtype=torch.float64),
        largest=len(top),
        error=passes.error,
    )


def _patches(run: _Run, weights: _Weights | None, cells: Sequence[tuple[int, ...]]) -> list[Patch]:
    found: list[Patch] = []
    changes: dict[int, Tensor] = {}
    for row, head, *edge in cells:
        layer = run.layers[row]
        place = Place(run.stack, layer)
        if weights is None:
            found.append(OutputPatch(place, head, [one[place].output[:, head] for one in run.clean.passes]))
            continue
        if layer not in changes:
            change = weights.change(layer)
            assert change is not None
            changes[layer] = change
        query, key = edge
        found.append(WeightPatch(place, head, query, key, float(changes[layer][head, query, key])))
    return found


def _check(asked: AttributionQuestion) -> None:
    if asked.of not in get_args(Of):
        raise InputError(f"`of` must be one of {', '.join(get_args(Of))}; got {asked.of!r:.80}.")
    for name, value in (("confirm", asked.confirm), ("seed", asked.seed)):
        if not is_whole(value) or not 0 <= value < 2**63:
            raise InputError(f"`{name}` must be a whole number from 0; got {value!r:.80}.")


def _check_aligned(clean: Prompt, corrupted: Prompt) -> None:
    for stack in clean.probed.architecture.stacks:
        for first, second in zip(clean.tokens_of(stack), corrupted.tokens_of(stack), strict=True):
            if len(first) != len(second):
                raise InputError(
                    f"The prompts do not align: the clean one has {len(first)} tokens, the corrupted one {len(second)}. Use "
                    "words with the same number of tokens."
                )


def _layers(prompt: Prompt, stack: str, layers: Sequence[int] | None) -> tuple[int, ...]:
    depth = prompt.stacks[stack].layers
    if layers is None:
        return tuple(range(depth))
    found = list(layers) if hasattr(layers, "__iter__") else []
    if not found or not all(is_whole(one) and 0 <= one < depth for one in found) or len(set(found)) < len(found):
        raise InputError(f"`layers` must be a list of different layers from 0 to {depth - 1}; got {layers!r:.80}.")
    return tuple(int(one) for one in found)


def _check_size(prompt: Prompt, stack: str, layers: int) -> None:
    queries, keys = prompt.tokens_of(stack)
    edges = layers * prompt.stacks[stack].heads * len(queries) * len(keys)
    if edges > EDGES_AT_MOST:
        raise InputError(
            f"These layers have {edges:,} edges, more than the {EDGES_AT_MOST:,} that are estimated at once. Pass fewer "
            "`layers`, or a shorter text."
        )
