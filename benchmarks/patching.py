"""An activation patching sweep over all 270 heads of SmolLM2, compared with 270 separate forward passes with a hook each.

The separate passes are what you would write with plain transformers: a forward pre-hook on W_O, no cache, logits of the last
position only. They are timed for 30 heads, one per layer, and the time is multiplied by 9.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import torch
from pairs import interleaved, peak_bytes

import attnscope

CLEAN = "When the nurse asked the doctor a question on Monday morning in the ward, the nurse said that she"
CORRUPTED = "When the nurse asked the doctor a question on Monday morning in the ward, the farmer said that she"
SAMPLE = 9


def main() -> None:
    torch.set_num_threads(1)
    model = attnscope.load("smollm2")
    clean, corrupted = model.trace(CLEAN), model.trace(CORRUPTED)
    if "--memory" in sys.argv:
        print(peak_bytes(_work(sys.argv[sys.argv.index("--memory") + 1], model, clean, corrupted)))
        return
    print(f"SmolLM2-135M, 270 heads, {len(clean.tokens)} tokens, one thread, 7 interleaved pairs: median (spread)")
    for what in ("head_output", "attention"):
        sweep = _work(what, model, clean, corrupted)
        sweep()
        ratio = interleaved(_work("separate", model, clean, corrupted), sweep)
        times = sorted(SAMPLE * one for one in ratio.ratios)
        print(
            f"  270 passes with hooks (30 × {SAMPLE}) / sweep of {what:12} {times[len(times) // 2]:.1f}× "
            f"({times[0]:.1f}–{times[-1]:.1f}); {SAMPLE * ratio.first:.1f} s and {ratio.second:.1f} s"
        )
    for kind in ("separate", "head_output"):
        command = [sys.executable, __file__, "--memory", kind]
        peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
        print(f"  peak memory, {kind:12} {peak / 2**20:.0f} MiB")


def _work(kind: str, model: attnscope.Model, clean: attnscope.Trace, corrupted: attnscope.Trace) -> Any:
    if kind != "separate":
        return lambda: model.patch(clean, corrupted, what=kind, answer=" was", foil=" had")
    source = _outputs(model.hf_model, clean)
    return lambda: _separate(model.hf_model, source, corrupted)


OPTIONS = {"use_cache": False, "logits_to_keep": 1}


def _outputs(hf_model: Any, clean: attnscope.Trace) -> dict[int, torch.Tensor]:
    """The input of W_O in each layer for the clean prompt, from one forward pass, which is not timed."""
    source: dict[int, torch.Tensor] = {}
    handles = [
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _module, args, i=i: source.update({i: args[0].clone()}))
        for i, layer in enumerate(hf_model.model.layers)
    ]
    with torch.no_grad():
        hf_model(**clean.inputs, **OPTIONS)
    for handle in handles:
        handle.remove()
    return source


def _separate(hf_model: Any, source: dict[int, torch.Tensor], corrupted: attnscope.Trace) -> list[float]:
    found: list[float] = []
    with torch.no_grad():
        for layer, module in enumerate(layer.self_attn.o_proj for layer in hf_model.model.layers):
            part = slice(64 * (layer % 9), 64 * (layer % 9 + 1))

            def patched(_module: Any, args: Any, layer: int = layer, part: slice = part) -> Any:
                changed = args[0].clone()
                changed[..., part] = source[layer][..., part]
                return (changed,)

            handle = module.register_forward_pre_hook(patched)
            found.append(float(hf_model(**corrupted.inputs, **OPTIONS).logits[0, -1, 0]))
            handle.remove()
    return found


if __name__ == "__main__":
    main()
