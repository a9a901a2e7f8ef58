"""SmolLM2's induction heads: found on repeated random tokens, then ablated.

    python examples/induction.py docs/images/induction-heads.png

The numbers are written beside the figure, to docs/images/induction-heads.json.

An induction head attends from a token to the token after its earlier occurrence (Olsson et al. 2022). If the model copies with
these heads, ablating them should stop the copying without changing ordinary text, and ablating the same number of random heads in
the same layers should not stop it.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas
import torch
from passages import PASSAGES

import attnscope
from attnscope import analysis, edits

LENGTH = 50
"""The number of random tokens that are repeated."""

HEADS = 8
"""How many heads are ablated."""

SEARCH_SEEDS, TEST_SEEDS = range(4), range(100, 116)
"""Seeds of the sequences on which the heads are found, and of those on which they are tested."""

DRAWS = 10
"""How often random heads are drawn."""

Head = tuple[int, int]


def repeated_tokens(model: attnscope.Model, seed: int) -> list[int]:
    """A first token, followed by the same random tokens twice."""
    numbers = torch.Generator().manual_seed(seed)
    tokens = torch.randint(200, model.hf_model.config.vocab_size - 200, (LENGTH,), generator=numbers).tolist()
    return [1, *tokens, *tokens]


def strongest(model: attnscope.Model, sequences: Sequence[list[int]], count: int) -> tuple[list[Head], pandas.Series]:
    """The heads with the highest mean induction measure on these sequences, and the measure of all heads."""
    tables = [analysis.heads(model.trace(ids)) for ids in sequences]
    mean = pandas.concat(tables).groupby(["layer", "head"])["induction"].mean().sort_values(ascending=False)
    return [(int(layer), int(head)) for layer, head in mean.index[:count]], mean


def random_heads(model: attnscope.Model, heads: Sequence[Head], seed: int) -> list[Head]:
    """For each of `heads`, another head of the same layer, drawn at random."""
    generator = random.Random(seed)  # noqa: S311 - not for secrets
    chosen: list[Head] = []
    for layer, _ in heads:
        count = model.stacks["decoder"].layer(layer).heads
        chosen.append(generator.choice([one for h in range(count) if (one := (layer, h)) not in (*heads, *chosen)]))
    return chosen


def ablate(heads: Sequence[Head]) -> list[edits.Edit]:
    """Edits that ablate these heads."""
    return [edits.ScaleHead(layer, head, 0.0) for layer, head in heads]


def scores(model: attnscope.Model, ids: list[int], first: int, changes: Sequence[edits.Edit]) -> tuple[float, float]:
    """Loss (nats per token) and accuracy on the tokens from position `first`."""
    inputs = torch.tensor([ids])
    with torch.no_grad(), model.edited(changes):
        logits = model.hf_model(inputs).logits[0, first - 1 : -1].float()
    loss = torch.nn.functional.cross_entropy(logits, inputs[0, first:])
    return float(loss), float((logits.argmax(-1) == inputs[0, first:]).float().mean())


def measure(
    model: attnscope.Model, sequences: Sequence[list[int]], passages: Sequence[str], heads: Sequence[Head]
) -> dict[str, list[float]]:
    """Loss and accuracy on the second copy in each sequence, and each passage's loss, with these heads ablated."""
    changes = ablate(heads)
    copying = [scores(model, ids, LENGTH + 2, changes) for ids in sequences]
    plain = [scores(model, model.tokenizer(text)["input_ids"], 1, changes) for text in passages]
    return {
        "copy loss": [loss for loss, _ in copying],
        "copy accuracy": [right for _, right in copying],
        "plain loss": [loss for loss, _ in plain],
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half the width of its 95% interval (normal approximation)."""
    found = torch.tensor(values, dtype=torch.float64)
    return float(found.mean()), float(1.96 * found.std() / len(found) ** 0.5)


def table(results: dict[str, dict[str, list[float]]]) -> pandas.DataFrame:
    """One row per condition: mean ± half the 95% interval."""
    cells = {
        name: {what: "{:.2f} ± {:.2f}".format(*interval(values)) for what, values in result.items()}
        for name, result in results.items()
    }
    return pandas.DataFrame(cells).T


def draw(results: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draw the loss on copies and on plain text: one dot per sequence, passage or draw, and a bar for the mean."""
    import matplotlib.pyplot as plt

    panels = {"copy loss": "Repeated random tokens, second copy", "plain loss": "Plain prose"}
    colors = {"unedited": "#6b7280", "induction heads ablated": "#b91c1c", "random heads ablated": "#2563eb"}
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.4), sharey=True, layout="constrained")
    for ax, (what, title) in zip(axes, panels.items(), strict=True):
        for at, (name, result) in enumerate(results.items()):
            values = result[what]
            ax.plot(values, [at] * len(values), "o", ms=3.5, alpha=0.35, mew=0, color=colors[name])
            mean, half = interval(values)
            ax.errorbar([mean], [at], xerr=[half], fmt="|", ms=16, mew=2, capsize=3, color=colors[name])
        ax.set_title(title, fontsize=9, loc="left")
        ax.set_xlabel("loss (nats per token)", fontsize=9)
        ax.set_xlim(left=0)
        ax.tick_params(labelsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(results)), list(results))
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=140)


def save(results: Any, path: Path) -> None:
    """Write results as JSON, with floats rounded to five decimals."""
    rounded = json.loads(json.dumps(results), parse_float=lambda number: round(float(number), 5))
    path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")


def main(path: Path) -> None:
    """Find the heads, ablate them, compare with random heads, draw the figure, and write the numbers."""
    model: Any = attnscope.load("smollm2")
    heads, induction = strongest(model, [repeated_tokens(model, seed) for seed in SEARCH_SEEDS], HEADS)
    print("Induction measure:", ", ".join(f"{layer}.{head} {induction[layer, head]:.2f}" for layer, head in heads))
    sequences = [repeated_tokens(model, seed) for seed in TEST_SEEDS]
    results = {
        "unedited": measure(model, sequences, PASSAGES, []),
        "induction heads ablated": measure(model, sequences, PASSAGES, heads),
    }
    at_random = [random_heads(model, heads, seed) for seed in range(DRAWS)]
    draws = [measure(model, sequences, PASSAGES, chosen) for chosen in at_random]
    results["random heads ablated"] = {what: [interval(one[what])[0] for one in draws] for what in draws[0]}
    print(table(results).to_string())
    worst = max(interval(one["copy loss"])[0] for one in draws)
    print(
        f"n = {len(sequences)} sequences, {len(PASSAGES)} passages, {len(draws)} draws; highest copy loss of a draw: {worst:.2f}"
    )
    draw(results, path)
    found = {"heads": heads, "induction": [float(induction[head]) for head in heads], "random heads": at_random}
    save(
        {**found, "chance loss": math.log(model.hf_model.config.vocab_size), "results": results},
        path.with_suffix(".json"),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
