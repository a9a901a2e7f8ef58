"""The command-line reference: `{cli-reference}` writes what `--help` says of every command, read from the Typer app itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_QUOTED = re.compile(r"`([^`]+)`")


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Every command with its whole name and its context: `attnscope`, `attnscope demo`, …, `attnscope models get`."""
    from attnscope.cli import app

    yield from _below("attnscope", typer.main.get_command(app), None)


def _below(name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    context = command.make_context(name.split()[-1], [], parent=parent, resilient_parsing=True)
    yield name, command, context
    if hasattr(command, "list_commands"):
        for one in command.list_commands(context):
            yield from _below(f"{name} {one}", command.get_command(context, one), context)


class CliReference(SphinxDirective):
    """A section for each command: what it does, how it is called, its arguments and options."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        self.env.note_reread()
        return [self._section(name, command, context) for name, command, context in commands()]

    def _section(self, name: str, command: Any, context: Any) -> nodes.section:
        section = nodes.section(ids=[nodes.make_id(name)], names=[name])
        section += nodes.title("", "", nodes.literal("", name))
        for part in (command.help or "").strip().split("\n\n"):
            section += _paragraph(" ".join(part.split()))
        usage = context.get_usage().removeprefix("Usage: ").strip()
        section += nodes.literal_block(usage, usage, language="text")
        records = [record for one in command.params if (record := one.get_help_record(context)) is not None]
        if records:
            section += _table(records, ("Argument or option", "Meaning"))
        below = [(f"{name} {one}", command.get_command(context, one)) for one in _children(command, context)]
        if below:
            section += _table(
                [(full, one.get_short_help_str(limit=200)) for full, one in below], ("Command", "What it does")
            )
        return section


def _children(command: Any, context: Any) -> list[str]:
    return command.list_commands(context) if hasattr(command, "list_commands") else []


def _paragraph(text: str) -> nodes.paragraph:
    parts = _QUOTED.split(text)
    made = nodes.paragraph()
    made += [nodes.literal("", part) if index % 2 else nodes.Text(part) for index, part in enumerate(parts) if part]
    return made


def _table(rows: list[tuple[str, str]], titles: tuple[str, str]) -> nodes.table:
    table = nodes.table(classes=["cli"])
    group = nodes.tgroup(cols=2)
    group += [nodes.colspec(colwidth=35), nodes.colspec(colwidth=65)]
    head = nodes.row()
    head += [nodes.entry("", nodes.paragraph("", title)) for title in titles]
    group += nodes.thead("", head)
    body = nodes.tbody()
    for name, meaning in rows:
        row = nodes.row()
        row += nodes.entry("", nodes.paragraph("", "", nodes.literal("", name)))
        row += nodes.entry("", _paragraph(meaning))
        body += row
    group += body
    table += group
    return table


def setup(app: Sphinx) -> dict[str, Any]:
    """Adds the directive."""
    app.add_directive("cli-reference", CliReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
