"""`model_view` with BertViz's signature."""

from __future__ import annotations

from typing import Any

from attnscope.bertviz.arguments import AttentionArguments, first_heads, included, with_heads
from attnscope.bertviz.html import check_action, check_mode, deliver
from attnscope.offline import document


def model_view(
    attention: Any = None,
    tokens: Any = None,
    sentence_b_start: Any = None,
    prettify_tokens: Any = True,  # noqa: FBT002 - BertViz's signature
    display_mode: Any = "dark",
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Any = None,
    decoder_tokens: Any = None,
    include_layers: Any = None,
    include_heads: Any = None,
    html_action: Any = "view",
) -> Any:
    """Show attention weights that a model returned in the model view, with a thumbnail of every head.

    `display_mode` is `'dark'` or `'light'`. `include_heads` lists the heads to include in the page; they keep their indices, and
    the cells of the others are empty. The other arguments and the errors are those of `head_view`.
    """
    check_action(html_action)
    check_mode(display_mode)
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
    stacks = trace.stacks.values()
    layers = included("include_layers", include_layers, max(stack.layers for stack in stacks))
    heads = included("include_heads", include_heads, max(stack.heads for stack in stacks))
    shown = with_heads(trace, heads)
    page = document(shown, view="model", heads=first_heads(shown, layers, heads), layers=layers, theme=display_mode)
    return deliver(page.html, html_action)
