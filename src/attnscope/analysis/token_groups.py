"""Groups of a stack's tokens that the measures use: sinks, sentences, repeated tokens. The same for every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attnscope.attention import LayerRecord, Mask, QKRecord
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.types import Token

PARTS = ("AA", "AB", "BA", "BB")


@dataclass(frozen=True)
class Part:
    """A rectangular part of an attention matrix. `queries` and `keys` are (start, end) with the end excluded."""

    queries: tuple[int, int]
    keys: tuple[int, int]


class TokenGroups:
    """The query and key tokens of a stack, and their groups.

    `aligned` says that query i and key i are the same token, so that distances between them are meaningful.
    """

    def __init__(
        self, query_tokens: Sequence[Token], key_tokens: Sequence[Token], *, causal: bool, aligned: bool
    ) -> None:
        self.query_tokens = query_tokens
        self.key_tokens = key_tokens
        self.queries = len(query_tokens)
        self.keys = len(key_tokens)
        self.causal = causal
        self.aligned = aligned and self.queries == self.keys

    @classmethod
    def of(cls, trace: Trace, stack: str | None) -> TokenGroups:
        """The token groups of a stack of a trace."""
        traced = trace.traced_stack(stack)
        queries, keys = trace.tokens_for(stack)
        return cls(queries, keys, causal=traced.causal, aligned=traced.query_side == traced.key_side)

    def fits(self, record: LayerRecord) -> bool:
        """Whether the layer has one query and one key per token (some models add keys that are not tokens)."""
        return (record.queries, record.keys) == (self.queries, self.keys)

    def resized(self, record: LayerRecord) -> TokenGroups:
        """Placeholder groups for a layer whose queries and keys are not the tokens."""
        unknown = Token(text="", id=-1)
        return TokenGroups([unknown] * record.queries, [unknown] * record.keys, causal=self.causal, aligned=False)

    @cached_property
    def counted(self) -> Bool[Tensor, "queries"]:
        """Which queries count: all but padding."""
        return torch.tensor([not token.padding for token in self.query_tokens], dtype=torch.bool)

    @cached_property
    def padding(self) -> Bool[Tensor, "keys"]:
        """Which keys are padding."""
        return torch.tensor([token.padding for token in self.key_tokens], dtype=torch.bool)

    @cached_property
    def special(self) -> Bool[Tensor, "keys"]:
        """Which keys are special tokens of the text; padding is none."""
        return torch.tensor([token.special and not token.padding for token in self.key_tokens], dtype=torch.bool)

    @cached_property
    def first(self) -> int:
        """The first token of the text among the keys, after padding on the left; 0 if all keys are padding."""
        return int((~self.padding).int().argmax()) if self.keys else 0

    @cached_property
    def is_sink(self) -> Bool[Tensor, "keys"]:
        """Which keys are attention sinks: the first token of a causal stack, and special tokens."""
        found = self.special.clone()
        found[self.first : self.first + 1] |= self.causal
        return found

    @cached_property
    def sinks(self) -> Int[Tensor, "sinks"]:
        """The indices of the attention sinks."""
        return self.is_sink.nonzero()[:, 0]

    def queries_of(self, sentence: str) -> Bool[Tensor, "queries"]:
        """Which queries belong to a sentence, `A` or `B`."""
        return (
            torch.tensor([token.sentence == sentence for token in self.query_tokens], dtype=torch.bool) & self.counted
        )

    def keys_of(self, sentence: str) -> Bool[Tensor, "keys"]:
        """Which keys belong to a sentence, `A` or `B`."""
        return torch.tensor([token.sentence == sentence for token in self.key_tokens], dtype=torch.bool) & ~self.padding

    @cached_property
    def kinds(self) -> Int[Tensor, "keys"]:
        """A number per key, equal for equal tokens; -1 for special tokens and padding, which never count as repeated."""
        known: dict[object, int] = {}
        return torch.tensor(
            [
                -1
                if token.special or token.padding
                else known.setdefault(token.id if token.id >= 0 else token.text, len(known))
                for token in self.key_tokens
            ]
        )

    def part(self, name: str | None) -> Part:
        """The part of the matrix with the queries of one sentence and the keys of another (`AB`: A to B); all of it for None.

        Raises `InputError` for an unknown filter, or if the tokens do not belong to two sentences.
        """
        if name is None or name == "all":
            return Part((0, self.queries), (0, self.keys))
        if name not in PARTS:
            raise InputError(f"Unknown filter {name[:20]!r:.300}: use one of all, {', '.join(PARTS)}.")
        return Part(_ends(self.queries_of(name[0]), name), _ends(self.keys_of(name[1]), name))


def mask_of(record: LayerRecord, groups: TokenGroups) -> Mask:
    """The mask of a layer. For weights without q and k it is unknown: all keys but padding, in a causal stack up to the query."""
    if isinstance(record, QKRecord):
        return record.mask
    causal = groups.causal and record.queries == record.keys
    mask = Mask.causal(record.queries, record.keys) if causal else Mask.full(record.queries, record.keys)
    return replace(mask, valid=~groups.padding) if groups.fits(record) and bool(groups.padding.any()) else mask


def _ends(members: Bool[Tensor, "tokens"], name: str) -> tuple[int, int]:
    found = members.nonzero()
    if not len(found):
        raise InputError(
            f"The filter {name} needs two sentences, A and B, but the tokens of this stack do not belong to both."
        )
    return int(found[0]), int(found[-1]) + 1
