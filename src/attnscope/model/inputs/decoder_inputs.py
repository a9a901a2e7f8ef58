"""The target side of an encoder-decoder model: what its decoder reads.

A target text is tokenized the way the tokenizer does it for targets and shifted right by one, as in training: the decoder reads
its start token and the target without the last token, and predicts the next target token at each position. Token ids are passed
to the decoder unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, StoppingCriteriaList

from attnscope.capture import accepted, prepared
from attnscope.errors import AttnscopeError, CancelledError, InputError, MissingError, UnsupportedError
from attnscope.model.hf.context_length import side_limits
from attnscope.model.hf.module_info import input_device
from attnscope.model.inputs.model_inputs import ModelInputs, require_text
from attnscope.model.inputs.special_token_warnings import doubled_special_tokens
from attnscope.model.inputs.tensors import with_padding
from attnscope.model.inputs.tokens import Reader
from attnscope.model.inputs.vocabularies import target_ids
from attnscope.types import Observer

Target = str | Sequence[int] | Mapping[str, Any]

_DECODER = "decoder_input_ids"
_NEW_TOKENS = 20
"""What `generate` uses if a generation config states no length."""

_TARGET_INPUTS = frozenset({_DECODER, "decoder_attention_mask", "labels"})

_EMPTY_TARGET = "The target has no tokens, so there is nothing for the decoder to read."


def split_target(value: Any, target: Target | None) -> tuple[Any, Target | None]:
    """Split ready inputs into those of the source and the target: `target`, or the decoder inputs among them."""
    if not isinstance(value, Mapping):
        return value, target
    inputs = cast("Mapping[str, Any]", value)
    decoder = {name: inputs[name] for name in _TARGET_INPUTS if inputs.get(name) is not None}
    if not decoder:
        return value, target
    if target is not None:
        raise InputError(f"The inputs already contain a target ({', '.join(sorted(decoder))}). Omit `target`.")
    return {name: tensor for name, tensor in inputs.items() if name not in _TARGET_INPUTS}, decoder


def with_target(
    model: nn.Module,
    tokenizer: Any,
    read: Reader,
    source: ModelInputs,
    target: Target | None,
    observer: Observer | None = None,
) -> ModelInputs:
    """Add what the decoder reads to `source`: the target, or the model's own greedy output if there is none.

    Raises `UnsupportedError` for a decoder that does not read tokens.
    """
    if not accepted(model, **{_DECODER: None}):
        raise UnsupportedError(
            f"The decoder of {type(model).__name__} does not read tokens (it takes no `decoder_input_ids`), so "
            "attnscope cannot name its positions and cannot show this model."
        )
    warnings = list(source.warnings)
    if target is None:
        written, more = greedy(model, source.inputs, tokenizer, observer)
        decoder, warnings = {_DECODER: written}, [*warnings, *more]
    else:
        decoder = _target_inputs(model, tokenizer, target)
        if isinstance(target, str):
            labels = read.all(_target_ids(tokenizer, target))
            warnings += doubled_special_tokens(labels, [target], partial(target_ids, tokenizer), "target")
    ids: list[int] = decoder[_DECODER][0].tolist()
    if not ids:
        raise InputError(_EMPTY_TARGET)
    mask = decoder.get("decoder_attention_mask")
    padding = [False] * len(ids) if mask is None or mask.ndim != 2 else (mask[0] == 0).tolist()
    return replace(
        source,
        inputs={**source.inputs, **decoder},
        warnings=warnings,
        target=target if isinstance(target, str) else None,
        target_tokens=with_padding(read.all(ids), padding),
    )


def targets_of(target: Target | Sequence[Target] | None, count: int) -> list[Target | None]:
    """The targets of a batch of `count` inputs: a list of `count` targets, or None for each."""
    if target is None:
        return [None] * count
    listed = isinstance(target, (list, tuple)) and len(target) == count
    if not listed or all(isinstance(one, int) for one in target):
        got = len(target) if isinstance(target, (list, tuple)) and not listed else f"{target!r:.60}"
        raise InputError(f"A batch of {count} inputs needs a list of {count} targets; got {got}.")
    return list(cast("Sequence[Target]", target))


def shift_right(model: nn.Module, labels: Tensor) -> Tensor:
    """What the decoder reads in order to predict `labels` [1, tokens]: its start token, then all labels but the last."""
    prepare = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    start = start_token(model)
    if prepare is None or (
        labels.shape[1] and int(labels[0, 0]) == start
    ):  # Whisper's targets begin with the start token
        begun = labels[:, 1:] if labels.shape[1] and int(labels[0, 0]) == start else labels
        first = torch.full((labels.shape[0], 1), start, dtype=torch.long)
        return torch.cat([first, begun[:, :-1].cpu()], dim=1)
    return prepare(labels)


def start_token(model: nn.Module) -> int:
    """The token that the decoder reads first. Raises `UnsupportedError` if neither of the model's configs states one."""
    for config in (getattr(model, "generation_config", None), model.config):
        for name in ("decoder_start_token_id", "bos_token_id"):
            found = getattr(config, name, None)
            if isinstance(found, int):
                return found
    raise UnsupportedError(
        f"{type(model).__name__} does not state its decoder's first token (`decoder_start_token_id`), so "
        "attnscope cannot use this target. Pass ready inputs with `decoder_input_ids`."
    )


def greedy(
    model: nn.Module, inputs: Mapping[str, Tensor], tokenizer: Any = None, observer: Observer | None = None
) -> tuple[Tensor, list[str]]:
    """What the decoder has read when the model has written its own greedy output for these inputs: [1, tokens], and warnings.

    The output is that of `generate(do_sample=False)`, with the length limits of the model's generation config, in the language
    that the tokenizer is set to (`tgt_lang`). A final end token is dropped, because nothing is predicted from it.
    """
    if not callable(getattr(model, "generate", None)):
        raise InputError(f"{type(model).__name__} cannot generate a target. Pass `target`.")

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
        # Whisper's own `generate` drops the prefix of its output.
        mixin: Any = GenerationMixin
        overridden = getattr(type(clone), "generate", None) is not mixin.generate
        prefix = {_DECODER: torch.tensor([_prefix(model, tokenizer)], device=device)} if overridden else {}
        try:
            written = mixin.generate(
                writer,
                main,
                **prefix,
                **accepted(clone, **ready),
                do_sample=False,
                num_beams=1,
                return_dict_in_generate=False,
                **_length_limit(writer.generation_config, longest),
                **_language(writer.generation_config, tokenizer),
                stopping_criteria=StoppingCriteriaList([stop]),
            )
        except AttnscopeError:
            raise
        except Exception as error:
            raise UnsupportedError(
                f"{type(model).__name__} failed to generate a target ({type(error).__name__}: {error}). Pass `target`."
            ) from error
        ends = getattr(writer.generation_config, "eos_token_id", None)
    if written.ndim != 2:
        raise UnsupportedError(
            f"{type(model).__name__} generates several tokens per position, which attnscope does not support."
        )
    found = written[:1].cpu()
    stops = set(ends if isinstance(ends, list) else [ends])
    if found.shape[1] > 1 and int(found[0, -1]) in stops:
        return found[:, :-1], []
    return found, [
        f"The model's own output was cut after {found.shape[1] - 1} tokens, the limit in its generation config. "
        "Pass `target` for a longer one."
    ]


def _prefix(model: nn.Module, tokenizer: Any) -> list[int]:
    """The first tokens of the output of a model with its own `generate`: start, language and task (Whisper)."""
    prefix: Any = getattr(tokenizer, "prefix_tokens", None)
    return list(prefix) if prefix else [start_token(model)]


def _length_limit(config: Any, longest: int | None) -> dict[str, Any]:
    """A length limit for `generate`, if the config has none or one beyond the model's positions."""
    own = getattr(config, "max_length", None)
    if own is None and getattr(config, "max_new_tokens", None) is None:
        return {"max_new_tokens": _NEW_TOKENS if longest is None else min(_NEW_TOKENS, longest - 1)}
    return {"max_length": longest} if longest is not None and isinstance(own, int) and own > longest else {}


def _language(config: Any, tokenizer: Any) -> dict[str, Any]:
    """The first token of the output that tells a multilingual model which language to write, as a `generate` option."""
    language = getattr(tokenizer, "tgt_lang", None)
    if not isinstance(language, str) or getattr(config, "forced_bos_token_id", None) is not None:
        return {}
    of_language = getattr(tokenizer, "get_lang_id", None)
    ident = of_language(language) if callable(of_language) else tokenizer.convert_tokens_to_ids(language)
    known = isinstance(ident, int) and ident != getattr(tokenizer, "unk_token_id", None)
    return {"forced_bos_token_id": ident} if known else {}


def _target_inputs(model: nn.Module, tokenizer: Any, target: Target) -> dict[str, Tensor]:
    if isinstance(target, str):
        return {_DECODER: shift_right(model, torch.tensor([_target_ids(tokenizer, target)], dtype=torch.long))}
    if isinstance(target, Mapping):
        if target.keys() - _TARGET_INPUTS or (_DECODER in target) == ("labels" in target):
            raise InputError(
                "A target of ready inputs must contain either `decoder_input_ids` or `labels` (and may contain "
                f"`decoder_attention_mask`); got {', '.join(sorted(map(str, target))) or 'nothing'}."
            )
        ready = {name: _row(name, value) for name, value in target.items()}
        labels = ready.pop("labels", None)
        return ready if labels is None else {**ready, _DECODER: shift_right(model, labels)}
    return {_DECODER: _row("target", target)}


def _target_ids(tokenizer: Any, target: str) -> list[int]:
    if tokenizer is None:
        raise MissingError("This model has no tokenizer, so it cannot tokenize a target text. Pass token ids.")
    require_text(target)
    return target_ids(tokenizer, target)


def _row(name: str, value: Any) -> Tensor:
    message = f"A target must be a text, a list of token ids, or a mapping of ready inputs; got {value!r:.60}."
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(message) from error
    if not tensor.ndim:
        raise InputError(message)
    tensor = tensor[None] if tensor.ndim == 1 else tensor
    if not tensor.numel():
        raise InputError(_EMPTY_TARGET)
    if tensor.ndim != 2 or tensor.shape[0] != 1 or tensor.is_floating_point() or tensor.dtype == torch.bool:
        raise InputError(
            f"`{name}` must be whole numbers [1, tokens]; got {tensor.dtype} of shape {tuple(tensor.shape)}."
        )
    return tensor.long()
