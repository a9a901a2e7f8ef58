"""A head of SmolLM2 whose scores fall with distance, and the pairs of neurons that make them fall.

    python examples/distance.py docs/images/distance-pairs.png

The numbers are written beside the figure, to docs/images/distance-pairs.json.

Under RoPE a neuron is a pair of dimensions that rotate together. If a few pairs account for the fall, scaling them should change
how far back the head attends, and scaling the same number of random pairs of the head should not.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas
import torch
from induction import DRAWS, interval, save
from passages import PASSAGES

import attnscope
from attnscope import analysis, edits

FURTHEST = 40
"""The largest distance at which scores are compared."""

PAIRS = 6
"""How many of the head's 32 pairs are scaled."""

FACTORS = (1.0, 0.75, 0.5, 0.25, 0.0)

Head = tuple[int, int]


def steepest_head(traces: Sequence[attnscope.Trace]) -> Head:
    """The head with the steepest fall among those whose mean score falls at nearly every step (Spearman below -0.97)."""
    tables = pandas.concat([analysis.decays(trace, furthest=FURTHEST) for trace in traces])
    mean = tables.groupby(["layer", "head"]).mean()
    steady = mean[mean["spearman"] < -0.97].sort_values("slope")
    layer, head = steady.index[0]
    return int(layer), int(head)


def by_slope(traces: Sequence[attnscope.Trace], head: Head) -> tuple[list[tuple[int, ...]], list[float]]:
    """The head's pairs, sorted by their share of the fall (largest first), and the shares."""
    found = [analysis.decay(trace, *head, furthest=FURTHEST) for trace in traces]
    slopes = torch.stack([one.slopes for one in found]).mean(0)
    order = slopes.argsort().tolist()
    return [found[0].units[i] for i in order], [float(slopes[i] / slopes.sum()) for i in order]


def scale_pairs(head: Head, pairs: Sequence[tuple[int, ...]], factor: float) -> list[edits.Edit]:
    """Edits that multiply these pairs of the head's queries by a factor."""
    return [edits.ScaleNeuron(*head, dims=pair, factor=factor, vector="q") for pair in pairs]


def distance_and_sink(
    model: attnscope.Model, text: str, head: Head, changes: Sequence[edits.Edit]
) -> tuple[float, float]:
    """The head's mean distance without the attention sink (in tokens), and its weight on the sink, the first token."""
    weights = model.trace(text, edits=changes).attention(*head)
    rest = weights[1:].clone()
    rest[:, 0] = 0
    rest /= rest.sum(-1, keepdim=True)
    apart = (torch.arange(1, len(weights))[:, None] - torch.arange(len(weights))).abs()
    return float((rest * apart).sum(-1).mean()), float(weights[:, 0].mean())


def measure(
    model: attnscope.Model, texts: Sequence[str], head: Head, changes: Sequence[edits.Edit]
) -> tuple[list[float], list[float]]:
    """Distances and sink weights of all texts."""
    found = [distance_and_sink(model, text, head, changes) for text in texts]
    return [distance for distance, _ in found], [sink for _, sink in found]


def draw(
    decays: Sequence[analysis.Decay],
    top: Sequence[tuple[int, ...]],
    by_factor: dict[float, list[float]],
    at_random: Sequence[float],
    path: Path,
) -> None:
    """Draw the score by distance with the contribution of the chosen pairs, and the mean distance by factor."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.7), layout="constrained")
    chosen = [i for i, unit in enumerate(decays[0].units) if unit in top]
    parts = torch.stack([one.parts for one in decays]).mean(0)
    of_chosen, of_all = parts[chosen].sum(0), parts.sum(0)
    for values, color, label in (
        (of_all, "#111827", "all pairs"),
        (of_chosen, "#b91c1c", f"the {len(chosen)} pairs"),
        (of_all - of_chosen, "#2563eb", f"the other {len(parts) - len(chosen)}"),
    ):
        left.plot(decays[0].distances, (values - values[0]).tolist(), color=color, lw=1.5, label=label)
    left.set_xlabel("distance (tokens)", fontsize=9)
    left.set_ylabel("mean score, relative to distance 1", fontsize=9)
    left.legend(fontsize=9, frameon=False)
    means = {factor: interval(values) for factor, values in by_factor.items()}
    right.errorbar(
        list(means),
        [mean for mean, _ in means.values()],
        yerr=[half for _, half in means.values()],
        color="#b91c1c", marker="o", ms=4, lw=1.5, capsize=3, label=f"the {len(chosen)} pairs",
    )  # fmt: skip
    right.plot(
        [0.0] * len(at_random),
        at_random,
        "o",
        ms=4,
        alpha=0.5,
        mew=0,
        color="#2563eb",
        label=f"{len(chosen)} random pairs × 0",
    )
    right.set_xlabel("factor on the pairs", fontsize=9)
    right.set_ylabel("mean distance (tokens)", fontsize=9)
    right.set_ylim(bottom=0)
    right.invert_xaxis()
    right.axhline(means[1.0][0], color="#6b7280", lw=1, ls=":")
    right.legend(fontsize=9, frameon=False, loc="upper left")
    for ax in (left, right):
        ax.tick_params(labelsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=140)


def main(path: Path) -> None:
    """Find the head and its pairs, scale them, compare with random pairs, draw the figure, and write the numbers."""
    model: Any = attnscope.load("smollm2")
    search_texts, test_texts = PASSAGES[:4], PASSAGES[4:]
    traces = [model.trace(text) for text in search_texts]
    head = steepest_head(traces)
    pairs, shares = by_slope(traces, head)
    top = pairs[:PAIRS]
    waves = dict(zip(traces[0].rotary(head[0]).pairs, traces[0].rotary(head[0]).wavelengths, strict=True))
    decays = [analysis.decay(trace, *head, furthest=FURTHEST) for trace in traces]
    slope, spearman = (sum(getattr(one, name) for one in decays) / len(decays) for name in ("slope", "spearman"))
    print(f"Head {head[0]}.{head[1]}: slope {slope:.3f} per token, Spearman {spearman:.2f}")
    print(
        f"{PAIRS} pairs account for {sum(shares[:PAIRS]):.0%}:",
        ", ".join(f"{p[0]} ({waves[p]:.0f} tokens)" for p in top),
    )
    by_factor: dict[float, list[float]] = {}
    sinks_by_factor: dict[float, float] = {}
    for factor in FACTORS:
        by_factor[factor], sinks = measure(model, test_texts, head, scale_pairs(head, top, factor))
        (mean, half), sink = interval(by_factor[factor]), interval(sinks)[0]
        sinks_by_factor[factor] = sink
        print(f"× {factor:.2f}: mean distance {mean:.1f} ± {half:.1f}, sink mass {sink:.2f}")
    at_random: list[float] = []
    sinks_at_random: list[float] = []
    for seed in range(DRAWS):
        chosen = random.Random(seed).sample(pairs[PAIRS:], PAIRS)  # noqa: S311 - not for secrets
        distances, sinks = measure(model, test_texts, head, scale_pairs(head, chosen, 0.0))
        at_random.append(interval(distances)[0])
        sinks_at_random.append(interval(sinks)[0])
    print("random pairs × 0: mean distance {:.1f} ± {:.1f}".format(*interval(at_random)), end="")
    print(f", from {min(at_random):.1f} to {max(at_random):.1f}; sink mass {interval(sinks_at_random)[0]:.2f}")
    draw(decays, top, by_factor, at_random, path)
    found = {"head": head, "slope": slope, "spearman": spearman, "pairs": top, "share": sum(shares[:PAIRS])}
    scaled = {"distances": by_factor, "sink": sinks_by_factor}
    drawn = {"distances": at_random, "sink": interval(sinks_at_random)[0]}
    wavelengths = [waves[pair] for pair in top]
    save({**found, "wavelengths": wavelengths, "factors": scaled, "random pairs": drawn}, path.with_suffix(".json"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
