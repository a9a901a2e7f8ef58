"""Try types one after another, each in its own process, so that no type can affect another, hang, or fill the memory."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import time
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

SECONDS, MEMORY = 180, 14 << 30


def outcomes(types: Sequence[str], *, workers: int = 2) -> Iterator[dict[str, Any]]:
    """The outcome of every type as JSON values, in the order in which they finish."""
    _warm()
    context = multiprocessing.get_context("fork")  # modules are imported once for all processes
    waiting, running = list(types), {}
    while waiting or running:
        while waiting and len(running) < workers:
            name = waiting.pop(0)
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(name, theirs))
            process.start()
            theirs.close()
            running[name] = (process, ours, time.monotonic())
        for name, (process, pipe, begun) in list(running.items()):
            done: dict[str, Any] | None = None
            if pipe.poll(0.02):
                try:
                    done = pipe.recv()
                except EOFError:
                    done = {
                        "type": name,
                        "status": "not built",
                        "reason": "Its process ended without a result, most likely for lack of memory.",
                    }
            elif time.monotonic() - begun > SECONDS:
                process.kill()
                done = {
                    "type": name,
                    "status": "not built",
                    "reason": f"Building and tracing takes more than {SECONDS} seconds.",
                }
            if done is not None:
                process.join()
                del running[name]
                yield {**done, "seconds": round(time.monotonic() - begun, 1)}


def _warm() -> None:
    import torch
    import transformers

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name in (
        "LlamaForCausalLM",
        "BertModel",
        "T5Model",
        "CLIPModel",
        "Wav2Vec2Model",
        "Qwen2VLModel",
        "SwinModel",
        "MixtralModel",
        "DetrModel",
    ):
        getattr(transformers, name)
    importlib.import_module("breadth.outcome")


def _work(name: str, pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    from breadth.outcome import outcome

    try:
        pipe.send(outcome(name).as_dict())
    except MemoryError:
        pipe.send({"type": name, "status": "not built", "reason": "It needs too much memory even when small."})
