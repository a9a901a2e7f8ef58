"""The kinds of input that a trace can be made from. `Preprocessor.read_input` decides the kind of an input once.

"text"              a text, with `pair` as a second sentence                                inputs/text.py
"chat"              [{"role": "user", "content": "…"}, …], through the chat template       inputs/chat.py
"ids"               [101, 1996, 102]                                                       inputs/tensors.py
"tensors"           {"input_ids": …, "attention_mask": …}, or an array of ids              inputs/tensors.py
"features"          {"hidden_states": …}: ready inputs that are not tokens                 inputs/features.py
"audio"             a waveform, or {"input_features": …}, for a speech model               inputs/audio.py
"images"            one image                                                              inputs/image_tokens.py
"images in text"    a text with images in it                                               inputs/image_tokens.py
"image tensors"     {"pixel_values": …}, with or without token ids                         inputs/image_tokens.py
"unknown"           anything else, for which `encode` raises `InputError`
"""

from __future__ import annotations

from typing import Literal

InputKind = Literal[
    "text", "chat", "ids", "tensors", "features", "audio", "images", "images in text", "image tensors", "unknown"
]

IMAGE_KINDS: frozenset[InputKind] = frozenset({"images", "images in text", "image tensors"})
