"""A chat: a list of messages that the tokenizer's chat template renders as one text, with a role for each token.

If the last message is not the model's, the template's generation prompt follows, so that `next` is the first token of the
answer; its tokens have the role `assistant`. Tokens that the template adds by itself (a first token, a default system text)
have no role.

With `continue_final_message`, the text ends within the last message instead, for the model to continue it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch

from attnscope.errors import InputError
from attnscope.model.inputs.chat_roles import roles_of_tokens, segments
from attnscope.model.inputs.chat_template import ChatTemplate
from attnscope.model.inputs.model_inputs import ModelInputs, require_text, require_tokens
from attnscope.model.inputs.offsets import with_source_text
from attnscope.model.inputs.text import require_tokenizer, tokenize
from attnscope.model.inputs.tokens import Reader
from attnscope.types import Observer

Message = Mapping[str, Any]
"""`{"role": "user", "content": "…"}`; the content may also be a list of parts `{"type": "text", "text": "…"}`."""

TextOrChat = str | Sequence[Message]
"""A text, or the messages of a chat."""

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_MODEL_ROLES = frozenset({"assistant", "model"})


def encode_chat(
    tokenizer: Any,
    read: Reader,
    messages: Sequence[Message],
    *,
    max_tokens: int | None = None,
    continue_final_message: bool = False,
    observer: Observer | None = None,
) -> ModelInputs:
    """Encode a chat, and return its inputs and tokens.

    Raises `InputError` if the tokenizer has no chat template, if a message is invalid, or if the template rejects the messages
    (for the order of their roles, for example) or exceeds its budget; `MissingError` without a tokenizer; `CancelledError`.
    """
    require_tokenizer(tokenizer)
    template = ChatTemplate(tokenizer, observer)
    source = template.source
    checked = [_message(one, i, source) for i, one in enumerate(messages)]
    prompt = not continue_final_message and checked[-1]["role"] not in _MODEL_ROLES
    text = template.render(checked, prompt=prompt, continued=continue_final_message)
    require_text(text)
    _check_parts(checked, text)
    if max_tokens is not None and len(tokenizer(text, add_special_tokens=False)["input_ids"]) > max_tokens:
        raise InputError(
            "A chat cannot be cut, because that would break its template. Omit `max_tokens`, and remove "
            "messages instead."
        )
    whole = template.try_render(checked) if continue_final_message else None
    found = segments(template, checked, whole if whole and whole.startswith(text) else text, prompt=prompt)
    fast = bool(getattr(tokenizer, "is_fast", False))
    encoding = tokenize(tokenizer, text, add_special_tokens=False, return_offsets_mapping=fast)
    ids: list[int] = list(encoding["input_ids"])
    require_tokens(ids)
    starts = [start for start, _ in encoding.pop("offset_mapping")] if fast else None
    roles = roles_of_tokens(
        text, found, starts, len(ids), lambda part: len(tokenizer(part, add_special_tokens=False)["input_ids"])
    )
    readable = with_source_text(read.all(ids), encoding, tokenizer, text)
    tokens = [replace(token, role=role) for token, role in zip(readable, roles, strict=True)]
    inputs = {name: torch.tensor([list(value)], dtype=torch.long) for name, value in encoding.items()}
    return ModelInputs(inputs, tokens, [], text, None, checked, continue_final_message=continue_final_message)


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


def _check_parts(messages: Sequence[dict[str, Any]], text: str) -> None:
    """Raise `InputError` if the template wrote a list of parts as a list."""
    for index, message in enumerate(messages):
        if isinstance(message.get("content"), list) and str(message["content"]) in text:
            raise InputError(
                f"The content of message {index} is a list of parts, which this chat template does not "
                "support. Pass it as one text."
            )
