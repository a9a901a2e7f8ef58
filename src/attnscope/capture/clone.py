"""A clone that shares every weight with the user's model and nothing else, so a pass never changes that model.

If attnscope switched the attention implementation of the user's own model, every other thread that runs it and every
model that shares its config would be affected. A structural clone takes a few milliseconds and copies no weights: it is
a `copy.deepcopy` with a memo that maps parameters, buffers and hooks to themselves, so only configs and modules are
copied.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from attnscope.capture.replaced_methods import rebind_methods
from attnscope.errors import UnsupportedError

FOR_EAGER_ONLY = {"attnscope": "attnscope_eager"}
"""Replacement implementations for models that support only eager attention. In those, a missing mask masks nothing."""

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


@dataclass(frozen=True)
class Clone:
    """A structural clone, and whether it stays one while nothing in the model is replaced.

    It does not if a function had to be built again for it: the variables that the function sees are copied.
    """

    module: nn.Module
    lasting: bool


def structural_clone(model: nn.Module) -> nn.Module:
    """Copy `model` in eval mode: new modules and configs, the same parameter and buffer objects.

    The clone runs the hooks that the user registered, because they are part of what the model computes. Raises
    `UnsupportedError` if the model cannot be copied this way.
    """
    return clone_of(model).module


def clone_of(model: nn.Module) -> Clone:
    """The same as `structural_clone`, with what there is to know about using the clone again."""
    memo: dict[int, Any] = {id(one): one for module in model.modules() for one in shared_objects(module)}
    try:
        clone = copy.deepcopy(model, memo)
    except Exception as error:
        raise UnsupportedError(
            f"{type(model).__name__} cannot be copied without its weights ({type(error).__name__}: {error}), so "
            "attnscope cannot capture a pass without changing your model."
        ) from error
    _assert_shared(model, clone)
    copied = rebind_methods(model, clone)
    clone.eval()
    return Clone(clone, lasting=not copied)


def shared_objects(module: nn.Module) -> Iterator[Any]:
    """The objects in a module that its clone has too: tensors, hooks, and where other libraries keep weights."""
    for value in list(module.__dict__.values()):
        if isinstance(value, Tensor):
            yield value
    yield from (*module.parameters(recurse=False), *module.buffers(recurse=False))
    if type(module).__module__.startswith("bitsandbytes"):
        # In their first pass, 8-bit layers move their scales from the (shared) weight to this object.
        yield getattr(module, "state", None)
    offloaded = getattr(getattr(module, "_hf_hook", None), "weights_map", None)
    if offloaded is not None:  # where accelerate keeps the weights of offloaded modules
        yield offloaded
    for table in HOOK_TABLES:
        yield from getattr(module, table, {}).values()


def standalone(module: nn.Module) -> nn.Module:
    """A copy of one module of a clone, to use after the pass, when another pass may add hooks to the clone's own.

    It shares the weights. A module that cannot be copied is returned itself.
    """
    methods = (FunctionType, MethodType, functools.partial)
    if type(module) in (nn.Linear, Conv1D) and not any(isinstance(value, methods) for value in vars(module).values()):
        copied = type(module).__new__(type(module))
        vars(copied).update(
            {name: value.copy() if isinstance(value, dict) else value for name, value in vars(module).items()}
        )
        return copied
    try:
        return structural_clone(module)
    except UnsupportedError:
        return module


def configs_of(model: nn.Module) -> list[Any]:
    """Every distinct transformers config held by a module of `model` or by another config."""
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
    """Set the attention implementation of every module in a clone, using the `FOR_EAGER_ONLY` replacement where needed."""
    for config, eager_only in attention_configs(clone):
        config._attn_implementation_internal = implementation_for(implementation, eager_only=eager_only)


def implementation_for(implementation: str, *, eager_only: bool) -> str:
    """The implementation to set in a config, where `implementation` is wanted."""
    return FOR_EAGER_ONLY.get(implementation, implementation) if eager_only else implementation


def attention_configs(clone: nn.Module) -> list[tuple[Any, bool]]:
    """The configs that decide on the attention of a clone, and whether a model with that config supports only eager attention."""
    eager_only = {
        id(module.config)
        for module in clone.modules()
        if isinstance(module, PreTrainedModel) and not getattr(module, "_supports_sdpa", True)
    }
    return [(config, id(config) in eager_only) for config in configs_of(clone)]


def _assert_shared(model: nn.Module, clone: nn.Module) -> None:
    original = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
    copied = dict(clone.named_parameters(remove_duplicate=False)) | dict(clone.named_buffers(remove_duplicate=False))
    if original.keys() != copied.keys() or any(original[name] is not copied[name] for name in original):
        raise UnsupportedError(
            f"{type(model).__name__} copies its weights whenever it is copied, so attnscope cannot capture "
            "its attention."
        )
    shared = {id(module) for module in model.modules()} & {id(module) for module in clone.modules()}
    if shared:
        raise UnsupportedError(
            f"{type(model).__name__} does not copy all of its modules when it is copied, so attnscope cannot "
            "capture its attention."
        )
