"""`head_view`, as BertViz has it."""

from __future__ import annotations

from typing import Any

from attnscope.bertviz.arguments import Given, first_stack, included
from attnscope.bertviz.html import check_action, delivered
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
    """The attention-head view of weights that a model returned.

    `attention` is a list with one array [1, heads, tokens, tokens] (or without the 1) for each layer, of torch, numpy or JAX:
    in transformers `outputs.attentions`; `tokens` are the texts, those from `sentence_b_start` on sentence B's. Of an
    encoder-decoder model pass `encoder_attention`, `decoder_attention` and `cross_attention` [1, heads, decoder tokens,
    encoder tokens], as many as there are, with `encoder_tokens` and `decoder_tokens`.

    `prettify_tokens` makes `Ġthe` and `▁the` readable. `layer` and `heads` are those shown at first (0 and all);
    `include_layers` the layers in the page, under their own numbers. `html_action='view'` shows it in the notebook,
    `'return'` gives an object whose `.data` is the page's HTML. Raises `InputError`, a ValueError.
    """
    check_action(html_action)
    given = Given(
        attention,
        tokens,
        sentence_b_start,
        encoder_attention,
        decoder_attention,
        cross_attention,
        encoder_tokens,
        decoder_tokens,
    )
    trace = given.trace(prettify_tokens=bool(prettify_tokens))
    layers = included("include_layers", include_layers, max(stack.layers for stack in trace.stacks.values()))
    stack, start = first_stack(trace, layers, layer)
    chosen = None if heads is None else [int(head) for head in heads]
    made = document(trace, view="head", layer=start, heads=chosen, stack=stack, layers=layers, theme="light")
    return delivered(made.html, html_action)
