"""`neuron_view.show` and `neuron_view.get_attention` with BertViz's signatures, for any model that attnscope can trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from attnscope.bertviz.html import check_action, check_mode, deliver
from attnscope.errors import InputError
from attnscope.types import Token
from attnscope.validation import is_whole

if TYPE_CHECKING:
    from attnscope.trace import Trace

_KNOWN = ("bert", "gpt2", "xlnet", "roberta")
_SIDES = {"aa": ("a", "a"), "bb": ("b", "b"), "ab": ("a", "b"), "ba": ("b", "a")}


def show(
    model: Any,
    model_type: Any,
    tokenizer: Any,
    sentence_a: Any,
    sentence_b: Any = None,
    display_mode: Any = "dark",
    layer: Any = None,
    head: Any = None,
    html_action: Any = "view",
) -> Any:
    """Show the neuron view of a model on one sentence or a sentence pair.

    Args:
        model: Any transformers model that `attnscope.Model` accepts, or a `Model`; not only BertViz's own classes.
        model_type: One of BertViz's types (`'bert'`, `'gpt2'`, `'roberta'`, `'xlnet'`) or the model's own `model_type`.
        tokenizer: The tokenizer of the model.
        sentence_a: The sentence, or sentence A of a pair.
        sentence_b: Sentence B of a pair.
        display_mode: `'dark'` or `'light'`.
        layer: The layer shown first; default 0.
        head: The head shown first; default 0.
        html_action: `'view'` displays the page in the notebook; `'return'` returns an object whose `.data` is the page's HTML.

    Raises:
        InputError: An argument is invalid, or the model type has no format for pairs (`'gpt2'`). It is a ValueError.
        MissingError: `'view'` without IPython.
    """
    from attnscope.offline import document

    check_action(html_action)
    check_mode(display_mode)
    for name, value in (("layer", layer), ("head", head)):
        if value is not None and not is_whole(value):
            raise InputError(f"'{name}' must be an integer; got {value!r:.80}.")
    trace = _trace(model, model_type, tokenizer, sentence_a, sentence_b)
    start = next(iter(trace.stacks)) if len(trace.stacks) > 1 else None
    page = document(
        trace,
        view="neuron",
        layer=None if layer is None else int(layer),
        heads=[0 if head is None else int(head)],
        stack=start,
        form="qk",
        theme=display_mode,
    )
    return deliver(page.html, html_action)


def get_attention(
    model: Any,
    model_type: Any,
    tokenizer: Any,
    sentence_a: Any,
    sentence_b: Any = None,
    include_queries_and_keys: Any = False,  # noqa: FBT002 - BertViz's signature
) -> dict[str, dict[str, Any]]:
    """Return the attention of a model on one sentence or a sentence pair as plain lists.

    The first arguments are those of `show`. The key `'all'` of the result holds the whole input; with `sentence_b`, `'aa'`,
    `'ab'`, `'ba'` and `'bb'` hold the parts from the first to the second sentence named. Each value is a dict:

    - `attn`: a list over layers, each [heads, queries, keys]; None for a layer without attention.
    - `left_text` and `right_text`: the query tokens and the key tokens.
    - `queries` [heads, queries, dim] and `keys` [heads, keys, dim] of each layer, if `include_queries_and_keys`: after rotary
      embedding, before scaling, with keys repeated for every head of a group.

    Raises `InputError` (a ValueError) for invalid arguments.
    """
    trace = _trace(model, model_type, tokenizer, sentence_a, sentence_b)
    places = _places(trace)
    mapped = model_type != "gpt2"
    texts = [_text(token, tokenizer, mapped=mapped) for token in trace.tokens]
    found: dict[str, dict[str, Any]] = {}
    for name, (left, right) in {"all": ("all", "all"), **(_SIDES if sentence_b else {})}.items():
        found[name] = {"attn": [], "left_text": texts[places[left]], "right_text": texts[places[right]]}
        if include_queries_and_keys:
            found[name] |= {"queries": [], "keys": []}
    for layer in range(next(iter(trace.stacks.values())).layers):
        for part, whole in _layer(trace, layer, vectors=bool(include_queries_and_keys)).items():
            for name, one in found.items():
                left, right = _SIDES.get(name, ("all", "all"))
                one[part].append(_cut(part, whole, places[left], places[right]))
    return found


def _trace(model: Any, model_type: Any, tokenizer: Any, sentence_a: Any, sentence_b: Any) -> Trace:
    from attnscope.model.model import Model

    ready = isinstance(model, Model)
    own = str(getattr(getattr(model.hf_model if ready else model, "config", None), "model_type", ""))
    if model_type is not None and model_type not in (*_KNOWN, own):
        raise InputError(
            f"Invalid model type: {model_type!r:.300}. Use one of {', '.join(map(repr, _KNOWN))}, or the model's own"
            f"{f', {own!r:.300}' if own else ''}."
        )
    if not isinstance(sentence_a, str) or not sentence_a:
        raise InputError(f"Sentence A is required and must be a string; got {sentence_a!r:.80}.")
    if sentence_b is not None and not isinstance(sentence_b, str):
        raise InputError(f"Sentence B must be a string or None; got {sentence_b!r:.80}.")
    if sentence_b and model_type == "gpt2":
        raise InputError(
            "Model gpt2 does not support sentence pairs: it has no format for them. Pass a single text, or use a model that "
            "supports pairs."
        )
    wrapped = model if ready else Model(model, tokenizer)
    return wrapped.trace(sentence_a, pair=sentence_b or None)


def _places(trace: Trace) -> dict[str, slice]:
    tokens = trace.tokens
    border = next((at for at, token in enumerate(tokens) if token.sentence == "B"), len(tokens))
    return {"all": slice(None), "a": slice(0, border), "b": slice(border, len(tokens))}


def _layer(trace: Trace, layer: int, *, vectors: bool) -> dict[str, Any]:
    """`attn`, `queries` and `keys` of a layer, [heads, …]; None for a layer without attention."""
    shape = next(iter(trace.stacks.values())).layer(layer)
    parts = ("attn", "queries", "keys") if vectors else ("attn",)
    if shape is None:
        return dict.fromkeys(parts)
    heads = range(shape.heads)
    found = {"attn": torch.stack([trace.attention(layer, head) for head in heads])}
    if vectors:
        found["queries"] = torch.stack([trace.q(layer, head) for head in heads])
        found["keys"] = torch.stack([trace.k(layer, head) for head in heads])
    return found


def _cut(part: str, whole: torch.Tensor | None, left: slice, right: slice) -> Any:
    if whole is None:
        return None
    if part == "attn":
        return whole[:, left, right].tolist()
    return whole[:, left if part == "queries" else right].tolist()


def _text(token: Token, tokenizer: Any, *, mapped: bool) -> str:
    """A token as BertViz writes it: `##` before a continuation; `[CLS]` and `[SEP]` for the tokens in their roles."""
    text = f"##{token.text}" if token.continues else token.text
    if mapped and token.special:
        if text == getattr(tokenizer, "sep_token", None):
            return "[SEP]"
        if text == getattr(tokenizer, "cls_token", None):
            return "[CLS]"
    return text
