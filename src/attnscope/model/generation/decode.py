"""Run transformers' `generate` on a clone, record it step by step, and add one step that reads the last token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from attnscope.capture import CACHES, accepted
from attnscope.capture.decode_steps import StepsRecorder
from attnscope.capture.residual_hooks import positions_before
from attnscope.errors import AttnscopeError, UnsupportedError
from attnscope.model.generation.result import GenerationSettings
from attnscope.model.generation.sampling import SamplingProcessor
from attnscope.model.hf.verbosity import quiet

OnChoice = Callable[[int, Tensor], bool]
"""Called with a new token's id and the model's logits [vocab] for its position; returns whether to stop here."""

_ONE_RUN: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "temperature": None,
    "top_k": None,
    "top_p": None,
    "cache_implementation": None,
    "prefill_chunk_size": None,
    "prompt_lookup_num_tokens": None,
    "return_dict_in_generate": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_scores": False,
    "output_logits": False,
}
"""Overrides for generation configs that would not be a single run of one step after another."""

_EVERY_STEP = frozenset(
    {
        *CACHES, "use_cache", "logits_to_keep", "return_dict", "encoder_outputs", "attention_mask", "decoder_attention_mask",
        "encoder_hidden_states", "encoder_attention_mask",
    }
)  # fmt: skip
"""Arguments that the model receives in every step; with a cache, images and the like belong to the first step only."""

_PER_POSITION = ("position_ids", "decoder_position_ids", "cache_position", "token_type_ids", "mm_token_type_ids")

_UPDATE = "_update_model_kwargs_for_generation"
"""The method of transformers that extends the inputs after each step."""


@dataclass(frozen=True)
class Run:
    """The result of a run.

    `ids` [1, tokens] are all tokens that the decoder has read: prompt and continuation. `prompt` is the number of prompt
    tokens, and `last` [vocab] are the logits for the token after the last one. `ended` says whether the last token is the
    model's end-of-text token. `grown` are the inputs of the prompt that transformers has extended to all these tokens, such as
    `attention_mask` and `token_type_ids`. `positions` [1, tokens] are the position ids that the steps passed to it, if any.
    """

    ids: Tensor
    prompt: int
    last: Tensor
    ended: bool
    grown: Mapping[str, Tensor]
    positions: Tensor | None


class Watch:
    """Hooks that announce each pass of a clone to the recorder, and keep its arguments and last logits.

    `module` is the module whose passes are the steps: the clone, or its language model if the clone's own `generate` reads
    images first and then lets the language model write (BLIP-2).
    """

    def __init__(self, clone: nn.Module, recorder: StepsRecorder) -> None:
        self.module: Any = clone
        self.called: dict[str, Any] = {}
        self.grown: dict[str, Tensor] = {}
        self.positions: list[Tensor] = []
        self.logits: Tensor | None = None
        self._recorder = recorder
        self._depth = 0
        writers = [module for module in clone.modules() if module is clone or isinstance(module, GenerationMixin)]
        self._updating: list[Any] = [module for module in writers if hasattr(module, _UPDATE)]
        for module in self._updating:
            setattr(module, _UPDATE, partial(self._update, getattr(module, _UPDATE)))
        self._handles = [
            handle
            for module in writers
            for handle in (
                module.register_forward_pre_hook(self._before, with_kwargs=True),
                module.register_forward_hook(self._after),
            )
        ]

    def _before(self, module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._recorder.begin()
            self._recorder.before = positions_before(kwargs)
            self.module, self.called = module, dict(kwargs)
            positions = kwargs.get("position_ids")
            if isinstance(positions, Tensor) and positions.ndim == 2:
                cached = self._recorder.before > 0
                self.positions = [*self.positions, positions] if cached else [positions]

    def _after(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.logits = output.logits[0, -1].detach().float().cpu()

    def _update(self, update: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run transformers' own extension of the inputs by a token, and keep its result."""
        updated = update(*args, **kwargs)
        self.grown = {name: value for name, value in updated.items() if isinstance(value, Tensor)}
        return updated

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        for module in self._updating:
            delattr(module, _UPDATE)


class _Stop(StoppingCriteria):
    def __init__(self, watch: Watch, on_choice: OnChoice) -> None:
        self._watch = watch
        self._on_choice = on_choice

    def __call__(self, input_ids: Any, scores: Any, **_options: Any) -> Any:  # noqa: ARG002 - the interface
        assert self._watch.logits is not None
        stop = self._on_choice(int(input_ids[0, -1]), self._watch.logits)
        return torch.full((input_ids.shape[0],), stop, dtype=torch.bool, device=input_ids.device)


def run_steps(
    clone: nn.Module,
    recorder: StepsRecorder,
    inputs: Mapping[str, Tensor],
    settings: GenerationSettings,
    on_choice: OnChoice,
    *,
    reads_last: bool = True,
) -> Run:
    """Generate from `inputs` on a clone, inside `capturing` if the steps are to be recorded.

    Without `reads_last`, the model does not read its last token, and the run's `last` logits are those that chose it. Raises
    `UnsupportedError` if the model's `generate` fails.
    """
    watch = Watch(clone, recorder)
    generator: Any = clone
    processors = LogitsProcessorList([] if settings.sampling is None else [SamplingProcessor(settings.sampling)])
    # a tensor, because with the number 1, models whose last layers share keys (Gemma 4) run these for one query
    keep = accepted(clone, logits_to_keep=torch.tensor([-1]))
    try:
        with quiet():
            output = generator.generate(
                **inputs,
                **keep,
                **_ONE_RUN,
                max_new_tokens=settings.max_new_tokens,
                logits_processor=processors,
                stopping_criteria=StoppingCriteriaList([_Stop(watch, on_choice)]),
            )
            ids: Tensor = output.sequences
            prompt = ids.shape[1] - (recorder.step + 1)
            writer = watch.module
            if reads_last:
                writer(**_arguments_for_last(watch.called, ids, first=recorder.step == 0))
    except AttnscopeError:
        raise
    except Exception as error:
        raise UnsupportedError(
            f"{type(clone).__name__} cannot generate text from this input ({type(error).__name__}: {error})."
        ) from error
    finally:
        watch.close()
    assert watch.logits is not None
    ends = getattr(writer.generation_config, "eos_token_id", None)
    ended = int(ids[0, -1]) in (ends if isinstance(ends, list) else [ends])
    grown = {name: watch.grown[name] for name in inputs if name in watch.grown}
    positions = torch.cat(watch.positions, dim=-1) if watch.positions else None
    return Run(ids, prompt, watch.logits, ended, grown, positions)


def _arguments_for_last(called: Mapping[str, Any], ids: Tensor, *, first: bool) -> dict[str, Any]:
    """The model's arguments for reading the last of `ids`, from those of the last pass; `first`: it was the first pass."""
    name = "decoder_input_ids" if "decoder_input_ids" in called else "input_ids"
    cached = any(called.get(key) is not None for key in CACHES)
    only = cached and first
    arguments: dict[str, Any] = {key: value for key, value in called.items() if not only or key in _EVERY_STEP}
    arguments[name] = ids[:, -1:] if cached else ids
    mask = "decoder_attention_mask" if name == "decoder_input_ids" else "attention_mask"
    if isinstance(arguments.get(mask), Tensor):
        arguments[mask] = _extended(arguments[mask], 0)
    for key in _PER_POSITION:
        value = called.get(key)
        if isinstance(value, Tensor):
            grown = _extended(value, 0 if "type" in key else 1)
            arguments[key] = grown[..., -1:] if cached else grown
    return arguments


def _extended(value: Tensor, step: int) -> Tensor:
    """Append one column: the last one plus `step`."""
    return torch.cat([value, value[..., -1:] + step], dim=-1)
