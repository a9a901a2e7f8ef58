"""The activations of one layer in two runs, and how the clean one's are put into rows of a batch."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attnscope.model.patching.prompt_pair import Correspondence
from attnscope.model.residual_stream.blocks import state_of
from attnscope.model.residual_stream.stream import with_state

_NOTHING_LEFT = 1e-6
"""A clean row with less weight than this on keys that have a counterpart is not patched."""


@dataclass(frozen=True)
class Cell:
    """One patch: its column, its positions and, for patches of heads, its heads."""

    column: int
    positions: tuple[int, ...]
    heads: tuple[int, ...] | None


@dataclass(frozen=True, eq=False)
class Patch:
    """One layer's activation: [token, heads, v_dim] for heads, or [token, 1, model_dim] for the stream.

    Both are at the positions of the corrupted prompt: `clean` holds what is patched there, `corrupted` the run's own.
    """

    clean: Tensor
    corrupted: Tensor

    def same(self, cell: Cell) -> bool:
        """Whether the activations are bitwise identical where the cell would patch."""
        heads = slice(None) if cell.heads is None else list(cell.heads)
        at = list(cell.positions)
        return torch.equal(self.clean[at][:, heads], self.corrupted[at][:, heads])

    def put(self, rows: Tensor, cells: Sequence[Cell | None]) -> Tensor:
        """`rows` (one for each cell, after row 0) with the clean activation patched in; a row without a cell stays as it is."""
        shaped = rows.reshape(len(cells) + 1, *self.clean.shape).clone()
        for row, cell in enumerate(cells, start=1):
            if cell is None:
                continue
            at = torch.tensor(cell.positions, device=rows.device)
            if cell.heads is None:
                shaped[row, at] = self.clean[at].to(shaped)
            else:
                heads = torch.tensor(cell.heads, device=rows.device)
                shaped[row, at[:, None], heads] = self.clean[at[:, None], heads].to(shaped)
        return shaped.reshape(rows.shape)


def patch_between(clean: Tensor, corrupted: Tensor, between: Correspondence) -> Patch:
    """The patch of an activation [token, …] from one prompt into another, at corresponding positions."""
    if between.by_position:
        return Patch(clean, corrupted)
    moved = corrupted.clone()
    for at, source in between.sources.items():
        moved[at] = clean[source[0]] if len(source) == 1 else clean[list(source)].mean(0)
    return Patch(moved, corrupted)


def attention_between(
    clean: Float[Tensor, "head query key"],
    own: Float[Tensor, "head other_query other_key"],
    queries: Correspondence,
    keys: Correspondence,
) -> Float[Tensor, "head other_query other_key"]:
    """Rows of attention weights of the clean run for the corrupted prompt's queries and keys; its own where none corresponds.

    Keys without a counterpart keep the weight that they have in the corrupted run; the rest of a row is divided among the other
    keys (and a learned sink) as in the clean run. A span of keys gets the weight of the whole corresponding span, divided as in
    the corrupted run. So a row sums to what it summed to before.
    """
    if queries.by_position and keys.by_position:
        return clean
    targets, sources = list(queries.sources), list(queries.sources.values())
    if not targets:
        return own
    rows = torch.stack([clean[:, list(source)].mean(1) for source in sources], dim=1)
    mine = own[:, targets]
    moved = torch.zeros_like(mine)
    matched: set[int] = set()
    for source, there in keys.pairs:
        if len(source) != len(there) and keys.unequal == "skip":
            continue
        matched.update(there)
        mass = rows[..., list(source)].sum(-1, keepdim=True)
        if len(there) == 1:
            moved[..., there[0]] = mass[..., 0]
        else:
            share = mine[..., list(there)]
            total = share.sum(-1, keepdim=True)
            moved[..., list(there)] = torch.where(total > 0, mass * share / total.clamp(min=1e-38), 0.0)
    others = [key for key in range(own.shape[-1]) if key not in matched]
    left = 1 - (rows.sum(-1) - moved.sum(-1))
    moved = moved * ((1 - mine[..., others].sum(-1)) / left.clamp(min=_NOTHING_LEFT))[..., None]
    moved[..., others] = mine[..., others]
    found = own.clone()
    found[:, targets] = torch.where((left > _NOTHING_LEFT)[..., None], moved, mine)
    return found


@contextmanager
def patched_input(module: nn.Module, call: int, patch: Patch, cells: Sequence[Cell | None]) -> Generator[None]:
    """Inside the `with` statement, one call of the module (counted from 0) reads patched rows."""
    calls = count()

    def change(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (patch.put(args[0], cells), *args[1:]) if next(calls) == call else args

    handle = module.register_forward_pre_hook(change)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def patched_output(module: nn.Module, call: int, patch: Patch, cells: Sequence[Cell | None]) -> Generator[None]:
    """Inside the `with` statement, one call of the module (counted from 0) writes patched rows."""
    calls = count()

    def change(_module: nn.Module, _args: Any, output: Any) -> Any:
        state = state_of(output) if next(calls) == call else None
        return output if state is None else with_state(output, patch.put(state, cells))

    handle = module.register_forward_hook(change)
    try:
        yield
    finally:
        handle.remove()
