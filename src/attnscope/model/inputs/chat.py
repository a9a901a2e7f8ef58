"""A chat: a list of messages, written as one text by the tokenizer's chat template, with each token's role.

Where the last message is not the model's own, the template's generation prompt follows, so that `next` is the first token
of the answer; it has the role `assistant`. What the template adds from nowhere (a first token, a system text of its own)
has no role. Roles are found in the rendered text: a message's content is what changes there when the message has another one,
and it ends where the text of the chat up to it ends (templates that change earlier messages later: directly after its content).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from jinja2 import TemplateError

from attnscope.errors import InputError
from attnscope.model.inputs.model_inputs import ModelInputs, require_text, require_tokens
from attnscope.model.inputs.offsets import with_given
from attnscope.model.inputs.text import require_tokenizer, tokenized
from attnscope.model.inputs.tokens import Reader

Message = Mapping[str, Any]
"""`{"role": "user", "content": "…"}`; the content may also be a list of parts `{"type": "text", "text": "…"}`."""

TextOrChat = str | Sequence[Message]
"""A text, or the messages of a chat."""

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_MODEL = frozenset({"assistant", "model"})
_PROBES = ("attnscope", "Microscopy")
"""Contents without a letter in common at either end, so that what two texts share is not theirs."""


@dataclass(frozen=True)
class _Chat:
    """Messages as plain values, and the template that writes them."""

    tokenizer: Any
    messages: list[dict[str, Any]]

    def written(self, messages: Sequence[dict[str, Any]], *, prompt: bool = False) -> str | None:
        """These messages as one text; None where the template refuses them."""
        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt))
        except (TemplateError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None  # half a chat need not be one: then its end is found otherwise


def encode_chat(
    tokenizer: Any, read: Reader, given: Sequence[Message], *, max_tokens: int | None = None
) -> ModelInputs:
    """Inputs and tokens of a chat.

    Raises `InputError` where the tokenizer has no chat template, where a message is none, and where the template refuses
    the messages (for the order of their roles, say); `MissingError` without a tokenizer.
    """
    require_tokenizer(tokenizer)
    template = _template(tokenizer)
    messages = [_message(one, i, template) for i, one in enumerate(given)]
    chat = _Chat(tokenizer, messages)
    text = _rendered(chat)
    if max_tokens is not None and len(tokenizer(text, add_special_tokens=False)["input_ids"]) > max_tokens:
        raise InputError(
            "A chat is not cut, as its template would break; leave out `max_tokens` and drop messages instead."
        )
    stretches = _stretches(chat, text)
    fast = bool(getattr(tokenizer, "is_fast", False))
    encoding = tokenized(tokenizer, text, add_special_tokens=False, return_offsets_mapping=fast)
    ids: list[int] = list(encoding["input_ids"])
    require_tokens(ids)
    starts = [start for start, _ in encoding.pop("offset_mapping")] if fast else None
    roles = _roles_of_tokens(tokenizer, text, stretches, starts, len(ids))
    read_as = with_given([read(one) for one in ids], encoding, tokenizer, text)
    tokens = [replace(token, role=role) for token, role in zip(read_as, roles, strict=True)]
    inputs = {name: torch.tensor([list(value)], dtype=torch.long) for name, value in encoding.items()}
    return ModelInputs(inputs, tokens, [], text, None, messages)


def _template(tokenizer: Any) -> str:
    """The text of the chat template, of all of them where there are several."""
    template: Any = getattr(tokenizer, "chat_template", None)
    if not template:
        raise InputError("This tokenizer has no chat template, so messages cannot be written as one text; pass a text.")
    return template if isinstance(template, str) else " ".join(str(one) for one in template.values())


def _message(given: Message, index: int, template: str) -> dict[str, Any]:
    role, content = given.get("role"), given.get("content")
    if not isinstance(role, str) or not role:
        raise InputError(f"Message {index} has no role: a message is {{'role': 'user', 'content': '…'}}.")
    if role not in _ROLES and f"'{role}'" not in template and f'"{role}"' not in template:
        raise InputError(
            f"Message {index} has the role {role[:40]!r}, which this chat template does not know; roles are system, user and "
            "assistant."
        )
    require_text(_content(content, index, may_be_absent="tool_calls" in given))
    return {**given}


def _content(content: Any, index: int, *, may_be_absent: bool = False) -> str:
    """The text of a message."""
    if content is None and may_be_absent:
        return ""
    if isinstance(content, str):
        return content
    parts = cast("list[Any]", content) if isinstance(content, list) else None
    if parts is None or not all(isinstance(part, Mapping) for part in parts):
        raise InputError(f"The content of message {index} is a text; got {type(content).__name__}.")
    texts: list[str] = []
    for part in cast("list[Mapping[str, Any]]", parts):
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise InputError(
                f"Message {index} holds a part of the type {part.get('type')!r}; a chat here is text alone."
            )
        texts.append(str(part["text"]))
    return "".join(texts)


def _rendered(chat: _Chat) -> str:
    """The whole chat as one text."""
    prompt = chat.messages[-1]["role"] not in _MODEL
    try:
        text = chat.tokenizer.apply_chat_template(chat.messages, tokenize=False, add_generation_prompt=prompt)
    except Exception as error:
        said = str(error).strip().rstrip(".") or type(error).__name__
        raise InputError(f"The chat template refuses these messages: {said}.") from error
    if not isinstance(text, str):
        raise InputError(f"The chat template made {type(text).__name__} of the messages, not a text.")
    for index, message in enumerate(chat.messages):
        if isinstance(message.get("content"), list) and str(message["content"]) in text:
            raise InputError(
                f"This chat template takes no list of parts, which message {index} has: pass its content as one text."
            )
    return text


def _stretches(chat: _Chat, text: str) -> list[tuple[int, str | None]]:
    """The rendered text in stretches (end, role), in order."""
    ends: list[tuple[int, str | None]] = []
    at = 0
    for index, message in enumerate(chat.messages):
        start, end = _place(chat, index, text, at)
        if index == 0:
            ends.append((_opening(chat, text, start), None))
        prefix = chat.written(chat.messages[: index + 1])
        own = prefix is not None and text.startswith(prefix) and len(prefix) >= end
        at = len(prefix) if own and prefix is not None else end
        ends.append((at, str(message["role"])))
    if chat.messages[-1]["role"] not in _MODEL:
        last = chat.written(chat.messages)
        if last is not None and text.startswith(last):
            ends[-1] = (len(last), ends[-1][1])
            ends.append((len(text), "assistant"))
    ends.append((len(text), None))
    return ends


def _place(chat: _Chat, index: int, text: str, at: int) -> tuple[int, int]:
    """Where the content of a message begins and ends in the rendered text: what changes there when the content does.

    Where that does not show (a template that looks at the contents), it is the first place after `at` that reads so. Raises
    `InputError` for a message that the template leaves out.
    """
    prompt = chat.messages[-1]["role"] not in _MODEL
    one, other = (chat.written(_with_content(chat.messages, index, probe), prompt=prompt) for probe in _PROBES)
    if one is not None and one == other == text:
        role = chat.messages[index]["role"]
        raise InputError(f"The chat template leaves message {index} (role {role!r}) out, so it is not in the text.")
    if one is not None and other is not None:
        before = _shared(one, other)
        after = _shared(one[::-1], other[::-1])
        start, end = before, len(text) - after
        if at <= start <= end and text.startswith(one[:before]) and text.endswith(one[len(one) - after :]):
            return start, end
    content = _content(chat.messages[index].get("content"), index, may_be_absent=True).strip()
    start = max(at, text.find(content, at))
    return start, start + len(content)


def _with_content(messages: Sequence[dict[str, Any]], index: int, content: str) -> list[dict[str, Any]]:
    """The messages, one of them with another content, in the form that it had."""
    parts = isinstance(messages[index].get("content"), list)
    new = [{"type": "text", "text": content}] if parts else content
    return [{**one, "content": new} if i == index else one for i, one in enumerate(messages)]


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _opening(chat: _Chat, text: str, start: int) -> int:
    """Where the first message begins, the marks of its role included.

    Templates write system texts of their own only where none is given; the marks of another role are seen where it speaks
    a second time.
    """
    first = chat.messages[0]
    if first["role"] == "system":
        bos = getattr(chat.tokenizer, "bos_token", None) or ""
        return len(bos) if text.startswith(bos) and text.count(bos) == 1 else 0
    between = [first, {"role": "assistant", "content": _PROBES[0]}]
    before = chat.written(between)
    one, other = (chat.written([*between, {"role": first["role"], "content": probe}]) for probe in _PROBES)
    if before is not None and one is not None and other is not None and one.startswith(before):
        mark = one[len(before) : _shared(one, other)]
        if text[:start].endswith(mark):
            return start - len(mark)
    return start


def _roles_of_tokens(
    tokenizer: Any, text: str, stretches: Sequence[tuple[int, str | None]], starts: Sequence[int] | None, count: int
) -> list[str | None]:
    """The role of each token: of the stretch that it starts in."""
    if starts is not None:
        return [next((role for end, role in stretches if start < end), None) for start in starts]
    roles: list[str | None] = []  # a tokenizer that tells no positions: as many tokens as the text up to there has
    for end, role in stretches:
        reached = len(tokenizer(text[:end], add_special_tokens=False)["input_ids"])
        roles.extend([role] * (min(reached, count) - len(roles)))
    return [*roles, *[None] * (count - len(roles))]
