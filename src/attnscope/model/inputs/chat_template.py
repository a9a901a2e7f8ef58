"""Render chat messages with a tokenizer's chat template, within a budget.

A chat template is a program that comes with a model. transformers runs it in a Jinja sandbox, which keeps it from files and
attributes, but not from loops that never end or texts that fill the memory. Here it also has a budget of computing time, of the
sizes of its values and of its output, and an observer can cancel it. A single operation cannot be interrupted, so the two
operators with which a single one explodes are refused: `**`, and `*` other than by a small number.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from jinja2 import Environment, TemplateSyntaxError
from jinja2.exceptions import TemplateError
from jinja2.utils import Namespace

from attnscope.errors import CancelledError, InputError
from attnscope.types import Observer

__all__ = ["ChatTemplate"]

SECONDS = 10.0
"""Computing time of all renderings of one chat."""
SECONDS_PER_MESSAGE = 0.01
"""What each message adds to it."""
_LARGEST_VALUE = 2**22
"""Characters of a text, or items of a list, that a template may hold in one variable, beyond those of the messages."""
_LARGEST_FACTOR = 64
"""The largest number by which a template may multiply."""
_QUOTED = 300
"""How many characters of a template's own error message are shown."""
_STRIDE = 64
"""Lines between two looks at the clock."""
_COMPILED = "<template>"
"""The file name of compiled Jinja templates."""


class _BudgetError(Exception):
    """A template took too long, or made a value that is too large."""


@dataclass
class ChatTemplate:
    """The chat template of a tokenizer, for the renderings of one chat: they share the budget; an observer can cancel them."""

    tokenizer: Any
    observer: Observer | None = None
    used: float = 0.0
    """Computing time that the renderings took so far, seconds."""

    @property
    def source(self) -> str:
        """The template's source code; if there are several templates, all of them.

        Raises `InputError` if there is none, or if it contains an operation that the budget cannot bound.
        """
        template: Any = getattr(self.tokenizer, "chat_template", None)
        if not template:
            raise InputError("This tokenizer has no chat template, so it cannot render messages. Pass a text instead.")
        source = template if isinstance(template, str) else " ".join(str(one) for one in template.values())
        _refuse_unbounded_operators(source)
        return source

    def render(self, messages: Sequence[dict[str, Any]], *, prompt: bool = False, continued: bool = False) -> str:
        """The text of these messages.

        `prompt` adds the generation prompt; `continued` ends the text within the last message. Raises `InputError` with the
        template's own reason if it rejects the messages, or if it exceeds the budget; `CancelledError`.
        """
        options = {"add_generation_prompt": prompt} | ({"continue_final_message": True} if continued else {})
        seconds = SECONDS + SECONDS_PER_MESSAGE * len(messages) - self.used
        budget = _Budget(self.observer, seconds, _LARGEST_VALUE + _size(messages))
        began = time.thread_time()
        try:
            text = budget.run(lambda: self.tokenizer.apply_chat_template(messages, tokenize=False, **options))
        except CancelledError:
            raise
        except _BudgetError as error:
            raise InputError(f"The chat template of this model {error}. Pass a text instead of messages.") from error
        except MemoryError as error:
            raise InputError(
                "The chat template of this model needs more memory than there is. Pass a text instead of messages."
            ) from error
        except Exception as error:
            raise InputError(f"The chat template rejects these messages: {_reason(error)}.") from error
        finally:
            self.used += time.thread_time() - began
        if not isinstance(text, str):
            raise InputError(f"The chat template returned {type(text).__name__} instead of a text.")
        return text

    def try_render(self, messages: Sequence[dict[str, Any]], *, prompt: bool = False) -> str | None:
        """The text of these messages, or None if the template rejects them: part of a chat need not be valid."""
        try:
            return self.render(messages, prompt=prompt)
        except InputError as error:
            if isinstance(error.__cause__, (_BudgetError, MemoryError)):
                raise
            return None


class _Budget:
    """Runs a function, and ends it when its template exceeds the computing time or the sizes allowed, or is cancelled."""

    def __init__(self, observer: Observer | None, seconds: float, largest: int) -> None:
        self._observer = observer
        self._seconds = seconds
        self._largest = largest
        self._output = 0
        self._lines = 0
        self._end = 0.0

    def run(self, function: Callable[[], Any]) -> Any:
        self._check_cancelled()
        self._end = time.thread_time() + self._seconds
        before = sys.gettrace()
        sys.settrace(self._on_call)
        try:
            return function()
        finally:
            sys.settrace(before)

    def _on_call(self, frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any] | None:
        return self._on_template if frame.f_code.co_filename == _COMPILED else self._on_line

    def _on_line(self, _frame: FrameType, _event: str, _arg: Any) -> Callable[..., Any]:
        self._lines += 1
        if self._lines % _STRIDE == 0:
            if time.thread_time() > self._end:
                raise _BudgetError("takes too long")
            self._check_cancelled()
        return self._on_line

    def _on_template(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        """A line of the template itself: its variables are checked too. "return" is also the event of each piece of output."""
        if event == "return" and isinstance(arg, str):
            self._output += len(arg)
            if self._output > self._largest:
                raise _BudgetError(f"writes more than {self._largest:,} characters")
        if any(_size_of(value) > self._largest for value in frame.f_locals.values()):
            raise _BudgetError(f"makes a value of more than {self._largest:,} characters or items")
        self._on_line(frame, event, arg)
        return self._on_template

    def _check_cancelled(self) -> None:
        if self._observer is not None and self._observer.cancelled():
            raise CancelledError("The chat was not rendered, because the work was cancelled.")


def _size_of(value: Any) -> int:
    """The length of a text or list, or the largest of a Jinja namespace; of a whole number, its digits in bits."""
    if isinstance(value, (str, list, tuple, dict)):
        return len(value)
    if isinstance(value, int):
        return value.bit_length()
    if isinstance(value, Namespace):
        held: dict[str, Any] = value._Namespace__attrs  # pyright: ignore[reportAttributeAccessIssue]
        return max(map(_size_of, held.values()), default=0)
    return 0


def _size(messages: Sequence[dict[str, Any]]) -> int:
    """About how many characters a rendering of these messages may have, with repetitions."""
    return 16 * sum(64 + len(str(value)) for message in messages for value in message.values())


def _reason(error: Exception) -> str:
    """The first line of an error's message, shortened."""
    line = str(error).strip().partition("\n")[0].strip().rstrip(".") or type(error).__name__
    return line if len(line) <= _QUOTED else f"{line[:_QUOTED]}…"


def _refuse_unbounded_operators(source: str) -> None:
    """Raise `InputError` for `**` as a power, and for `*` unless one side is a small number or both are constants."""
    try:
        tokens = [(kind, text) for _, kind, text in Environment(autoescape=True).lex(source) if kind != "whitespace"]
    except (TemplateSyntaxError, TemplateError):
        return  # rendering reports it
    for at, (kind, text) in enumerate(tokens):
        if kind != "operator" or text not in ("*", "**"):
            continue
        before, after = tokens[at - 1], tokens[at + 1] if at + 1 < len(tokens) else ("", "")
        if before == ("operator", "(") or before == ("operator", ","):
            continue  # arguments are unpacked
        sides = (before, after)
        if text == "*" and any(_is_small(side) for side in sides):
            continue
        what = "powers (`**`)" if text == "**" else f"products (`*`) other than by a number up to {_LARGEST_FACTOR}"
        raise InputError(
            f"The chat template of this model computes {what}, which can take unlimited time and memory, so it is not "
            "run. Pass a text instead of messages."
        )


def _is_small(token: tuple[str, str]) -> bool:
    kind, text = token
    return kind == "integer" and len(text) < 9 and text.isdecimal() and int(text) <= _LARGEST_FACTOR
