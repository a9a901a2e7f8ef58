"""GGUF files: read the metadata, and load the weights as an ordinary float32 model of transformers.

    4 bytes   "GGUF"
    uint32    version (2 or 3), little endian
    uint64    number of tensors, then number of metadata entries
    metadata  key, type, value
    tensors   name, shape, type, offset into the data
    data      aligned to `general.alignment` (default 32)

The header is read here because that is fast (transformers takes seconds for it) and because a truncated file should not be
mistaken for an unknown architecture. The weights are read by transformers' own loader.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from attnscope.errors import DamagedError, InputError, MissingError
from attnscope.model.hf.verbosity import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MAX_STRING = 2**26
_MAX_COUNT = 2**28


@dataclass(frozen=True)
class GgufMetadata:
    """The metadata of a GGUF file. `entries` holds single values; of lists, only the length."""

    architecture: str
    title: str | None
    quantization: str | None
    entries: Mapping[str, Any]


def read_metadata(path: Path) -> GgufMetadata:
    """Read the metadata in the header of a GGUF file, and check that the file is as long as its header states.

    Raises `MissingError` if the file does not exist, `DamagedError` if it is not a complete GGUF file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            metadata, end = _read_header(file, size)
    except FileNotFoundError as error:
        raise MissingError(f"The file {str(path)!r:.300} does not exist.") from error
    except (struct.error, UnicodeDecodeError, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(
            f"The GGUF file {path.name!r:.300} is damaged: its header cannot be read. {_AGAIN}"
        ) from error
    if end > size:
        raise DamagedError(
            f"The GGUF file {path.name!r:.300} is truncated: its header describes {end:,} bytes, but it has "
            f"{size:,}. {_AGAIN}"
        )
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise DamagedError(f"The GGUF file {path.name!r:.300} does not state its architecture. {_AGAIN}")
    title = metadata.get("general.name")
    return GgufMetadata(architecture, title if isinstance(title, str) else None, _quantization(metadata), metadata)


def load_gguf(
    path: Path, *, progress: Callable[[str], None] | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the model (float32, in eval mode, without its quantization) and the tokenizer from a GGUF file.

    This takes seconds to minutes, because every weight is dequantized. `progress` is called with a short text before each step.
    Raises `MissingError`, `DamagedError`, or `InputError` if transformers cannot read this architecture from GGUF.
    """
    metadata = read_metadata(path)
    import transformers

    from attnscope.model.loading.gguf_reader import fast_reader

    def tell(text: str) -> None:
        if progress is not None:
            progress(text)

    encoder_decoder = metadata.architecture.startswith("t5") and metadata.architecture != "t5encoder"
    auto: Any = transformers.AutoModelForSeq2SeqLM if encoder_decoder else transformers.AutoModelForCausalLM
    try:
        with quiet(), fast_reader():
            tell("Reading the weights of the GGUF file")
            quantized, info = auto.from_pretrained(
                str(path.parent), gguf_file=path.name, dtype="float32", output_loading_info=True, local_files_only=True
            )
            tell("Copying the weights")
            model = _without_quantization(quantized)
            del quantized
            tell("Reading the tokenizer of the GGUF file")
            tokenizer = cast(Any, transformers.AutoTokenizer).from_pretrained(
                str(path.parent), gguf_file=path.name, local_files_only=True
            )
    except (ValueError, NotImplementedError, KeyError) as error:
        if "not supported" in str(error) or "Unknown gguf model_type" in str(error) or isinstance(error, KeyError):
            raise InputError(
                f"transformers {transformers.__version__} cannot read the architecture {metadata.architecture!r:.300} "
                "from a GGUF file. Load the original checkpoint instead (a directory with config.json and "
                "safetensors)."
            ) from error
        raise DamagedError(
            f"The GGUF file {path.name!r:.300} cannot be loaded: {_first_line(error)}. {_AGAIN}"
        ) from error
    except (RuntimeError, OSError, TypeError) as error:
        raise DamagedError(
            f"The GGUF file {path.name!r:.300} cannot be loaded: {_first_line(error)}. {_AGAIN}"
        ) from error
    missing = sorted(str(key) for key in info["missing_keys"])
    if missing:
        raise DamagedError(
            f"The GGUF file {path.name!r:.300} lacks {len(missing)} weights of the model (the first is {missing[0]})."
        )
    _fix_tokenizer(tokenizer, metadata, model)
    return model, tokenizer


def _without_quantization(quantized: PreTrainedModel) -> PreTrainedModel:
    """Copy the weights to a fresh model, because transformers does not save a model that was loaded from GGUF."""
    settings = {key: value for key, value in quantized.config.to_dict().items() if key != "quantization_config"}
    config: Any = cast(Any, type(quantized.config)).from_dict(settings)
    config.architectures = [type(quantized).__name__]
    config.name_or_path = ""
    model = type(quantized)(config)
    model.load_state_dict(quantized.state_dict(), strict=True, assign=True)
    model.tie_weights()
    model.generation_config = quantized.generation_config
    return model.eval()


def _fix_tokenizer(tokenizer: PreTrainedTokenizerBase, metadata: GgufMetadata, model: PreTrainedModel) -> None:
    """Set what transformers omits: the length limit, and that "smollm" tokenizers first split off every digit."""
    limit: Any = getattr(model.config, "max_position_embeddings", None)
    if isinstance(limit, int) and cast(Any, tokenizer).model_max_length > 10**9:
        tokenizer.model_max_length = limit
    if metadata.entries.get("tokenizer.ggml.pre") == "smollm":
        from tokenizers import pre_tokenizers

        backend: Any = cast(Any, tokenizer).backend_tokenizer
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
            ]
        )


def _quantization(metadata: Mapping[str, Any]) -> str | None:
    import gguf

    try:
        name = gguf.LlamaFileType(metadata.get("general.file_type")).name
    except ValueError:
        return None
    name = name.removeprefix("MOSTLY_").removeprefix("ALL_")
    return None if name in ("F32", "F16", "BF16") else name


def _read_header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The metadata, and the byte where the last tensor ends."""
    import gguf

    if file.read(4) != b"GGUF":
        raise DamagedError("The file is not a GGUF file: it does not begin with the letters GGUF.")
    version = _scalar(file, "I")
    if version not in (2, 3):
        raise DamagedError(f"The GGUF file has version {version}, but attnscope reads only versions 2 and 3.")
    tensors, count = _scalar(file, "Q"), _scalar(file, "Q")
    if tensors > min(size, _MAX_COUNT) or count > min(size, _MAX_COUNT):
        raise ValueError("more entries than bytes")
    metadata: dict[str, Any] = {}
    for _ in range(count):
        key = _string(file)
        metadata[key] = _value(file, _scalar(file, "I"))
    end = 0
    for _ in range(tensors):
        _string(file)
        elements = 1
        for _ in range(_scalar(file, "I")):
            elements *= _scalar(file, "Q")
        block, block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(_scalar(file, "I"))]
        end = max(end, _scalar(file, "Q") + elements // block * block_bytes)
    alignment = int(metadata.get("general.alignment", 32))
    start = -(-file.tell() // alignment) * alignment
    return metadata, start + end


def _scalar(file: BinaryIO, code: str) -> Any:
    return struct.unpack("<" + code, file.read(struct.calcsize("<" + code)))[0]


def _string(file: BinaryIO) -> str:
    length = _scalar(file, "Q")
    if length > _MAX_STRING:
        raise ValueError("a string longer than any in a header")
    data = file.read(length)
    if len(data) != length:
        raise ValueError("the header ends early")
    return data.decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    """A metadata value; of a list, only its length (vocabularies are long, and transformers reads them itself)."""
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _scalar(file, _SCALARS[kind])
    inner, length = _scalar(file, "I"), _scalar(file, "Q")
    if length > _MAX_COUNT:
        raise ValueError("a list longer than any in a header")
    if inner in (_STRING, _ARRAY):
        for _ in range(length):
            _value(file, inner)
    else:
        expected = length * struct.calcsize("<" + _SCALARS[inner])
        if len(file.read(expected)) != expected:
            raise ValueError("the header ends early")
    return length


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]


_AGAIN = "Download it again."
