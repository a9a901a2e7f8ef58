"""Small values that all of attnscope uses: tokens, images, stacks and the sizes of one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Sentence = Literal["A", "B"] | None
Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels from the upper left corner; x1 and y1 are the first ones outside."""


@dataclass(frozen=True, slots=True)
class Token:
    """One position of the input, in readable form.

    Attributes:
        text: The token's text, with its leading space (" lazy") but without the tokenizer's marks. A WordPiece continuation
            ("##ing") has the text "ing" and `continues=True`. Bytes that are not text on their own (part of an emoji) are written
            `\\xf0\\x9f`, with `raw=True`. An image patch is called "patch 3,4" (row and column, from 0).
        id: The token id, or -1 for a position that has none (an image patch, say).
        special: Whether this is a special token, such as [CLS] or <s>.
        sentence: "A" or "B" in a pair of sentences, else None.
        continues: Whether the token continues the word of the token before it.
        raw: Whether the text shows bytes.
        box: For an image patch, its `Box` in pixels of the image that the model saw.
        image: For an image patch, the index of its image in `Trace.images`.
        role: In a chat, the role of the message that the token belongs to ("user"); None for what the chat template added.
        padding: Whether the position is padding, hidden by the attention mask of the input.
        given: The text that the token stands for, where `text` does not show it: the word behind an unknown token, or the
            character that a byte belongs to.
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
    padding: bool = field(default=False, kw_only=True)


def token_fields(token: Token) -> dict[str, Any]:
    """A token as JSON values. Fields that only some kinds of input have are omitted where they are None or False."""
    fields = asdict(token)
    return {
        name: value for name, value in fields.items() if name not in _RARE or (value is not None and value is not False)
    }


_RARE = frozenset({"box", "image", "role", "given", "padding"})


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image as the model saw it, after resizing and cropping.

    `data` is a PNG or JPEG file; `width` and `height` are in pixels.
    """

    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LayerShape:
    """The sizes of the attention in one layer.

    `heads` is a multiple of `kv_heads` (the number of key–value heads, smaller under grouped-query attention). `qk_dim` and
    `v_dim` are the dimensions of one head's query and key vectors, and of its value vectors.
    """

    heads: int
    kv_heads: int
    qk_dim: int
    v_dim: int


@dataclass(frozen=True, slots=True)
class Rotary:
    """The rotary position embedding (RoPE, Su et al. 2021) of a layer's query and key vectors.

    `pairs[i]` holds the two dimensions of a rotary pair, `wavelengths[i]` its wavelength 2π/θ in tokens. Dimensions that are
    in no pair are not rotated.
    """

    pairs: tuple[tuple[int, int], ...]
    wavelengths: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """The sizes of one attention stack: the model's `encoder`, `decoder`, or `cross` attention.

    `layers` is the number of layers. `heads`, `kv_heads` and `head_dim` are maxima over the layers; `layer(i)` returns the sizes
    of one layer.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    shapes: tuple[LayerShape | None, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, shapes: Sequence[LayerShape | None]) -> Stack:
        """Build a stack whose layer `i` has the sizes `shapes[i]` (None for a layer without attention)."""
        present = [shape for shape in shapes if shape is not None]
        return cls(
            layers=len(shapes),
            heads=max((shape.heads for shape in present), default=0),
            kv_heads=max((shape.kv_heads for shape in present), default=0),
            head_dim=max((shape.qk_dim for shape in present), default=0),
            shapes=tuple(shapes),
        )

    def layer(self, index: int) -> LayerShape | None:
        """Return the sizes of layer `index`, or None if that layer has no attention (hybrid models).

        Raises `InputError` for a layer that does not exist.
        """
        if not 0 <= index < self.layers:
            from attnscope.errors import InputError

            raise InputError(f"Layer {index} does not exist: this stack has layers 0 to {self.layers - 1}.")
        return self.shapes[index]


class Observer(Protocol):
    """An object that follows a forward pass and can cancel it. Pass any object with these two methods as `observer=`."""

    def layer(self, done: int, total: int) -> None:
        """Called after each layer: `done` layers of `total` are computed (`total` is 0 while it is unknown)."""
        ...

    def cancelled(self) -> bool:
        """Return True to cancel the pass, which then raises `CancelledError`."""
        ...
