"""Which controls there are for edits, how many draws each has, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from attnscope.edits import AddVector, Edit
from attnscope.edits.validation import span_of
from attnscope.errors import InputError
from attnscope.model.effects.alternatives import ALL_UP_TO
from attnscope.model.effects.effect import planned
from attnscope.model.effects.elsewhere import Over, drawn_elsewhere, head_units, over_of
from attnscope.model.effects.prompt import Prompt

NO_EDITS = "There are no edits, so there is nothing to make elsewhere."

_TOGETHER = (
    "No control fits all of these edits: added vectors are compared with random vectors, and edits of heads with the same edits "
    "of other heads. Make them one at a time."
)


@dataclass(frozen=True)
class ControlKind:
    """One way to make edits elsewhere.

    Attributes:
        over: What it varies: "heads", "keys", "pairs" or "vectors".
        draws: How many controls `Model.control` runs by default.
        every: Whether these are all that there are.
        words: The controls in words, such as "8 other heads of layer 23".
    """

    over: Over
    draws: int
    every: bool
    words: str


@dataclass(frozen=True)
class ControlKinds:
    """The controls that there are, from `Model.control_kinds`. Without any, `none` is a sentence that says why."""

    kinds: tuple[ControlKind, ...]
    none: str | None


def control_kinds(prompt: Prompt, edits: Sequence[Edit]) -> ControlKinds:
    """Implement `Model.control_kinds`. No pass runs, except to find the visible keys if the prompt did not come as a trace."""
    if not edits:
        return ControlKinds((), NO_EDITS)
    prompt.check_editable()
    own = planned(prompt, edits).edits
    found: list[ControlKind] = []
    reasons: list[str] = []
    for over in cast("tuple[Over, ...]", get_args(Over)):
        try:
            over_of(own, over)
        except InputError:  # these edits cannot be moved over this
            continue
        try:
            found.append(_kind(prompt, own, over))
        except InputError as error:
            reasons.append(str(error))
    return ControlKinds(tuple(found), None if found else next(iter(reasons), _TOGETHER))


def _kind(prompt: Prompt, edits: Sequence[Edit], over: Over) -> ControlKind:
    if over == "vectors":
        vectors = {edit.vector for edit in edits if isinstance(edit, AddVector)}
        what = "random vectors" if len(vectors) == 1 else f"sets of {len(vectors)} random vectors"
        return ControlKind(over, ALL_UP_TO, every=False, words=f"{ALL_UP_TO} {what} of the same norm")
    count = len(drawn_elsewhere(prompt, edits, over, ALL_UP_TO + 1, 0, None))
    draws = min(count, ALL_UP_TO)
    return ControlKind(over, draws, every=count <= ALL_UP_TO, words=f"{draws} {_WORDS[over](prompt, edits, draws)}")


def _head_words(prompt: Prompt, edits: Sequence[Any], draws: int) -> str:
    units = head_units(prompt, edits)
    layers = sorted({layer for _, layer, _, _ in units})
    grouped = any(group > 1 for _, _, group, _ in units)
    single = len(units) == 1
    what = ("group of heads" if draws == 1 else "groups of heads") if grouped else ("head" if draws == 1 else "heads")
    where = f"layer {layers[0]}" if len(layers) == 1 else f"layers {_listed(layers)}"
    return f"other {what} of {where}" if single else f"{_choices(draws)} of other heads of {where}"


def _key_words(prompt: Prompt, edits: Sequence[Any], draws: int) -> str:
    keys = {(prompt.chosen_stack(edit.stack), span_of(edit.key)) for edit in edits}
    if len(keys) > 1:
        return f"{_choices(draws)} of other keys"
    size = len(next(iter(keys))[1])
    if size > 1:
        return f"other {'span' if draws == 1 else 'spans'} of {size} keys"
    return "other key" if draws == 1 else "other keys"


def _pair_words(_prompt: Prompt, edits: Sequence[Any], draws: int) -> str:
    places = {(edit.layer, edit.head, edit.dims) for edit in edits}
    heads = sorted({(layer, head) for layer, head, _ in places})
    where = f"head {heads[0][0]}.{heads[0][1]}" if len(heads) == 1 else "the same heads"
    dims = next(iter(places))[2]
    if len(places) > 1 or len(dims) > 2:
        return f"{_choices(draws)} of other dimensions of {where}"
    what = ("dimension", "dimensions") if len(dims) == 1 else ("pair of dimensions", "pairs of dimensions")
    return f"other {what[draws != 1]} of {where}"


_WORDS = {"heads": _head_words, "keys": _key_words, "pairs": _pair_words}


def _choices(draws: int) -> str:
    return "choice" if draws == 1 else "choices"


def _listed(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
