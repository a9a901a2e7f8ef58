"""`head_view` with BertViz's signature."""

from __future__ import annotations

from typing import Any

from attnscope.bertviz.arguments import AttentionArguments, first_stack, included
from attnscope.bertviz.html import check_action, deliver
from attnscope.offline import document


def head_view(
    attention: Any = None,
    tokens: Any = None,
    sentence_b_start: Any = None,
    prettify_tokens: Any = True,  # noqa: FBT002 - BertViz's signature
    layer: Any = None,
    heads: Any = None,
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Any = None,
    decoder_tokens: Any = None,
    include_layers: Any = None,
    html_action: Any = "view",
) -> Any:
    """Show attention weights that a model returned in the attention-head view.

    For an encoder-decoder model, pass any of `encoder_attention`, `decoder_attention` and `cross_attention` with
    `encoder_tokens` and `decoder_tokens` instead of `attention` and `tokens`.

    Args:
        attention: A list with one array per layer, [1, heads, tokens, tokens] or [heads, tokens, tokens], from torch, NumPy or
            JAX. With transformers: `outputs.attentions`.
        tokens: The text of each token.
        sentence_b_start: The index of the first token of sentence B.
        prettify_tokens: Make raw tokens such as `Ġthe` and `▁the` readable.
        layer: The layer shown first; default 0.
        heads: The heads selected first; default all.
        encoder_attention: Encoder self-attention, like `attention`.
        decoder_attention: Decoder self-attention, like `attention`.
        cross_attention: Cross-attention, [1, heads, decoder tokens, encoder tokens] per layer.
        encoder_tokens: The text of each encoder token.
        decoder_tokens: The text of each decoder token.
        include_layers: The layers to include in the page; they keep their indices. Default: all.
        html_action: `'view'` displays the page in the notebook; `'return'` returns an object whose `.data` is the page's HTML.

    Raises:
        InputError: An argument is invalid, or arguments cannot be combined. It is a ValueError.
        MissingError: `'view'` without IPython.
    """
    check_action(html_action)
    arguments = AttentionArguments(
        attention,
        tokens,
        sentence_b_start,
        encoder_attention,
        decoder_attention,
        cross_attention,
        encoder_tokens,
        decoder_tokens,
    )
    trace = arguments.trace(prettify_tokens=bool(prettify_tokens))
    layers = included("include_layers", include_layers, max(stack.layers for stack in trace.stacks.values()))
    stack, start = first_stack(trace, layers, layer)
    chosen = None if heads is None else [int(head) for head in heads]
    page = document(trace, view="head", layer=start, heads=chosen, stack=stack, layers=layers, theme="light")
    return deliver(page.html, html_action)
