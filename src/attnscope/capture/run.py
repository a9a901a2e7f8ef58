"""Run one captured pass and find the output projections on the way."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.capture.attention_function import ACTIVE, NAME
from attnscope.capture.call_sites import Places
from attnscope.capture.pass_options import pass_options
from attnscope.capture.prepare import prepared
from attnscope.capture.recorder import Capture, Recorder
from attnscope.capture.residual_hooks import residual_edits
from attnscope.capture.virtual_tokens import virtual_tokens
from attnscope.capture.windowed import join_parts
from attnscope.edits.plan import Plan
from attnscope.types import Observer


@dataclass(frozen=True)
class CapturedPass:
    """The result of a captured pass: the model output, the calls of the attention function, and notes from edits.

    `calls` is empty if the model does not use transformers' attention interface.
    """

    output: Any
    calls: list[Capture]
    notes: tuple[str, ...]


def run_untouched(
    model: nn.Module, inputs: Mapping[str, Any], *, implementation: str | None = None, **options: Any
) -> Any:
    """Run a plain pass without gradients, in the model's own attention implementation unless you name another.

    `options` are arguments of the forward method (`output_hidden_states=True`); those it does not accept are dropped.
    """
    with prepared(model, implementation) as clone, torch.no_grad():
        return clone(**inputs, **pass_options(clone, **options))


def capture(
    model: nn.Module,
    inputs: Mapping[str, Any],
    *,
    places: Places | None = None,
    plan: Plan | None = None,
    observer: Observer | None = None,
    sample: int = 4,
    keep_weights: bool = False,
    keeps: bool = True,
    **options: Any,
) -> CapturedPass:
    """Run `model` on `inputs` without gradients, apply the edits of `plan`, and record the inputs of its attention.

    The settings are those of `Recorder`. `options` are arguments of the forward method; those it does not accept are
    dropped.
    """
    with prepared(model, NAME) as clone:
        recorder = Recorder(
            observer=observer, sample=sample, keep_weights=keep_weights, places=places, plan=plan, keeps=keeps
        )
        return capture_on(clone, inputs, recorder, **options)


def capture_on(
    clone: nn.Module, inputs: Mapping[str, Any], recorder: Recorder | None = None, **options: Any
) -> CapturedPass:
    """Do the same as `capture`, on a model from `prepared_for_capture`, so that the caller can add hooks first."""
    return capture_rows(clone, inputs, recorder or Recorder(), **options)[0]


def capture_rows(clone: nn.Module, inputs: Mapping[str, Any], recorder: Recorder, **options: Any) -> list[CapturedPass]:
    """Do the same for a batch, with one result for each of the recorder's rows. All have the output of the whole batch."""
    with capturing(clone, recorder):
        output = clone(**inputs, **pass_options(clone, **options))
    return [CapturedPass(output, join_parts(row.calls), tuple(row.notes)) for row in recorder.by_row]


def prepared_for_capture(model: nn.Module) -> AbstractContextManager[nn.Module]:
    """A context manager that yields a clone of `model` whose attention can be captured."""
    return prepared(model, NAME)


@contextmanager
def capturing(clone: nn.Module, recorder: Recorder) -> Generator[None]:
    """Inside the `with` statement, passes of `clone` report each attention call to `recorder`.

    They run without gradients, unless the recorder's tap needs them.
    """
    recorder.names.update({id(module): name for name, module in clone.named_modules()})
    virtual = virtual_tokens(clone)
    recorder.virtual = virtual.count if virtual is not None and virtual.keys_only else 0
    reader = _ProjectionFinder(recorder)
    watched = clone.modules() if recorder.keeps else ()
    handles = [module.register_forward_pre_hook(reader, with_kwargs=True) for module in watched]
    token = ACTIVE.set(recorder)
    try:
        with _gradients(recorder), residual_edits(clone, recorder.plan, recorder.places):
            yield
    finally:
        ACTIVE.reset(token)
        for handle in handles:
            handle.remove()
        recorder.finish()
    reader.settle()


@contextmanager
def _gradients(recorder: Recorder) -> Generator[None]:
    if recorder.tap is None or not recorder.tap.gradients:
        with torch.no_grad():
            yield
        return
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def _projects(module: nn.Module) -> bool:
    """Whether this is a linear map with one weight matrix: `nn.Linear` or similar (Conv1D, quantized and adapted layers)."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2 and not isinstance(module, nn.Embedding)


class _ProjectionFinder:
    """A hook before every module that finds the first linear map to read the attention output: W_O.

    That is a linear map, or a module that wraps one and takes no other input (an adapter, for example), if it is linear
    as a whole.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._around: nn.Module | None = None
        self._wrapped: list[tuple[Capture, nn.Module]] = []

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        output, call = self._recorder.last_output, self._recorder.last_capture
        if output is None or call is None:
            return
        received = args[0] if args and isinstance(args[0], Tensor) else None
        if not _projects(module):
            alone = len(args) == 1 and all(one is None for one in kwargs.values())
            if self._around is None and alone and received is not None and _reads(received, output):
                self._around = module
            return
        if received is not None and _reads(received, output):
            wrapped = self._around is not None and any(module is inner for inner in self._around.modules())
            for one in self._recorder.rows_of(call):
                one.projection = module
                if wrapped and self._around is not None:
                    self._wrapped.append((one, self._around))
        elif received is not None and _fits(received, output):
            for row, one in enumerate(self._recorder.rows_of(call)):
                one.projection, one.gate = module, _factor(received, output, row)
        # Only the first linear map after the attention counts: either it reads the output (possibly gated), or none does.
        self._recorder.last_output, self._around = None, None

    def settle(self) -> None:
        """Replace each projection by the module that wraps it; if that module is not linear, there is no W_O."""
        linear: dict[tuple[int, int], bool] = {}
        for call, around in self._wrapped:
            width = call.output.shape[-1] * call.output.shape[-2]
            if (id(around), width) not in linear:
                linear[id(around), width] = _linear(around, width)
            call.projection = around if linear[id(around), width] else None


def _fits(received: Tensor, output: Tensor) -> bool:
    return received.numel() == output.numel() and received.shape[-1] == output.shape[-1] * output.shape[-2]


def _factor(received: Tensor, output: Tensor, row: int) -> Tensor:
    """One row of `received` divided by `output`, [queries, heads, v_dim]; 0 where `output` is 0."""
    whole = output[row].float()
    found = received.detach().reshape(output.shape)[row].float() / whole
    return found.masked_fill_(whole == 0, 0.0).to(received.dtype)


def _reads(received: Tensor, output: Tensor) -> bool:
    if not _fits(received, output):
        return False
    flat = output.reshape(received.shape)
    return flat.data_ptr() == received.data_ptr() or torch.equal(flat, received)


def _linear(module: nn.Module, width: int) -> bool:
    """Whether `module` is linear up to a constant, tested on two inputs and their sum."""
    parameter = next(module.parameters())
    with torch.no_grad():
        ones = torch.linspace(-1, 1, 2 * width, device=parameter.device, dtype=parameter.dtype).view(2, 1, 1, width)
        first, second = (module(one).float() for one in ones)
        both, none = module(ones.sum(0)).float(), module(torch.zeros_like(ones[0])).float()
    return bool(((both + none) - (first + second)).abs().max() <= 1e-2 * (both - none).abs().max())
