"""The questions of `attnscope study`, the options that each needs or takes, and the arguments that these stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attnscope.cli.edits import read_edits
from attnscope.cli.numbers import numbers
from attnscope.cli.positions import position_given
from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.prompt_sets import PromptSet


@dataclass(frozen=True)
class Question:
    """A question: the method of `Study` that answers it, and the names of the options that it needs and takes."""

    method: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


_PATTERNS = ("stack", "off_sink")
_PATCHES = ("what", "layers", "heads", "stack")

QUESTIONS: Mapping[str, Question] = {
    "heads": Question("heads", takes=_PATTERNS),
    "edge": Question("edge", ("query", "key"), _PATTERNS),
    "contrast": Question("contrast", ("query", "key"), ("between", *_PATTERNS)),
    "match": Question("match", ("pattern",), _PATTERNS),
    "variability": Question("variability", takes=_PATTERNS),
    "decays": Question("decays", takes=("stack",)),
    "decay": Question("decay", ("head",), ("stack",)),
    "scale": Question("scale_pairs", ("head",), ("stack", "count", "factor", "controls")),
    "effect": Question("effect", ("answer",), ("foil", "metric", "controls", "edit", "edits")),
    "patch": Question("patch", ("between", "answer"), ("foil", "metric", *_PATCHES)),
    "mediate": Question("mediate", ("between", "answer", "foil"), _PATCHES),
    "states": Question("states", ("answer",), ("foil",)),
}


def question_named(ask: str) -> Question:
    """The question with this name. Raises `InputError` if there is none."""
    if ask not in QUESTIONS:
        raise InputError(f"--ask must be one of {', '.join(QUESTIONS)}; got {ask!r:.80}.")
    return QUESTIONS[ask]


def arguments_of(ask: str, prompts: PromptSet, options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the question's method from the options that were passed; None, False or [] is one that was not.

    Raises `InputError` for an option that is missing, that the question does not use, or that cannot be read.
    """
    question = question_named(ask)
    given = {name: value for name, value in options.items() if value is not None and value is not False and value != []}
    missing = [_option(name) for name in question.needs if not given.get(name)]
    if missing:
        raise InputError(f"--ask {ask} needs {' and '.join(missing)}.")
    unused = [_option(name) for name in given if name not in (*question.needs, *question.takes)]
    if unused:
        raise InputError(
            f"--ask {ask} does not use {' and '.join(unused)}. Drop {'them' if len(unused) > 1 else 'it'}."
        )
    found = dict(given)
    if "query" in found:
        found["query"] = position_given(found["query"], "--query")
    if "key" in found:
        found["key"] = _keys(ask, found["key"])
    if "between" in found:
        found["between"] = _between(found["between"], prompts)
    if "head" in found:
        found["layer"], found["head"] = _head(found["head"])
    for name in ("layers", "heads"):
        if name in found:
            found[name] = numbers(_option(name), found[name])
    if ask == "effect":
        found["edits"] = read_edits(found.pop("edit", ()), found.get("edits"))
        if not found["edits"]:
            raise InputError("--ask effect needs an edit: --edit JSON or --edits FILE.")
    return found


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _keys(ask: str, given: list[str]) -> Any:
    keys = [position_given(one, "--key") for one in given]
    if len(keys) != (1 if ask == "edge" else 2):
        raise InputError(f"--ask {ask} needs {'one --key' if ask == 'edge' else 'two --key'}; got {len(keys)}.")
    return keys[0] if ask == "edge" else tuple(keys)


def _between(text: str, prompts: PromptSet) -> tuple[str, Any, Any]:
    """A label and two of its own values, which may be numbers, or True and False."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(parts):
        raise InputError(f"--between is a label and two of its values, such as p,She,He; got {text!r:.80}.")
    label, *wanted = parts
    known = {str(prompt.labels.get(label)): prompt.labels.get(label) for prompt in prompts}
    first, second = (known.get(one, one) for one in wanted)
    return label, first, second


def _head(text: str) -> tuple[int, int]:
    layer, dot, head = text.partition(".")
    if not dot or not layer.isdecimal() or not head.isdecimal():
        raise InputError(f"--head is a layer and a head, such as 3.1; got {text!r:.80}.")
    return int(layer), int(head)
