"""`values` responses, compared with head outputs and value vectors computed one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope.errors import CancelledError, TooLongError, UnsupportedError
from attnscope.session.limits import Limits
from attnscope.session.messages.values import values_message

FAMILIES = ["gpt2", "bert", "llama", "gemma2", "gpt_oss", "deepseek_v3", "gpt_neox"]


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_match_head_outputs_and_projected_value_vectors(family: str):
    trace = attnscope.Model(tiny_models.build(family)).trace(tiny_models.ids())
    layer = 1
    record = trace.layer_record(layer)
    projection = trace.traced_stack().projections[layer]
    fields, arrays = values_message(record, projection, Limits(), no_projection_note="")
    heads = record.shape.heads
    for head in range(heads):
        output = trace.head_output(layer, head)
        np.testing.assert_allclose(arrays["output_norm"][head], output.norm(dim=-1), rtol=1e-4, atol=1e-6)
        # f(x_j) for each key: the output of a head whose entire weight is on key j.
        alone = torch.zeros(record.keys, heads * record.shape.v_dim)
        alone[:, head * record.shape.v_dim : (head + 1) * record.shape.v_dim] = trace.v(layer, head)
        assert projection is not None
        with torch.no_grad():
            transformed = projection(alone) - projection(torch.zeros_like(alone[:1]))
        np.testing.assert_allclose(arrays["transformed_norm"][head], transformed.norm(dim=-1), rtol=1e-4, atol=1e-6)
        # The output is the sum of the keys' contributions α f(x) (Kobayashi 2020).
        summed = trace.attention(layer, head) @ transformed
        np.testing.assert_allclose(output, summed, rtol=1e-3, atol=1e-4 * float(output.abs().max()))
        group = head * record.shape.kv_heads // heads
        np.testing.assert_allclose(arrays["v"][group], trace.v(layer, head), atol=1e-3 * float(record.v.abs().max()))
    assert fields["note"] is None
    assert arrays["v"].dtype == np.float16
    assert 0 < fields["error"] < 1e-3


def test_values_that_overflow_float16_are_sent_as_float32():
    record = attnscope.Model(tiny_models.build("llama")).trace(tiny_models.ids()).layer_record(0)
    large = replace(record, v=record.v * 1e6)
    fields, arrays = values_message(large, None, Limits(), no_projection_note="no")
    assert arrays["v"].dtype == np.float32
    assert (fields["error"], fields["note"]) == (0.0, "no")
    np.testing.assert_array_equal(arrays["v"], large.v)


def test_without_a_projection_a_note_explains_the_missing_norms(tmp_path: Path):
    trace = attnscope.Model(tiny_models.build("llama")).trace(tiny_models.ids())
    trace.save(tmp_path / "with.trace", weights=True)
    opened = attnscope.open(tmp_path / "with.trace")
    _, arrays = values_message(
        opened.layer_record(0), opened.traced_stack().projections[0], Limits(), no_projection_note=""
    )
    np.testing.assert_allclose(arrays["output_norm"][2], trace.head_output(0, 2).norm(dim=-1), rtol=1e-4)
    _, arrays = values_message(opened.layer_record(0), None, Limits(), no_projection_note="why")
    assert set(arrays) == {"v"}


def test_a_layer_without_value_vectors_is_unsupported_and_limits_apply():
    weights = np.full((1, 1, 2, 2), 0.5, dtype=np.float32)
    given = attnscope.Trace.from_attention([weights], ["a", "b"])
    with pytest.raises(UnsupportedError, match="only its attention weights"):
        values_message(given.layer_record(0), None, Limits(), no_projection_note="")
    trace = attnscope.Model(tiny_models.build("llama")).trace(tiny_models.ids())
    with pytest.raises(TooLongError):
        values_message(trace.layer_record(0), None, Limits(answer_bytes=10), no_projection_note="")
    with pytest.raises(CancelledError):
        values_message(
            trace.layer_record(0),
            trace.traced_stack().projections[0],
            Limits(),
            no_projection_note="",
            cancelled=lambda: True,
        )
