"""What a module tree consists of, remembered so that any later change to it is noticed.

A structural clone may be used again only while the model is what it was when the clone was made. A snapshot therefore holds every
object that `copy.deepcopy` would copy (modules, configs, dictionaries, lists, plain objects), each with the identities of its
contents. What the clone shares with the model (tensors, hooks, functions) is compared by identity only, since a change inside
it takes effect in both. Comparing is much cheaper than copying: it builds no objects.

Identity is enough: a value that is replaced by an equal one counts as a change, which only costs another clone.
"""

from __future__ import annotations

import functools
import re
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from enum import Enum
from operator import is_
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attnscope.capture.clone import HOOK_TABLES, shared_objects
from attnscope.capture.replaced_methods import cell_is_set

_UNCHANGING = frozenset(
    {
        type(None), bool, int, float, complex, str, bytes, range, slice, type(...), type(NotImplemented), property,
        torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size, re.Pattern, weakref.ref,
        types.FunctionType, types.BuiltinFunctionType, types.CodeType,
    }
)  # fmt: skip
"""Types of values without contents that could change, or that `copy.deepcopy` returns as they are."""

_UNCHANGING_FAMILIES = (type, Enum, np.generic, np.dtype, PurePath)

_CONTAINERS = (OrderedDict, defaultdict, dict, list, set, frozenset, tuple, deque)
"""Built-in containers, subclasses before their bases."""

_WORD = 8


class _UnknownContentsError(Exception):
    """Raised for an object whose contents can change without being seen."""


class Snapshot:
    """The contents of `root` and of everything in it, at the time of the call."""

    def __init__(self, root: nn.Module) -> None:
        self._objects: list[tuple[Any, type, list[str], list[Any]]] = []
        self._readings: list[tuple[Callable[[Any], list[Any]], Any, list[Any]]] = []
        self._empty: list[Any] = []  # most hook tables: they are compared all at once
        self._kinds: dict[type, _Kind] = {}
        self._seen: set[int] = set()
        self._modules = _registered(root)
        self._shared = {id(one) for module in self._modules.values() for one in shared_objects(module)}
        for module in self._modules.values():
            self._read_module(module)
        del self._kinds, self._seen, self._modules, self._shared

    @classmethod
    def of(cls, root: nn.Module) -> Snapshot | None:
        """A snapshot; None if something in the tree can change without being seen (a compiled object, an array)."""
        try:
            return cls(root)
        except _UnknownContentsError:
            return None

    def holds(self) -> bool:
        """Whether everything is as it was."""
        if any(self._empty):
            return False
        for one, kind, names, values in self._objects:
            found = one.__dict__
            if type(one) is not kind or list(found) != names or not all(map(is_, found.values(), values)):
                return False
        for read, one, before in self._readings:
            now = read(one)
            if len(now) != len(before) or not all(map(is_, now, before)):
                return False
        return True

    def _keep(self, read: Callable[[Any], list[Any]], one: Any) -> list[Any]:
        contents = read(one)
        self._readings.append((read, one, contents))
        return contents

    def _attributes_of(self, one: Any) -> list[tuple[str, Any]]:
        """Remember the attributes and slots of an object; their names and values."""
        found: dict[str, Any] = getattr(one, "__dict__", {})
        pairs = list(found.items())
        if hasattr(one, "__dict__"):
            self._objects.append((one, type(one), [name for name, _ in pairs], [value for _, value in pairs]))
        slots = self._keep(_slots, one) if _slots_of(type(one)) else []
        return [*pairs, *(("", value) for value in slots[1:])]

    def _read_module(self, module: nn.Module) -> None:
        for name, value in self._attributes_of(module):
            if name in HOOK_TABLES and isinstance(value, dict):
                self._keep(_pairs, value) if value else self._empty.append(value)
            elif isinstance(value, types.FunctionType):
                self._read_function(value)
            else:
                self._visit(value, replaced_method=True)

    def _visit_all(self, values: Iterable[Any]) -> None:
        for value in values:
            self._visit(value)

    def _visit(self, value: Any, *, replaced_method: bool = False) -> None:
        kind = self._kinds.get(type(value))
        if kind is None:
            kind = self._kinds[type(value)] = _kind(type(value))
        if kind == "unchanging" or id(value) in self._shared or id(value) in self._seen:
            return
        if kind == "module":
            if id(value) not in self._modules:  # the clone does not share its weights
                raise _UnknownContentsError
            return
        self._seen.add(id(value))
        if kind == "method":
            self._visit(value.__self__)
            if replaced_method:
                self._read_function(value.__func__)
        elif kind == "partial":
            self._visit_all((value.args, value.keywords, vars(value)))
            if replaced_method:
                self._read_function(value.func)
        elif kind == "opaque":
            raise _UnknownContentsError
        else:
            self._read_object(value, kind)

    def _read_object(self, value: Any, kind: _Kind) -> None:
        if isinstance(value, dict):
            if kind == "container" and not value:
                self._empty.append(value)
            else:
                self._visit_all(self._keep(_pairs, value))
        elif isinstance(value, (list, set, frozenset, tuple, deque)):
            if kind == "container" and not value and not isinstance(value, (tuple, frozenset)):
                self._empty.append(value)
            else:
                self._visit_all(self._keep(list, value))
        if isinstance(value, defaultdict):
            self._visit_all(self._keep(_factory, value))
        if kind == "object":
            self._visit_all(attribute for _, attribute in self._attributes_of(value))

    def _read_function(self, function: Any) -> None:
        """Remember what a function that was assigned to a module refers to: a module of the tree among it would be replaced."""
        if not isinstance(function, types.FunctionType):
            self._visit(function, replaced_method=True)
            return
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        for one in self._keep(_references, function):
            inner = one.func if isinstance(one, functools.partial) else getattr(one, "__func__", one)
            if isinstance(inner, types.FunctionType):
                self._read_function(inner)


_Kind = str
"""How the contents of a type are read: "unchanging", "module", "method", "partial", "container", "object" or "opaque"."""


def _kind(cls: type) -> _Kind:
    if cls in _UNCHANGING or issubclass(cls, _UNCHANGING_FAMILIES):
        return "unchanging"
    if issubclass(cls, nn.Module):
        return "module"
    if cls is functools.partial:
        return "partial"
    if cls is types.MethodType:
        return "method"
    if cls in _CONTAINERS:
        return "container"
    return "object" if _is_plain(cls) and not issubclass(cls, Tensor) else "opaque"


def _is_plain(cls: type) -> bool:
    """Whether instances hold nothing but attributes, slots and the contents of a built-in container.

    An instance of a class written in C (or C++, Rust) is larger than that, by the state that only its own code can see.
    """
    base = next((one for one in _CONTAINERS if issubclass(cls, one)), object)
    slots = sum(len(_members(one)) for one in cls.__mro__ if one not in base.__mro__)
    added_dict = cls.__dictoffset__ > 0 and base.__dictoffset__ == 0
    added_reference = cls.__weakrefoffset__ > 0 and base.__weakrefoffset__ == 0
    return cls.__basicsize__ <= base.__basicsize__ + _WORD * (slots + added_dict + added_reference)


def _members(cls: type) -> list[Any]:
    """The slots that a class written in Python adds."""
    return (
        []
        if "__slots__" not in vars(cls)
        else [one for one in vars(cls).values() if isinstance(one, types.MemberDescriptorType)]
    )


@functools.lru_cache(maxsize=1024)
def _slots_of(cls: type) -> tuple[Any, ...]:
    return tuple(member for one in cls.__mro__ if one is not object for member in _members(one))


def _slots(one: Any) -> list[Any]:
    """The type of an object and the values of its slots; None for those without a value."""
    return [type(one), *(_slot(member, one) for member in _slots_of(type(one)))]


def _slot(member: Any, one: Any) -> Any:
    try:
        return member.__get__(one)
    except AttributeError:
        return None


def _factory(one: defaultdict[Any, Any]) -> list[Any]:
    return [one.default_factory]


def _pairs(one: dict[Any, Any]) -> list[Any]:
    return [*one, *one.values()]


def _references(function: types.FunctionType) -> list[Any]:
    """The code of a function, and the functions and modules in its closure, defaults and global names."""
    code, space = function.__code__, function.__globals__
    named = (space.get(name) for name in code.co_names)
    cells = (_contents(cell) for cell in function.__closure__ or ())
    found = (*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *named)
    return [code, *(one if isinstance(one, _REBOUND) else None for one in found)]


_REBOUND = (nn.Module, types.FunctionType, types.MethodType, functools.partial)


def _contents(cell: types.CellType) -> Any:
    return cell.cell_contents if cell_is_set(cell) else None


def _registered(root: nn.Module) -> dict[int, nn.Module]:
    """Every module of a tree, by its identity."""
    found: dict[int, nn.Module] = {}
    waiting: list[nn.Module] = [root]
    while waiting:
        module = waiting.pop()
        if id(module) not in found:
            found[id(module)] = module
            children: dict[str, nn.Module | None] = vars(module)["_modules"]
            waiting.extend(one for one in children.values() if one is not None)
    return found
