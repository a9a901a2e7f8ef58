"""GGUF files that were converted before: a folder for each content, which loads in a moment.

    <cache>/gguf/<sha256>-<format>-<transformers version>/    config.json, model.safetensors, tokenizer files, attnscope.json
    <cache>/gguf/.part-…/                                     in progress; renamed in one step

A file is converted once, whatever its name, and again if its content or transformers changes. All folders together take at most
`LIMIT` bytes: those that were not used for longest are removed. The cache is a convenience: a failure to write it is a warning.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attnscope.errors import AttnscopeError
from attnscope.model.hf.verbosity import quiet
from attnscope.model.loading.checkpoint import Origin, load_config, load_model, load_tokenizer
from attnscope.model.loading.gguf import load_gguf, read_metadata
from attnscope.model.loading.packaged import NOTE, cache_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]

LIMIT = 16 * 10**9
"""The most bytes that all converted files may take."""

_FORMAT = 1  # increase it if existing folders have to be created again
_STALE = 24 * 3600
"""Unfinished folders older than this many seconds were left by a process that died."""


def load_converted(path: Path, *, progress: Callable[[str], None] | None = None) -> Loaded:
    """The model (float32, in eval mode) and the tokenizer of a GGUF file, from the cache if it was converted before.

    Raises what `load_gguf` raises. `progress` is called with a short text before each step.
    """
    import transformers

    tell = progress or _silent
    read_metadata(path)  # raises for a file that is missing or damaged
    tell("Reading the GGUF file")
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    folder = cache_folder() / "gguf" / f"{content}-{_FORMAT}-{transformers.__version__}"
    if _is_ready(folder):
        try:
            found = _load(folder)
        except AttnscopeError:  # damaged: it is converted again
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with suppress(OSError):  # a cache that can only be read
                (folder / NOTE).touch()
            return found
    model, tokenizer = load_gguf(path, progress=tell)
    tell("Keeping the converted model")
    try:
        _keep(folder, model, tokenizer)
    except OSError as error:
        warnings.warn(
            f"The converted model cannot be kept in {str(folder.parent)!r} ({error.strerror or error}), so {path.name!r} is "
            "converted again the next time. Set ATTNSCOPE_CACHE to a writable folder with enough space.",
            stacklevel=2,
        )
    return model, tokenizer


def _load(folder: Path) -> Loaded:
    import torch

    origin = Origin(str(folder), local=True)
    config = load_config(origin)
    model, tokenizer = load_model(origin, config, torch.float32), load_tokenizer(origin)
    cast(Any, model).config.name_or_path = ""
    return model, tokenizer


def _keep(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write the folder under a temporary name and rename it. A model that the cache has no room for is not kept."""
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    if size > LIMIT:
        return
    root = folder.parent
    root.mkdir(parents=True, exist_ok=True)
    _make_room(root, size)
    if shutil.disk_usage(root).free < 2 * size:
        raise OSError(f"less than {2 * size / 1e6:.0f} MB are free")
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=root))
    try:
        with quiet():
            cast(Any, model).save_pretrained(part)
            cast(Any, tokenizer).save_pretrained(part)
        if not _same(part, model, tokenizer):
            return  # what transformers saves is not what it loaded
        files = {path.name: path.stat().st_size for path in sorted(part.iterdir())}
        (part / NOTE).write_text(json.dumps({"format": _FORMAT, "files": files}, indent=2) + "\n", "utf-8")
        if folder.exists() and not _is_ready(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():  # else another process was faster
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _same(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the saved model and tokenizer are those that were saved."""
    import torch

    saved, saved_tokenizer = _load(folder)
    before, after = model.state_dict(), saved.state_dict()
    weights = before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    text = "The quick, brown fox: naïve 北京 12345\n\tif x != 0:  return 'é'"
    own, other = (cast(Any, one)(text)["input_ids"] for one in (tokenizer, saved_tokenizer))
    special = cast(Any, tokenizer).all_special_ids == cast(Any, saved_tokenizer).all_special_ids
    return weights and type(model) is type(saved) and own == other and special


def _is_ready(folder: Path) -> bool:
    """Whether a folder is complete: it has a note, and every file that the note lists has its size."""
    try:
        note = json.loads((folder / NOTE).read_text("utf-8"))
        files = cast("dict[str, int]", note["files"])
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _make_room(root: Path, size: int) -> None:
    """Remove the folders that were not used for longest until one of `size` bytes fits, and what dead processes left."""
    for part in root.glob(".part-*"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE:
                shutil.rmtree(part, ignore_errors=True)
    kept: list[tuple[float, int, Path]] = []
    for folder in root.iterdir():
        with suppress(OSError):
            used = (folder / NOTE).stat().st_mtime
            kept.append((used, sum(file.stat().st_size for file in folder.iterdir()), folder))
    total = sum(bytes_ for _, bytes_, _ in kept)
    for _, bytes_, folder in sorted(kept):
        if total + size <= LIMIT:
            return
        shutil.rmtree(folder, ignore_errors=True)
        total -= bytes_


def _silent(text: str) -> None:
    del text
