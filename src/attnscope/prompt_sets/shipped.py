"""The sets of prompts that come with attnscope, as files of templates and rows in `data/`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from attnscope.errors import InputError
from attnscope.prompt_sets.duplicates import distinct
from attnscope.prompt_sets.expansion import crossed_values, expand, swapped_slots
from attnscope.prompt_sets.prompt import Prompt
from attnscope.prompt_sets.prompt_set import PromptSet
from attnscope.prompt_sets.table import from_rows, numbered
from attnscope.prompt_sets.template import parse

_FOLDER = resources.files("attnscope.prompt_sets") / "data"


@dataclass(frozen=True)
class Part:
    """Templates that the same rows fill. `labels` are those of all its prompts, `template_labels` those of each template."""

    templates: list[str]
    rows: list[dict[str, Any]]
    cross: dict[str, list[str]]
    swap: list[str] | None
    labels: dict[str, str]
    template_labels: list[dict[str, Any]]


def shipped_sets() -> dict[str, str]:
    """The names of all shipped sets, each with one line on what it contains."""
    return {name: _read(name)["description"] for name in _names()}


def shipped_set(name: object) -> PromptSet:
    """The shipped set of this name. Raises `InputError` for an unknown one."""
    if name not in _names():
        raise InputError(f"No shipped set is called {name!r:.80}; there are {', '.join(map(repr, _names()))}.")
    content = _read(str(name))
    prompts: list[Prompt] = []
    templates: list[str] = []
    rows = 0
    for part in content["parts"]:
        made = _prompts(Part(**part))
        prompts += [
            replace(prompt, template=prompt.template + len(templates), row=prompt.row + rows) for prompt in made
        ]
        rows = max(prompt.row for prompt in prompts) + 1
        templates += part["templates"]
    return PromptSet(prompts, templates=templates, source=f"shipped: {name}", license=content["license"])


def _prompts(part: Part) -> list[Prompt]:
    table = from_rows("the set", part.rows, numbered(len(part.rows)))
    parsed = [parse(template) for template in part.templates]
    made = distinct(expand(parsed, table, crossed_values(part.cross), swapped_slots(part.swap)), "error")
    return [
        replace(prompt, labels={**prompt.labels, **part.labels, **part.template_labels[prompt.template]})
        for prompt in made
    ]


@cache
def _names() -> tuple[str, ...]:
    return tuple(
        sorted(entry.name.removesuffix(".json") for entry in _FOLDER.iterdir() if entry.name.endswith(".json"))
    )


@cache
def _read(name: str) -> dict[str, Any]:
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
