"""One captured pass: the prepared model, the recorder in place, and the output projections found on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.capture.function import ACTIVE
from attnscope.capture.recorder import Capture, Recorder


def capture_pass(clone: nn.Module, recorder: Recorder, inputs: Mapping[str, Any]) -> tuple[Any, list[Capture]]:
    """Run `clone(**inputs)` without gradients and return its output and the calls of its attention function.

    `clone` comes from `prepared(model, function.NAME)`. The list is empty where the model does not go through
    transformers' attention interface.
    """
    recorder.names.update({id(module): name for name, module in clone.named_modules()})
    handles = [
        module.register_forward_pre_hook(_reader_of(recorder)) for module in clone.modules() if _projects(module)
    ]
    token = ACTIVE.set(recorder)
    try:
        with torch.no_grad():
            output = clone(**inputs)
    finally:
        ACTIVE.reset(token)
        for handle in handles:
            handle.remove()
        calls = recorder.finish()
    return output, calls


def _projects(module: nn.Module) -> bool:
    """A linear map: `nn.Linear` or one like it (Conv1D, quantised and adapted layers), with one weight matrix."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2 and not isinstance(module, nn.Embedding)


def _reader_of(recorder: Recorder) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def read(module: nn.Module, args: tuple[Any, ...]) -> None:
        output = recorder.last_output
        if output is None or not args or not isinstance(args[0], Tensor):
            return
        read_ = args[0]
        # Once only: the first linear map after the attention either reads its output as it is, or none does.
        recorder.last_output = None
        if read_.numel() == output.numel() and read_.shape[-1] == output.shape[-1] * output.shape[-2]:
            flat = output.reshape(read_.shape)
            if flat.data_ptr() == read_.data_ptr() or torch.equal(flat, read_):
                recorder.calls[-1].projection = module

    return read
