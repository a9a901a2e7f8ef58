"""Write the golden messages: `python tests/golden/make.py`.

Each `NAME.safetensors` is one message as encoded by `attnscope.wire.encode`, and each `NAME.json` is what a reader must find in
it: the fields, the shapes and values of its tensors and, for a `layer`, attention and scores computed by a plain softmax in loops
(no code of attnscope). Python and TypeScript read the same bytes.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attnscope.wire import Message, encode

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A layer message, and the mask and bias from which its attention is computed."""

    message: Message
    allowed: np.ndarray  # [heads, queries, keys] bool
    bias: np.ndarray  # [heads, queries, keys]


def layer(name: str, *, heads: int, kv_heads: int, queries: int, keys: int, dim: int, seed: int, **more: Any) -> Case:
    """A layer message with random q and k. `more` sets the mask, the bias, sinks, a soft cap or float16."""
    random = np.random.default_rng(seed)
    q = random.normal(size=(heads, queries, dim)).astype(np.float32)
    k = random.normal(size=(kv_heads, keys, dim)).astype(np.float32)
    tensors: dict[str, np.ndarray] = {"q": q, "k": k}
    if more.get("half"):
        mean = k.mean(axis=1)
        tensors = {"q": q.astype(np.float16), "k": (k - mean[:, None]).astype(np.float16), "k_mean": mean}
    allowed = np.ones((heads, queries, keys), dtype=bool)
    bias = np.zeros((heads, queries, keys))
    mask = {"kind": "full"}
    offset = keys - queries
    rows, columns = np.arange(queries)[:, None], np.arange(keys)[None, :]
    if more.get("mask") == "causal":
        mask = {"kind": "causal"}
        allowed &= columns <= rows + offset
    elif more.get("mask") == "window":
        mask = {"kind": "window", "window": 3}
        allowed &= (columns <= rows + offset) & (columns > rows + offset - 3)
    elif more.get("mask") == "padding":
        mask = {"kind": "interval"}
        valid = np.arange(keys) >= 2
        tensors["mask_valid"] = valid.astype(np.uint8)
        allowed &= valid[None, None] & (columns <= rows + offset)
    if more.get("mask") == "dense":
        mask = {"kind": "dense"}
        allowed = random.random((heads, queries, keys)) < 0.6
        allowed[0, 1] = False
        tensors["mask_bits"] = np.packbits(allowed, axis=-1, bitorder="little")
    else:
        lo, hi = np.zeros(queries, dtype=np.int32), np.full(queries, keys, dtype=np.int32)
        if mask["kind"] != "full":
            hi = (np.arange(queries) + offset + 1).astype(np.int32)
        if mask["kind"] == "window":
            lo = np.maximum(0, hi - 3).astype(np.int32)
        tensors |= {"mask_lo": lo, "mask_hi": hi}
    kind = more.get("bias")
    if kind == "relative":
        table = random.normal(size=(heads, queries + keys - 1)).astype(np.float32)
        tensors["bias"] = table
        bias = table[:, columns - rows + queries - 1].astype(float)
    elif kind == "key":
        table = random.normal(size=(heads, keys)).astype(np.float32)
        tensors["bias"] = table
        bias = np.broadcast_to(table[:, None], bias.shape).astype(float)
    elif kind == "dense":
        table = random.normal(size=(1, queries, keys)).astype(np.float32)
        tensors["bias"] = table
        bias = np.broadcast_to(table, bias.shape).astype(float)
    if more.get("sinks"):
        tensors["sink"] = random.normal(size=heads).astype(np.float32)
    body = {
        "last": True, "trace": "golden", "stack": "decoder", "layer": 0, "form": "qk", "heads": heads,
        "kv_heads": kv_heads, "queries": queries, "keys": keys, "qk_dim": dim, "scaling": dim**-0.5,
        "softcap": more.get("softcap"), "bias": {"kind": kind} if kind else None, "mask": mask, "error": 0.0,
        "sinks": bool(more.get("sinks")),
    }  # fmt: skip
    return Case(Message(type="layer", id=name, body=body, tensors=tensors), allowed, bias)


def attention(case: Case) -> tuple[list[Any], list[Any]]:
    """Attention and scores, [heads][queries][keys], computed one number at a time by the formula in docs/reference/wire.md."""
    body, tensors = case.message.body, case.message.tensors
    heads, kv_heads, cap = body["heads"], body["kv_heads"], body["softcap"]
    weights: list[Any] = []
    scores: list[Any] = []
    for h in range(heads):
        g = h * kv_heads // heads
        k = tensors["k"][g].astype(float) + (tensors["k_mean"][g].astype(float) if "k_mean" in tensors else 0.0)
        q = tensors["q"][h].astype(float)
        score_rows: list[list[float | None]] = []
        weight_rows: list[list[float]] = []
        for i in range(body["queries"]):
            row: list[float | None] = []
            for j in range(body["keys"]):
                if not case.allowed[h, i, j]:
                    row.append(None)
                    continue
                score = sum(a * b for a, b in zip(q[i], k[j], strict=True)) * body["scaling"]
                if cap is not None:
                    score = cap * math.tanh(score / cap)
                row.append(float(score + case.bias[h, i, j]))
            terms = [0.0 if score is None else math.exp(score) for score in row]
            total = sum(terms) + (math.exp(float(tensors["sink"][h])) if "sink" in tensors else 0.0)
            weight_rows.append([term / total if total else 0.0 for term in terms])
            score_rows.append(row)
        scores.append(score_rows)
        weights.append(weight_rows)
    return weights, scores


def packed() -> Case:
    """A layer with unknown q and k: its attention as bytes."""
    random = np.random.default_rng(9)
    weights = random.dirichlet(np.ones(5), size=(2, 4))
    body = {
        "last": True, "trace": "golden", "stack": "encoder", "layer": 1, "form": "weights", "heads": 2, "kv_heads": 2,
        "queries": 4, "keys": 5, "qk_dim": 0, "scaling": 1.0, "softcap": None, "bias": None,
        "mask": {"kind": "full"}, "error": 0.004, "sinks": False,
    }  # fmt: skip
    data = np.round(255 * np.sqrt(weights)).astype(np.uint8)
    return Case(Message("layer", "packed", body, {"attention": data}), np.ones((2, 4, 5), bool), np.zeros((2, 4, 5)))


LAYERS = [
    layer("causal-gqa-half", heads=4, kv_heads=2, queries=6, keys=6, dim=8, seed=1, mask="causal", half=True),
    layer("full-offset", heads=2, kv_heads=2, queries=3, keys=7, dim=5, seed=2),
    layer("window-softcap", heads=2, kv_heads=1, queries=6, keys=6, dim=4, seed=3, mask="window", softcap=1.5),
    layer("softcap-half", heads=2, kv_heads=1, queries=4, keys=6, dim=4, seed=8, mask="causal", softcap=2.0, half=True),
    layer("padding-relative", heads=2, kv_heads=2, queries=5, keys=5, dim=4, seed=4, mask="padding", bias="relative"),
    layer("dense-sinks", heads=3, kv_heads=3, queries=4, keys=11, dim=4, seed=5, mask="dense", sinks=True),
    layer("key-bias", heads=2, kv_heads=2, queries=4, keys=4, dim=4, seed=6, mask="causal", bias="key"),
    layer("dense-bias", heads=2, kv_heads=2, queries=4, keys=5, dim=4, seed=7, bias="dense"),
]

PROGRESS = Message(
    "progress", "r1", {"last": False, "stage": "run", "done": 3, "total": 30, "text": "layer 3 of 30 – “é” 😀 \ud800"}
)


def tensors_of(message: Message) -> dict[str, Any]:
    """What a reader must find for each tensor: dtype, shape and values (float16 values are exact in float32)."""
    return {
        name: {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.astype(float).ravel().tolist()}
        for name, value in message.tensors.items()
    }


def main() -> None:
    expected: dict[str, dict[str, Any]] = {}
    messages = [PROGRESS, packed().message, *(case.message for case in LAYERS)]
    for message in messages:
        name = "progress" if message is PROGRESS else message.id
        (HERE / f"{name}.safetensors").write_bytes(encode(message))
        expected[name] = {
            "fields": {"v": 1, "id": message.id, "type": message.type, **message.body},
            "tensors": tensors_of(message),
        }
    for case in LAYERS:
        weights, scores = attention(case)
        expected[case.message.id] |= {"attention": weights, "scores": scores}
    for name, found in expected.items():
        text = json.dumps(found, allow_nan=False, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
