"""Build a tiny model of a type with random weights, and inputs that it runs on, or say why that fails."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedConfig, PreTrainedModel

from breadth.classes import candidates, config_class
from breadth.inputs import tried
from breadth.recipes import FIELDS
from breadth.shrink import shrunk, widest
from breadth.values import Inputs

MOST_PARAMETERS, MOST_CLASSES, WIDEST = 150_000_000, 3, 1300


NO_FORWARD = "its forward takes no inputs; it only generates"


class NotBuiltError(Exception):
    """No tiny model of a type could be built. The message says why."""


@dataclass(frozen=True)
class Built:
    """A model in eval mode, inputs that it runs on, and whether it computes attention at all."""

    model: PreTrainedModel
    inputs: Inputs
    attends: bool


def build(model_type: str) -> Built:
    """Build the tiny model of a type. Raises `NotBuiltError`."""
    failures: list[str] = []
    for config in _configs(model_type, failures):
        for kind in candidates(model_type, config)[:MOST_CLASSES]:
            model = _made(kind, config, failures)
            if model is None:
                continue
            before = len(failures)
            for inputs in tried(model, config):
                attends = _runs(model, inputs, failures)
                if attends is not None:
                    return Built(model, inputs, attends)
            if len(failures) == before:
                failures.append(f"{kind.__name__}{_takes_nothing(model)}")
    raise NotBuiltError(" | ".join(failures) or "no class takes its config")


def _takes_nothing(model: PreTrainedModel) -> str:
    """Why there are no inputs for a model: its forward needs arguments that we cannot make up, or takes none."""
    every = inspect.signature(model.forward).parameters.values()
    names = [repr(one.name) for one in every if one.kind is not one.VAR_POSITIONAL and one.kind is not one.VAR_KEYWORD]
    return (
        f" over nothing: missing required positional arguments: {', '.join(names[:2])}" if names else f": {NO_FORWARD}"
    )


def _configs(model_type: str, failures: list[str]) -> Iterator[PreTrainedConfig]:
    kind = config_class(model_type)
    extra = FIELDS.get(model_type, {})
    try:
        full = kind(**extra.get("whole", {}))
    except Exception as error:
        failures.append(describe_error("config", error))
        return
    for widths in (True, False):
        if not widths and widest(full) > WIDEST:
            return
        try:
            yield kind(**_merged(shrunk(full, widths=widths), extra))
        except Exception as error:
            failures.append(describe_error("small config", error))


def _merged(fields: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    merged = dict(fields)
    for name, value in extra.items():
        if name == "whole":
            continue
        merged[name] = (
            _merged(merged.get(name) or {}, value)
            if isinstance(value, dict) and isinstance(merged.get(name), dict)
            else value
        )
    return merged


def _made(kind: type[PreTrainedModel], config: PreTrainedConfig, failures: list[str]) -> PreTrainedModel | None:
    make: Any = kind._from_config  # pyright: ignore[reportPrivateUsage]  (what `AutoModel.from_config` calls)
    try:
        with torch.device("meta"):
            parameters = sum(p.numel() for p in make(copy.deepcopy(config)).parameters())
    except Exception:
        parameters = 0  # some cannot be built on the meta device; if the real attempt fails too, it says why
    if parameters > MOST_PARAMETERS:
        failures.append(f"{kind.__name__}: {parameters:,} parameters even when small")
        return None
    torch.manual_seed(0)
    try:
        model = make(copy.deepcopy(config))
    except Exception as error:
        failures.append(describe_error(f"making {kind.__name__}", error))
        return None
    louder(model)
    return model.eval()


def louder(model: PreTrainedModel) -> None:
    """Scale up the weights, so that heads differ: with the initial weights, attention is almost uniform."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (
                parameter.ndim == 2
                and "embed" not in name
                and "router" not in name
                and "gate" not in name
                and parameter.shape[0] * parameter.shape[1] < 1_000_000
            ):
                parameter.mul_(3.0)
            if name.endswith("sinks"):
                torch.nn.init.normal_(parameter, mean=1.0)


def _runs(model: PreTrainedModel, inputs: Inputs, failures: list[str]) -> bool | None:
    try:
        with torch.no_grad(), Attending() as seen:
            model(**inputs.tensors)
    except Exception as error:
        failures.append(describe_error(f"{type(model).__name__} over {inputs.kind}", error))
        return None
    return bool(seen.count)


def describe_error(what: str, error: Exception) -> str:
    """An error message on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{what}: {type(error).__name__}: {' '.join(lines)[:220]}"


class Attending(TorchDispatchMode):
    """Counts softmaxes over rows of scores, including fused ones. A model without any has no attention."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        if "scaled_dot_product" in name or ("_softmax" in name and args[0].ndim >= 3):
            self.count += 1
        return func(*args, **(kwargs or {}))
