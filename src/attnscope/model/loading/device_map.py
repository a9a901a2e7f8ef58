"""Where a model's weights go while it loads, and how they are stored there: device maps, offloading, quantization."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attnscope.errors import InputError

DeviceMap = str | int | Mapping[str, Any]


@dataclass(frozen=True)
class Placement:
    """The requested placement; with all fields None, the whole model goes to the CPU as stored in the checkpoint.

    `device_map` and `quantization_config` are passed to transformers' `from_pretrained`; `offload_folder` is the folder for
    weights that a device map sends to "disk".
    """

    device_map: DeviceMap | None = None
    quantization_config: Any = None
    offload_folder: str | os.PathLike[str] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments for `from_pretrained`."""
        arguments = {
            "device_map": dict(self.device_map) if isinstance(self.device_map, Mapping) else self.device_map,
            "quantization_config": self.quantization_config,
            "offload_folder": None if self.offload_folder is None else os.fspath(self.offload_folder),
        }
        return {name: value for name, value in arguments.items() if value is not None}

    def check(self, *, device: object, gguf: bool) -> None:
        """Raise `InputError` for options that exclude each other."""
        if device is not None and self.device_map is not None:
            raise InputError(
                "`device` moves the whole model and `device_map` spreads it over devices. Pass only one of them."
            )
        if device is not None and self.quantization_config is not None:
            raise InputError("A quantized model is placed while it loads. Pass `device_map` instead of `device`.")
        if gguf and self.options:
            raise InputError(
                f"A .gguf file is converted to float32 weights when it loads, so {', '.join(self.options)} has no "
                "effect. Omit it."
            )
