"""The small values that every layer of attnscope speaks about: tokens, stacks and the shape of one layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Sentence = Literal["A", "B"] | None
Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels from the upper left corner; x1 and y1 are the first ones outside."""


@dataclass(frozen=True, slots=True)
class Token:
    """One position of the input, as a person reads it.

    `text` keeps a leading space (" lazy") and has no byte-level or word-piece marks. A word-piece continuation ("##ing")
    has the text "ing" and `continues=True`. Bytes that are no text on their own (part of an emoji, say) are written as
    `\\xf0\\x9f` and `raw=True`.

    A patch of an image has its `box` in the image that the model saw, `image` (an index of `Trace.images`) and a text such
    as "patch 3,4" (row and column, from 0). The id of a position that no vocabulary names is -1.

    `role` is that of the chat message which the token is from ("user"): None outside of chats, and for what a chat template
    adds of its own. `given` is what of the text the token stands for, where the token does not say it: the word behind an
    unknown token, the character that a byte (`raw`) is part of.
    """

    text: str
    id: int
    special: bool = False
    sentence: Sentence = None
    continues: bool = False
    raw: bool = False
    box: Box | None = field(default=None, kw_only=True)
    image: int | None = field(default=None, kw_only=True)
    role: str | None = field(default=None, kw_only=True)
    given: str | None = field(default=None, kw_only=True)


def token_fields(token: Token) -> dict[str, Any]:
    """A token as JSON values. What only some kinds of input have is left out where it is None."""
    fields = asdict(token)
    return {name: value for name, value in fields.items() if value is not None or name not in _RARE}


def token_of(fields: Mapping[str, Any]) -> Token:
    """The token that `token_fields` wrote."""
    given: dict[str, Any] = {**fields}
    if given.get("box") is not None:
        given["box"] = tuple(given["box"])
    return Token(**given)


_RARE = frozenset({"box", "image", "role", "given"})


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image as the model saw it, after resizing and cropping: a PNG or JPEG file, and its size in pixels."""

    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LayerShape:
    """Sizes of the attention of one layer. `kv_heads` divides `heads`; `qk_dim` and `v_dim` are per head."""

    heads: int
    kv_heads: int
    qk_dim: int
    v_dim: int


@dataclass(frozen=True, slots=True)
class Rotary:
    """How q and k of a layer turn with the position (RoPE): by one full turn of each pair in so many tokens.

    `pairs[i]` are the two dimensions of a pair, `wavelengths[i]` is 2π/θ in tokens.
    Dimensions in no pair are not turned.
    """

    pairs: tuple[tuple[int, int], ...]
    wavelengths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of attention layers: the model's `encoder`, its `decoder`, or its `cross` attention.

    `layers`, `heads`, `kv_heads` and `head_dim` are the maxima over its layers; `layer(i)` gives one layer's own sizes.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    shapes: tuple[LayerShape | None, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, shapes: Sequence[LayerShape | None]) -> Stack:
        """The stack whose layer `i` has `shapes[i]` (None: a layer without attention)."""
        present = [shape for shape in shapes if shape is not None]
        return cls(
            layers=len(shapes),
            heads=max((shape.heads for shape in present), default=0),
            kv_heads=max((shape.kv_heads for shape in present), default=0),
            head_dim=max((shape.qk_dim for shape in present), default=0),
            shapes=tuple(shapes),
        )

    def layer(self, index: int) -> LayerShape | None:
        """Sizes of layer `index`, or None where that layer has no attention (hybrid models)."""
        if not 0 <= index < self.layers:
            from attnscope.errors import InputError

            raise InputError(f"There is no layer {index}: this stack has layers 0 to {self.layers - 1}.")
        return self.shapes[index]


class Observer(Protocol):
    """Somebody who watches a pass through the model and may stop it."""

    def layer(self, done: int, total: int) -> None:
        """The attention of `done` layers is computed, of `total` (0: not known yet)."""
        ...

    def cancelled(self) -> bool:
        """Whether the pass should stop here; it then raises `CancelledError`."""
        ...
