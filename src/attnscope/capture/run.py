"""One captured pass: the prepared model, the recorder in place, and the output projections found on the way."""

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
from attnscope.capture.windowed import whole_calls
from attnscope.edits.plan import Plan
from attnscope.types import Observer


@dataclass(frozen=True)
class CapturedPass:
    """What a captured pass leaves behind: its output, the calls of its attention function, and notes of its edits.

    There are no calls where the model does not go through transformers' attention interface.
    """

    output: Any
    calls: list[Capture]
    notes: tuple[str, ...]


def run_untouched(
    model: nn.Module, inputs: Mapping[str, Any], *, implementation: str | None = None, **options: Any
) -> Any:
    """The output of a plain pass without gradients, in the model's own attention implementation unless another is named.

    `options` are arguments of the forward (`output_hidden_states=True`), passed on where it knows them.
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
    """Run `model` over `inputs` without gradients, edited by `plan`, and keep what its attention was computed from.

    Settings are those of a `Recorder`; `options` are arguments of the forward, passed on where it knows them.
    """
    with prepared(model, NAME) as clone:
        recorder = Recorder(
            observer=observer, sample=sample, keep_weights=keep_weights, places=places, plan=plan, keeps=keeps
        )
        return capture_on(clone, inputs, recorder, **options)


def capture_on(
    clone: nn.Module, inputs: Mapping[str, Any], recorder: Recorder | None = None, **options: Any
) -> CapturedPass:
    """`capture` on a model that is `prepared_for_capture`, for whoever watches it with hooks."""
    recorder = recorder or Recorder()
    with capturing(clone, recorder):
        output = clone(**inputs, **pass_options(clone, **options))
    return CapturedPass(output, whole_calls(recorder.calls), tuple(recorder.notes))


def prepared_for_capture(model: nn.Module) -> AbstractContextManager[nn.Module]:
    """A clone of `model` whose attention function can be captured."""
    return prepared(model, NAME)


@contextmanager
def capturing(clone: nn.Module, recorder: Recorder) -> Generator[None]:
    """Passes of `clone` inside, without gradients, tell `recorder` of each call of the attention function."""
    recorder.names.update({id(module): name for name, module in clone.named_modules()})
    reader = _Reader(recorder)
    watched = clone.modules() if recorder.keeps else ()
    handles = [module.register_forward_pre_hook(reader, with_kwargs=True) for module in watched]
    token = ACTIVE.set(recorder)
    try:
        with torch.no_grad(), residual_edits(clone, recorder.plan, recorder.places):
            yield
    finally:
        ACTIVE.reset(token)
        for handle in handles:
            handle.remove()
        recorder.finish()
    reader.settle()


def _projects(module: nn.Module) -> bool:
    """A linear map: `nn.Linear` or one like it (Conv1D, quantized and adapted layers), with one weight matrix."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2 and not isinstance(module, nn.Embedding)


class _Reader:
    """A hook before every module that recognizes the one which reads the attention's output first: W_O.

    That is a linear map, or a module around one that takes nothing else (an adapter, say), if it is linear as a whole.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._around: nn.Module | None = None
        self._wrapped: list[tuple[Capture, nn.Module]] = []

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        output, call = self._recorder.last_output, self._recorder.last_capture
        if output is None or call is None:
            return
        given = args[0] if args and isinstance(args[0], Tensor) else None
        if not _projects(module):
            alone = len(args) == 1 and all(one is None for one in kwargs.values())
            if self._around is None and alone and given is not None and _reads(given, output):
                self._around = module
            return
        if given is not None and _reads(given, output):
            call.projection = module
            if self._around is not None and any(module is inner for inner in self._around.modules()):
                self._wrapped.append((call, self._around))
        elif given is not None and _fits(given, output):
            call.projection, call.gate = module, _factor(given, output)
        # Once only: the first linear map after the attention either reads its output (gated, maybe), or none does.
        self._recorder.last_output, self._around = None, None

    def settle(self) -> None:
        """Put wrapping modules in the place of what they wrap; where they are not linear there is no W_O."""
        for call, around in self._wrapped:
            width = call.output.shape[-1] * call.output.shape[-2]
            call.projection = around if _linear(around, width) else None


def _fits(given: Tensor, output: Tensor) -> bool:
    return given.numel() == output.numel() and given.shape[-1] == output.shape[-1] * output.shape[-2]


def _factor(given: Tensor, output: Tensor) -> Tensor:
    """`given` divided by `output`, [queries, heads, v_dim]; 0 where there is nothing to divide by."""
    whole = output[0].float()
    found = given.detach().reshape(output.shape)[0].float() / whole
    return found.masked_fill_(whole == 0, 0.0).to(given.dtype)


def _reads(given: Tensor, output: Tensor) -> bool:
    if not _fits(given, output):
        return False
    flat = output.reshape(given.shape)
    return flat.data_ptr() == given.data_ptr() or torch.equal(flat, given)


def _linear(module: nn.Module, width: int) -> bool:
    """Whether `module` is linear but for a constant, tried on two inputs and their sum."""
    parameter = next(module.parameters())
    with torch.no_grad():
        ones = torch.linspace(-1, 1, 2 * width, device=parameter.device, dtype=parameter.dtype).view(2, 1, 1, width)
        first, second = (module(one).float() for one in ones)
        both, none = module(ones.sum(0)).float(), module(torch.zeros_like(ones[0])).float()
    return bool(((both + none) - (first + second)).abs().max() <= 1e-2 * (both - none).abs().max())
