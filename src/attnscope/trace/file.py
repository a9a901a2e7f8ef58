"""Trace files in safetensors format, which takes a few lines to read and cannot execute code.

    metadata  one entry, "attnscope": a JSON object with `format`, `id`, tokens, stacks, provenance, certificate …
    tensors   "<stack>.<layer>.<part>" for every record, "<stack>.<layer>.projection" with `weights=True`, "input.<name>",
              "image.<index>" (a PNG or JPEG file)

`id` is a hash of the content, verified when the file is opened. A file is first written to a temporary file in the same folder
and then renamed, so a failed write never leaves a partial trace.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from attnscope.attention import Bias, LayerRecord, Mask, Overrides, QKRecord, WeightsRecord
from attnscope.errors import AttnscopeError, DamagedError, InputError, MissingError
from attnscope.trace.certificate import Certificate, LayerCertificate
from attnscope.trace.parts import TraceParts
from attnscope.trace.prediction import prediction_fields, prediction_of
from attnscope.trace.rotary import rotary_of
from attnscope.trace.serialization import facts_of, tensors_of
from attnscope.trace.stack import TracedStack, projected
from attnscope.types import InputImage, token_fields, token_of
from attnscope.validation import user_path

FORMAT = 1
KEY = "attnscope"


def path_of(path: str | os.PathLike[str]) -> Path:
    """`path` as a `Path`. Raises `InputError` if it is neither a string nor path-like."""
    if not isinstance(path, (str, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"The path of a trace must be a string or a path object; got {type(path).__name__}.")
    return user_path(path)


def write(parts: TraceParts, trace_id: str, path: Path, *, weights: bool) -> None:
    """See `Trace.save`. `trace_id` is `parts.id`, passed in because it is slow to compute."""
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else "is in a folder that does not exist"
        raise InputError(f"Cannot write the trace: {str(path)!r:.300} {problem}.")
    tensors: dict[str, Tensor] = {f"input.{name}": value for name, value in parts.inputs.items()}
    stacks: dict[str, Any] = {}
    for name, stack in parts.stacks.items():
        stacks[name] = {
            "causal": stack.causal,
            "query": stack.query_side,
            "key": stack.key_side,
            "layers": [None if record is None else facts_of(record) for record in stack.records],
        }
        for index, record in enumerate(stack.records):
            if record is not None:
                tensors.update({f"{name}.{index}.{part}": one for part, one in tensors_of(record).items()})
        if weights:
            tensors.update(_projections(name, stack))
    tensors.update({f"image.{i}": _as_tensor(image.data) for i, image in enumerate(parts.images)})
    described = {
        "format": FORMAT,
        "id": trace_id,
        "tokens": {side: [token_fields(token) for token in tokens] for side, tokens in parts.sides.items()},
        "stacks": stacks,
        "provenance": parts.full_provenance,
        "warnings": list(parts.warnings),
        "next": parts.next_tokens,
        "predictions": [prediction_fields(one) for one in parts.predictions],
        "images": [[image.width, image.height] for image in parts.images],
    }
    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        save_file(ready, unfinished, metadata={KEY: json.dumps(described, allow_nan=False)})
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def read(path: Path) -> TraceParts:
    """Read the parts of a trace from a file.

    Raises `MissingError` if there is no file, `DamagedError` if it is not a complete trace in this format.
    """
    if not path.is_file():
        raise MissingError(f"Trace not found: {str(path)!r:.300}.")
    try:
        with safe_open(str(path), framework="pt") as file:
            described = _described(file.metadata(), path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise DamagedError(
            f"{str(path)!r:.300} is not a complete trace: it is truncated, or attnscope did not write it ({error})."
        ) from error
    try:
        parts = _parts(described, tensors)
    except AttnscopeError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise DamagedError(
            f"{str(path)!r:.300} is missing parts of a trace ({type(error).__name__}: {error})."
        ) from error
    if parts.id != described["id"]:
        raise DamagedError(f"{str(path)!r:.300} was changed after it was saved: its content does not match its hash.")
    return parts


def _described(metadata: Mapping[str, str] | None, path: Path) -> dict[str, Any]:
    try:
        described = json.loads((metadata or {})[KEY])
        version = described["format"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedError(
            f"{str(path)!r:.300} is a safetensors file, but not a trace that attnscope saved."
        ) from error
    if version != FORMAT:
        raise DamagedError(
            f"{str(path)!r:.300} has format {version!r:.40}, but this version of attnscope reads format {FORMAT}. Install the "
            "newer version that wrote it."
        )
    return described


def _parts(described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TraceParts:
    sides = {side: [token_of(token) for token in tokens] for side, tokens in described["tokens"].items()}
    provenance = dict(described["provenance"])
    if "quantisation" in provenance:  # files written by version 0.1.0
        provenance["quantization"] = provenance.pop("quantisation")
    rotary = provenance.pop("rotary", {})
    stacks = {name: _stack(name, stack, tensors, rotary.get(name)) for name, stack in described["stacks"].items()}
    for stack in stacks.values():
        for record in stack.records:
            if record is not None and (record.queries, record.keys) != (
                len(sides[stack.query_side]),
                len(sides[stack.key_side]),
            ):
                raise DamagedError("The tokens and the tensors of the trace do not match.")
    certificate = provenance.pop("certificate")
    layers = {name: [LayerCertificate(**layer) for layer in found] for name, found in certificate.pop("stacks").items()}
    following = described["next"]
    return TraceParts(
        sides=sides,
        stacks=stacks,
        certificate=Certificate(**certificate, stacks=layers),
        provenance=provenance,
        warnings=list(described["warnings"]),
        next_tokens=None if following is None else [(text, ident, p) for text, ident, p in following],
        predictions=[prediction_of(one) for one in described.get("predictions", [])],
        inputs={name.removeprefix("input."): one for name, one in tensors.items() if name.startswith("input.")},
        images=[
            InputImage(tensors[f"image.{i}"].numpy().tobytes(), width, height)
            for i, (width, height) in enumerate(described.get("images", []))
        ],
    )


def _as_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _stack(name: str, described: Mapping[str, Any], tensors: Mapping[str, Tensor], rotary_json: Any) -> TracedStack:
    records: list[LayerRecord | None] = []
    projections: list[nn.Module | None] = []
    for index, facts in enumerate(described["layers"]):
        prefix = f"{name}.{index}."
        parts = {one.removeprefix(prefix): tensor for one, tensor in tensors.items() if one.startswith(prefix)}
        records.append(None if facts is None else _record(facts, parts))
        projections.append(_linear(parts["projection"]) if "projection" in parts else None)
    rotary = rotary_of(rotary_json, len(records))
    return TracedStack(records, described["causal"], described["query"], described["key"], projections, rotary)


def _record(facts: Mapping[str, Any], parts: Mapping[str, Tensor]) -> LayerRecord:
    if facts["form"] == "weights":
        return WeightsRecord(parts["weights"])
    lo, hi, mask, bias = parts["mask.lo"], parts["mask.hi"], facts["mask"], facts["bias"]
    return QKRecord(
        q=parts["q"],
        k=parts["k"],
        v=parts["v"],
        scaling=facts["scaling"],
        mask=Mask(lo=lo, hi=hi, valid=parts.get("mask.valid"), bits=parts.get("mask.bits"), **mask),
        softcap=facts["softcap"],
        bias=None if bias is None else Bias(values=parts["bias"], **bias),
        sinks=parts.get("sinks"),
        edited=_edited(parts),
        gate=parts.get("gate"),
    )


def _edited(parts: Mapping[str, Tensor]) -> Overrides | None:
    found = {name.removeprefix("edited."): one for name, one in parts.items() if name.startswith("edited.")}
    return Overrides(**found) if found else None


def _projections(name: str, stack: TracedStack) -> dict[str, Tensor]:
    """W_O of every layer as a matrix [model_dim, heads · v_dim], whatever module implements it."""
    found: dict[str, Tensor] = {}
    for index, (record, module) in enumerate(zip(stack.records, stack.projections, strict=False)):
        if not isinstance(record, QKRecord) or module is None:
            continue
        unit = torch.eye(record.shape.heads * record.shape.v_dim)
        found[f"{name}.{index}.projection"] = projected(module, record, unit).T
    return found


def _linear(matrix: Tensor) -> nn.Linear:
    linear = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, dtype=matrix.dtype)
    linear.weight = nn.Parameter(matrix, requires_grad=False)
    return linear
