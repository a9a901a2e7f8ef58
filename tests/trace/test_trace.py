"""`Trace` on real models: shapes, values, errors and memory."""

from __future__ import annotations

import json

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import attnscope
from attnscope.errors import InputError

pytestmark = pytest.mark.core

FOX = "The quick, brown fox jumps over the lazy"


@pytest.fixture(scope="module")
def fox(smollm2: attnscope.Model) -> attnscope.Trace:
    return smollm2.trace(FOX)


def test_shapes_and_types(fox: attnscope.Trace) -> None:
    n = len(fox.tokens)
    assert fox.attention(5, 3).shape == fox.scores(5, 3).shape == (n, n)
    assert fox.q(5, 3).shape == fox.k(5, 3).shape == fox.v(5, 3).shape == (n, 64)
    assert fox.head_output(5, 3).shape == (n, 576)
    assert fox.logits is not None and fox.logits.shape == (n, 49152)
    for array in (fox.attention(5, 3), fox.scores(5, 3), fox.q(5, 3), fox.head_output(5, 3), fox.logits):
        assert array.dtype == torch.float32 and array.device.type == "cpu" and not array.requires_grad


def test_stacks_report_sizes_and_layers(
    smollm2: attnscope.Model, minilm: attnscope.Model, fox: attnscope.Trace
) -> None:
    stack = smollm2.stacks["decoder"]
    assert (stack.layers, stack.heads, stack.kv_heads, stack.head_dim) == (30, 9, 3, 64)
    assert fox.stacks == smollm2.stacks
    layer = stack.layer(29)
    assert layer is not None and (layer.heads, layer.kv_heads, layer.qk_dim, layer.v_dim) == (9, 3, 64, 64)
    assert list(minilm.stacks) == ["encoder"]
    with pytest.raises(InputError, match="ayer 30"):
        stack.layer(30)
    queries, keys = fox.tokens_for("decoder")
    assert queries == keys == fox.tokens


def test_attention_is_the_softmax_of_scores_computed_from_q_and_k(fox: attnscope.Trace) -> None:
    attention, scores = fox.attention(7, 2), fox.scores(7, 2)
    torch.testing.assert_close(attention, torch.softmax(scores, -1))
    n = len(fox.tokens)
    products = fox.q(7, 2) @ fox.k(7, 2).T / 8
    allowed = torch.ones(n, n).tril().bool()
    torch.testing.assert_close(scores[allowed], products[allowed], atol=1e-4, rtol=1e-5)
    assert bool((scores[~allowed] == -torch.inf).all())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (slice(2, 5), [2, 3, 4]),
        ([7, 0], [7, 0]),
        ([-1], [8]),
        (torch.tensor([1]), [1]),
        ([], []),
        (slice(None, None, -4), [8, 4, 0]),
    ],
)
def test_rows_selects_queries(fox: attnscope.Trace, rows, expected: list[int]) -> None:
    torch.testing.assert_close(fox.attention(3, 1, rows=rows), fox.attention(3, 1)[expected], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(fox.scores(3, 1, rows=rows), fox.scores(3, 1)[expected], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.attention(30, 0), "Layer 30 does not exist: this stack has layers 0 to 29"),
        (lambda t: t.attention(-1, 0), "Layer -1 does not exist"),
        (lambda t: t.attention(0, 9), "Head 9 does not exist: this layer has heads 0 to 8"),
        (lambda t: t.attention("0", 0), "Layer '0' does not exist"),
        (lambda t: t.attention(0, 1.5), "Head 1.5 does not exist"),
        (lambda t: t.attention(0, 0, rows=[0.5]), "an index, a word, a slice or a list"),
        (lambda t: t.attention(0, 0, rows="ab"), '"ab" is not a word of the text'),
        (lambda t: t.attention(0, 0, rows=slice("a", "b")), "an index, a word, a slice or a list"),
        (lambda t: t.attention(0, 0, stack="encoder"), "no stack 'encoder'"),
        (lambda t: t.attention(0, 0, rows=[9]), "between 0 and 8"),
        (lambda t: t.tokens_for("cross"), "no stack 'cross'"),
        (lambda t: t.tokens_for(["cross"]), "no stack \\['cross'\\]"),
    ],
)
def test_indices_out_of_range_raise_a_clear_error(fox: attnscope.Trace, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(fox)


def test_grouped_heads_share_keys_and_values_but_not_queries(fox: attnscope.Trace) -> None:
    assert torch.equal(fox.k(4, 0), fox.k(4, 2)) and torch.equal(fox.v(4, 3), fox.v(4, 5))
    assert not torch.equal(fox.k(4, 2), fox.k(4, 3))
    assert not torch.equal(fox.q(4, 0), fox.q(4, 1))


def test_the_id_is_a_hash_of_the_content(smollm2: attnscope.Model, fox: attnscope.Trace) -> None:
    assert len(fox.id) == 32 and int(fox.id, 16)
    assert smollm2.trace(FOX).id == fox.id
    assert smollm2.trace(FOX + " dog").id != fox.id


def test_provenance_is_json_and_records_model_and_versions(fox: attnscope.Trace) -> None:
    provenance = json.loads(json.dumps(fox.provenance, allow_nan=False))
    assert (
        provenance["model"] == "smollm2" and provenance["quantization"] == "Q4_1" and provenance["dtype"] == "float32"
    )
    assert provenance["input_ids"] == [token.id for token in fox.tokens]
    assert set(provenance["versions"]) == {"attnscope", "torch", "transformers"}
    assert provenance["certificate"]["ok"] and provenance["edits"] == []
    assert len(provenance["weights"]) == 32


def test_the_weights_fingerprint_differs_between_models(smollm2: attnscope.Model, minilm: attnscope.Model) -> None:
    assert smollm2.trace("a").provenance["weights"] != minilm.trace("a").provenance["weights"]


def test_next_tokens_equal_the_models_own_prediction(smollm2: attnscope.Model, fox: attnscope.Trace) -> None:
    ids = torch.tensor([[token.id for token in fox.tokens]])
    with torch.no_grad():
        expected = smollm2.hf_model(input_ids=ids).logits[0, -1].softmax(-1).topk(5)
    assert fox.next_tokens is not None
    assert [ident for _, ident, _ in fox.next_tokens] == expected.indices.tolist()
    assert [p for *_, p in fox.next_tokens] == pytest.approx(expected.values.tolist(), abs=1e-5)


def test_an_encoder_without_a_head_has_no_logits(minilm: attnscope.Model) -> None:
    trace = minilm.trace("the cat")
    assert trace.logits is None and trace.next_tokens is None


class Largest(TorchDispatchMode):
    """Records the shapes of all tensors that operations create."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(one, torch.Tensor):
                self.shapes.add(tuple(one.shape))
        return out


@pytest.mark.parametrize("name", ["smollm2", "minilm"])
def test_no_tensor_of_size_tokens_times_tokens_is_created_or_kept(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    ids = [500 + i % 300 for i in range(487)]
    model.trace(ids)
    with Largest() as seen:
        trace = model.trace(ids)
        trace.id  # noqa: B018
    square = [shape for shape in seen.shapes if shape.count(487) >= 2]
    assert not square
    per_token = sum(
        s.heads * s.qk_dim + s.kv_heads * (s.qk_dim + s.v_dim) for s in next(iter(trace.stacks.values())).shapes
    )
    assert trace.nbytes <= 1.1 * 4 * per_token * 487


def test_captured_q_k_v_do_not_keep_the_memory_of_a_fused_projection() -> None:
    from helpers import tiny_models

    trace = attnscope.Model(tiny_models.build("phi3")).trace(tiny_models.ids(40))
    record = trace.layer_record(0)
    parts = {
        part.untyped_storage().data_ptr(): part.untyped_storage().nbytes() for part in (record.q, record.k, record.v)
    }
    assert sum(parts.values()) <= 1.05 * sum(p.numel() * 4 for p in (record.q, record.k, record.v))
