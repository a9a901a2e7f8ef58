"""Load a checkpoint with transformers, with clear error messages and never with made-up weights."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from attnscope.errors import AttnscopeError, DamagedError, InputError, MissingError, UnreachableError
from attnscope.model.hf.verbosity import quiet
from attnscope.model.loading.device_map import Placement
from attnscope.model.loading.hub import INSTEAD

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Kind = Literal["encoder", "decoder", "encoder-decoder"]

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class Origin:
    """Where a checkpoint is: a directory or a hub id, and whether only local files may be used."""

    source: str
    local: bool
    trust_remote_code: bool = False
    revision: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments for `from_pretrained`."""
        return {
            "trust_remote_code": self.trust_remote_code,
            "revision": self.revision,
            "local_files_only": self.local,
        }


def check_folder(folder: Path) -> None:
    """Raise `MissingError` or `DamagedError` unless the folder holds a complete checkpoint."""
    config = folder / "config.json"
    if not config.is_file():
        ggufs = sorted(path.name for path in folder.glob("*.gguf"))
        if ggufs:
            raise MissingError(f"The directory {str(folder)!r} has no config.json. Load its file {ggufs[0]!r} instead.")
        raise MissingError(
            f"The directory {str(folder)!r:.300} has no config.json. A model directory is what `save_pretrained` writes."
        )
    read_object(config)
    found = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise MissingError(
            f"The directory {str(folder)!r:.300} has a config.json but no weights ({_WEIGHTS[0]}, for example)."
        )
    if found.suffix != ".json":
        files = [found]
    else:
        shards = read_object(found).get("weight_map")
        if not isinstance(shards, dict):
            raise DamagedError(f"The file {str(found)!r:.300} is damaged: it has no weight_map.")
        files = [folder / str(name) for name in sorted({str(name) for name in cast("dict[str, Any]", shards).values()})]
    for file in files:
        if not file.is_file():
            raise MissingError(
                f"The file {file.name!r:.300} is missing from the directory {str(folder)!r:.300}, although the index of the "
                "checkpoint lists it."
            )
        if file.suffix == ".safetensors":
            _check_safetensors(file)


def load_config(origin: Origin) -> PreTrainedConfig:
    """The config of a checkpoint. Raises an `AttnscopeError` with the reason if it cannot be loaded."""
    import transformers

    try:
        with quiet():
            return cast(Any, transformers.AutoConfig).from_pretrained(origin.source, **origin.options)
    except Exception as error:
        raise _explained(origin, error, what="config.json") from error


def load_model(
    origin: Origin, config: PreTrainedConfig, dtype: torch.dtype | Literal["auto"], placement: Placement | None = None
) -> PreTrainedModel:
    """The model, in eval mode, in the class that its config states, with every weight from the checkpoint."""
    placed = {} if placement is None else placement.options
    missing: list[str] = []
    try:
        with quiet():
            for loader in _loaders(origin, config):
                model, info = loader.from_pretrained(
                    origin.source, config=config, dtype=dtype, output_loading_info=True, **placed, **origin.options
                )
                missing = sorted(str(key) for key in info["missing_keys"])
                if missing and all(key.startswith("pooler.") for key in missing) and hasattr(model, "pooler"):
                    model.pooler, missing = None, []  # the checkpoint has none, and attention does not depend on it
                if not missing:
                    return model.eval()
    except AttnscopeError:
        raise
    except Exception as error:
        if placed and not isinstance(error, ImportError | OSError):
            named = " and ".join(f"`{name}`" for name in placed)
            raise InputError(
                f"{origin.source!r:.300} cannot be loaded with this {named}: {first_line(error)}."
            ) from error
        raise _explained(origin, error, what="model") from error
    raise DamagedError(
        f"The checkpoint {origin.source!r:.300} lacks {len(missing)} weights that its config.json requires (the first "
        f"is {missing[0]}), and attnscope does not show made-up weights."
    )


def load_tokenizer(origin: Origin) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint. Raises `MissingError` if it has none, `DamagedError` if it is broken."""
    import transformers

    source = origin.source
    try:
        with quiet():
            tokenizer = cast(Any, transformers.AutoTokenizer).from_pretrained(source, **origin.options)
    except Exception as error:
        if not _is_damage(error) and (not Path(source).is_dir() or not _tokenizer_files(Path(source))):
            failure = _explained(origin, error, what="tokenizer")
            specific = isinstance(failure, UnreachableError | InputError)
            raise (failure if specific else _no_tokenizer(source)) from error
        raise DamagedError(f"The tokenizer of {source!r:.300} is damaged: {first_line(error)}.") from error
    # without any file, some tokenizer classes load with special tokens only
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise _no_tokenizer(source)
    return tokenizer


def has_tokenizer(folder: Path) -> bool:
    """Whether a directory holds the files of a tokenizer."""
    return bool(_tokenizer_files(folder))


def load_processor(origin: Origin, config: PreTrainedConfig) -> Any:
    """The processor of a model that reads images, otherwise its tokenizer.

    None for an image-only model without an image processor; its images are then resized plainly, with a warning.
    """
    import transformers

    alone = hasattr(config, "num_channels") and not getattr(config, "vocab_size", None)
    if not alone and getattr(config, "vision_config", None) is None:
        return load_tokenizer(origin)
    kind: Any = transformers.AutoImageProcessor if alone else transformers.AutoProcessor
    try:
        with quiet():
            return kind.from_pretrained(origin.source, **origin.options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        if _is_damage(error):
            raise DamagedError(f"The processor of {origin.source!r:.300} is damaged: {first_line(error)}.") from error
        return None if alone else load_tokenizer(origin)


def kind_of(model: PreTrainedModel) -> Kind:
    """Whether the model is an encoder, a decoder or both."""
    from transformers.models.auto import modeling_auto

    config: Any = model.config
    name = type(model).__name__
    if getattr(config, "is_encoder_decoder", False):
        return "encoder-decoder"
    if name.endswith(("ForCausalLM", "LMHeadModel")) or getattr(config, "is_decoder", False):
        return "decoder"
    if config.model_type in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    generates = config.model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or model.can_generate()
    return "decoder" if generates else "encoder"


def _loaders(origin: Origin, config: PreTrainedConfig) -> list[Any]:
    """The classes to try, best first: the one that the config states, and the base model without a head."""
    import transformers
    from transformers.models.auto import modeling_auto

    remote = cast("dict[str, Any]", getattr(config, "auto_map", None) or {})
    heads = ("AutoModelForCausalLM", "AutoModelForMaskedLM", "AutoModelForSeq2SeqLM", "AutoModel")
    if origin.trust_remote_code and remote:
        return [getattr(transformers, head) for head in heads if head in remote] or [transformers.AutoModel]
    names = config.architectures or []
    named: Any = getattr(transformers, names[0], None) if names else None
    masked = config.model_type in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if named is not None and not (masked and names[0].endswith("ForPreTraining")):
        return [named, transformers.AutoModel]
    if named is None and names and "AutoModel" in " ".join(remote):
        raise InputError(_needs_trust(origin.source))
    if masked:  # ELECTRA's discriminator has no masked language modeling head, so its own class is next
        stated = [] if named is None else [named]
        return [transformers.AutoModelForMaskedLM, *stated, transformers.AutoModel]
    if config.model_type in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return [transformers.AutoModelForSeq2SeqLM, transformers.AutoModel]
    if config.model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return [transformers.AutoModelForCausalLM, transformers.AutoModel]
    return [transformers.AutoModel]


def _explained(origin: Origin, error: Exception, *, what: str) -> AttnscopeError:
    """Turn an error of transformers, the hub's client or torch into one of attnscope's errors."""
    chain = _chain(error)
    return (
        _hub_error(origin, chain, what)
        or _config_error(origin.source, chain)
        or _weights_error(origin.source, chain)
        or DamagedError(f"The {what} of {origin.source!r} cannot be loaded: {first_line(error)}.")
    )


def _hub_error(origin: Origin, chain: list[BaseException], what: str) -> AttnscopeError | None:
    from huggingface_hub import errors as hub

    source = origin.source
    text = " ".join(map(str, chain))
    if _has(chain, hub.GatedRepoError):
        return MissingError(
            f"{source!r:.300} is gated. Request access on its page on the hub and log in with `hf auth login`. {INSTEAD}"
        )
    if _has(chain, hub.RevisionNotFoundError):
        return MissingError(f"{source!r:.300} has no revision {origin.revision!r:.300} on the hub.")
    if _has(chain, hub.RepositoryNotFoundError):
        return MissingError(
            f"The model {source!r:.300} does not exist on the hub (a private model needs `hf auth login`). {INSTEAD}"
        )
    if origin.local and _has(chain, hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled):
        return UnreachableError(
            f"The hub's cache on this machine contains {source!r:.300} only in part (no {what}), and the hub cannot be "
            f"reached. {INSTEAD}"
        )
    if _has(chain, ConnectionError, TimeoutError, hub.LocalEntryNotFoundError) or "ConnectionError" in text:
        return UnreachableError(f"The model hub stopped answering while {source!r:.300} was loading. {INSTEAD}")
    return None


def _config_error(source: str, chain: list[BaseException]) -> AttnscopeError | None:
    import transformers

    text = " ".join(map(str, chain))
    if "trust_remote_code" in text:
        return InputError(_needs_trust(source))
    if "does not recognize this architecture" in text or "Unrecognized model" in text:
        return InputError(
            f"transformers {transformers.__version__} does not know the model type of {source!r:.300}. A newer version may."
        )
    if isinstance(chain[0], ImportError):
        return InputError(f"Loading {source!r:.300} needs a package that is not installed: {first_line(chain[0])}.")
    return None


def _weights_error(source: str, chain: list[BaseException]) -> AttnscopeError | None:
    from safetensors import SafetensorError

    text = " ".join(map(str, chain))
    if "ignore_mismatched_sizes" in text:
        return DamagedError(f"The weights of {source!r:.300} do not have the shapes that its config.json requires.")
    if _has(chain, SafetensorError):
        return DamagedError(
            f"The weights of {source!r:.300} are damaged ({first_line(chain[0])}). Download them again."
        )
    if _has(chain, pickle.UnpicklingError, EOFError) or "weights_only" in text:
        return DamagedError(
            f"The weights of {source!r:.300} are a pickle file that is damaged or contains more than tensors, so "
            "attnscope does not load it. Use a safetensors copy of the model."
        )
    if _has(chain, MemoryError):
        return AttnscopeError(f"There is not enough memory to load {source!r:.300}.")
    return None


def _has(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(error, kinds) for error in chain)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, for use inside a sentence."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).strip().rstrip(".:")[:200]


def _needs_trust(source: str) -> str:
    return (
        f"{source!r} contains its own Python code. If you trust its authors, load it with `attnscope.load(…, "
        "trust_remote_code=True)`."
    )


def _no_tokenizer(source: str) -> MissingError:
    return MissingError(
        f"{source!r:.300} has no tokenizer. Choose another with `attnscope.load(…, tokenizer=…)`, or wrap the model "
        "with `attnscope.Model(hf_model, None)` and trace lists of token ids."
    )


def _is_damage(error: Exception) -> bool:
    return isinstance(error, json.JSONDecodeError | UnicodeDecodeError)


def _tokenizer_files(folder: Path) -> list[Path]:
    names = ("tokenizer.json", "tokenizer.model", "vocab.*", "merges.txt", "spiece.model", "*.bpe.model", "tekken.json")
    return [path for name in names for path in folder.glob(name)]


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `DamagedError` if it is anything else."""
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"The file {str(file)!r:.300} is damaged: it is not JSON.") from error
    if not isinstance(value, dict):
        raise DamagedError(f"The file {str(file)!r:.300} is damaged: it is not a JSON object.")
    return cast("dict[str, Any]", value)


def _check_safetensors(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise DamagedError(
            f"The file {str(file)!r:.300} is damaged or truncated ({first_line(error)}). Download it again."
        ) from error


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found
