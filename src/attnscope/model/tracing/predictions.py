"""Predictions other than next tokens: masked tokens, labels of the input or of its tokens, the answer to a question.

The kind of prediction follows from the fields and shapes of the output; labels come from the model's config.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from attnscope.model.hf.module_info import target_vocabulary_size, vocabulary_size
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.tokens import Reader
from attnscope.trace.prediction import Choice, Prediction
from attnscope.types import Token

_TOP = 5
_ANSWER_TOKENS = 30
FOLLOWS = ("the second sentence follows", "the second sentence does not follow")
DISCRIMINATED = ("as it was", "replaced")


def predictions_of(
    model: nn.Module, tokenizer: Any, output: Any, encoded: ModelInputs, read: Reader
) -> list[Prediction]:
    """The predictions of one pass on `encoded`, from the model's `output`; those of the target side, if there is one."""
    has_target = encoded.target_tokens is not None
    tokens = encoded.tokens if encoded.target_tokens is None else encoded.target_tokens
    ids = encoded.inputs.get("decoder_input_ids" if has_target else "input_ids")
    vocabulary = target_vocabulary_size(model) if has_target else vocabulary_size(model)
    start, end = _field(output, "start_logits"), _field(output, "end_logits")
    if start is not None and end is not None:
        return _answer(start[0], end[0], tokens) if start.shape[1] == len(tokens) else []
    found: list[Prediction] = []
    logits = _field(output, "logits")
    scores = logits if logits is not None else _field(output, "prediction_logits")
    name = type(model).__name__
    alone = encoded.text is not None and encoded.pair is None  # there is no second sentence
    if scores is not None and scores.ndim == 3 and scores.shape[1] == len(tokens):
        if vocabulary is not None and scores.shape[-1] >= vocabulary:
            mask = None if ids is None else _mask_token(model, tokenizer)
            found += [] if ids is None or mask is None else _masked(scores[0], ids[0], read, mask)
        else:
            found += _token_labels(scores[0], tokens, label_names(model, scores.shape[-1]))
    elif scores is not None and scores.ndim == 2:
        if name.endswith("ForPreTraining") and scores.shape[1] == len(tokens):
            found += _discriminated(scores[0], tokens)
        else:
            follows = name.endswith("ForNextSentencePrediction")
            labels = FOLLOWS if follows else label_names(model, scores.shape[1])
            if not (follows and alone):
                found.append(_label(scores[0], labels, problem_of(model, scores.shape[1])))
    relation = _field(output, "seq_relationship_logits")
    if relation is not None and tuple(relation.shape) == (1, 2) and not alone:
        found.append(_label(relation[0], FOLLOWS, "one"))
    return found


def _mask_token(model: nn.Module, tokenizer: Any) -> int | None:
    """The id of the mask token, from the tokenizer or else from the config."""
    of_tokenizer = getattr(tokenizer, "mask_token_id", None)
    of_config: Any = getattr(model.config, "mask_token_id", None)
    return next((ident for ident in (of_tokenizer, of_config) if isinstance(ident, int)), None)


def _field(output: Any, name: str) -> Tensor | None:
    value = getattr(output, name, None)
    return value.detach().float().cpu() if isinstance(value, Tensor) else None


def label_names(model: nn.Module, count: int) -> tuple[str, ...]:
    """The names of a classifier's labels, from its config."""
    named: Mapping[Any, str] = getattr(model.config, "id2label", None) or {}
    return tuple(str(named.get(i, named.get(str(i), f"label {i}"))) for i in range(count))


Problem = Literal["one", "several", "number"]
"""Whether one label applies, several may, or the outputs are numbers (regression)."""


def problem_of(model: nn.Module, count: int) -> Problem:
    """What the outputs of a classifier with `count` outputs mean, from its config."""
    stated = getattr(model.config, "problem_type", None)
    if stated == "multi_label_classification":
        return "several"
    return "number" if count == 1 or stated == "regression" else "one"


def _masked(logits: Tensor, ids: Tensor, read: Reader, mask: int) -> list[Prediction]:
    found: list[Prediction] = []
    for position in (ids.cpu() == mask).nonzero()[:, 0].tolist():
        row = logits[position]
        chances = torch.softmax(row, dim=-1)
        best = chances.topk(min(_TOP, len(row))).indices.tolist()
        choices = tuple(_choice(read(one).text, one, chances[one], row[one]) for one in best)
        found.append(Prediction("token", position, choices))
    return found


def _label(logits: Tensor, labels: Sequence[str], problem: Problem, *, position: int | None = None) -> Prediction:
    chances = torch.sigmoid(logits) if problem == "several" else torch.softmax(logits, dim=-1)
    best: list[int] = logits.topk(min(_TOP, len(logits))).indices.tolist()
    choices = tuple(
        _choice(labels[one], one, None if problem == "number" else chances[one], logits[one]) for one in best
    )
    return Prediction("label" if position is None else "token_label", position, choices, exclusive=problem == "one")


def _token_labels(logits: Tensor, tokens: Sequence[Token], labels: Sequence[str]) -> list[Prediction]:
    places = [i for i, token in enumerate(tokens) if not token.special]
    return [_label(logits[i], labels, "one", position=i) for i in places]


def _discriminated(logits: Tensor, tokens: Sequence[Token]) -> list[Prediction]:
    """A discriminator returns one logit per token; above 0 it classifies the token as replaced."""
    both = torch.stack([torch.zeros_like(logits), logits], dim=-1)  # softmax of (0, x) is sigmoid(x)
    return _token_labels(both, tokens, DISCRIMINATED)


def _answer(start: Tensor, end: Tensor, tokens: Sequence[Token]) -> list[Prediction]:
    """Where the answer starts and ends, and the most likely spans (in the second sentence, if there is one)."""
    starts, ends = torch.softmax(start, dim=-1), torch.softmax(end, dim=-1)
    found = [
        Prediction("start", None, _places(starts, start, tokens)),
        Prediction("end", None, _places(ends, end, tokens)),
    ]
    two = any(token.sentence == "B" for token in tokens)
    within = torch.tensor([not token.special and (not two or token.sentence == "B") for token in tokens])
    count = len(tokens)
    order = torch.arange(count)
    length = order[None] - order[:, None]
    allowed = within[:, None] & within[None] & (length >= 0) & (length < _ANSWER_TOKENS)
    if not allowed.any():
        return found
    chances = torch.where(allowed, starts[:, None] * ends[None], torch.zeros(()) - 1).reshape(-1)
    best = [one for one in chances.topk(min(_TOP, len(chances))).indices.tolist() if chances[one] >= 0]
    spans = [(one // count, one % count) for one in best]
    choices = tuple(
        _choice(_joined(tokens[a : b + 1]), a, starts[a] * ends[b], start[a] + end[b], last=b) for a, b in spans
    )
    return [*found, Prediction("answer", None, choices)]


def _places(chances: Tensor, logits: Tensor, tokens: Sequence[Token]) -> tuple[Choice, ...]:
    best = chances.topk(min(_TOP, len(chances))).indices.tolist()
    return tuple(_choice(tokens[one].text, one, chances[one], logits[one]) for one in best)


def _joined(tokens: Sequence[Token]) -> str:
    """The text of a span of tokens. If some tokens are marked as continuing a word, spaces go before the others."""
    pieces = any(token.continues for token in tokens) or not any(" " in token.text for token in tokens)
    return "".join((" " if pieces and not token.continues else "") + token.text for token in tokens).strip()


def _choice(text: str, ident: int, probability: Tensor | None, value: Tensor, *, last: int | None = None) -> Choice:
    number = float(value)
    limit = torch.finfo(torch.float32).max  # the model's own masking may leave −inf
    return Choice(
        text, ident, None if probability is None else float(probability), min(max(number, -limit), limit), last
    )
