"""What a model looks like to the attention interface, found out by running it once over a few tokens.

No table of architectures: the probe shows which modules compute attention and in which order, whether they look back only,
and whether the capturing pass gives the same hidden states as an untouched one. It runs once per model.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from attnscope.attention import LayerRecord
from attnscope.capture import Capture, Recorder, capture_pass, prepared
from attnscope.capture.function import NAME
from attnscope.errors import AttnscopeError, RefusedError
from attnscope.model.limits import position_limit
from attnscope.model.rotary import TOKENS, kept_angles, rotary_of
from attnscope.trace.certificate import TOLERANCE
from attnscope.types import LayerShape, Rotary

Route = Literal["interface", "reported"]

_LOG = logging.getLogger(__name__)

_PROBE_TOKENS = 6

_ATTENDING = frozenset({"attention", "full_attention", "sliding_attention", "chunked_attention", "hybrid"})
"""What configs of hybrid models call a layer that has attention."""


@dataclass(frozen=True)
class Anatomy:
    """`route` is `interface` where attention goes through transformers' attention interface, else `reported`.

    `numbers[i]` is the model's own layer number of the i-th call of the attention function; `shapes` is by layer number.
    `hidden_states` is the difference of the capturing (or reporting) pass from an untouched one. `projections` are the paths
    of the output projections (W_O) by layer number, None where no module reads the attention directly. `rotary` is how q and k
    turn, by layer number, with the `angles` that the model kept then: it holds for texts that leave them as they are.
    """

    route: Route
    stack: Literal["encoder", "decoder"]
    numbers: tuple[int, ...]
    shapes: tuple[LayerShape | None, ...]
    hidden_states: float | None
    projections: tuple[str | None, ...] = ()
    rotary: tuple[Rotary | None, ...] = ()
    angles: tuple[tuple[float, ...], ...] = ()


def probe(model: nn.Module) -> Anatomy:
    """Run `model` over a few tokens, captured and untouched. Raises `RefusedError` where it cannot be shown exactly."""
    config: Any = model.config
    if getattr(config, "is_encoder_decoder", False):
        raise RefusedError(
            f"{type(model).__name__} is an encoder-decoder model; attnscope shows encoders and decoders, not yet both in one."
        )
    inputs = {"input_ids": _probe_ids(config).to(input_device(model))}
    untouched = _untouched(model, inputs)
    with prepared(model, NAME) as clone:
        recorder = Recorder(names={})
        options = accepted(clone, use_cache=False, output_hidden_states=True, return_dict=True)
        try:
            captured, calls = capture_pass(clone, recorder, {**inputs, **options})
        except AttnscopeError:
            raise
        except Exception:
            if recorder.calls:
                raise
            # Attention of its own, which cannot do with the interface's masks (MPT): shown, if at all, as it reports it.
            _LOG.info("The first look at %s could not capture anything.", type(model).__name__, exc_info=True)
            captured, calls = None, []
        rotary = _rotary(clone, config, calls) if calls else []
        angles = kept_angles(clone)
    if not calls:
        return _reported(model, inputs, untouched)
    error = hidden_difference(untouched, captured)
    tolerance = TOLERANCE.get(first_dtype(model), 1e-4)
    if error is not None and not error <= tolerance:
        raise RefusedError(
            f"{type(model).__name__} computes something else when its attention is captured (its hidden states differ by "
            f"{error:.2g}), so what would be shown is not what it does."
        )
    numbers = layer_numbers(calls, config)
    return Anatomy(
        route="interface",
        stack="decoder" if any(call.causal for call in calls) else "encoder",
        numbers=numbers,
        shapes=tuple(
            record.shape if record else None
            for record in by_layer(numbers, [c.record for c in calls], len(_kinds(config)))
        ),
        hidden_states=error,
        projections=tuple(by_layer(numbers, [_path(recorder, call.projection) for call in calls], len(_kinds(config)))),
        rotary=tuple(by_layer(numbers, rotary, len(_kinds(config)))),
        angles=angles,
    )


def _rotary(clone: nn.Module, config: Any, calls: Sequence[Capture]) -> list[Rotary | None]:
    """How q and k turn in each call, seen in a pass over more tokens."""
    tokens = min(TOKENS, position_limit(clone)[0] or TOKENS)
    inputs = {"input_ids": _probe_ids(config, tokens).to(input_device(clone))}
    return rotary_of(clone, {**inputs, **accepted(clone, use_cache=False, return_dict=True)}, calls)


def _untouched(model: nn.Module, inputs: Mapping[str, Tensor]) -> Any:
    with prepared(model, None) as clone:
        options = accepted(clone, use_cache=False, output_hidden_states=True, return_dict=True)
        try:
            with torch.no_grad():
                return clone(**inputs, **options)
        except Exception as error:
            raise RefusedError(
                f"{type(model).__name__} does not run over {_PROBE_TOKENS} plain token ids, which is how a model is looked at "
                f"first ({type(error).__name__}: {error})."
            ) from error


def _path(recorder: Recorder, module: nn.Module | None) -> str | None:
    return None if module is None else recorder.names[id(module)]


def _reported(model: nn.Module, inputs: Mapping[str, Tensor], untouched: Any) -> Anatomy:
    weights, error = reported_weights(model, inputs, untouched)
    shapes = tuple(None if one is None else LayerShape(one.shape[0], one.shape[0], 0, 0) for one in weights)
    present = [one for one in weights if one is not None]
    causal = all(not bool(one.triu(1).any()) for one in present)
    return Anatomy("reported", "decoder" if causal else "encoder", tuple(range(len(weights))), shapes, error)


def reported_weights(
    model: nn.Module, inputs: Mapping[str, Any], untouched: Any
) -> tuple[list[Tensor | None], float | None]:
    """The weights [heads, queries, keys] that a model's own eager implementation reports, by layer, and part (a) for them.

    Part (a) is the difference of that pass's hidden states from those of `untouched`, the output of an untouched pass.
    Raises `RefusedError` where the model reports nothing, or computes something else while it reports.
    """
    with prepared(model, "eager") as clone, torch.no_grad():
        options = accepted(clone, use_cache=False, return_dict=True, output_hidden_states=True, output_attentions=True)
        output = clone(**inputs, **options)
    weights: Sequence[Tensor | None] | None = getattr(output, "attentions", None)
    if not weights or all(one is None for one in weights):
        raise RefusedError(
            f"{type(model).__name__} neither goes through transformers' attention interface nor reports attention weights, "
            "so there is nothing that could be shown."
        )
    error = hidden_difference(untouched, output)
    if error is not None and not error <= TOLERANCE.get(first_dtype(model), 1e-4):
        raise RefusedError(
            f"{type(model).__name__} computes something else while it reports its attention weights (its hidden states "
            f"differ by {error:.2g}), so they are not shown."
        )
    length = inputs["input_ids"].shape[1]
    return [None if one is None else _token_by_token(model, one, length) for one in weights], error


def _token_by_token(model: nn.Module, reported: Any, length: int) -> Tensor:
    """What a model reports for one layer as weights [heads, queries, keys]. Raises `RefusedError` where it is something else.

    Sparse, pooled and hashed attention is reported by offset, block or bucket: no matrix of tokens by tokens.
    """
    shape = tuple(reported.shape) if isinstance(reported, Tensor) else type(reported).__name__
    if not isinstance(reported, Tensor) or reported.ndim != 4 or reported.shape[2:] != (length, length):
        raise RefusedError(
            f"{type(model).__name__} reports attention of shape {shape} for {length} tokens, which are no weights of every token "
            "for every token, so it is not shown."
        )
    weights = reported[0].float().cpu()
    slack = TOLERANCE.get(first_dtype(model), 1e-4)
    if not bool((weights >= -slack).all() and (weights.sum(-1) <= 1 + slack).all()):
        raise RefusedError(
            f"{type(model).__name__} reports attention whose rows are no distributions over the tokens, so it is not shown."
        )
    return weights


def first_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the first floating-point parameter."""
    return next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), torch.float32)


def hidden_difference(first: Any, second: Any) -> float | None:
    """Largest difference of two outputs' hidden states (or logits) as a part of the largest value; None without any."""
    pairs = list(zip(_states(first), _states(second), strict=True))
    if not pairs:
        return None
    errors = [relative(one, other) for one, other in pairs]
    return max(errors)


def relative(one: Tensor, other: Tensor) -> float:
    """max |one - other| / max |one|, in float32."""
    one, other = one.float(), other.float()
    scale = float(one.abs().max()) if one.numel() else 0.0
    difference = float((one - other).abs().max()) if one.numel() else 0.0
    return difference / scale if scale > 0 else difference


def _states(output: Any) -> list[Tensor]:
    states = getattr(output, "hidden_states", None)
    if states:
        return [state for state in states if isinstance(state, Tensor)]
    found = [getattr(output, name, None) for name in ("last_hidden_state", "logits")]
    return [state for state in found if isinstance(state, Tensor)]


def input_device(model: nn.Module) -> torch.device:
    """Where a model wants its inputs: where its first weight is, or where accelerate brings it for the pass."""
    for module in model.modules():
        hook = getattr(module, "_hf_hook", None)
        execution = getattr(hook, "execution_device", None)
        if execution is not None:
            return torch.device(execution)
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def vocabulary_size(model: nn.Module) -> int | None:
    """How many token ids the model has an embedding for; None where it has no table of them (characters, hashes)."""
    try:
        embeddings: Any = model.get_input_embeddings()  # pyright: ignore[reportCallIssue]
    except (AttributeError, NotImplementedError):
        return None
    return getattr(embeddings, "num_embeddings", None)


def accepted(model: nn.Module, **options: Any) -> dict[str, Any]:
    """Those of `options` that the model's forward names."""
    names = inspect.signature(model.forward).parameters
    open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in names.values())
    general = {"output_attentions", "output_hidden_states", "return_dict"}
    return {name: value for name, value in options.items() if name in names or (open_ended and name in general)}


def layer_numbers(calls: Sequence[Capture], config: Any) -> tuple[int, ...]:
    """The model's own layer numbers, else the order of the calls (ALBERT runs one module for all its layers).

    They are known where the config of a hybrid model lists as many layers with attention, or the modules carry them in order.
    """
    kinds = _kinds(config)
    attending = [i for i, kind in enumerate(kinds) if kind in _ATTENDING]
    if len(attending) == len(calls) < len(kinds):
        return tuple(attending)
    own = [getattr(call.module, "layer_idx", None) for call in calls]
    numbers = [one for one in own if isinstance(one, int)]
    if len(numbers) == len(calls) and all(a < b for a, b in pairwise(numbers)):
        return tuple(numbers)
    return tuple(range(len(calls)))


def by_layer(numbers: Sequence[int], values: Sequence[Any], depth: int) -> list[Any]:
    """Values of calls as a list by layer number, None where a layer has no attention."""
    placed: list[LayerRecord | None] = [None] * max(depth, max(numbers, default=-1) + 1)
    for number, value in zip(numbers, values, strict=True):
        placed[number] = value
    return placed


def _kinds(config: Any) -> list[str]:
    """The kind of every layer of a hybrid model, those without attention included; none where its config lists none."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return [str(kind) for kind in getattr(text, "layer_types", None) or getattr(text, "layers_block_type", None) or ()]


def _probe_ids(config: Any, count: int = _PROBE_TOKENS) -> Tensor:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    vocabulary = int(getattr(text, "vocab_size", 0) or 0)
    if vocabulary < 2:
        raise RefusedError("This model's config names no vocabulary of tokens, so no text can be traced with it.")
    avoid = {getattr(text, name, None) for name in ("pad_token_id", "eos_token_id", "bos_token_id")}
    ids = [one for one in range(min(vocabulary, 64)) if one not in avoid] or [0]
    return torch.tensor([[ids[(5 + i) % len(ids)] for i in range(count)]])
