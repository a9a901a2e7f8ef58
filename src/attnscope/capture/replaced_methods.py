"""Methods that were replaced on single modules (`module.forward = function`): bound again to a clone, and named in errors.

`copy.deepcopy` returns functions as they are, so a function that was assigned to a module would call, from the clone too,
whatever it keeps of the original: the method that it wraps, or the module itself.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from types import CellType, FunctionType, MethodType
from typing import Any

from torch import nn


def rebind_methods(model: nn.Module, clone: nn.Module) -> bool:
    """Let the functions among the attributes of the clone's modules refer to modules of the clone, not to those of `model`.

    References in closures, defaults, partial arguments and global names count. A function that `torch.compile` returned is
    replaced by the one that it compiled. Returns whether any function was built again, with a copy of the variables it sees.
    """
    copied = dict(clone.named_modules())
    twins = {id(one): copied[name] for name, one in model.named_modules() if name in copied}
    any_built = False
    for module in (one for one in model.modules() if id(one) in twins):
        for name, value in list(vars(module).items()):
            if isinstance(value, (FunctionType, MethodType, functools.partial)):
                done: dict[int, Any] = {}
                rebound = _rebound(value, twins, done)
                if rebound is not value:
                    vars(twins[id(module)])[name] = rebound
                any_built = any_built or any(id(function) != before for before, function in done.items())
    return any_built


def _rebound(value: Any, twins: Mapping[int, nn.Module], done: dict[int, Any]) -> Any:
    """`value` with every module that has a twin replaced by it; `value` itself if there is none."""
    if isinstance(value, nn.Module):
        return twins.get(id(value), value)
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, MethodType):
        owner, function = _rebound(value.__self__, twins, done), _rebound(value.__func__, twins, done)
        same = owner is value.__self__ and function is value.__func__
        return value if same else MethodType(function, owner)
    if isinstance(value, functools.partial):
        function = _rebound(value.func, twins, done)
        arguments = [_rebound(one, twins, done) for one in value.args]
        named = {name: _rebound(one, twins, done) for name, one in value.keywords.items()}
        same = function is value.func and all(one is other for one, other in zip(arguments, value.args, strict=True))
        same = same and all(one is value.keywords[name] for name, one in named.items())
        return value if same else functools.partial(function, *arguments, **named)
    if isinstance(value, FunctionType):
        return _rebound_function(value, twins, done)
    return value


def _rebound_function(function: FunctionType, twins: Mapping[int, nn.Module], done: dict[int, Any]) -> Any:
    compiled = getattr(function, "_torchdynamo_orig_callable", None)
    if compiled is not None:
        done[id(function)] = _rebound(compiled, twins, done)
        return done[id(function)]
    done[id(function)] = function  # a function may refer to itself
    cells = function.__closure__ or ()
    inside = [_contents(cell) for cell in cells]
    outside = {name: function.__globals__[name] for name in function.__code__.co_names if name in function.__globals__}
    defaults, keyword = function.__defaults__ or (), function.__kwdefaults__ or {}
    changed = False

    def new(one: Any) -> Any:
        nonlocal changed
        rebound = _rebound(one, twins, done)
        changed = changed or rebound is not one
        return rebound

    closure = tuple(CellType(new(one)) if cell_is_set(cell) else cell for cell, one in zip(cells, inside, strict=True))
    named = {name: new(one) for name, one in outside.items() if not isinstance(one, type(sys))}
    first, last = tuple(map(new, defaults)), {name: new(one) for name, one in keyword.items()}
    if not changed:
        return function
    # the namespace is copied only if a global name in it refers to the model
    own = any(one is not outside[name] for name, one in named.items())
    space = {**function.__globals__, **named} if own else function.__globals__
    rebound = FunctionType(function.__code__, space, function.__name__, first or None, closure or None)
    rebound.__kwdefaults__ = last or None
    rebound.__dict__.update(function.__dict__)
    rebound.__qualname__, rebound.__module__ = function.__qualname__, function.__module__
    done[id(function)] = rebound
    return rebound


def cell_is_set(cell: CellType) -> bool:
    """Whether a variable of a closure has a value yet."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _contents(cell: CellType) -> Any:
    return cell.cell_contents if cell_is_set(cell) else None


def replaced_forward(module: nn.Module) -> str | None:
    """Where the forward method of a module comes from if it is not the one of the module's class ("module.name"), else None."""
    own = vars(module).get("forward")
    if own is not None:
        while isinstance(own, functools.partial):
            own = own.func
        function = getattr(own, "__func__", own)
        return _described(function)
    for kind in type(module).__mro__:
        found = vars(kind).get("forward")
        if found is not None:
            other = getattr(found, "__module__", kind.__module__)
            return None if other == kind.__module__ else _described(found)
    return None


def _described(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__).rpartition("<locals>.")[2]
    return f"{getattr(function, '__module__', type(function).__module__)}.{name}"
