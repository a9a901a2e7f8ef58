"""Variability of attention between inputs, compared with loops and with numbers worked by hand."""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope import analysis
from attnscope.errors import InputError
from attnscope.trace import Trace

pytestmark = pytest.mark.core


def of_weights(*heads: list[list[float]], tokens: str = "abcd") -> Trace:
    weights = torch.tensor([list(heads)])
    return Trace.from_attention([weights], list(tokens)[: weights.shape[-1]])


def in_loops(traces: list[Trace], layer: int, head: int, *, off_sink: bool, positions: int) -> float:
    """The formula, one weight at a time."""
    texts = [[i for i, token in enumerate(trace.tokens) if not token.padding] for trace in traces]
    size = min(positions, *map(len, texts))
    closed = {
        place
        for trace, text in zip(traces, texts, strict=True)
        for place in range(size)
        if trace.tokens[text[place]].special or (trace.traced_stack().causal and place == 0)
    }
    kept = [place for place in range(size) if not (off_sink and place in closed)]
    windows: list[dict[tuple[int, int], float]] = []
    for trace, text in zip(traces, texts, strict=True):
        weights = trace.attention(layer, head).double().numpy()
        window = {(i, j): float(weights[text[i], text[j]]) for i in range(size) for j in kept}
        for i in range(size):
            total = sum(window[i, j] for j in kept)
            for j in kept if off_sink else ():
                window[i, j] = window[i, j] / total if total else float("nan")
        windows.append(window)
    cells = [cell for cell in windows[0] if all(not np.isnan(window[cell]) for window in windows)]
    mean = {cell: sum(window[cell] for window in windows) / len(windows) for cell in cells}
    apart = sum(abs(window[cell] - mean[cell]) for window in windows for cell in cells)
    return apart / (2 * sum(window[cell] for window in windows for cell in cells))


def test_two_inputs_worked_by_hand() -> None:
    first = of_weights([[1.0, 0, 0], [0.5, 0.5, 0], [0.2, 0.8, 0]], [[1.0, 0, 0], [0.5, 0.5, 0], [0.5, 0.25, 0.25]])
    second = of_weights([[1.0, 0, 0], [0.5, 0.5, 0], [0.2, 0, 0.8]], [[1.0, 0, 0], [0.5, 0.5, 0], [0.5, 0.25, 0.25]])
    table = analysis.variability([first, second], off_sink=False)
    # Head 0 differs in row 2 only: |0.8 − 0.4| four times, over 2 · 6 rows.
    assert table["variability"].tolist() == pytest.approx([4 * 0.4 / 12, 0.0])
    assert table["n"].tolist() == [2, 2] and table["positions"].tolist() == [3, 3]
    # Without the first token: row 1 is [1] in both, row 2 [1, 0] and [0, 1]: |1 − 0.5| four times, over 2 · 4 rows.
    assert analysis.variability([first, second])["variability"].tolist() == pytest.approx([4 * 0.5 / 8, 0.0])


def test_a_head_that_attends_to_the_sink_alone_is_positional_unless_sinks_are_dropped() -> None:
    first = of_weights([[1.0, 0, 0], [0.98, 0.02, 0], [0.98, 0.02, 0]])
    second = of_weights([[1.0, 0, 0], [0.98, 0.02, 0], [0.98, 0, 0.02]])
    assert analysis.variability([first, second], off_sink=False)["variability"][0] < 0.01
    assert analysis.variability([first, second])["variability"][0] == pytest.approx(0.25)


@pytest.mark.parametrize("off_sink", [False, True])
@pytest.mark.parametrize("family", ["mistral", "gpt_oss", "bert", "bloom"])
def test_inputs_of_different_lengths_equal_loops(family: str, off_sink: bool) -> None:
    model = attnscope.Model(tiny_models.build(family))
    traces = [model.trace(tiny_models.ids(size)[::step]) for size, step in ((9, 1), (7, -1), (12, -1))]
    for positions, size in ((32, 7), (5, 5)):
        table = analysis.variability(traces, off_sink=off_sink, positions=positions)
        assert set(table["positions"]) == {size} and set(table["n"]) == {3}
        for row in table.itertuples():
            wanted = in_loops(traces, row.layer, row.head, off_sink=off_sink, positions=positions)
            assert row.variability == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("off_sink", [False, True])
def test_special_tokens_of_any_input_are_dropped_from_all(minilm: attnscope.Model, off_sink: bool) -> None:
    traces = [minilm.trace(text) for text in ("the cat sat", "a dog lay on the rug", "birds sing in old trees")]
    table = analysis.variability(traces, off_sink=off_sink)
    assert set(table["positions"]) == {5}
    for row in table[::9].itertuples():
        wanted = in_loops(traces, row.layer, row.head, off_sink=off_sink, positions=32)
        assert row.variability == pytest.approx(wanted, abs=1e-5)


def test_a_generator_gives_the_same_as_a_list(smollm2: attnscope.Model) -> None:
    texts = ["the cat sat on the mat", "a quick brown fox jumps over it", "we like to read in bed"]
    traces = [smollm2.trace(text) for text in texts]
    listed = analysis.variability(traces)
    pd.testing.assert_frame_equal(analysis.variability(smollm2.trace(text) for text in texts), listed)
    pd.testing.assert_frame_equal(analysis.variability(iter(traces)), listed)


def test_padding_does_not_count(minilm: attnscope.Model) -> None:
    texts = ["the cat sat on the mat", "a dog"]
    batch = minilm.trace(dict(minilm.tokenizer(texts, padding=True, return_tensors="pt")))
    alone = analysis.variability([minilm.trace(text) for text in texts]).sort_values(
        ["layer", "head"], ignore_index=True
    )
    padded = analysis.variability(list(batch)).sort_values(["layer", "head"], ignore_index=True)
    pd.testing.assert_frame_equal(alone, padded, atol=1e-4)


def test_cross_attention_is_compared_too() -> None:
    def cross(weights: list[list[float]]) -> Trace:
        return Trace.from_attention(
            [torch.tensor([[weights]])], ["x", "y"], key_tokens=["a", "b", "c"][: len(weights[0])]
        )

    table = analysis.variability([cross([[0.5, 0.5], [1.0, 0.0]]), cross([[0.5, 0.5], [0.0, 1.0]])], off_sink=False)
    assert table["variability"].tolist() == pytest.approx([4 * 0.5 / 8])


def test_a_list_keeps_no_weights(monkeypatch) -> None:
    monkeypatch.setattr(importlib.import_module("attnscope.analysis.variability"), "_MOST_BYTES", 10)
    traces = [of_weights([[1.0, 0], [0.5, 0.5]]) for _ in range(3)]
    assert analysis.variability(traces)["n"].tolist() == [3]
    with pytest.raises(InputError, match="the limit for a generator"):
        analysis.variability(iter(traces))


@pytest.mark.parametrize(
    ("traces", "message"),
    [
        ([], "at least two inputs; got 0"),
        (iter([]), "at least two inputs; got 0"),
        ([of_weights([[1.0, 0], [0.5, 0.5]])], "at least two inputs; got 1"),
        (of_weights([[1.0, 0], [0.5, 0.5]]), "is a list of traces"),
        ("text", "is a list of traces"),
        (3, "is a list of traces"),
        (["text", "text"], "needs a Trace"),
        ([of_weights([[1.0, 0], [0.5, 0.5]]), of_weights(*[[[1.0, 0], [0.5, 0.5]]] * 2)], "different layers and heads"),
    ],
)
def test_inputs_that_cannot_be_compared_are_one_sentence(traces, message: str) -> None:
    with pytest.raises(InputError, match=message):
        analysis.variability(traces)


@pytest.mark.parametrize("positions", [0, 1, 2.5, "8"])
def test_positions_are_checked(positions) -> None:
    with pytest.raises(InputError, match="`positions`"):
        analysis.variability([], positions=positions)
