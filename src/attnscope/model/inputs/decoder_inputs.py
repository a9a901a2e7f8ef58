"""The target side of an encoder-decoder model: what its decoder is given to read.

A target text is cut up as the tokenizer does it for targets, and shifted by one to the right as in training: the decoder
reads its start token and the target without its end, and predicts at each position the next token of the target. Given token
ids are what the decoder reads, as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, StoppingCriteriaList

from attnscope.capture import accepted, prepared
from attnscope.errors import AttnscopeError, CancelledError, InputError, MissingError, UnsupportedError
from attnscope.model.hf.context_length import side_limits
from attnscope.model.hf.module_info import input_device
from attnscope.model.inputs.model_inputs import ModelInputs, require_text
from attnscope.model.inputs.tokens import Reader
from attnscope.types import Observer

Target = str | Sequence[int] | Mapping[str, Any]

_DECODER = "decoder_input_ids"
_NEW_TOKENS = 20
"""What `generate` takes where a generation config names no length."""

_OF_TARGET = frozenset({_DECODER, "decoder_attention_mask", "labels"})


def parted(given: Any, target: Target | None) -> tuple[Any, Target | None]:
    """Ready inputs without those of the decoder, and the target: `target`, or what the ready inputs hold of one."""
    if not isinstance(given, Mapping):
        return given, target
    inputs = cast("Mapping[str, Any]", given)
    own = {name: inputs[name] for name in _OF_TARGET if inputs.get(name) is not None}
    if not own:
        return given, target
    if target is not None:
        raise InputError(f"The inputs hold a target already ({', '.join(sorted(own))}); leave out `target=`.")
    return {name: value for name, value in inputs.items() if name not in _OF_TARGET}, own


def with_target(
    model: nn.Module,
    tokenizer: Any,
    read: Reader,
    source: ModelInputs,
    target: Target | None,
    observer: Observer | None = None,
) -> ModelInputs:
    """`source` with what the decoder reads: the target, or the model's own greedy output where there is none.

    Raises `UnsupportedError` for a decoder that reads no tokens.
    """
    if not accepted(model, **{_DECODER: None}):
        raise UnsupportedError(
            f"The decoder of {type(model).__name__} reads no tokens (there are no `decoder_input_ids`), so what it looks from "
            "cannot be named, and the model is not shown."
        )
    warnings = list(source.warnings)
    if target is None:
        written, more = greedy(model, source.inputs, tokenizer, observer)
        given, warnings = {_DECODER: written}, [*warnings, *more]
    else:
        given = _given(model, tokenizer, target)
    ids: list[int] = given[_DECODER][0].tolist()
    if not ids:
        raise InputError("The target has no tokens, so there is nothing for the decoder to read.")
    return replace(
        source,
        inputs={**source.inputs, **given},
        warnings=warnings,
        target=target if isinstance(target, str) else None,
        target_tokens=[read(one) for one in ids],
    )


def targets_of(target: Target | Sequence[Target] | None, count: int) -> list[Target | None]:
    """The targets of a batch of `count` inputs: a list of as many, or none."""
    if target is None:
        return [None] * count
    listed = isinstance(target, (list, tuple)) and len(target) == count
    if not listed or all(isinstance(one, int) for one in target):
        got = len(target) if isinstance(target, (list, tuple)) and not listed else f"{target!r:.60}"
        raise InputError(f"A batch of {count} inputs needs a list of {count} targets; got {got}.")
    return list(cast("Sequence[Target]", target))


def shifted(model: nn.Module, labels: Tensor) -> Tensor:
    """What the decoder reads to predict `labels` [1, tokens]: its start token first, and not their last one."""
    own = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    start = start_token(model)
    if own is None or (labels.shape[1] and int(labels[0, 0]) == start):  # Whisper's targets begin with the start token
        begun = labels[:, 1:] if labels.shape[1] and int(labels[0, 0]) == start else labels
        first = torch.full((labels.shape[0], 1), start, dtype=torch.long)
        return torch.cat([first, begun[:, :-1].cpu()], dim=1)
    return own(labels)


def start_token(model: nn.Module) -> int:
    """The token that the decoder reads first. Raises `UnsupportedError` where neither of the model's configs names one."""
    for config in (getattr(model, "generation_config", None), model.config):
        for name in ("decoder_start_token_id", "bos_token_id"):
            found = getattr(config, name, None)
            if isinstance(found, int):
                return found
    raise UnsupportedError(
        f"{type(model).__name__} does not say what its decoder reads first (`decoder_start_token_id`), so a target cannot be put "
        "in. Pass ready inputs with `decoder_input_ids`."
    )


def greedy(
    model: nn.Module, inputs: Mapping[str, Tensor], tokenizer: Any = None, observer: Observer | None = None
) -> tuple[Tensor, list[str]]:
    """What the decoder has read when the model has written its own greedy output for these inputs, [1, tokens].

    As `generate(do_sample=False)` writes it, with the lengths of the model's own generation config, in the language that the
    tokenizer is set to (`tgt_lang`). A closing end token is left out, as nothing is predicted from it.
    """
    if not callable(getattr(model, "generate", None)):
        raise InputError(f"{type(model).__name__} writes no text of its own; pass `target=`.")

    def stop(_ids: Tensor, _scores: Any, **_options: Any) -> Tensor:
        if observer is not None and observer.cancelled():
            raise CancelledError("The run was cancelled.")
        return torch.zeros(1, dtype=torch.bool)

    longest, _ = side_limits(model)["target"]
    device = input_device(model)
    ready = {name: value.to(device) for name, value in inputs.items()}
    main = ready.pop(str(getattr(model, "main_input_name", "input_ids")), None)
    with prepared(model, None) as clone, torch.no_grad():
        writer: Any = clone
        # Whisper's own way leaves out what its output begins with.
        usual: Any = GenerationMixin
        own = getattr(type(clone), "generate", None) is not usual.generate
        begun = {_DECODER: torch.tensor([_beginning(model, tokenizer)], device=device)} if own else {}
        try:
            written = usual.generate(
                writer,
                main,
                **begun,
                **accepted(clone, **ready),
                do_sample=False,
                num_beams=1,
                return_dict_in_generate=False,
                **_shorter(writer.generation_config, longest),
                **_language(writer.generation_config, tokenizer),
                stopping_criteria=StoppingCriteriaList([stop]),
            )
        except AttnscopeError:
            raise
        except Exception as error:
            raise UnsupportedError(
                f"{type(model).__name__} could not write an output of its own ({type(error).__name__}: {error}). Pass `target=`."
            ) from error
        ends = getattr(writer.generation_config, "eos_token_id", None)
    if written.ndim != 2:
        raise UnsupportedError(f"{type(model).__name__} writes several tokens at each position, which is not shown.")
    found = written[:1].cpu()
    stops = set(ends if isinstance(ends, list) else [ends])
    if found.shape[1] > 1 and int(found[0, -1]) in stops:
        return found[:, :-1], []
    return found, [
        f"The model's own output was cut after {found.shape[1] - 1} tokens, where its generation config ends it; give a target "
        "for a longer one."
    ]


def _beginning(model: nn.Module, tokenizer: Any) -> list[int]:
    """What the output of a model begins with that generates in a way of its own: start, language and task (Whisper)."""
    prefix: Any = getattr(tokenizer, "prefix_tokens", None)
    return list(prefix) if prefix else [start_token(model)]


def _shorter(config: Any, longest: int | None) -> dict[str, Any]:
    """A limit for `generate` where it has none of its own, or one beyond the model's positions."""
    own = getattr(config, "max_length", None)
    if own is None and getattr(config, "max_new_tokens", None) is None:
        return {"max_new_tokens": _NEW_TOKENS if longest is None else min(_NEW_TOKENS, longest - 1)}
    return {"max_length": longest} if longest is not None and isinstance(own, int) and own > longest else {}


def _language(config: Any, tokenizer: Any) -> dict[str, Any]:
    """What tells a model of many languages which one to write in: the token that its output has to begin with."""
    language = getattr(tokenizer, "tgt_lang", None)
    if not isinstance(language, str) or getattr(config, "forced_bos_token_id", None) is not None:
        return {}
    of_language = getattr(tokenizer, "get_lang_id", None)
    ident = of_language(language) if callable(of_language) else tokenizer.convert_tokens_to_ids(language)
    known = isinstance(ident, int) and ident != getattr(tokenizer, "unk_token_id", None)
    return {"forced_bos_token_id": ident} if known else {}


def _given(model: nn.Module, tokenizer: Any, target: Target) -> dict[str, Tensor]:
    if isinstance(target, str):
        return {_DECODER: shifted(model, torch.tensor([_target_ids(tokenizer, target)], dtype=torch.long))}
    if isinstance(target, Mapping):
        if target.keys() - _OF_TARGET or (_DECODER in target) == ("labels" in target):
            raise InputError(
                "A target of ready inputs holds either `decoder_input_ids` or `labels` (and may hold `decoder_attention_mask`); "
                f"got {', '.join(sorted(map(str, target))) or 'nothing'}."
            )
        ready = {name: _row(name, value) for name, value in target.items()}
        labels = ready.pop("labels", None)
        return ready if labels is None else {**ready, _DECODER: shifted(model, labels)}
    return {_DECODER: _row("target", target)}


def _target_ids(tokenizer: Any, target: str) -> list[int]:
    if tokenizer is None:
        raise MissingError("This model has no tokenizer, so a target text cannot be cut into tokens. Pass token ids.")
    require_text(target)
    try:
        return list(tokenizer(text_target=target, verbose=False)["input_ids"])
    except TypeError:
        return list(tokenizer(target, verbose=False)["input_ids"])


def _row(name: str, value: Any) -> Tensor:
    wanted = f"A target is a text, a list of token ids, or a mapping of ready inputs; got {value!r:.60}."
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(wanted) from error
    if not tensor.ndim:
        raise InputError(wanted)
    tensor = tensor[None] if tensor.ndim == 1 else tensor
    if not tensor.numel():
        raise InputError("The target has no tokens, so there is nothing for the decoder to read.")
    if tensor.ndim != 2 or tensor.shape[0] != 1 or tensor.is_floating_point() or tensor.dtype == torch.bool:
        raise InputError(f"`{name}` are whole numbers [1, tokens]; got {tensor.dtype} of shape {tuple(tensor.shape)}.")
    return tensor.long()
