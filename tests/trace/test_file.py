"""Trace files: saving and opening preserves a trace, and damaged files raise clear errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers import tiny_models
from safetensors.torch import load_file, save_file

import attnscope
from attnscope.errors import DamagedError, InputError, MissingError, UnsupportedError

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def saved(smollm2: attnscope.Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[attnscope.Trace, Path]:
    path = tmp_path_factory.mktemp("traces") / "fox.trace"
    trace = smollm2.trace("The quick, brown fox jumps over the lazy")
    trace.save(path)
    return trace, path


def test_an_opened_trace_equals_the_saved_one(saved: tuple[attnscope.Trace, Path]) -> None:
    trace, path = saved
    opened = attnscope.open(path)
    assert opened.id == trace.id and opened.tokens == trace.tokens and opened.stacks == trace.stacks
    known, before = opened.provenance, json.loads(json.dumps(trace.provenance))
    assert known.pop("certificate")["stacks"] == before.pop("certificate")["stacks"] and known == before
    assert opened.next_tokens == trace.next_tokens and opened.certificate.stacks == trace.certificate.stacks
    assert torch.equal(opened.attention(17, 4), trace.attention(17, 4))
    assert torch.equal(opened.scores(17, 4), trace.scores(17, 4)) and torch.equal(opened.v(17, 4), trace.v(17, 4))


def test_without_the_model_head_outputs_and_logits_are_unavailable(saved: tuple[attnscope.Trace, Path]) -> None:
    opened = attnscope.open(saved[1])
    assert opened.logits is None
    with pytest.raises(UnsupportedError, match=r"output of head 3\.1 is unknown"):
        opened.head_output(3, 1)


def test_with_the_model_everything_is_available(saved: tuple[attnscope.Trace, Path], smollm2: attnscope.Model) -> None:
    trace, path = saved
    opened = attnscope.open(path, model=smollm2)
    torch.testing.assert_close(opened.head_output(3, 1), trace.head_output(3, 1))
    torch.testing.assert_close(opened.logits, trace.logits, atol=1e-3, rtol=1e-3)
    assert opened.id == trace.id


def test_opening_with_another_model_raises(saved: tuple[attnscope.Trace, Path], minilm: attnscope.Model) -> None:
    with pytest.raises(InputError, match="other weights"):
        attnscope.open(saved[1], model=minilm)


@pytest.mark.parametrize("family", sorted(tiny_models.FAMILIES))
def test_every_kind_of_layer_is_saved_with_its_output_projection(family: str, tmp_path: Path) -> None:
    trace = attnscope.Model(tiny_models.build(family)).trace(tiny_models.ids())
    trace.save(tmp_path / "a.trace", weights=True)
    opened = attnscope.open(tmp_path / "a.trace")
    (name,) = trace.stacks
    for layer in range(trace.stacks[name].layers):
        for head in range(trace.stacks[name].heads):
            assert torch.equal(opened.attention(layer, head), trace.attention(layer, head))
        torch.testing.assert_close(opened.head_output(layer, 0), trace.head_output(layer, 0), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("keep", [0, 4, 100, 5000, -1])
def test_a_truncated_file_raises(saved: tuple[attnscope.Trace, Path], tmp_path: Path, keep: int) -> None:
    cut = tmp_path / "cut.trace"
    cut.write_bytes(saved[1].read_bytes()[:keep])
    with pytest.raises(DamagedError, match="not a complete trace"):
        attnscope.open(cut)


def test_a_changed_file_raises(saved: tuple[attnscope.Trace, Path], tmp_path: Path) -> None:
    data = bytearray(saved[1].read_bytes())
    data[-100] ^= 1
    (tmp_path / "changed.trace").write_bytes(data)
    with pytest.raises(DamagedError, match="does not match its hash"):
        attnscope.open(tmp_path / "changed.trace")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d | {"format": 2}, "format 2"),
        (lambda d: {"something": "else"}, "not a trace that attnscope saved"),
        (lambda d: {key: value for key, value in d.items() if key != "stacks"}, "does not match its hash"),
        (lambda d: d | {"tokens": {"text": d["tokens"]["text"][:-1]}}, "does not match its hash"),
        (
            lambda d: d | {"tokens": {"text": [{**t, "text": "x"} for t in d["tokens"]["text"]]}},
            "does not match its hash",
        ),
    ],
    ids=["newer", "foreign", "parts missing", "tokens missing", "tokens changed"],
)
def test_a_file_with_other_metadata_raises(
    saved: tuple[attnscope.Trace, Path], tmp_path: Path, change, message
) -> None:
    from safetensors import safe_open

    with safe_open(str(saved[1]), framework="pt") as file:
        described = json.loads(file.metadata()["attnscope"])
    path = tmp_path / "other.trace"
    save_file(load_file(saved[1]), path, metadata={"attnscope": json.dumps(change(described))})
    with pytest.raises(DamagedError, match=message):
        attnscope.open(path)


def test_a_file_that_is_not_a_trace_raises(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "plain.safetensors")
    with pytest.raises(DamagedError, match="not a trace that attnscope saved"):
        attnscope.open(tmp_path / "plain.safetensors")
    torch.save({"a": 1}, tmp_path / "pickle.trace")
    with pytest.raises(DamagedError, match="not a complete trace"):
        attnscope.open(tmp_path / "pickle.trace")
    with pytest.raises(MissingError, match="Trace not found"):
        attnscope.open(tmp_path / "none.trace")


def test_an_invalid_path_or_model_raises_a_clear_error(saved: tuple[attnscope.Trace, Path]) -> None:
    trace, path = saved
    for value in (None, 5):
        with pytest.raises(InputError, match=r"must be a valid path; got|must be a string or a path object; got"):
            attnscope.open(value)  # pyright: ignore[reportArgumentType]
        with pytest.raises(InputError, match=r"must be a valid path; got|must be a string or a path object; got"):
            trace.save(value)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match=r"must be the `attnscope\.Model` .*; got str"):
        attnscope.open(path, model="smollm2")  # pyright: ignore[reportArgumentType]


def test_a_failed_save_leaves_only_the_old_file(
    saved: tuple[attnscope.Trace, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fox.trace"
    path.write_text("what was there")

    def full(*_args, **_kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr("attnscope.trace.tensor_file.save_file", full)
    with pytest.raises(OSError, match="no space"):
        saved[0].save(path)
    assert path.read_text() == "what was there"
    assert [one.name for one in tmp_path.iterdir()] == ["fox.trace"]
    with pytest.raises(InputError, match="folder that does not exist"):
        saved[0].save(tmp_path / "no" / "fox.trace")
