"""The cost of many short texts: one trace of 10 tokens, and 100 prompts of 20 tokens together, compared with plain passes."""

from __future__ import annotations

import random
import subprocess
import sys

import torch
from pairs import interleaved, peak_bytes

import attnscope
from attnscope import analysis
from attnscope.analysis.edges import edge_weights
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.model import handle_of
from attnscope.model.tracing.batches import traces_of

SHORT, PROMPTS, TOKENS = 10, 100, 20


def main() -> None:
    torch.set_num_threads(1)
    if "--memory" in sys.argv:
        memory(sys.argv[sys.argv.index("--memory") + 1])
        return
    model = attnscope.load("smollm2")
    short = random_ids(SHORT, seed=1)
    prompts = [random_ids(TOKENS, seed=2 + i) for i in range(PROMPTS)]
    encoded = [model.encode(one) for one in prompts]
    print("SmolLM2-135M, one thread, 7 interleaved pairs: median (spread)")
    print(
        f"  trace of {SHORT} tokens / plain sdpa pass        ",
        interleaved(lambda: model.trace(short), lambda: plain(model, [short])),
    )
    print(
        f"  {PROMPTS} prompts of {TOKENS} tokens / {PROMPTS} plain passes",
        interleaved(lambda: together(model, encoded), lambda: plain(model, prompts)),
    )
    traces = [trace for _, trace in traces_of(handle_of(model), encoded)]
    work = {
        "every measure of every head": lambda: [analysis.heads(trace) for trace in traces],
        "the weight of two edges in every head": lambda: [
            edge_weights(one, [TOKENS - 1], [[3], [5]]) for one in traces
        ],
    }
    for name, measure in work.items():
        print(f"  {name} of them / plain passes", interleaved(measure, lambda: plain(model, prompts), pairs=3))
    del traces
    peaks = {kind: _peak(kind) for kind in ("plain", "together")}
    stored = model.trace(prompts[0]).nbytes * PROMPTS
    print(f"  size of q, k, v of all prompts            {stored / 2**20:.0f} MiB")
    print(f"  peak memory over that of the plain passes {(peaks['together'] - peaks['plain']) / 2**20:.0f} MiB")


def random_ids(count: int, seed: int) -> list[int]:
    source = random.Random(seed)
    return [source.randrange(500, 40_000) for _ in range(count)]


def plain(model: attnscope.Model, prompts: list[list[int]]) -> None:
    """One forward pass for each prompt, as a user would run it."""
    with torch.no_grad():
        for one in prompts:
            model.hf_model(input_ids=torch.tensor([one]), use_cache=False)


def together(model: attnscope.Model, encoded: list[ModelInputs]) -> None:
    """Trace all prompts, and drop each trace after reading it."""
    for _, trace in traces_of(handle_of(model), encoded):
        assert trace.certificate.ok


def memory(kind: str) -> None:
    """Print the peak memory of one kind of run. It has a process of its own, so that no other has warmed the allocator."""
    model = attnscope.load("smollm2")
    prompts = [random_ids(TOKENS, seed=2 + i) for i in range(PROMPTS)]
    encoded = [model.encode(one) for one in prompts]
    model.trace(prompts[0][:8])
    print(peak_bytes(lambda: together(model, encoded) if kind == "together" else plain(model, prompts)))


def _peak(kind: str) -> int:
    command = [sys.executable, __file__, "--memory", kind]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


if __name__ == "__main__":
    main()
