"""Encoder, decoder and cross-attention equal transformers' own eager implementation."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from helpers import tiny_models
from helpers.eager_attention import assert_same_attention, eager_outputs
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

import attnscope
from attnscope.errors import CancelledError, InputError, MissingError, TooLongError

pytestmark = pytest.mark.core


@pytest.fixture(scope="module", params=tiny_models.SEQ2SEQ)
def model(request: pytest.FixtureRequest) -> Any:
    return tiny_models.build(request.param)


@pytest.fixture(scope="module")
def wrapped(model: Any) -> attnscope.Model:
    return attnscope.Model(model)


@pytest.mark.parametrize(("source", "target"), [(12, 5), (4, 9), (7, 7), (1, 1)])
def test_all_three_stacks_are_the_models_own_attention(
    model: Any, wrapped: attnscope.Model, source: int, target: int
) -> None:
    ids, written = tiny_models.ids(source), tiny_models.ids(target)[::-1]
    trace = wrapped.trace(ids, target=written)
    expected = eager_outputs(model, input_ids=[ids], decoder_input_ids=[written])
    assert_same_attention(trace, expected)
    assert trace.logits is not None
    torch.testing.assert_close(trace.logits, expected.logits[0], atol=1e-4, rtol=1e-4)
    assert trace.certificate.ok and list(trace.certificate.stacks) == ["encoder", "decoder", "cross"]
    assert [[token.id for token in side] for side in trace.tokens_for("cross")] == [written, ids]


def test_without_a_target_the_model_generates_one(model: Any, wrapped: attnscope.Model) -> None:
    ids = tiny_models.ids(9)
    with torch.no_grad():
        written = copy.deepcopy(model).generate(torch.tensor([ids]), do_sample=False, max_new_tokens=20)[0].tolist()
    ends = model.generation_config.eos_token_id
    trace = wrapped.trace(ids)
    assert [token.id for token in trace.tokens] == (written[:-1] if written[-1] == ends else written)
    assert trace.provenance["target"] is None and trace.provenance["decoder_input_ids"] == written[: len(trace.tokens)]
    assert trace.logits is not None and trace.next_tokens is not None
    likeliest = int(trace.logits[-1].argmax())
    assert trace.next_tokens[0][1] == likeliest


@pytest.mark.filterwarnings("ignore:Version v4.12.0")  # EncoderDecoderModel warns about training
def test_labels_are_shifted_as_in_training(model: Any, wrapped: attnscope.Model) -> None:
    ids, labels = tiny_models.ids(9), [11, 12, 13, 2]
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).logits[0]
    for trace in (wrapped.trace({"input_ids": ids, "labels": labels}), wrapped.trace(ids, target={"labels": labels})):
        torch.testing.assert_close(trace.logits, expected, atol=1e-4, rtol=1e-4)
    assert [token.id for token in trace.tokens][1:] == labels[:-1]


def test_the_certificate_compares_every_stack(wrapped: attnscope.Model) -> None:
    certificate = wrapped.check(tiny_models.ids(9), target=tiny_models.ids(5))
    assert certificate.ok
    for layers in certificate.stacks.values():
        assert all(layer.eager_weights is not None and layer.eager_weights < 1e-5 for layer in layers)
        assert all(layer.hidden_states is not None for layer in layers)


def test_a_saved_trace_has_all_stacks_and_its_head_outputs(
    model: Any, wrapped: attnscope.Model, tmp_path: Path
) -> None:
    trace = wrapped.trace(tiny_models.ids(9), target=tiny_models.ids(4))
    trace.save(tmp_path / "one.trace")
    opened = attnscope.open(tmp_path / "one.trace", model=wrapped)
    assert opened.id == trace.id and [len(side) for side in opened.tokens_for("cross")] == [4, 9]
    for stack in trace.stacks:
        torch.testing.assert_close(opened.attention(1, 1, stack), trace.attention(1, 1, stack), atol=0, rtol=0)
        expected = trace.head_output(1, 0, stack)
        torch.testing.assert_close(opened.head_output(1, 0, stack), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(opened.logits, trace.logits, atol=1e-4, rtol=1e-4)


def test_the_position_bias_of_t5_is_one_number_per_head_and_distance() -> None:
    trace = attnscope.Model(tiny_models.build("t5")).trace(tiny_models.ids(40), target=tiny_models.ids(30))
    for stack, count in (("encoder", 40), ("decoder", 30)):
        for record in trace.traced_stack(stack).records:
            assert record.bias.kind == "relative" and record.bias.values.shape == (4, 2 * count - 1)
    assert all(record.bias is None for record in trace.traced_stack("cross").records)


def test_a_stack_outside_the_interface_is_dropped_with_a_warning() -> None:
    torch.manual_seed(0)
    config = tf.LongT5Config(**tiny_models._T5, local_radius=4)
    trace = attnscope.Model(tf.LongT5ForConditionalGeneration(config).eval()).trace(
        tiny_models.ids(9), target=tiny_models.ids(4)
    )
    assert list(trace.stacks) == ["decoder", "cross"] and trace.certificate.ok
    assert any(warning.startswith("The encoder attention cannot be shown.") for warning in trace.warnings)


def test_reported_stacks_appear_next_to_captured_ones() -> None:
    torch.manual_seed(0)
    model = tf.BigBirdPegasusForConditionalGeneration(
        tf.BigBirdPegasusConfig(**tiny_models._SIDES, attention_type="original_full")
    )
    trace = attnscope.Model(model.eval()).trace(tiny_models.ids(9), target=tiny_models.ids(4))
    assert_same_attention(
        trace, eager_outputs(model, input_ids=[tiny_models.ids(9)], decoder_input_ids=[tiny_models.ids(4)])
    )
    assert not trace.certificate.ok and "weights of the encoder" in trace.certificate.sentence


def test_an_unused_target_and_two_targets_raise() -> None:
    with pytest.raises(InputError, match="no target side"):
        attnscope.Model(tiny_models.build("gpt2")).trace(tiny_models.ids(), target=tiny_models.ids())
    model = attnscope.Model(tiny_models.build("t5"))
    with pytest.raises(InputError, match="already contain a target"):
        model.trace({"input_ids": tiny_models.ids(), "decoder_input_ids": [0, 5]}, target=[0, 6])
    with pytest.raises(InputError, match="no tokens"):
        model.trace(tiny_models.ids(), target=[])
    with pytest.raises(InputError, match="a mapping of ready inputs; got 5"):
        model.trace(tiny_models.ids(), target=5)  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(InputError, match="batch of 2 inputs needs a list of 2 targets; got 5"):
        model.trace({"input_ids": [tiny_models.ids()] * 2}, target=5)  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(InputError, match="surrogate"):
        attnscope.Model(tiny_models.build("t5"), tiny_models.words_tokenizer()).trace("a", target="\ud83e")
    with pytest.raises(MissingError, match="no tokenizer"):
        model.trace(tiny_models.ids(), target="a text")
    with pytest.raises(InputError, match="its vocabulary has ids 0 to 94"):
        attnscope.Model(tiny_models.build("bert2gpt2")).trace(tiny_models.ids(), target=[1, 95])


def test_both_sides_have_their_own_limits() -> None:
    model = attnscope.Model(tiny_models.build("bart"))
    with pytest.raises(TooLongError, match="The source has 65 tokens"):
        model.trace(tiny_models.ids(65), target=tiny_models.ids(4))
    with pytest.raises(TooLongError, match="The target has 70 tokens"):
        model.count_tokens(tiny_models.ids(6), target=tiny_models.ids(70))
    assert model.count_tokens(tiny_models.ids(6), target=tiny_models.ids(9)) == 9


@pytest.fixture(scope="module")
def reader_and_writer() -> attnscope.Model:
    """A tiny T5 whose words are tokens; `</s>` ends both sides."""
    words = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *"abcdefgh"])}
    backend = Tokenizer(WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    backend.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = tf.PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", eos_token="</s>", pad_token="<pad>"
    )
    return attnscope.Model(tiny_models.build("t5"), tokenizer)


def test_a_target_text_follows_the_start_token_and_drops_its_end(reader_and_writer: attnscope.Model) -> None:
    trace = reader_and_writer.trace("a b c", target="d e")
    assert [token.text for token in trace.tokens] == ["<pad>", "d", "e"]
    assert [token.text for token in trace.sides["source"]] == ["a", "b", "c", "</s>"]
    assert trace.tokens_for("cross") == (trace.tokens, trace.sides["source"])
    assert trace.tokens_for("encoder")[0] == trace.sides["source"]
    assert repr(trace).startswith("<Trace of 4 source and 3 target tokens, encoder: 3")
    assert trace.provenance["target"] == "d e" and trace.tokens[0].special
    batch = reader_and_writer.trace(["a b c", "a"], target=["d e", "f"])
    assert [one.provenance["target"] for one in batch] == ["d e", "f"] and batch[0].id == trace.id
    with pytest.raises(InputError, match="list of 2 targets"):
        reader_and_writer.trace(["a", "b"], target="f")


@pytest.mark.parametrize("view", ["head", "model", "neuron", "matrix"])
def test_figures_and_exports_show_every_stack(reader_and_writer: attnscope.Model, tmp_path: Path, view: str) -> None:
    trace = reader_and_writer.trace("a b c", target="d e")
    for stack in trace.stacks:
        assert attnscope.figure(trace, view=view, layer=1, stack=stack).axes
    if view == "head":
        attnscope.export(trace, tmp_path / "one.html", stack="cross")
        assert (tmp_path / "one.html").stat().st_size > 10_000


def test_an_image_is_read_in_patches_and_a_decoder_describes_it() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 32}
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        tf.ViTConfig(**sizes, image_size=32, patch_size=8),
        tf.GPT2Config(vocab_size=95, n_embd=32, n_layer=2, n_head=2, n_positions=64, add_cross_attention=True),
    )
    config.decoder_start_token_id, config.pad_token_id = 1, 0
    model = tf.VisionEncoderDecoderModel(config).eval()
    pixels = torch.rand(1, 3, 32, 32)
    wrapped = attnscope.Model(model)
    trace = wrapped.trace({"pixel_values": pixels}, target=[1, 5, 6])
    assert_same_attention(trace, eager_outputs(model, pixel_values=pixels, decoder_input_ids=[[1, 5, 6]]))
    assert [token.text for token in trace.tokens_for("cross")[1]][:3] == ["[CLS]", "patch 0,0", "patch 0,1"]
    assert wrapped.stacks == trace.stacks and len(wrapped.trace({"pixel_values": pixels}).tokens) == 21


def test_the_models_own_output_begins_with_the_requested_language(reader_and_writer: attnscope.Model) -> None:
    reader_and_writer.tokenizer.tgt_lang = "c"
    try:
        assert [token.text for token in reader_and_writer.trace("a b").tokens][:2] == ["<pad>", "c"]
    finally:
        del reader_and_writer.tokenizer.tgt_lang


class Stops:
    """An observer that cancels the run once it has started."""

    def __init__(self) -> None:
        self.asked = 0

    def layer(self, done: int, total: int) -> None:
        raise AssertionError("no layer of the trace is computed before the target is written")

    def cancelled(self) -> bool:
        self.asked += 1
        return self.asked > 2


def test_a_run_can_be_cancelled_while_the_model_writes_its_target(reader_and_writer: attnscope.Model) -> None:
    with pytest.raises(CancelledError):
        reader_and_writer.trace("a b c", observer=Stops())
