"""A chat: a list of messages that the tokenizer's chat template renders as one text, with a role for each token.

If the last message is not the model's, the template's generation prompt follows, so that `next` is the first token of the
answer; its tokens have the role `assistant`. Tokens that the template adds by itself (a first token, a default system text)
have no role. Roles are found in the rendered text: the content of a message is whatever changes there when its content is
replaced, and the message ends where the rendering of the chat up to it ends. If the template changes earlier messages later on,
the message ends directly after its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from jinja2 import TemplateError

from attnscope.errors import InputError
from attnscope.model.inputs.model_inputs import ModelInputs, require_text, require_tokens
from attnscope.model.inputs.offsets import with_source_text
from attnscope.model.inputs.text import require_tokenizer, tokenize
from attnscope.model.inputs.tokens import Reader

Message = Mapping[str, Any]
"""`{"role": "user", "content": "…"}`; the content may also be a list of parts `{"type": "text", "text": "…"}`."""

TextOrChat = str | Sequence[Message]
"""A text, or the messages of a chat."""

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_MODEL_ROLES = frozenset({"assistant", "model"})
_PROBES = ("attnscope", "Microscopy")
"""Contents that share no letter at either end, so that whatever two renderings share is not part of the contents."""


@dataclass(frozen=True)
class _Chat:
    """Messages as plain values, and the tokenizer whose template renders them."""

    tokenizer: Any
    messages: list[dict[str, Any]]

    def rendered(self, messages: Sequence[dict[str, Any]], *, prompt: bool = False) -> str | None:
        """Render these messages as one text; None if the template rejects them."""
        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt))
        except (TemplateError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None  # part of a chat need not be valid; then its end is found in another way


def encode_chat(
    tokenizer: Any, read: Reader, messages: Sequence[Message], *, max_tokens: int | None = None
) -> ModelInputs:
    """Encode a chat, and return its inputs and tokens.

    Raises `InputError` if the tokenizer has no chat template, if a message is invalid, or if the template rejects the messages
    (for the order of their roles, for example); `MissingError` without a tokenizer.
    """
    require_tokenizer(tokenizer)
    template = _template(tokenizer)
    checked = [_message(one, i, template) for i, one in enumerate(messages)]
    chat = _Chat(tokenizer, checked)
    text = _rendered(chat)
    require_text(text)
    if max_tokens is not None and len(tokenizer(text, add_special_tokens=False)["input_ids"]) > max_tokens:
        raise InputError(
            "A chat cannot be cut, because that would break its template. Omit `max_tokens`, and remove "
            "messages instead."
        )
    segments = _segments(chat, text)
    fast = bool(getattr(tokenizer, "is_fast", False))
    encoding = tokenize(tokenizer, text, add_special_tokens=False, return_offsets_mapping=fast)
    ids: list[int] = list(encoding["input_ids"])
    require_tokens(ids)
    starts = [start for start, _ in encoding.pop("offset_mapping")] if fast else None
    roles = _roles_of_tokens(tokenizer, text, segments, starts, len(ids))
    readable = with_source_text([read(one) for one in ids], encoding, tokenizer, text)
    tokens = [replace(token, role=role) for token, role in zip(readable, roles, strict=True)]
    inputs = {name: torch.tensor([list(value)], dtype=torch.long) for name, value in encoding.items()}
    return ModelInputs(inputs, tokens, [], text, None, checked)


def _template(tokenizer: Any) -> str:
    """The chat template as text; if there are several, all of them."""
    template: Any = getattr(tokenizer, "chat_template", None)
    if not template:
        raise InputError("This tokenizer has no chat template, so it cannot render messages. Pass a text instead.")
    return template if isinstance(template, str) else " ".join(str(one) for one in template.values())


def _message(message: Message, index: int, template: str) -> dict[str, Any]:
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not role:
        raise InputError(f"Message {index} has no role. A message must be {{'role': 'user', 'content': '…'}}.")
    if role not in _ROLES and f"'{role}'" not in template and f'"{role}"' not in template:
        raise InputError(
            f"Message {index} has the role {role[:40]!r:.300}, which this chat template does not use. Common roles are "
            "system, user and assistant."
        )
    require_text(_content(content, index, may_be_absent="tool_calls" in message))
    return {**message}


def _content(content: Any, index: int, *, may_be_absent: bool = False) -> str:
    """The text of a message."""
    if content is None and may_be_absent:
        return ""
    if isinstance(content, str):
        return content
    parts = cast("list[Any]", content) if isinstance(content, list) else None
    if parts is None or not all(isinstance(part, Mapping) for part in parts):
        raise InputError(f"The content of message {index} must be a text; got {type(content).__name__}.")
    texts: list[str] = []
    for part in cast("list[Mapping[str, Any]]", parts):
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise InputError(
                f"Message {index} contains a part of type {part.get('type')!r:.300}, but attnscope supports only "
                "text in chats."
            )
        texts.append(str(part["text"]))
    return "".join(texts)


def _rendered(chat: _Chat) -> str:
    """Render the whole chat as one text."""
    prompt = chat.messages[-1]["role"] not in _MODEL_ROLES
    try:
        text = chat.tokenizer.apply_chat_template(chat.messages, tokenize=False, add_generation_prompt=prompt)
    except Exception as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise InputError(f"The chat template rejects these messages: {reason}.") from error
    if not isinstance(text, str):
        raise InputError(f"The chat template returned {type(text).__name__} instead of a text.")
    for index, message in enumerate(chat.messages):
        if isinstance(message.get("content"), list) and str(message["content"]) in text:
            raise InputError(
                f"The content of message {index} is a list of parts, which this chat template does not "
                "support. Pass it as one text."
            )
    return text


def _segments(chat: _Chat, text: str) -> list[tuple[int, str | None]]:
    """The rendered text as segments (end, role), in order."""
    ends: list[tuple[int, str | None]] = []
    at = 0
    for index, message in enumerate(chat.messages):
        start, end = _content_span(chat, index, text, at)
        if index == 0:
            ends.append((_first_message_start(chat, text, start), None))
        prefix = chat.rendered(chat.messages[: index + 1])
        own = prefix is not None and text.startswith(prefix) and len(prefix) >= end
        at = len(prefix) if own and prefix is not None else end
        ends.append((at, str(message["role"])))
    if chat.messages[-1]["role"] not in _MODEL_ROLES:
        last = chat.rendered(chat.messages)
        if last is not None and text.startswith(last):
            ends[-1] = (len(last), ends[-1][1])
            ends.append((len(text), "assistant"))
    ends.append((len(text), None))
    return ends


def _content_span(chat: _Chat, index: int, text: str, at: int) -> tuple[int, int]:
    """Where the content of a message begins and ends in the rendered text: the part that changes with the content.

    If that is unclear (a template that inspects the contents), the first occurrence after `at` counts. Raises `InputError` for
    a message that the template omits.
    """
    prompt = chat.messages[-1]["role"] not in _MODEL_ROLES
    one, other = (chat.rendered(_with_content(chat.messages, index, probe), prompt=prompt) for probe in _PROBES)
    if one is not None and one == other == text:
        role = chat.messages[index]["role"]
        raise InputError(
            f"The chat template omits message {index} (role {role!r:.300}), so it does not appear in the text."
        )
    if one is not None and other is not None:
        before = _common_prefix(one, other)
        after = _common_prefix(one[::-1], other[::-1])
        start, end = before, len(text) - after
        if at <= start <= end and text.startswith(one[:before]) and text.endswith(one[len(one) - after :]):
            return start, end
    content = _content(chat.messages[index].get("content"), index, may_be_absent=True).strip()
    start = max(at, text.find(content, at))
    return start, start + len(content)


def _with_content(messages: Sequence[dict[str, Any]], index: int, content: str) -> list[dict[str, Any]]:
    """The messages with the content of one replaced, in the same form."""
    parts = isinstance(messages[index].get("content"), list)
    new = [{"type": "text", "text": content}] if parts else content
    return [{**one, "content": new} if i == index else one for i, one in enumerate(messages)]


def _common_prefix(one: str, other: str) -> int:
    """The number of leading characters that two texts share."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _first_message_start(chat: _Chat, text: str, start: int) -> int:
    """Where the first message begins, including the markers of its role.

    Templates add their own system text only if there is no system message. The markers of another role become visible when that
    role speaks a second time.
    """
    first = chat.messages[0]
    if first["role"] == "system":
        bos = getattr(chat.tokenizer, "bos_token", None) or ""
        return len(bos) if text.startswith(bos) and text.count(bos) == 1 else 0
    between = [first, {"role": "assistant", "content": _PROBES[0]}]
    before = chat.rendered(between)
    one, other = (chat.rendered([*between, {"role": first["role"], "content": probe}]) for probe in _PROBES)
    if before is not None and one is not None and other is not None and one.startswith(before):
        mark = one[len(before) : _common_prefix(one, other)]
        if text[:start].endswith(mark):
            return start - len(mark)
    return start


def _roles_of_tokens(
    tokenizer: Any, text: str, segments: Sequence[tuple[int, str | None]], starts: Sequence[int] | None, count: int
) -> list[str | None]:
    """The role of each token: that of the segment in which it starts."""
    if starts is not None:
        return [next((role for end, role in segments if start < end), None) for start in starts]
    # without character positions: count the tokens of the text up to the end of each segment
    roles: list[str | None] = []
    for end, role in segments:
        reached = len(tokenizer(text[:end], add_special_tokens=False)["input_ids"])
        roles.extend([role] * (min(reached, count) - len(roles)))
    return [*roles, *[None] * (count - len(roles))]
