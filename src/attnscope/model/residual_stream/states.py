"""`States`: the residual stream of one pass, its logit lens, and the contributions to an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnscope.analysis import output_norms
from attnscope.attention import QKRecord
from attnscope.errors import CancelledError, InputError, UnsupportedError
from attnscope.model.residual_stream.answered_states import AnswerByLayer, AnsweredStates
from attnscope.model.residual_stream.logit_attribution import Contributions
from attnscope.trace import Trace
from attnscope.types import Observer, Token
from attnscope.validation import OBSERVER, WHOLE, check_arguments, is_whole

if TYPE_CHECKING:
    import pandas

Reading = Callable[[int], Tensor]
"""A function from a number of layers to the logits [token, vocab] of the states after them."""


@dataclass(frozen=True, eq=False)
class Lens:
    """The logit lens: the `k` most probable tokens after each layer, at each token (nostalgebraist 2020).

    Row 0 belongs to the embeddings, row i + 1 to the stream after layer i; the last row is the model's own prediction.

    Attributes:
        ids: Token ids [layers + 1, tokens, k], the most probable first.
        probabilities: Their probabilities, the same shape.
    """

    ids: Int[Tensor, "layer token k"]
    probabilities: Float[Tensor, "layer token k"]


class States:
    """The residual stream of one pass on one input, from `Model.states`.

    Anything of size layer × token × vocabulary is computed one layer at a time and never stored.

    Attributes:
        trace: The trace of the pass.
        stack: The tower of the stream: `decoder`, or `encoder`.
        tokens: The tokens of that tower.
        contributions: Direct logit attribution of the answer; None if unknown.
        notes: Sentences about what is unknown.
    """

    def __init__(
        self,
        trace: Trace,
        stack: str,
        stream: Sequence[Float[Tensor, "token model_dim"]],
        *,
        read: Callable[[int], str],
        reading: Reading | None,
        contributions: Contributions | None,
        notes: Sequence[str],
        answered: AnsweredStates | None = None,
    ) -> None:
        self.trace = trace
        self.stack = stack
        self.tokens: list[Token] = trace.tokens_for(stack)[0]
        self.contributions = contributions
        self.notes = tuple(notes)
        self._stream = tuple(stream)
        self._text = read
        self._reading = reading
        self._answered = answered

    def __repr__(self) -> str:
        return f"<States of {len(self.tokens)} tokens after each of {self.layers} layers>"

    @property
    def layers(self) -> int:
        """The number of layers (blocks)."""
        return len(self._stream) - 1

    @property
    def nbytes(self) -> int:
        """The memory that the states use in bytes, without the trace."""
        return sum(state.numel() * state.element_size() for state in self._stream)

    @check_arguments(after=WHOLE)
    def residual(self, after: int) -> Float[Tensor, "token model_dim"]:
        """The residual stream after `after` layers (0: the embeddings), [token, model_dim], float32.

        Raises `InputError` if there are fewer layers.
        """
        if not 0 <= after <= self.layers:
            raise InputError(
                f"There is no state after {after} layers: `after` must be from 0 (the embeddings) to {self.layers}."
            )
        return self._stream[after].float().cpu()

    @cached_property
    def norms(self) -> Float[Tensor, "layer token"]:
        """‖x‖ of the residual stream, [layers + 1, token]: row 0 for the embeddings, row i + 1 after layer i."""
        return torch.stack([state.float().norm(dim=-1).cpu() for state in self._stream])

    def logits(self, after: int) -> Float[Tensor, "token vocab"]:
        """The logit lens: the states after `after` layers through the final norm, unembedding and caps, [token, vocab].

        After all layers these are the model's own logits. Raises `UnsupportedError` if the model predicts no tokens,
        `InputError` if there are fewer layers.
        """
        self.residual(after)
        if self._reading is None:
            raise UnsupportedError(next(iter(self.notes), "This model predicts no tokens, so there is no logit lens."))
        return self._reading(after)

    @check_arguments(observer=OBSERVER)
    def lens(self, k: int = 5, *, observer: Observer | None = None) -> Lens:
        """The `k` most probable tokens after every layer at every token, with their probabilities.

        An `observer` is told about every layer. Raises `UnsupportedError` if the model predicts no tokens, `InputError` for an
        invalid `k`, `CancelledError` if the observer cancels.
        """
        if not is_whole(k) or k < 0:
            raise InputError(f"`k` must be a whole number of at least 0; got {k!r:.80}.")
        rows: list[tuple[Tensor, Tensor]] = []
        for after in range(self.layers + 1):
            if observer is not None and observer.cancelled():
                raise CancelledError("The run was cancelled.")
            logits = self.logits(after)
            top = torch.softmax(logits, dim=-1).topk(min(k, logits.shape[-1]), dim=-1)
            rows.append((top.indices, top.values))
            if observer is not None:
                observer.layer(after + 1, self.layers + 1)
        return Lens(torch.stack([one[0] for one in rows]), torch.stack([one[1] for one in rows]))

    def answer_by_layer(self) -> AnswerByLayer:
        """The probability and the rank of the answer (and of the foil) after every layer, by the logit lens.

        Of several tokens, each is read at the position that predicts it. Raises `InputError` if no answer was passed.
        """
        if self._by_layer is None:
            raise InputError("These states have no answer. Pass `answer` to `Model.states`.")
        return self._by_layer

    @cached_property
    def _by_layer(self) -> AnswerByLayer | None:
        return None if self._answered is None else self._answered.by_layer()

    @property
    def predicts(self) -> bool:
        """Whether the model predicts tokens, so that there is a logit lens."""
        return self._reading is not None

    @check_arguments(ident=WHOLE)
    def read(self, ident: int) -> str:
        """The text of a token id."""
        return self._text(ident)

    @cached_property
    def head_norms(self) -> Float[Tensor, "layer head token"]:
        """‖head output‖ of each head, [layer, head, token]: the norm of its contribution to the attention output, W_O included.

        NaN where it is unknown.
        """
        traced, shape = self.trace.traced_stack(self.stack), self.trace.stacks[self.stack]
        found = torch.full((shape.layers, shape.heads, len(self.tokens)), torch.nan)
        for layer, record in enumerate(traced.records):
            module = traced.projections[layer] if layer < len(traced.projections) else None
            if not isinstance(record, QKRecord) or module is None:
                continue
            found[layer, : record.shape.heads] = output_norms(record, module)
        return found

    def frame(self, k: int = 1) -> pandas.DataFrame:
        """A DataFrame with one row per layer and token: the norm and, if the model predicts tokens, the `k` most probable ones.

        The column `after` counts layers (0: the embeddings). With `k` > 1 the columns of the tokens end in their rank. With an
        answer, `answer_probability` and `answer_rank` (1: the most probable; of several tokens the worst) stand in the row of the
        token that predicts its first token, and NaN elsewhere; with a foil also `foil_probability` and `foil_rank`.
        """
        import pandas as pd

        lens = self.lens(k) if self._reading is not None else None
        rows: list[dict[str, object]] = []
        for after in range(self.layers + 1):
            for position, token in enumerate(self.tokens):
                row: dict[str, object] = {
                    "after": after, "position": position, "token": token.text, "norm": float(self.norms[after, position])
                }  # fmt: skip
                for rank in range(0 if lens is None else lens.ids.shape[-1]):
                    assert lens is not None
                    mark = "" if k == 1 else f"_{rank + 1}"
                    row[f"top{mark}"] = self._text(int(lens.ids[after, position, rank]))
                    row[f"probability{mark}"] = float(lens.probabilities[after, position, rank])
                rows.append(row | self._answer_columns(after, position))
        return pd.DataFrame(rows)

    def _answer_columns(self, after: int, position: int) -> dict[str, object]:
        if self._by_layer is None or self._answered is None:
            return {}
        here = position == self._answered.measurement.position
        named = (("answer", self._by_layer.answer), ("foil", self._by_layer.foil))
        return {
            f"{name}_{what}": float(getattr(scores, what)[after]) if here else float("nan")
            for name, scores in named
            if scores is not None
            for what in ("probability", "rank")
        }
