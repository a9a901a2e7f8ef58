"""Prompts of random tokens that are repeated, [x, r, r]: they tell induction heads apart (Olsson et al. 2022)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attnscope.errors import InputError
from attnscope.model.handle import ModelHandle
from attnscope.model.hf.module_info import vocabulary_size
from attnscope.prompt_sets import RandomTokens


def random_ids(handle: ModelHandle, random: RandomTokens) -> list[int]:
    """Token ids of [x, r, r]: the model's start token (else one more random token), and random tokens r, twice.

    The tokens of r differ from each other where the vocabulary is large enough. Special tokens are never drawn.
    """
    tokenizer: Any = handle.tokenizer
    size = vocabulary_size(handle.module)
    if size is None:
        raise InputError("Random tokens need a model that reads token ids; this one has no vocabulary.")
    special: set[int] = set(getattr(tokenizer, "all_special_ids", None) or ())
    known = min(size, len(tokenizer)) if tokenizer is not None else size
    usable = np.array([ident for ident in range(known) if ident not in special])
    if not len(usable):
        raise InputError("Random tokens need a vocabulary with tokens that are not special; this one has none.")
    rng = np.random.default_rng(random.seed)
    drawn = rng.choice(usable, size=random.length + 1, replace=len(usable) <= random.length)
    start = getattr(tokenizer, "bos_token_id", None)
    first, repeated = (int(drawn[0]) if start is None else int(start)), [int(one) for one in drawn[1:]]
    return [first, *repeated, *repeated]
