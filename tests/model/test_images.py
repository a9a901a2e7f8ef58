"""`image=` of every method that takes a text: the model's own numbers for the same text and image."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.tiny_vision_models import llava_with_processor, random_photo

from attnscope import Model
from attnscope.errors import InputError

TEXT = "what is this ?"
CLEAN, CORRUPTED = random_photo(), random_photo(40, 60)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(*llava_with_processor())


def _logits(model: Model, image: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.hf_model(**model.encode(TEXT, image=image).inputs).logits[0].float()


def test_generate_continues_a_text_with_an_image(model: Model) -> None:
    made = model.generate(TEXT, 4, image=CLEAN)
    with torch.no_grad():
        own = model.hf_model.generate(**model.encode(TEXT, image=CLEAN).inputs, do_sample=False, max_new_tokens=4)
    assert [token.id for token in made.trace.tokens] == own[0].tolist()
    assert made.trace.provenance["text"] == TEXT
    assert model.generate(model.encode(TEXT, image=CLEAN), 4).text == made.text


def test_states_and_checks_read_the_image(model: Model) -> None:
    states = model.states(TEXT, image=CLEAN)
    torch.testing.assert_close(states.logits(states.layers), _logits(model, CLEAN), atol=1e-4, rtol=0)
    assert states.contributions is not None
    assert abs(states.contributions.remainder) < 1e-4
    assert model.check(TEXT, image=CLEAN).ok


def test_patching_from_one_image_into_another_equals_a_hook_by_hand(model: Model) -> None:
    answer = 5
    sweep = model.patch(TEXT, TEXT, image=CLEAN, corrupted_image=CORRUPTED, what="residual", answer=answer)
    assert sweep.clean == pytest.approx(float(torch.softmax(_logits(model, CLEAN)[-1], -1)[answer]), abs=1e-6)
    assert sweep.corrupted == pytest.approx(float(torch.softmax(_logits(model, CORRUPTED)[-1], -1)[answer]), abs=1e-6)
    block = model.hf_model.model.language_model.layers[0]
    seen: list[torch.Tensor] = []
    keep = block.register_forward_hook(
        lambda _module, _args, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    _logits(model, CLEAN)
    keep.remove()
    for position in (0, 9, 19):

        def put(_module: Any, _args: Any, output: Any, at: int = position) -> Any:
            state = (output[0] if isinstance(output, tuple) else output).clone()
            state[0, at] = seen[0][0, at]
            return (state, *output[1:]) if isinstance(output, tuple) else state

        hook = block.register_forward_hook(put)
        patched = float(torch.softmax(_logits(model, CORRUPTED)[-1], -1)[answer])
        hook.remove()
        assert float(sweep.values[0, position]) == pytest.approx(patched, abs=1e-6)


def test_one_image_belongs_to_both_prompts(model: Model) -> None:
    sweep = model.patch("what is this ?", "what is the ?", image=CLEAN, what="residual", answer=5)
    clean, corrupted = (model.encode(text, image=CLEAN).inputs for text in ("what is this ?", "what is the ?"))
    with torch.no_grad():
        ends = [float(torch.softmax(model.hf_model(**one).logits[0, -1], -1)[5]) for one in (clean, corrupted)]
    assert (sweep.clean, sweep.corrupted) == pytest.approx(ends, abs=1e-6)
    effects = model.mediate("what is this ?", "what is the ?", 5, 6, image=CLEAN)
    assert effects.clean == pytest.approx(_ratio(model, clean), rel=1e-4)


def _ratio(model: Model, inputs: dict[str, Any]) -> float:
    with torch.no_grad():
        chances = torch.softmax(model.hf_model(**inputs).logits[0, -1], -1)
    return float(chances[5] / chances[6])


def test_an_image_beside_an_encoded_input_is_an_error(model: Model) -> None:
    encoded, trace = model.encode(TEXT, image=CLEAN), model.trace(TEXT, image=CLEAN)
    for call in (
        lambda: model.generate(encoded, image=CLEAN),
        lambda: model.trace(encoded, image=CLEAN),  # pyright: ignore[reportCallIssue]
        lambda: model.states(trace, image=CLEAN),
        lambda: model.check(trace, image=CLEAN),
        lambda: model.patch(trace, trace, image=CLEAN),
    ):
        with pytest.raises(InputError, match="encoded already"):
            call()


def test_several_prompts_at_once_are_an_error(model: Model) -> None:
    with pytest.raises(InputError, match="single prompt"):
        model.generate([CLEAN, CORRUPTED])  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="single prompt"):
        model.generate(["a", "b"])
