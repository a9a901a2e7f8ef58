"""The cost of one neuron edit in a trace of 512 tokens. Target: at most 1.3 times the time of an unedited trace."""

from __future__ import annotations

import torch
from pairs import interleaved

import attnscope
from attnscope.edits import ScaleNeuron

TOKENS = 512


def main() -> None:
    torch.set_num_threads(1)
    model = attnscope.load("smollm2")
    ids = [500 + (i * 7919) % 40000 for i in range(TOKENS)]
    edit = ScaleNeuron(15, 4, (3, 35), 2.0)
    ratio = interleaved(lambda: model.trace(ids, edits=[edit]), lambda: model.trace(ids))
    print(f"SmolLM2-135M, {TOKENS} tokens, one thread, 7 interleaved pairs: median (spread)")
    print("  trace with one neuron edit / without ", ratio, "ok" if ratio.median <= 1.3 else "above the target of 1.3")


if __name__ == "__main__":
    main()
