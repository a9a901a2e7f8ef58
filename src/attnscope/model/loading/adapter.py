"""PEFT adapters: a directory with an adapter_config.json, which names the base model that the adapter changes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnscope.errors import DamagedError, InputError
from attnscope.model.hf.verbosity import quiet
from attnscope.model.loading.checkpoint import first_line, read_object

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG = "adapter_config.json"


def is_adapter(folder: Path) -> bool:
    """Whether a directory holds an adapter and no model of its own."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def base_of(folder: Path) -> tuple[str, str | None]:
    """The base model of an adapter (a directory or hub id) and its revision. A relative path may start at the adapter.

    Raises `DamagedError` or `InputError` if the adapter names none, or if peft is not installed.
    """
    config = read_object(folder / CONFIG)
    base, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(base, str) or not base:
        raise InputError(
            f"The adapter {str(folder)!r} does not name its base model (`base_model_name_or_path` in {CONFIG}). Load the base "
            "model, add the adapter with `peft.PeftModel.from_pretrained`, and pass the result to `attnscope.Model`."
        )
    _peft(folder, base)
    beside = folder / base
    if not Path(base).expanduser().is_dir() and not Path(base).is_absolute() and beside.is_dir():
        base = str(beside)
    return base, revision if isinstance(revision, str) else None


def with_adapter(folder: Path, base: PreTrainedModel) -> Any:
    """The base model with the adapter, in eval mode. Raises `DamagedError` if they don't fit together."""
    peft = _peft(folder, str(base.config.name_or_path))
    try:
        with quiet():
            return peft.PeftModel.from_pretrained(base, str(folder)).eval()
    except Exception as error:
        raise DamagedError(
            f"The adapter {str(folder)!r} cannot be added to its base model ({type(error).__name__}: {first_line(error)})."
        ) from error


def _peft(folder: Path, base: str) -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise InputError(
            f"The directory {str(folder)!r} contains a PEFT adapter of {base!r}. To load it, install peft: `pip install peft`."
        ) from error
