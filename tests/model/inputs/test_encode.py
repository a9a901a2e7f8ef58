"""What one can give to be traced: chats, batches, padded inputs, texts that are too long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from helpers.tiny_models import FAMILIES

import attnscope
from attnscope.errors import InputError, TooLongError

QUESTION = {"role": "user", "content": "Hi there"}


def roles(trace: attnscope.Trace) -> list[tuple[str | None, str]]:
    """The text of each role's stretch, in order."""
    found: list[tuple[str | None, str]] = []
    for token in trace.tokens:
        if found and found[-1][0] == token.role:
            found[-1] = (token.role, found[-1][1] + token.text)
        else:
            found.append((token.role, token.text))
    return found


def test_a_chat_is_what_its_template_makes_of_it(smollm2: attnscope.Model) -> None:
    trace = smollm2.trace([QUESTION])
    written = smollm2.tokenizer.apply_chat_template([QUESTION], add_generation_prompt=True)["input_ids"]
    assert [token.id for token in trace.tokens] == written
    assert roles(trace) == [
        (None, "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"),
        ("user", "<|im_start|>user\nHi there<|im_end|>\n"),
        ("assistant", "<|im_start|>assistant\n"),
    ]
    assert [token.text for token in trace.tokens if token.special] == ["<|im_start|>", "<|im_end|>"] * 2 + [
        "<|im_start|>"
    ]
    assert trace.next_tokens is not None and trace.next_tokens[0][0] == "Hello"
    assert trace.provenance["messages"] == [QUESTION]


def test_a_finished_chat_asks_for_no_answer(smollm2: attnscope.Model) -> None:
    chat = [{"role": "system", "content": "Be brief"}, QUESTION, {"role": "assistant", "content": "Hello!"}]
    assert roles(smollm2.trace(chat)) == [
        ("system", "<|im_start|>system\nBe brief<|im_end|>\n"),
        ("user", "<|im_start|>user\nHi there<|im_end|>\n"),
        ("assistant", "<|im_start|>assistant\nHello!<|im_end|>\n"),
    ]


@pytest.mark.parametrize("content", ["a", "user", "", "  hi  ", "You are a helpful AI assistant named SmolLM"])
def test_a_role_is_found_whatever_the_message_reads_like(smollm2: attnscope.Model, content: str) -> None:
    chat = [{"role": "user", "content": content}, {"role": "assistant", "content": content}]
    assert roles(smollm2.trace(chat)) == [
        (None, "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"),
        ("user", f"<|im_start|>user\n{content}<|im_end|>\n"),
        ("assistant", f"<|im_start|>assistant\n{content}<|im_end|>\n"),
    ]


def test_a_template_may_change_contents_and_says_so_where_it_takes_no_parts(smollm2: attnscope.Model) -> None:
    tokenizer = smollm2.tokenizer.__class__.from_pretrained(smollm2.tokenizer.name_or_path)
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] | upper }}\n{% endfor %}"
    model = attnscope.Model(smollm2.hf_model, tokenizer)
    assert roles(model.trace([QUESTION, {"role": "assistant", "content": "a"}])) == [
        ("user", "user: HI THERE\n"),
        ("assistant", "assistant: A\n"),
    ]
    tokenizer.chat_template = tokenizer.chat_template.replace(" | upper", "")
    with pytest.raises(InputError, match="takes no list of parts, which message 0 has"):
        model.trace([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])


def test_roles_survive_a_file(smollm2: attnscope.Model, tmp_path) -> None:
    trace = smollm2.trace([QUESTION])
    trace.save(tmp_path / "chat.trace")
    assert attnscope.open(tmp_path / "chat.trace").tokens == trace.tokens


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([{"content": "x"}], "Message 0 has no role"),
        ([{"role": "usr", "content": "x"}], "role 'usr', which this chat template does not know"),
        ([QUESTION, {"role": "assistant"}], "content of message 1 is a text; got NoneType"),
        ([{"role": "user", "content": [{"type": "image"}]}], "part of the type 'image'"),
        ([{"role": "user", "content": "\ud83e"}], "surrogate"),
    ],
)
def test_a_wrong_message_gets_a_sentence(smollm2: attnscope.Model, messages, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        smollm2.trace(messages)


def test_a_template_that_refuses_is_quoted_and_one_that_is_not_there_is_said(smollm2, minilm) -> None:
    strict = smollm2.tokenizer.__class__.from_pretrained(smollm2.tokenizer.name_or_path)
    strict.chat_template = (
        "{% if messages[0]['role'] != 'user' %}{{ raise_exception('Begin with the user') }}{% endif %}x"
    )
    model = attnscope.Model(smollm2.hf_model, strict)
    with pytest.raises(InputError, match="refuses these messages: Begin with the user"):
        model.trace([{"role": "assistant", "content": "x"}])
    with pytest.raises(InputError, match=r"leaves message 0 .* out"):
        model.trace([QUESTION])
    with pytest.raises(InputError, match="no chat template"):
        minilm.trace([QUESTION])


def test_a_list_of_texts_is_a_list_of_traces(minilm: attnscope.Model) -> None:
    traces = minilm.trace(["the cat", "a dog ran home"])
    assert [trace.id for trace in traces] == [minilm.trace("the cat").id, minilm.trace("a dog ran home").id]
    (paired,) = minilm.trace(["the cat"], pair=["a dog"])
    assert paired.id == minilm.trace("the cat", pair="a dog").id
    with pytest.raises(InputError, match="list of 2 second sentences; got one string"):
        minilm.trace(["a", "b"], pair="c")


@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("family", ["llama", "modernbert"])
def test_each_of_a_padded_batch_is_as_if_alone(family: str, padding_side: str) -> None:
    torch.manual_seed(0)
    model = attnscope.Model(FAMILIES[family]().eval())
    long, short = [5, 6, 7, 8, 9, 10, 11, 12, 13], [14, 15, 16]
    pads = [0] * (len(long) - len(short))
    left = padding_side == "left"
    ids = [long, pads + short if left else short + pads]
    mask = [[1] * len(long), [0] * len(pads) + [1] * 3 if left else [1] * 3 + [0] * len(pads)]
    traces: Any = model.trace({"input_ids": ids, "attention_mask": mask})
    whole, padded = traces
    real = slice(len(pads), None) if left else slice(0, 3)
    alone = model.trace(short)
    assert whole.certificate.ok and padded.certificate.ok
    assert [token.special for token in padded.tokens] == [not one for one in mask[1]]
    for layer in range(alone.stacks[next(iter(alone.stacks))].layers):
        assert (padded.attention(layer, 1)[real, real] - alone.attention(layer, 1)).abs().max() < 1e-5
        assert padded.attention(layer, 1)[real].sum(-1) == pytest.approx(torch.ones(3))
        assert (whole.attention(layer, 1) - model.trace(long).attention(layer, 1)).abs().max() < 1e-5


def test_a_long_text_is_cut_where_one_asks_for_it(smollm2: attnscope.Model, minilm: attnscope.Model) -> None:
    text = "fox " * 600
    with pytest.raises(TooLongError, match="602 tokens"):
        minilm.trace(text)
    cut = minilm.trace(text, max_tokens=minilm.max_tokens)
    assert len(cut.tokens) == 512 and cut.tokens[-1].text == "[SEP]"
    assert cut.warnings == ["The text was cut to 512 of its 602 tokens."]
    assert [token.text for token in smollm2.trace([5, 6, 7, 8], max_tokens=2).tokens] == [
        token.text for token in smollm2.trace([5, 6]).tokens
    ]
    assert minilm.trace("a b", max_tokens=9).warnings == []
    for bad, sentence in ((0, "at least 1"), (2, "adds 2 special tokens")):
        with pytest.raises(InputError, match=sentence):
            minilm.trace(text, max_tokens=bad)
    with pytest.raises(InputError, match="chat is not cut"):
        smollm2.trace([QUESTION], max_tokens=3)


def test_a_hybrid_keeps_its_own_layer_numbers_and_a_wrapper_shows_its_language_part() -> None:
    sizes = {
        "vocab_size": 99, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 32,
    }  # fmt: skip
    kinds = ["conv", "full_attention", "full_attention", "conv"]
    hybrid = tf.Lfm2ForCausalLM(tf.Lfm2Config(**sizes, num_hidden_layers=4, layer_types=kinds))
    trace = attnscope.Model(hybrid.eval()).trace([5, 6, 7])
    assert [shape is not None for shape in trace.stacks["decoder"].shapes] == [False, True, True, False]
    with pytest.raises(InputError, match="no attention"):
        trace.attention(0, 0)

    tower = tf.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    text = tf.LlamaConfig(**sizes, num_hidden_layers=3)
    wrapped = tf.LlavaForConditionalGeneration(
        tf.LlavaConfig(text_config=text, vision_config=tower, image_token_index=98)
    ).eval()
    spoken = attnscope.Model(wrapped).trace([5, 6, 7])
    assert {name: stack.layers for name, stack in spoken.stacks.items()} == {"decoder": 3}
    assert spoken.certificate.ok


@pytest.mark.parametrize(
    ("given", "options", "sentence"),
    [
        (None, {}, "a mapping of model inputs; got NoneType"),
        (2.5, {}, "got float"),
        ([1.5, 2], {}, "got list of float, int"),
        ([[5, 6]], {}, "got list of list"),
        ([True], {}, "got list of bool"),
        ([], {}, "no tokens"),
        (torch.tensor([[5, 6], [7, 8]]), {}, "of one input; 'input_ids' holds a batch of 2. Pass one row"),
        ("cat", {"pair": 5}, "is a text; got int"),
        ("cat", {"pair": ["dog"]}, "goes with a list of texts"),
        (["cat", "dog"], {"pair": 5}, "list of 2 second sentences; got int"),
        (["cat", "dog"], {"pair": ["a", 5]}, "is a text; got int"),
        ([5, 6], {"pair": "dog"}, "goes with a text, not with token ids"),
        ("cat", {"max_tokens": "5"}, "at least 1; got '5'"),
        ("cat", {"max_tokens": 1.5}, "at least 1; got 1.5"),
        ([5, 6], {"max_tokens": True}, "at least 1; got True"),
        ({"input_features": torch.zeros(1, 16, 60)}, {}, "takes no input of the name input_features"),
        (
            {"input_ids": [[5, 6]], "token_type_ids": [[0, 7]]},
            {},
            "does not run over these inputs .IndexError: index out",
        ),
        ({"input_ids": [[5, 6]], "position_ids": [[0, 9999]]}, {}, "does not run over these inputs"),
    ],
)
def test_what_cannot_be_traced_gets_a_sentence(
    minilm: attnscope.Model, given: Any, options: Any, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        minilm.trace(given, **options)
    if isinstance(given, dict):
        with pytest.raises(InputError, match=sentence):
            minilm.check(given)


def test_one_text_is_checked_at_a_time(minilm: attnscope.Model) -> None:
    with pytest.raises(InputError, match="One text at a time here; got a list of 2"):
        minilm.check(["cat", "dog"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="goes with a list of texts"):
        minilm.check("cat", pair=["dog"])  # pyright: ignore[reportArgumentType]


def test_token_ids_may_be_numpys(minilm: attnscope.Model) -> None:
    ids = minilm.tokenizer("the cat")["input_ids"]
    assert minilm.trace(list(np.array(ids))).id == minilm.trace(ids).id


def test_what_is_no_tokenizer_is_refused_at_once(minilm: attnscope.Model) -> None:
    for given in ("minilm", 5, minilm.hf_model):
        with pytest.raises(InputError, match=f"its processor, .*; got {type(given).__name__}"):
            attnscope.Model(minilm.hf_model, given)
