"""Which tokens, layers and heads of two traces correspond, so that the attention of one can be subtracted from the other.

Equal tokens correspond, and so do the tokens of a run that the other prompt replaces by a run of the same length. Layers and
heads correspond by their index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from attnscope.attention import LayerRecord
from attnscope.errors import InputError
from attnscope.trace.alignment import align, token_key
from attnscope.trace.trace import Trace
from attnscope.types import Token


@dataclass(frozen=True)
class StackCorrespondence:
    """How a stack corresponds to that of the baseline.

    Attributes:
        heads: For each layer, the number of heads that correspond, from head 0; 0 for a layer that has no difference.
        note: Which layers or heads don't correspond, in a sentence; None if all do.
    """

    heads: tuple[int, ...]
    note: str | None


@dataclass(frozen=True, eq=False)
class Correspondence:
    """What corresponds in two traces, for differences `trace` − `baseline`.

    Attributes:
        trace: The current pass.
        baseline: The pass that it is compared with.
        sides: For each side of `trace` and each of its tokens: the index of the corresponding token of the baseline, or -1.
        replaced: For each side, the tokens that correspond to another token: (index in `trace`, index in `baseline`).
        identical: Whether both passes read the same input.
        stacks: How each stack of `trace` corresponds.
        notes: What a reader of the differences should know, in sentences.
    """

    trace: Trace
    baseline: Trace
    sides: Mapping[str, Int[Tensor, "tokens"]]
    replaced: Mapping[str, tuple[tuple[int, int], ...]]
    identical: bool
    stacks: Mapping[str, StackCorrespondence]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, trace: Trace, baseline: Trace) -> Correspondence:
        """Find what corresponds. Raises `InputError` for different tokenizers, and if no token or no layer corresponds."""
        here, there = _comparable_tokens(trace, baseline)
        sides = {name: _aligned(tokens, there.get(name, [])) for name, tokens in here.items()}
        if all(bool((side < 0).all()) for side in sides.values()):
            raise InputError(
                "No token of the two passes corresponds: their inputs have no token in common. Compare inputs that share a part."
            )
        stacks = {name: _stack(name, trace, baseline) for name in trace.stacks}
        if not any(any(one.heads) for one in stacks.values()):
            raise InputError(
                f"No layer of the two passes corresponds: one has the stacks {_names(trace)}, the other {_names(baseline)}."
            )
        replaced = {name: _replaced(side, here[name], there.get(name, [])) for name, side in sides.items()}
        same_tokens = here.keys() == there.keys() and all(_keys(here[name]) == _keys(there[name]) for name in here)
        same_images = [one.data for one in trace.images] == [one.data for one in baseline.images]
        notes = (*_token_notes(sides, there), *([] if same_images else [_IMAGES]), *_dtype_note(trace, baseline))
        return cls(trace, baseline, sides, replaced, same_tokens and same_images, stacks, notes)

    @property
    def substituted(self) -> tuple[tuple[int, int], ...]:
        """The tokens of the first side that correspond to another token."""
        return next(iter(self.replaced.values()))

    def tokens(self, layer: int, stack: str | None) -> tuple[Int[Tensor, "queries"], Int[Tensor, "keys"]]:
        """The query and the key of the baseline that corresponds to each query and key of a layer, or -1.

        All are -1 in a layer without counterpart.
        """
        traced, record = self.trace.traced_stack(stack), self.trace.layer_record(layer, stack)
        if not self.heads(layer, stack):
            return torch.full((record.queries,), -1), torch.full((record.keys,), -1)
        if not _fits(record, self.trace, stack):
            return torch.arange(record.queries), torch.arange(record.keys)
        return self.sides[traced.query_side], self.sides[traced.key_side]

    def heads(self, layer: int, stack: str | None) -> int:
        """The number of heads of a layer that correspond to one of the baseline."""
        return self.stacks[stack_name(self.trace, stack)].heads[layer]

    def record(self, layer: int, stack: str | None) -> LayerRecord:
        """The record of the baseline's layer. Raises `InputError` if the layer has no counterpart."""
        name = stack_name(self.trace, stack)
        if not self.stacks[name].heads[layer]:
            raise InputError(f"Layer {layer} has no difference. {self.stacks[name].note or ''}".rstrip())
        return self.baseline.layer_record(layer, name)


_IMAGES = "The images differ; patches correspond by their row and column."


def stack_name(trace: Trace, stack: str | None) -> str:
    """The name of a stack, where None stands for the only one. Raises `InputError` as `Trace.attention` does."""
    trace.traced_stack(stack)
    return next(iter(trace.stacks)) if stack is None else stack


def _names(trace: Trace) -> str:
    return ", ".join(repr(name) for name in trace.stacks)


def _keys(tokens: Sequence[Token]) -> list[tuple[int, str | None]]:
    return [token_key(token) for token in tokens]


def _aligned(tokens: Sequence[Token], others: Sequence[Token]) -> Int[Tensor, "tokens"]:
    """The index of the corresponding one of `others` for each token, or -1."""
    found = torch.full((len(tokens),), -1)
    for span, other in align(tokens, others).pairs:
        if len(span) == len(other):
            found[list(span)] = torch.tensor(other)
    return found


def _replaced(side: Tensor, tokens: Sequence[Token], others: Sequence[Token]) -> tuple[tuple[int, int], ...]:
    """The tokens of a side that correspond to another token."""
    return tuple(
        (index, other)
        for index, other in enumerate(side.tolist())
        if other >= 0 and token_key(tokens[index]) != token_key(others[other])
    )


def _comparable_tokens(trace: Trace, baseline: Trace) -> tuple[dict[str, list[Token]], dict[str, list[Token]]]:
    """The tokens of both traces; only with their texts where one of the traces has no token ids.

    Raises `InputError` if the ids belong to different tokenizers.
    """
    here, there = _texts(trace), _texts(baseline)
    if not here or not there:
        return _without_ids(trace), _without_ids(baseline)
    common = here.keys() & there.keys()
    wrong = [ident for ident in common if not here[ident] & there[ident]]
    apart = set[str]().union(*here.values()) & set[str]().union(*there.values())
    if 2 * len(wrong) > len(common) or (not common and apart):
        example = (
            f"id {wrong[0]} is {_word(here, wrong[0])} in one and {_word(there, wrong[0])} in the other"
            if wrong
            else ""
        )
        if not wrong:
            text = min(apart)
            ids = [next(ident for ident, texts in side.items() if text in texts) for side in (here, there)]
            example = f"{text!r:.40} has the id {ids[0]} in one and {ids[1]} in the other"
        raise InputError(
            f"The two passes have different tokenizers ({example}), so their tokens don't correspond. Compare models that share "
            "a tokenizer."
        )
    return trace.sides, baseline.sides


def _word(texts: Mapping[int, set[str]], ident: int) -> str:
    return f"{min(texts[ident])!r:.40}"


def _texts(trace: Trace) -> dict[int, set[str]]:
    """The texts of every token id but special ones, which tokenizers may share. A first word may have lost its space."""
    found: dict[int, set[str]] = defaultdict(set)
    for tokens in trace.sides.values():
        for token in tokens:
            if token.id >= 0 and not token.special:
                found[token.id].add(token.text.strip() or token.text)
    return found


def _without_ids(trace: Trace) -> dict[str, list[Token]]:
    return {
        name: [replace(token, id=-1, text=token.text.strip() or token.text) for token in tokens]
        for name, tokens in trace.sides.items()
    }


def _stack(name: str, trace: Trace, baseline: Trace) -> StackCorrespondence:
    records = trace.traced_stack(name).records
    nothing = (0,) * len(records)
    if name not in baseline.stacks:
        return StackCorrespondence(nothing, f"The baseline has no stack {name!r}, so this stack has no difference.")
    here, there = trace.traced_stack(name), baseline.traced_stack(name)
    if (here.query_side, here.key_side) != (there.query_side, there.key_side):
        return StackCorrespondence(
            nothing, "In the baseline, this stack attends to other tokens, so it has no difference."
        )
    heads = [
        _heads(one, there.records[layer] if layer < len(there.records) else None, (trace, baseline), name)
        for layer, one in enumerate(records)
    ]
    return StackCorrespondence(tuple(heads), _stack_note(heads, records, there.records))


def _heads(record: LayerRecord | None, other: LayerRecord | None, traces: tuple[Trace, Trace], stack: str) -> int:
    """The number of heads of a layer that correspond."""
    if record is None or other is None:
        return 0
    fit = _fits(record, traces[0], stack), _fits(other, traces[1], stack)
    same_size = (record.queries, record.keys) == (other.queries, other.keys)
    return min(record.shape.heads, other.shape.heads) if all(fit) or (not any(fit) and same_size) else 0


def _fits(record: LayerRecord, trace: Trace, stack: str | None) -> bool:
    """Whether the layer has one query and one key per token."""
    queries, keys = trace.tokens_for(stack)
    return (record.queries, record.keys) == (len(queries), len(keys))


def _stack_note(
    heads: Sequence[int], records: Sequence[LayerRecord | None], others: Sequence[LayerRecord | None]
) -> str | None:
    """What doesn't correspond in a stack that both passes have."""
    said: list[str] = []
    if len(records) != len(others):
        said.append(
            f"This pass has {len(records)} layers and the baseline {len(others)}; they correspond by their index, counted from 0."
        )
    missing = [layer for layer, one in enumerate(records) if one is not None and not heads[layer]]
    if missing:
        said.append(f"{_layers(missing)} {'has' if len(missing) == 1 else 'have'} no difference.")
    sizes = {
        (one.shape.heads, other.shape.heads)
        for one, other in zip(records, others, strict=False)
        if one is not None and other is not None and one.shape.heads != other.shape.heads
    }
    for own, other in sorted(sizes):
        said.append(
            f"Layers with {own} heads have {other} in the baseline: heads 0 to {min(own, other) - 1} are compared by their index."
        )
    return " ".join(said) or None


def _layers(layers: Sequence[int]) -> str:
    if len(layers) == 1:
        return f"Layer {layers[0]}"
    if list(layers) == list(range(layers[0], layers[-1] + 1)):
        return f"Layers {layers[0]} to {layers[-1]}"
    return f"Layers {', '.join(map(str, layers[:-1]))} and {layers[-1]}"


def _token_notes(sides: Mapping[str, Tensor], others: Mapping[str, Sequence[Token]]) -> list[str]:
    """How many tokens correspond to nothing, and whether others stand at other positions."""
    notes: list[str] = []
    for name, side in sides.items():
        where = f" of the {name} side" if len(sides) > 1 else ""
        alone = int((side < 0).sum())
        left = len(others.get(name, [])) - int((side >= 0).sum())
        if alone or left:
            notes.append(
                f"{_count(alone)}{where} of this pass and {left} of the baseline correspond to nothing, and have no difference."
            )
        placed = side[side >= 0]
        if bool((placed != (side >= 0).nonzero()[:, 0]).any()):
            notes.append(
                f"Some tokens{where} are at another position in the baseline, which alone changes their attention."
            )
    return notes


def _count(tokens: int) -> str:
    return f"{tokens} token{'' if tokens == 1 else 's'}"


def _dtype_note(trace: Trace, baseline: Trace) -> list[str]:
    """That the passes were computed with different precision."""
    own, other = (_precision(one) for one in (trace, baseline))
    if not own or not other or own == other:
        return []
    return [f"This pass was computed in {own} and the baseline in {other}, so small differences may be rounding."]


def _precision(trace: Trace) -> str:
    parts = [trace.provenance.get(name) for name in ("dtype", "quantization")]
    return ", ".join(part for part in parts if isinstance(part, str))
