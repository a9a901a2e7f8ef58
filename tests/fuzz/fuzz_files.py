"""Damage trace files and workspace files at random, with hashes that fit, and use whatever opens.

    python tests/fuzz/fuzz_files.py COUNT

prints JSON: how many files were tried, how many opened and how many raised an error of attnscope, and the faults. A trace that
opens must be usable for everything that is computed from it. Everything else is a fault: another exception, or more memory than
the trace can explain.
"""

from __future__ import annotations

import copy
import json
import random
import resource
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from helpers import forged_traces, forged_workspaces, tiny_models
from helpers.forged_traces import Description, Tensors
from helpers.random_traces import random_trace
from helpers.tiny_vision_models import TEXT, VISION, clip_processor, random_photo
from transformers import CLIPConfig, CLIPModel

import attnscope
from attnscope import analysis, edits
from attnscope.errors import AttnscopeError
from attnscope.offline import document
from attnscope.session import StoredTrace
from attnscope.session.limits import Limits
from attnscope.session.messages.layer import layer_message
from attnscope.session.messages.trace import trace_arrays, trace_fields
from attnscope.session.messages.workspace import workspace_fields
from attnscope.wire import Message, encode
from attnscope.workspace.saved_file import open_bytes

MOST_MEMORY = 256 * 2**20
"""How much the peak memory of the process may rise over all files, in bytes. The files have less than 100 KB each."""

_VALUES: list[Any] = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    5,
    2**31,
    2_000_000_000,
    10**30,
    -(10**30),
    0.5,
    -0.5,
    1e308,
    -1e-300,
    "",
    "x",
    "text",
    "decoder",
    "qk",
    "x" * 5000,
    "\ud800",
    "\0",
    "\x1b[31m",
    "__proto__",
    [],
    {},
    [[]],
    [1, 2],
    [None],
    {"a": 1},
    [[0, 1, 2]],
    {"trace": "x"},
    {"array": [[1e300]]},
]


def bases(folder: Path) -> list[Path]:
    """Files of every kind: grouped heads, edits, sinks, windows, biases, two sides, images, predictions, weights; a workspace."""
    ids = tiny_models.ids(7)
    cut, off = edits.CutEdge(1, 0, query=3, key=1), edits.ScaleHead(2, 1, factor=0.5)
    clip = CLIPModel(CLIPConfig(text_config={**TEXT, "max_position_embeddings": 20}, vision_config=VISION)).eval()
    made = {
        "llama": attnscope.Model(tiny_models.build("llama")).trace(ids, edits=[cut, off]),
        "gpt_oss": attnscope.Model(tiny_models.build("gpt_oss")).trace(ids),
        "bert": attnscope.Model(tiny_models.build("bert")).trace(ids),
        "t5": attnscope.Model(tiny_models.build("t5")).trace(ids, target=ids[:4]),
        "clip": attnscope.Model(clip, clip_processor()).trace(random_photo()),
        "given": random_trace(["a", "b", "c", "d"], layers=2, sentence_b_start=2),
    }
    for name, trace in made.items():
        trace.save(folder / f"{name}.trace", weights=name == "llama")
    workspace = attnscope.Workspace(
        [attnscope.Model(tiny_models.build("llama")).trace(ids), made["llama"], made["clip"]],
        current=made["llama"],
        baseline=made["clip"],
        edits=[cut, edits.PatchHead(1, 2, source=made["llama"])],
        trail=[{"title": "start", "address": "layer=1"}],
        notes="notes",
        state={"address": "layer=1", "open": [1, None, "x"]},
    )
    workspace.save(folder / "both.workspace")
    return [*(folder / f"{name}.trace" for name in made), folder / "both.workspace"]


def damage(draw: random.Random, source: Path, target: Path) -> str:
    """Write a damaged copy of a trace file, and say what was done."""
    kind = draw.choices(["description", "tensors", "both", "bytes"], [6, 4, 1, 1])[0]
    if kind == "bytes":
        data = bytearray(source.read_bytes())
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data)) if draw.random() < 0.5 else draw.randrange(16)] = draw.randrange(256)
        target.write_bytes(data[: draw.randrange(len(data))] if draw.random() < 0.4 else data)
        return "bytes"
    forged = forged_workspaces if source.suffix == ".workspace" else forged_traces
    description, tensors = forged.read_file(source)
    said = [_change_description(draw, description)] if kind != "tensors" else []
    said += [_change_tensor(draw, tensors)] if kind != "description" else []
    forged.write_file(target, description, tensors)
    return "; ".join(said)


def _change_description(draw: random.Random, description: Description) -> str:
    places = list(_places(description, ()))
    depth = draw.choice(sorted({len(path) for path in places}))  # otherwise nearly all changes would be to tokens
    path = draw.choice([path for path in places if len(path) == depth])
    parent: Any = description
    for name in path[:-1]:
        parent = parent[name]
    last = path[-1]
    action = draw.choice(["replace", "replace", "replace", "delete", "double", "other", "rename"])
    if action == "delete":
        del parent[last]
    elif action == "double" and isinstance(parent, list):
        parent.insert(last, copy.deepcopy(parent[last]))
    elif action == "rename" and isinstance(parent, dict):
        parent[draw.choice(["x", "a.b", "encoder", "text", "x" * 300, "__class__"])] = parent.pop(last)
    elif action == "other":
        other: Any = description
        for name in draw.choice(places):
            other = other[name]
        parent[last] = copy.deepcopy(other)
    else:
        parent[last] = draw.choice(_VALUES)
    return f"{action} {path}"


def _places(value: Any, path: tuple[Any, ...]) -> Any:
    if path:
        yield path
    for name, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(one, (*path, name))


def _change_tensor(draw: random.Random, tensors: Tensors) -> str:
    name = draw.choice(sorted(tensors))
    one = tensors[name]
    changes: dict[str, Callable[[], torch.Tensor]] = {
        "flat": lambda: one.reshape(-1),
        "turned": lambda: one.transpose(0, -1) if one.ndim else one,
        "shorter": lambda: one[:-1] if one.ndim else one,
        "empty": lambda: one[:0] if one.ndim else one,
        "longer": lambda: torch.cat([one, one]) if one.ndim else one,
        "deeper": lambda: one[None],
        "other type": lambda: one.to(draw.choice([torch.float16, torch.int64, torch.float64, torch.bool, torch.uint8])),
        "nan": lambda: _filled(draw, one, float("nan")),
        "infinite": lambda: _filled(draw, one, float("inf")),
        "huge": lambda: _filled(draw, one, 3e38),
        "large": lambda: _filled(draw, one, 2_000_000_000),
        "negative": lambda: _filled(draw, one, -1),
        "zero": lambda: torch.zeros_like(one),
        "random": lambda: one[torch.randperm(len(one))] if one.ndim else one,
    }
    change = draw.choice([*changes, "missing", "renamed", "swapped"])
    if change == "missing":
        del tensors[name]
    elif change == "renamed":
        tensors[draw.choice(["x", "decoder.9.q", "decoder.0.x", "input.x", "image.0", "x" * 300, f"{name}.x"])] = one
    elif change == "swapped":
        tensors[name] = tensors[draw.choice(sorted(tensors))].clone()
    else:
        tensors[name] = changes[change]().clone()
    return f"{change} {name}"


def _filled(draw: random.Random, one: torch.Tensor, value: float) -> torch.Tensor:
    changed = one.clone()
    if one.numel():
        limits = torch.iinfo(one.dtype) if not one.is_floating_point() and one.dtype != torch.bool else None
        fits = value == value and (limits is None or limits.min <= value <= limits.max)
        flat = changed.reshape(-1)
        flat[draw.randrange(one.numel())] = value if fits or one.is_floating_point() else 1
    return changed


def use(opened: attnscope.Trace | attnscope.Workspace, folder: Path, *, draws: bool) -> None:
    """Compute everything that a person could look at. With `draws`, also figures and an exported page."""
    if isinstance(opened, attnscope.Trace):
        _use_trace(opened, folder, draws=draws)
        return
    encode(Message("hello", "a", {"workspace": workspace_fields(opened)}))
    for trace in opened.traces:
        _use_trace(trace, folder, draws=draws and trace is opened.current)
    opened.save(folder / "again.workspace")
    again = attnscope.open(folder / "again.workspace")
    assert repr(again) == repr(opened) and again.edits == opened.edits and again.state == opened.state
    if draws:
        _allowed(lambda: document(opened))


def _use_trace(trace: attnscope.Trace, folder: Path, *, draws: bool) -> None:
    repr(trace)
    json.dumps(trace.provenance, allow_nan=False)
    stored = StoredTrace.without_model(trace)
    encode(Message("trace", "a", dict(trace_fields(stored)), trace_arrays(trace)))
    for name, stack in trace.stacks.items():
        for index, shape in enumerate(stack.shapes):
            if shape is None:
                continue
            layer_message(trace.layer_record(index, name), Limits())
            trace.attention(index, shape.heads - 1, name)
            trace.rotary(index, name)
            for compute in (trace.scores, trace.q, trace.v, trace.head_output):
                _allowed(lambda compute=compute, index=index, name=name: compute(index, 0, name))
        analysis.heads(trace, name)
    trace.save(folder / "again.trace")
    attnscope.open(folder / "again.trace")
    if draws:
        stack = next(iter(trace.stacks))
        for view in ("head", "model", "neuron", "matrix"):
            _allowed(lambda view=view: attnscope.figure(trace, view, stack=stack).savefig(BytesIO(), format="svg"))
        _allowed(lambda: document(trace))


def _allowed(compute: Callable[[], object]) -> None:
    """Compute something that some traces cannot show: they must say so."""
    try:
        compute()
    except AttnscopeError as error:
        _check_sentence(error)


def _check_bytes(path: Path, expected: type[AttnscopeError] | None) -> None:
    """The bytes of a file must open as the file does, or raise the same kind of error."""
    try:
        open_bytes(path.read_bytes(), path.name)
        found = None
    except AttnscopeError as error:
        _check_sentence(error)
        found = type(error)
    assert found is expected, f"The bytes: {found}; the file: {expected}."


def _check_sentence(error: AttnscopeError) -> None:
    text = str(error)
    assert text.endswith((".", ")", "?")) and "\n" not in text and len(text) < 700, repr(text)


def fuzz(count: int, seed: int = 0) -> dict[str, Any]:
    """Try `count` files: how many opened, how many raised an error of attnscope, and the faults (what was done, what it did)."""
    warnings.simplefilter("ignore")
    draw = random.Random(seed)
    torch.manual_seed(seed)
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = bases(folder)
        for source in sources:
            use(attnscope.open(source), folder, draws=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        for _ in range(count):
            source = draw.choice(sources)
            target = folder / f"damaged{source.suffix}"
            said = f"{source.name}: {damage(draw, source, target)}"
            try:
                try:
                    opened = attnscope.open(target)
                except AttnscopeError as error:
                    outcomes["errors"] += 1
                    _check_sentence(error)
                    _check_bytes(target, type(error))
                    continue
                _check_bytes(target, None)
                outcomes["opened"] += 1
                use(opened, folder, draws=outcomes["opened"] % 8 == 0)
            except Exception as error:  # noqa: BLE001 - counted, and reported by the caller
                faults.append(f"{said}: {type(error).__name__}: {str(error)[:200]}")
        risen = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        if risen > MOST_MEMORY:
            faults.append(f"The peak memory rose by {risen / 2**20:.0f} MiB.")
    return {"files": count, "opened": outcomes["opened"], "errors": outcomes["errors"], "faults": faults}


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(json.dumps(fuzz(int(sys.argv[1]))))
