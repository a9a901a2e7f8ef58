"""A model that shares every weight with the user's and nothing else, so that a pass can be set up without touching hers.

Switching the attention implementation of the user's own model would be seen by every other thread that runs it, and by
every model that shares its config. A structural clone costs some milliseconds and no weight: `copy.deepcopy` with a memo
in which parameters, buffers and hooks stand for themselves, and configs and modules do not.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from attnscope.errors import UnsupportedError

FOR_EAGER_ONLY = {"attnscope": "attnscope_eager"}
"""What stands in for an implementation in models that only know eager attention: there a mask that is missing hides nothing."""

HOOK_TABLES = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def structural_clone(model: nn.Module) -> nn.Module:
    """A copy of `model` in eval mode with its own modules and configs, and with the very same parameters and buffers.

    Hooks that the user registered run in the clone too: they are part of what her model does. Raises `UnsupportedError` where
    the model cannot be copied so.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for held in list(module.__dict__.values()):
            if isinstance(held, Tensor):
                memo[id(held)] = held
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            memo[id(tensor)] = tensor
        if type(module).__module__.startswith("bitsandbytes"):
            # Its 8-bit layers move their scales from the weight, which is shared, to this object in their first pass.
            state = getattr(module, "state", None)
            memo[id(state)] = state
        offloaded = getattr(getattr(module, "_hf_hook", None), "weights_map", None)
        if offloaded is not None:  # accelerate keeps the weights of offloaded modules there
            memo[id(offloaded)] = offloaded
        for table in HOOK_TABLES:
            for hook in getattr(module, table, {}).values():
                memo[id(hook)] = hook
    try:
        clone = copy.deepcopy(model, memo)
    except Exception as error:
        raise UnsupportedError(
            f"{type(model).__name__} cannot be copied without its weights ({type(error).__name__}: {error}), so no pass "
            "can be captured without changing your model."
        ) from error
    _assert_shared(model, clone)
    clone.eval()
    return clone


def configs_of(model: nn.Module) -> list[Any]:
    """Every distinct transformers config that a module of `model` or another config holds."""
    found: dict[int, Any] = {}
    waiting = [getattr(module, "config", None) for module in model.modules()]
    while waiting:
        config = waiting.pop()
        if config is None or id(config) in found or not hasattr(config, "_attn_implementation_internal"):
            continue
        found[id(config)] = config
        waiting.extend(getattr(config, name, None) for name in getattr(config, "sub_configs", {}))
    return list(found.values())


def set_attention(clone: nn.Module, implementation: str) -> None:
    """Make every module of a clone use the attention implementation of that name, or its `FOR_EAGER_ONLY` one."""
    eager_only = {
        id(module.config)
        for module in clone.modules()
        if isinstance(module, PreTrainedModel) and not getattr(module, "_supports_sdpa", True)
    }
    for config in configs_of(clone):
        chosen = FOR_EAGER_ONLY.get(implementation, implementation) if id(config) in eager_only else implementation
        config._attn_implementation_internal = chosen


def _assert_shared(model: nn.Module, clone: nn.Module) -> None:
    theirs = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
    ours = dict(clone.named_parameters(remove_duplicate=False)) | dict(clone.named_buffers(remove_duplicate=False))
    if theirs.keys() != ours.keys() or any(theirs[name] is not ours[name] for name in theirs):
        raise UnsupportedError(
            f"{type(model).__name__} copies its own weights when it is copied, so it cannot be captured."
        )
    shared = {id(module) for module in model.modules()} & {id(module) for module in clone.modules()}
    if shared:
        raise UnsupportedError(f"{type(model).__name__} does not copy all of its modules, so it cannot be captured.")
