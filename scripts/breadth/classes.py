"""Choose the class to build for a model type: one with a prediction head from transformers' tables, else any for its config."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.models.auto import modeling_auto as auto

_TO_TEXT = ("SEQ_TO_SEQ_CAUSAL_LM", "SPEECH_SEQ_2_SEQ", "IMAGE_TEXT_TO_TEXT", "PRETRAINING")
_FIRST = (
    "MASKED_LM",
    "CAUSAL_LM",
    "IMAGE_TEXT_TO_TEXT",
    "MULTIMODAL_LM",
    "SPEECH_SEQ_2_SEQ",
    "CTC",
    "ZERO_SHOT_IMAGE_CLASSIFICATION",
    "IMAGE_CLASSIFICATION",
    "MASKED_IMAGE_MODELING",
    "VIDEO_CLASSIFICATION",
    "AUDIO_CLASSIFICATION",
)


def config_class(model_type: str) -> type[PreTrainedConfig]:
    """The config class of a model type."""
    return CONFIG_MAPPING[model_type]


def candidates(model_type: str, config: PreTrainedConfig) -> list[type[PreTrainedModel]]:
    """The classes that could be built, the most informative first."""
    names = (*_TO_TEXT, *_FIRST) if getattr(config, "is_encoder_decoder", False) else _FIRST
    found = [_named(model_type, f"MODEL_FOR_{name}_MAPPING_NAMES") for name in names]
    base = _named(model_type, "MODEL_MAPPING_NAMES")
    if not any(found):
        found.append(base)
    others = [
        _named(model_type, name) for name in dir(auto) if name.startswith("MODEL_FOR_") and name.endswith("_NAMES")
    ]
    unique = list(dict.fromkeys(one for one in (*found, base, *others, *_in_module(config)) if one is not None))
    return sorted(unique, key=lambda one: not _takes(one, config))


def _takes(one: type[PreTrainedModel], config: PreTrainedConfig) -> bool:
    """Whether a class takes this config. Some tables name the class of a nested config instead."""
    return one.config_class is None or isinstance(config, one.config_class)


def _named(model_type: str, table: str) -> Any:
    import transformers

    name: Any = getattr(auto, table, {}).get(model_type)
    if isinstance(name, (tuple, list)):
        name = name[0]
    return getattr(transformers, name, None) if name else None


def _in_module(config: PreTrainedConfig) -> list[type[PreTrainedModel]]:
    """Classes in the config's package that take it. Parts of larger models are in no table."""
    package = type(config).__module__.rsplit(".", 1)[0]
    folder = Path(inspect.getfile(type(config))).parent
    found: list[type[PreTrainedModel]] = []
    for path in sorted(folder.glob("modeling_*.py")):
        try:
            module = importlib.import_module(f"{package}.{path.stem}")
        except ImportError:
            continue
        found += [
            one
            for _, one in inspect.getmembers(module, inspect.isclass)
            if issubclass(one, PreTrainedModel)
            and one.__module__ == module.__name__
            and one.config_class is type(config)
            and _runs(one)
        ]
    return found


def _runs(one: type[PreTrainedModel]) -> bool:
    return any("forward" in vars(kind) for kind in one.__mro__ if kind.__module__ == one.__module__)
