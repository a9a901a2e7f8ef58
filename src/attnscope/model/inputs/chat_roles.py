"""The role of each token of a chat: where each message begins and ends in the rendered text.

The chat is rendered a second time with a mark in the place of each content. The pieces of template text between the marks
then show where each content begins and ends in the original rendering. A message ends where the rendering of the chat up to it
ends; that is found once for all messages whose roles and following template text are the same. So the number of renderings does
not grow with the number of messages, except for templates that change the contents: there, a content is whatever changes in the
text when it is replaced, for a limited number of messages, and after that it ends where the template's own text goes on.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from attnscope.errors import InputError
from attnscope.model.inputs.chat_template import ChatTemplate

__all__ = ["Segment", "roles_of_tokens", "segments"]

Segment = tuple[int, str | None]
"""Where a segment of the rendered text ends, and the role of its tokens."""

_PROBES = ("attnscope", "Microscopy")
"""Contents that share no letter at either end, so that whatever two renderings share is not part of the contents."""
_MARK = "90817263{:07}36271809"
"""Digits, which no template changes."""
_MARKS = re.compile(r"90817263(\d{7})36271809")
_PROBED = 24
"""Of how many messages a content that the template changes is replaced to find it, with two renderings each."""
_PREFIXES = 48
"""Of how many kinds of message the end is found, with a rendering each."""


def segments(template: ChatTemplate, messages: Sequence[dict[str, Any]], text: str, *, prompt: bool) -> list[Segment]:
    """The rendered text as segments, in order. `prompt`: whether the generation prompt follows the last message.

    Raises `InputError` for a message that the template omits.
    """
    return _Chat(template, messages, text, prompt).segments()


@dataclass
class _Chat:
    """A chat and its rendered text."""

    template: ChatTemplate
    messages: Sequence[dict[str, Any]]
    text: str
    prompt: bool
    probed: int = 0
    """How many contents were replaced to find them."""
    lengths: dict[tuple[str, str | None, str], int] = field(default_factory=dict)
    """How much of the template's text after a content belongs to its message: by its role, the next role, and that text."""

    def segments(self) -> list[Segment]:
        """The segments of the messages, and what precedes and follows them."""
        spans = self._spans()
        ends: list[Segment] = [(self._first_message_start(spans[0][0]), None)]
        starts = [start for start, _ in spans[1:]] + [len(self.text)]
        for index, ((_, end), following) in enumerate(zip(spans, starts, strict=True)):
            ends.append((end + self._closing(index, end, following), str(self.messages[index]["role"])))
        if self.prompt:
            last = self.template.try_render(self.messages)
            if last is not None and self.text.startswith(last):
                ends[-1] = (len(last), ends[-1][1])
                ends.append((len(self.text), "assistant"))
        ends.append((len(self.text), None))
        return ends

    def _spans(self) -> list[tuple[int, int]]:
        """Where the content of each message begins and ends in the text."""
        between = self._between()
        found: list[tuple[int, int]] = []
        at = 0
        for index in range(len(self.messages)):
            span = self._unchanged_span(index, at, between) or self._changed_span(index, at, between)
            found.append(span)
            at = span[1]
        return found

    def _between(self) -> dict[int, tuple[str, str]]:
        """The template's text before and after the content of each message, where the template shows each content once."""
        marked = [with_content(one, _MARK.format(index)) for index, one in enumerate(self.messages)]
        skeleton = self.template.try_render(marked, prompt=self.prompt)
        if skeleton is None:
            return {}
        marks = list(_MARKS.finditer(skeleton))
        if [int(mark[1]) for mark in marks] != list(range(len(self.messages))):
            return {}
        edges = [0, *(edge for mark in marks for edge in mark.span()), len(skeleton)]
        texts = [skeleton[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
        return {index: (before, after) for index, (before, after) in enumerate(pairwise(texts))}

    def _unchanged_span(self, index: int, at: int, between: dict[int, tuple[str, str]]) -> tuple[int, int] | None:
        """The content's span, if the text continues at `at` as the marked rendering does; None where that is not certain."""
        if index not in between:
            return None
        before, after = between[index]
        if not self.text.startswith(before, at):
            return None
        start = at + len(before)
        content = content_text(self.messages[index].get("content"))
        for shown in (content, content.strip(), content.rstrip(), content.lstrip()):
            end = start + len(shown)
            fits = self.text.startswith(shown, start) and self.text.startswith(after, end)
            if fits and (index < len(self.messages) - 1 or end + len(after) == len(self.text)):
                return start, end
        return None

    def _changed_span(self, index: int, at: int, between: dict[int, tuple[str, str]]) -> tuple[int, int]:
        """The span of a content that the template shows changed."""
        found = self._probed_span(index, at) if self.probed < _PROBED else None
        if found is not None:
            return found
        before, after = between.get(index, ("", ""))
        start = at + len(before)
        end = self.text.find(after, start) if after else -1
        if end >= 0 and self.text.startswith(before, at):
            return start, end
        content = content_text(self.messages[index].get("content")).strip()
        start = max(at, self.text.find(content, at))
        return start, start + len(content)

    def _probed_span(self, index: int, at: int) -> tuple[int, int] | None:
        """The content's span as the part of the text that changes with the content; None if that is unclear."""
        self.probed += 1
        replaced = (self._with_probe(index, probe) for probe in _PROBES)
        one, other = (self.template.try_render(messages, prompt=self.prompt) for messages in replaced)
        if one is not None and one == other == self.text:
            role = self.messages[index]["role"]
            raise InputError(
                f"The chat template omits message {index} (role {role!r}), so it does not appear in the text."
            )
        if one is not None and other is not None:
            before = _common_prefix(one, other)
            after = _common_prefix(one[::-1], other[::-1])
            start, end = before, len(self.text) - after
            same = self.text.startswith(one[:before]) and self.text.endswith(one[len(one) - after :])
            if at <= start <= end and same:
                return start, end
        return None

    def _closing(self, index: int, end: int, following: int) -> int:
        """How many characters after the content of a message belong to it, up to where the next content begins."""
        roles = [str(one["role"]) for one in self.messages[index : index + 2]]
        key = (roles[0], roles[1] if len(roles) > 1 else None, self.text[end:following])
        if key not in self.lengths:
            known = len(self.lengths) < _PREFIXES
            prefix = self.template.try_render(self.messages[: index + 1]) if known else None
            own = prefix is not None and self.text.startswith(prefix) and end <= len(prefix) <= following
            self.lengths[key] = len(prefix) - end if own and prefix is not None else 0
        return self.lengths[key]

    def _first_message_start(self, start: int) -> int:
        """Where the first message begins, including the markers of its role.

        Templates add their own system text only if there is no system message. The markers of another role become visible when
        that role speaks a second time.
        """
        first = self.messages[0]
        if first["role"] == "system":
            bos = getattr(self.template.tokenizer, "bos_token", None) or ""
            return len(bos) if self.text.startswith(bos) and self.text.count(bos) == 1 else 0
        between = [first, {"role": "assistant", "content": _PROBES[0]}]
        before = self.template.try_render(between)
        again = ([*between, {"role": first["role"], "content": probe}] for probe in _PROBES)
        one, other = (self.template.try_render(messages) for messages in again)
        if before is not None and one is not None and other is not None and one.startswith(before):
            mark = one[len(before) : _common_prefix(one, other)]
            if self.text[:start].endswith(mark):
                return start - len(mark)
        return start

    def _with_probe(self, index: int, content: str) -> list[dict[str, Any]]:
        """The messages with the content of one replaced."""
        return [with_content(one, content) if at == index else one for at, one in enumerate(self.messages)]


def with_content(message: dict[str, Any], content: str) -> dict[str, Any]:
    """The message with another content, in the same form."""
    parts = isinstance(message.get("content"), list)
    return {**message, "content": [{"type": "text", "text": content}] if parts else content}


def content_text(content: Any) -> str:
    """The text of a content that was checked: a text, parts, or nothing."""
    if isinstance(content, list):
        return "".join(str(part["text"]) for part in content)
    return content or ""


def _common_prefix(one: str, other: str) -> int:
    """The number of leading characters that two texts share."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def roles_of_tokens(
    text: str, found: Sequence[Segment], starts: Sequence[int] | None, count: int, length_of: Callable[[str], int]
) -> list[str | None]:
    """The role of each token: that of the segment in which it starts.

    `starts` has the characters at which the tokens start, if they are known. Without them, the tokens that each segment adds to
    the one before it are counted; `length_of` is the number of tokens of a text.
    """
    if starts is not None:
        ends = [end for end, _ in found]
        roles = [role for _, role in found]
        at = (bisect_right(ends, start) for start in starts)
        return [roles[one] if one < len(roles) else None for one in at]
    counted: list[str | None] = []
    before = begin = 0
    for end, role in found:
        counted.extend([role] * (length_of(text[before:end]) - length_of(text[before:begin])))
        before, begin = (begin, end) if end > begin else (before, begin)
    return [*counted[:count], *[None] * (count - len(counted))]
