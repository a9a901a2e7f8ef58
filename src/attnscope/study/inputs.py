"""The prompts of a study as a model reads them: encoded, traced one after another, with the tokens of every slot."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from attnscope.edits import Edit
from attnscope.errors import CancelledError, InputError
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.model import Model, handle_of
from attnscope.model.tracing.batches import traces_of
from attnscope.prompt_sets import Prompt, PromptSet
from attnscope.study.random_tokens import random_ids
from attnscope.study.result import Result
from attnscope.study.slots import slot_tokens
from attnscope.trace import Trace
from attnscope.trace.positions import Position, resolve
from attnscope.trace.words import Span
from attnscope.types import Observer, Token

RESERVED = ("prompt", "against", "unit", "template", "order", "layer", "head")
"""Columns of results. A label of this name gets the prefix `label_`, as does one that is called as a value or cell."""


@dataclass(frozen=True)
class Pair:
    """Two prompts that differ in one label only, by index."""

    first: int
    second: int


class StudyInputs:
    """The prompts of a study, for one model."""

    def __init__(self, model: Model, prompts: PromptSet) -> None:
        self.model = model
        self.prompts = prompts
        self._encoded: dict[int, ModelInputs] = {}

    def __len__(self) -> int:
        return len(self.prompts)

    def encoded(self, index: int) -> ModelInputs:
        """A prompt as model inputs; tokenized once. Raises `InputError` that names the prompt if it cannot be used."""
        if index not in self._encoded:
            with self.naming(index):
                self._encoded[index] = self.model.encode(self._text(self.prompts[index]))
        return self._encoded[index]

    def traces(
        self, indices: Sequence[int] | None = None, *, edits: Sequence[Edit] = (), observer: Observer | None = None
    ) -> Iterator[tuple[int, Trace]]:
        """(index, trace) of each prompt, in any order; batches of prompts of equal length, never more than one batch held."""
        chosen = list(range(len(self))) if indices is None else list(indices)
        encoded = [self.encoded(index) for index in chosen]
        watched = _Progress(observer, len(chosen))
        for place, trace in traces_of(handle_of(self.model), encoded, edits=edits, observer=watched.within):
            yield chosen[place], trace
            watched.advance()

    def span(self, index: int, position: Position, tokens: Sequence[Token], name: str = "position") -> Span:
        """The tokens of a slot's name, or of any `Position`, in a prompt. Raises `InputError` that names the prompt."""
        prompt = self.prompts[index]
        try:
            if isinstance(position, str) and position in prompt.slots:
                return slot_tokens(self.model.tokenizer, prompt, position, tokens)
            return resolve(position, tokens, name)
        except InputError as error:
            slots = f" Its slots: {', '.join(prompt.slots)}." if isinstance(position, str) and prompt.slots else ""
            raise InputError(f"Prompt {index} ({_shown(prompt)}): {error}{slots}") from error

    @contextmanager
    def naming(self, index: int) -> Generator[None]:
        """Add the prompt's number and text to an `InputError` in the block."""
        try:
            yield
        except InputError as error:
            raise InputError(f"Prompt {index} ({_shown(self.prompts[index])}): {error}") from error

    def spans(self, index: int, tokens: Sequence[Token]) -> dict[str, Span]:
        """The tokens of all slots of a prompt."""
        return {name: self.span(index, name, tokens) for name in self.prompts[index].slots}

    def pairs(self, between: Any) -> list[Pair]:
        """The pairs of prompts with `between = (label, first value, second value)` that agree in everything else.

        Raises `InputError` if `between` is no such triple, or if no two prompts form a pair.
        """
        if not isinstance(between, (tuple, list)) or len(between) != 3:
            raise InputError(
                f"`between` must be a label and two of its values, such as ('p', 'She', 'He'); got {between!r:.80}."
            )
        label, first, second = between
        if label not in self.prompts.labels:
            known = ", ".join(self.prompts.labels) or "none"
            raise InputError(f"`between`: there is no label {label!r:.80}; the labels are {known}.")
        groups: dict[tuple[Any, ...], dict[Any, int]] = {}
        for index, prompt in enumerate(self.prompts):
            others = tuple(sorted((name, str(value)) for name, value in prompt.labels.items() if name != label))
            groups.setdefault((prompt.template, prompt.row, prompt.order, others), {})[prompt.labels.get(label)] = index
        found = [Pair(group[first], group[second]) for group in groups.values() if first in group and second in group]
        if not found:
            values = ", ".join(dict.fromkeys(repr(prompt.labels.get(label)) for prompt in self.prompts))
            raise InputError(
                f"No two prompts differ only in {label!r:.80} being {first!r:.80} or {second!r:.80}. Its values are "
                f"{values:.300}."
            )
        return found

    def frame(self, indices: Sequence[int], against: Sequence[int] | None = None) -> pd.DataFrame:
        """The rows of `Result.inputs`: index, unit, order and labels of prompts (of pairs, those that both share)."""
        rows: list[dict[str, Any]] = []
        for at, index in enumerate(indices):
            prompt = self.prompts[index]
            row: dict[str, Any] = {"prompt": index}
            labels: Mapping[str, Any] = prompt.labels
            if against is not None:
                other = self.prompts[against[at]].labels
                row["against"] = against[at]
                labels = {name: value for name, value in labels.items() if other.get(name) == value}
            row |= {"unit": prompt.row, "template": prompt.template, "order": prompt.order}
            for name, value in labels.items():
                row[_free(name, (*RESERVED, *(other for other in labels if other != name)))] = value
            rows.append(row)
        return pd.DataFrame(rows)

    def filled(self, index: int, text: Any) -> Any:
        """An answer for a prompt: labels in braces are replaced by the prompt's (" {io}"); anything else stays as it is."""
        if not isinstance(text, str) or "{" not in text:
            return text
        labels = {name: str(value) for name, value in self.prompts[index].labels.items()}
        try:
            return text.format_map(labels)
        except (KeyError, ValueError, IndexError) as error:
            raise InputError(
                f"{text!r:.80} names a label that prompt {index} does not have; it has {', '.join(labels) or 'none'}."
            ) from error

    def _text(self, prompt: Prompt) -> Any:
        return prompt.text if prompt.random is None else random_ids(handle_of(self.model), prompt.random)


def without_clashes(result: Result) -> Result:
    """The result, with the prefix `label_` before labels that have the name of one of its values or cells."""
    taken = {*result.values, *result.summaries, *map(str, result.cells.columns)}
    labels = [str(name) for name in result.inputs.columns]
    names = {name: _free(name, (*taken, *(other for other in labels if other != name))) for name in labels}
    return replace(result, inputs=result.inputs.rename(columns=names))


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name = f"label_{name}"
    return name


class _Progress:
    """Counts prompts for an observer, and passes only its cancellation on to the passes themselves."""

    def __init__(self, observer: Observer | None, total: int) -> None:
        self._observer = observer
        self._done, self._total = 0, total
        self.within: Observer | None = None if observer is None else _OnlyCancels(observer)

    def advance(self) -> None:
        """One more prompt is done."""
        self._done += 1
        if self._observer is not None:
            self._observer.layer(self._done, self._total)
            if self._observer.cancelled():
                raise CancelledError("The study was canceled.")


@dataclass(frozen=True)
class _OnlyCancels:
    observer: Observer

    def layer(self, done: int, total: int) -> None:
        """Nothing: a study counts prompts."""

    def cancelled(self) -> bool:
        """Whether the study is cancelled."""
        return self.observer.cancelled()


def progress_of(observer: Observer | None, total: int) -> _Progress:
    """A counter of prompts for questions that do not go through `traces`."""
    return _Progress(observer, total)


def _shown(prompt: Prompt) -> str:
    return (
        repr(prompt)
        if prompt.text is None
        else f'"{prompt.text if len(prompt.text) <= 60 else f"{prompt.text[:59]}…"}"'
    )
