"""The option `--image` of the commands, on a saved image–text model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest
from helpers.run_command import one_sentence, run_attnscope
from helpers.tiny_vision_models import llava_with_processor, random_photo

import attnscope

TEXT = "what is this ?"


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llava")
    for part in llava_with_processor():
        part.save_pretrained(folder)
    random_photo().save(folder / "one.png")
    random_photo(40, 60).save(folder / "two.png")
    return folder


def same(one: attnscope.Trace, other: attnscope.Trace) -> None:
    """The same tokens, and the same weights up to the order in which another process sums."""
    assert one.tokens == other.tokens
    weights = (trace.attention(0, 0, stack="decoder") for trace in (one, other))
    np.testing.assert_allclose(*weights, atol=1e-5)


def test_trace_and_generate_read_an_image_with_a_text(llava: Path, tmp_path: Path) -> None:
    model, saved = attnscope.load(llava), tmp_path / "one.trace"
    prompt = ("--text", TEXT, "--image", str(llava / "one.png"))
    done = run_attnscope("trace", str(llava), *prompt, "-o", str(saved))
    assert done.returncode == 0, done.stderr
    same(attnscope.open(saved), model.trace(TEXT, image=llava / "one.png"))
    done = run_attnscope("generate", str(llava), *prompt, "-n", "3", "-o", str(saved))
    assert done.returncode == 0, done.stderr
    expected = model.generate(TEXT, 3, image=llava / "one.png")
    assert f"\n{TEXT}{expected.text}\n" in done.stdout
    same(attnscope.open(saved), expected.trace)


def test_patch_compares_two_images(llava: Path, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    images = ("--image", str(llava / "one.png"), "--corrupted-image", str(llava / "two.png"))
    done = run_attnscope("patch", str(llava), "--clean", TEXT, *images, "--what", "residual", "-o", str(path))
    assert done.returncode == 0, done.stderr
    sweep = attnscope.load(llava).patch(
        TEXT, TEXT, image=llava / "one.png", corrupted_image=llava / "two.png", what="residual"
    )
    assert pandas.read_csv(path)["value"].to_numpy() == pytest.approx(sweep.values.flatten().numpy(), abs=1e-6)


@pytest.mark.parametrize("command", ["check", "heads"])
def test_other_commands_take_an_image_too(llava: Path, command: str) -> None:
    stack = ("--stack", "decoder") if command == "heads" else ()
    done = run_attnscope(command, str(llava), "--text", TEXT, "--image", str(llava / "one.png"), *stack)
    assert done.returncode == 0, done.stderr
    assert "vision" in done.stdout if command == "check" else "ntropy" in done.stdout, done.stdout


def test_a_missing_image_is_an_error_before_the_model_is_loaded() -> None:
    done = run_attnscope("generate", "no/such/model", "--text", "a", "--image", "no.png")
    assert "The image 'no.png' does not exist" in one_sentence(done)
