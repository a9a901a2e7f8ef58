"""The cost of the measures of all heads on top of their thumbnails, and of one edge in all heads."""

from __future__ import annotations

import torch
from pairs import interleaved

import attnscope
from attnscope.analysis.edges import edge_of
from attnscope.analysis.overview import overview


def main() -> None:
    torch.set_num_threads(1)
    model = attnscope.load("smollm2")
    print("SmolLM2-135M, 270 heads, one thread, 7 interleaved pairs: median (spread)")
    for tokens in (128, 512, 2048):
        # every 20th token is the same, so that there are repeated tokens to find
        trace = model.trace([600 if i % 20 == 0 else 500 + (i * 7919) % 40000 for i in range(tokens)])

        def measured(trace: attnscope.Trace = trace) -> object:
            return list(overview(trace))

        def thumbnails(trace: attnscope.Trace = trace) -> object:
            return list(overview(trace, measured=False))

        def edge(trace: attnscope.Trace = trace, last: int = tokens - 1) -> object:
            return edge_of(trace, last, last // 2)

        print(f"  {tokens:5} tokens: thumbnails and measures / thumbnails only ", interleaved(measured, thumbnails))
        print(f"  {tokens:5} tokens: one edge / thumbnails only                ", interleaved(edge, thumbnails))


if __name__ == "__main__":
    main()
