"""The cost of a trace of 1,024 tokens and of `output_attentions`, compared with a plain forward pass of the same model."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import torch
from pairs import interleaved, peak_bytes

import attnscope

TOKENS = 1024


def main() -> None:
    torch.set_num_threads(1)
    if "--memory" in sys.argv:
        memory(sys.argv[sys.argv.index("--memory") + 1])
        return
    model, ids = prepared()
    plain = {"input_ids": torch.tensor([ids]), "use_cache": False, "logits_to_keep": 1}

    def run_plain() -> object:
        with torch.no_grad():
            return model.hf_model(**plain)

    eager: Any = attnscope.load("smollm2").hf_model
    eager.set_attn_implementation("eager")

    def run_reported() -> object:
        with torch.no_grad():
            return eager(**plain, output_attentions=True)

    print(f"SmolLM2-135M, {TOKENS} tokens, one thread, 7 interleaved pairs: median (spread)")
    print("  trace / plain sdpa pass             ", interleaved(lambda: model.trace(ids), run_plain))
    print("  output_attentions / plain sdpa pass ", interleaved(run_reported, run_plain, pairs=3))
    trace = model.trace(ids)
    stored = trace.nbytes
    print(f"  size of q, k, v (and masks)          {stored / 2**20:.0f} MiB")
    peaks = {kind: _peak(kind) for kind in ("plain", "trace", "reported")}
    for kind in ("trace", "reported"):
        over = peaks[kind] - peaks["plain"]
        print(f"  peak memory over the plain pass, {kind:9}{over / 2**20:.0f} MiB = {over / stored:.2f} × q, k, v")


def prepared() -> tuple[attnscope.Model, list[int]]:
    model = attnscope.load("smollm2")
    ids = [500 + (i * 7919) % 40000 for i in range(TOKENS)]
    return model, ids


def memory(kind: str) -> None:
    """Print the peak memory of one kind of pass. Runs in its own process, so that no other pass has warmed the allocator."""
    model, ids = prepared()
    hf: Any = model.hf_model
    if kind == "reported":
        hf.set_attn_implementation("eager")
    model.trace(ids[:8])

    def work() -> object:
        if kind == "trace":
            return model.trace(ids)
        with torch.no_grad():
            return hf(
                input_ids=torch.tensor([ids]), use_cache=False, logits_to_keep=1, output_attentions=kind == "reported"
            )

    print(peak_bytes(work))


def _peak(kind: str) -> int:
    command = [sys.executable, __file__, "--memory", kind]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


if __name__ == "__main__":
    main()
