"""The model and tokenizer classes that BertViz's neuron view required, re-exported from transformers.

Example: `from attnscope.bertviz.transformers_neuron_view import GPT2Model, GPT2Tokenizer`.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    import transformers

    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r:.300} has no attribute {name!r:.300}")
    return getattr(transformers, name)
