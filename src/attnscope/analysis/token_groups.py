"""What the measures need to know of the tokens of a stack: sinks, sentences, repeated tokens. The same for every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """A part of an attention matrix: these queries and these keys, both as (first, end)."""

    queries: tuple[int, int]
    keys: tuple[int, int]


class TokenGroups:
    """The tokens of a stack, seen from its attention.

    `aligned`: query i and key i are the same token, so that distances between them mean something.
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
        """The layout of a stack of a trace."""
        traced = trace.traced_stack(stack)
        queries, keys = trace.tokens_for(stack)
        return cls(queries, keys, causal=traced.causal, aligned=traced.query_side == traced.key_side)

    def fits(self, record: LayerRecord) -> bool:
        """Whether the layer has one query and one key for each token (some models add keys that are no tokens)."""
        return (record.queries, record.keys) == (self.queries, self.keys)

    def resized(self, record: LayerRecord) -> TokenGroups:
        """The layout of a layer whose queries and keys are not the tokens: nothing is known of them."""
        nobody = Token(text="", id=-1)
        return TokenGroups([nobody] * record.queries, [nobody] * record.keys, causal=self.causal, aligned=False)

    @cached_property
    def special(self) -> Bool[Tensor, "keys"]:
        """Which keys are special tokens."""
        return torch.tensor([token.special for token in self.key_tokens], dtype=torch.bool)

    @cached_property
    def is_sink(self) -> Bool[Tensor, "keys"]:
        """Which keys are sinks: the first token of a causal stack, special tokens."""
        found = self.special.clone()
        found[:1] |= self.causal
        return found

    @cached_property
    def sinks(self) -> Int[Tensor, "sinks"]:
        """The indices of the sinks."""
        return self.is_sink.nonzero()[:, 0]

    def queries_of(self, sentence: str) -> Bool[Tensor, "queries"]:
        """Which queries belong to a sentence, `A` or `B`."""
        return torch.tensor([token.sentence == sentence for token in self.query_tokens], dtype=torch.bool)

    def keys_of(self, sentence: str) -> Bool[Tensor, "keys"]:
        """Which keys belong to a sentence, `A` or `B`."""
        return torch.tensor([token.sentence == sentence for token in self.key_tokens], dtype=torch.bool)

    @cached_property
    def kinds(self) -> Int[Tensor, "keys"]:
        """A number for each key, the same for equal tokens; -1 for special tokens, which never count as repeated."""
        known: dict[object, int] = {}
        return torch.tensor(
            [
                -1 if token.special else known.setdefault(token.id if token.id >= 0 else token.text, len(known))
                for token in self.key_tokens
            ]
        )

    def part(self, name: str | None) -> Part:
        """The part of the matrix with the queries of one sentence and the keys of another (`AB`); None: all of it."""
        if name is None or name == "all":
            return Part((0, self.queries), (0, self.keys))
        if name not in PARTS:
            raise InputError(f"There is no filter {name[:20]!r}; it is one of all, {', '.join(PARTS)}.")
        return Part(_ends(self.queries_of(name[0]), name), _ends(self.keys_of(name[1]), name))


def mask_of(record: LayerRecord, *, causal: bool) -> Mask:
    """Which keys a layer's queries may look at. Of given weights nobody knows: all keys, or those up to the query."""
    if isinstance(record, QKRecord):
        return record.mask
    if causal and record.queries == record.keys:
        return Mask.causal(record.queries, record.keys)
    return Mask.full(record.queries, record.keys)


def _ends(members: Bool[Tensor, "tokens"], name: str) -> tuple[int, int]:
    found = members.nonzero()
    if not len(found):
        raise InputError(f"The filter {name} needs two sentences, and this stack's tokens belong to no such pair.")
    return int(found[0]), int(found[-1]) + 1
