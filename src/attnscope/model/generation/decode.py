"""One run of transformers' `generate` on a clone, watched step by step, and one step more that reads the last token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from attnscope.capture import CACHES, accepted
from attnscope.capture.decode_steps import StepsRecorder
from attnscope.errors import AttnscopeError, UnsupportedError
from attnscope.model.generation.result import GenerationSettings
from attnscope.model.generation.sampling import Drawing
from attnscope.model.hf.verbosity import quiet

OnChoice = Callable[[int, Tensor], bool]
"""Told of a new token's id and the model's logits [vocab] for its place; answers whether to stop here."""

_GREEDY: dict[str, Any] = {
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
"""What a generation config may say that would be no single run of one step after another."""

_KEPT = frozenset(
    {
        *CACHES, "use_cache", "logits_to_keep", "return_dict", "encoder_outputs", "attention_mask", "decoder_attention_mask",
        "encoder_hidden_states", "encoder_attention_mask",
    }
)  # fmt: skip
"""What a model is given in every step; images and the like belong to the first."""

_LAST = ("position_ids", "decoder_position_ids", "cache_position", "token_type_ids", "mm_token_type_ids")


@dataclass(frozen=True)
class Run:
    """`ids` [1, tokens] are all that the decoder has read: prompt and continuation. `last` are its logits for what follows.

    `ended` says whether the model's own end of text came last.
    """

    ids: Tensor
    prompt: int
    last: Tensor
    ended: bool


class Watch:
    """Hooks on a clone that tell the recorder of each pass and keep how it was called and what it gave last."""

    def __init__(self, clone: nn.Module, recorder: StepsRecorder) -> None:
        self.called: dict[str, Any] = {}
        self.logits: Tensor | None = None
        self.read = 0
        self._recorder = recorder
        self._handles = [
            clone.register_forward_pre_hook(self._before, with_kwargs=True),
            clone.register_forward_hook(self._after),
        ]

    def _before(self, _module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        self._recorder.begin()
        self.called = dict(kwargs)

    def _after(self, _module: nn.Module, _args: Any, output: Any) -> None:
        self.logits = output.logits[0, -1].detach().float().cpu()

    def close(self) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()


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
) -> Run:
    """Generate from `inputs` on a clone inside `capturing`. Raises `UnsupportedError` where the model's `generate` fails."""
    watch = Watch(clone, recorder)
    generator: Any = clone
    drawing = LogitsProcessorList([] if settings.sampling is None else [Drawing(settings.sampling)])
    # As a tensor: given the number 1, models whose last layers share keys (Gemma 4) compute these for one query.
    keep = accepted(clone, logits_to_keep=torch.tensor([-1]))
    try:
        with quiet():
            output = generator.generate(
                **inputs,
                **keep,
                **_GREEDY,
                use_cache=True,
                max_new_tokens=settings.max_new_tokens,
                logits_processor=drawing,
                stopping_criteria=StoppingCriteriaList([_Stop(watch, on_choice)]),
            )
            ids: Tensor = output.sequences
            prompt = ids.shape[1] - (recorder.step + 1)
            clone(**_one_more(watch.called, ids))
    except AttnscopeError:
        raise
    except Exception as error:
        raise UnsupportedError(
            f"{type(clone).__name__} does not generate text from this input ({type(error).__name__}: {error})."
        ) from error
    finally:
        watch.close()
    assert watch.logits is not None
    ends = getattr(generator.generation_config, "eos_token_id", None)
    ended = int(ids[0, -1]) in (ends if isinstance(ends, list) else [ends])
    return Run(ids, prompt, watch.logits, ended)


def _one_more(called: Mapping[str, Any], ids: Tensor) -> dict[str, Any]:
    """How the model is called to read the last of `ids`, from how it was called for the token before."""
    name = "decoder_input_ids" if "decoder_input_ids" in called else "input_ids"
    cached = any(called.get(key) is not None for key in CACHES)
    given: dict[str, Any] = {key: value for key, value in called.items() if key in _KEPT}
    given[name] = ids[:, -1:] if cached else ids
    mask = "decoder_attention_mask" if name == "decoder_input_ids" else "attention_mask"
    if isinstance(given.get(mask), Tensor):
        given[mask] = _longer(given[mask], 0)
    for key in _LAST:
        value = called.get(key)
        if isinstance(value, Tensor):
            grown = _longer(value, 0 if "type" in key else 1)
            given[key] = grown[..., -1:] if cached else grown
    return given


def _longer(value: Tensor, step: int) -> Tensor:
    """One more column, the last one plus `step`."""
    return torch.cat([value, value[..., -1:] + step], dim=-1)
