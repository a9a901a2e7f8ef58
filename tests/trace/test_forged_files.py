"""Trace files that someone forged, with hashes that fit: a sentence, and never more memory than the file explains."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny_models
from helpers.forged_traces import Description, Tensors, read_file, write_file
from helpers.random_traces import random_trace

import attnscope
from attnscope import edits
from attnscope.errors import AttnscopeError, DamagedError, InputError, MissingError, TooLongError

pytestmark = pytest.mark.core
FORMAT_1 = Path(__file__).parent / "format_1"
Change = Callable[[Description, Tensors], object]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama (3 layers, 4 heads, 2 key-value heads, 6 tokens) with edits and output projections."""
    path = tmp_path_factory.mktemp("saved") / "llama.trace"
    cut, off = edits.CutEdge(1, 0, query=3, key=1), edits.ScaleHead(2, 1, factor=0.5)
    trace = attnscope.Model(tiny_models.build("llama")).trace(tiny_models.ids(6), edits=[cut, off])
    trace.save(path, weights=True)
    return path


def forged(saved: Path, folder: Path, change: Change) -> Path:
    description, tensors = read_file(saved)
    change(description, tensors)
    write_file(folder / "forged.trace", description, tensors)
    return folder / "forged.trace"


def _layer(description: Description, index: int = 0) -> Any:
    return description["stacks"]["decoder"]["layers"][index]


def _set(*path: Any, to: Any) -> Change:
    def change(description: Description, _tensors: Tensors) -> None:
        place: Any = description
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to

    return change


def _tensor(name: str, to: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return lambda _description, tensors: tensors.update({name: to(tensors[name])})


def _element(index: tuple[int, ...], value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor[index] = value
        return tensor

    return change


MASK = ("stacks", "decoder", "layers", 0, "mask")
TOKEN = ("tokens", "text", 2)

FORGERIES: dict[str, tuple[Change, str]] = {
    "mask of 2e9 keys": (
        _set(*MASK, "keys", to=2_000_000_000),
        "mask.keys` must be 6, the number of keys; got 2000000000",
    ),
    "mask bound of 2e9": (
        _tensor("decoder.0.mask.hi", _element((3,), 2_000_000_000)),
        "mask.hi contains a number outside",
    ),
    "negative mask bound": (_tensor("decoder.0.mask.lo", _element((3,), -1)), "mask.lo contains a number outside"),
    "unknown mask": (_set(*MASK, "kind", to="diagonal"), "mask.kind` must be one of full, causal"),
    "dense mask without bits": (_set(*MASK, "kind", to="dense"), r"mask.bits is missing"),
    "window that is text": (_set(*MASK, "window", to="5"), "must have a window"),
    "scaling that is text": (_set("stacks", "decoder", "layers", 0, "scaling", to="1"), "scaling` must be a number"),
    "scaling beyond floats": (_set("stacks", "decoder", "layers", 0, "scaling", to=10**400), "must be a number|JSON"),
    "soft cap of 0": (_set("stacks", "decoder", "layers", 0, "softcap", to=0), "softcap` must be a number"),
    "unknown form": (_set("stacks", "decoder", "layers", 0, "form", to="kv"), "form` must be one of qk, weights"),
    "layer that is a number": (_set("stacks", "decoder", "layers", 1, to=5), r"layers\[1\]` must be an object; got 5"),
    "no layers": (_set("stacks", "decoder", "layers", to=[]), "no layer with attention|covers"),
    "no stacks": (_set("stacks", to={}), "`stacks` is empty"),
    "stack of an unknown side": (_set("stacks", "decoder", "query", to="audio"), "query` must be one of text"),
    "causal as text": (_set("stacks", "decoder", "causal", to="yes"), "causal` must be true or false"),
    "token text that is a number": (_set(*TOKEN, "text", to=5), r"tokens.text\[2\].text` must be text; got 5"),
    "token id that is text": (_set(*TOKEN, "id", to="5"), r"id` must be an integer from -1"),
    "token id beyond 64 bits": (
        _set(*TOKEN, "id", to=2**63),
        "must be an integer from -1; got a number that is too large",
    ),
    "token with a box but no image": (_set(*TOKEN, "box", to=[0, 0, 0, 5]), r"box\[2\]` must be an integer from 1"),
    "token with an unknown field": (_set(*TOKEN, "x", to=1), "unknown field 'x'"),
    "a token too few": (lambda d, _: d["tokens"]["text"].pop(), r"must have the shape"),
    "a side of another name": (lambda d, _: d.update(tokens={"words": d["tokens"]["text"]}), "unknown field 'words'"),
    "edits that are a number": (_set("provenance", "edits", to=5), "edits` must be a list; got 5"),
    "edit of layer 99": (_set("provenance", "edits", 0, "layer", to=99), "names layer 99"),
    "edit of head 99": (_set("provenance", "edits", 0, "head", to=99), "names head 1.99"),
    "edit of token 99": (_set("provenance", "edits", 0, "query", to=99), "names query 99"),
    "title that is a list": (_set("provenance", "title", to=[1]), "title` must be text"),
    "parameters that are text": (_set("provenance", "parameters", to="many"), "parameters` must be an integer"),
    "pairs of dimensions 99": (
        _set("provenance", "rotary", "decoder", "pairs", 0, to=[0, 99]),
        "must be an integer from 0 to 7",
    ),
    "too few wavelengths": (
        lambda d, _: d["provenance"]["rotary"]["decoder"]["wavelengths"].pop(),
        "must have 4 elements",
    ),
    "next token without a number": (_set("next", 0, 2, to=None), r"next\[0\]\[2\]` must be a number"),
    "next token of probability 7": (_set("next", 0, 2, to=7), "must be a number from 0 to 1.001"),
    "warnings that are text": (_set("warnings", to="none"), "warnings` must be a list; got text"),
    "warning that is a number": (_set("warnings", to=[5]), r"warnings\[0\]` must be text"),
    "prediction at token 99": (
        _set(
            "predictions",
            to=[{"of": "token", "position": 99, "choices": [{"text": "", "id": 1, "probability": 1, "value": 0}]}],
        ),
        "position` must be an integer from 0 to 5",
    ),
    "image that is missing": (_set("images", to=[[5, 5]]), "An image is missing"),
    "image of 10¹⁸ pixels": (_set("images", to=[[10**9, 10**9]]), "must be an integer from 1 to 8192"),
    "q of another head size": (
        _tensor("decoder.0.q", lambda q: q[..., :4]),
        r"decoder.0.k must have the shape \[any, 6, 4\]",
    ),
    "k of 3 heads": (_tensor("decoder.0.k", lambda k: k[[0, 1, 1]]), r"decoder.0.v must have the shape"),
    "q and k that do not group": (
        _tensor("decoder.0.q", lambda q: q[:3]),
        "3 heads, which 2 key-value heads do not divide",
    ),
    "q of integers": (_tensor("decoder.0.q", lambda q: q.long()), "cannot have the type I64"),
    "NaN in v": (_tensor("decoder.1.v", _element((0, 0, 0), float("nan"))), "decoder.1.v contains NaN"),
    "mask of float numbers": (_tensor("decoder.0.mask.lo", lambda lo: lo.float()), "cannot have the type F32"),
    "tensor of no layer": (lambda _, t: t.update({"decoder.7.q": torch.ones(1)}), "have no layer"),
    "tensor of no stack": (lambda _, t: t.update({"x": torch.ones(1)}), "x does not belong to the trace"),
    "tensor of an unknown part": (
        lambda _, t: t.update({"decoder.0.x": torch.ones(1)}),
        "does not belong to its layer",
    ),
    "edited row of head 99": (
        _tensor("decoder.1.edited.rows_at", _element((0, 0), 99)),
        "rows_at contains a number outside",
    ),
    "edited row that sums to 9": (_tensor("decoder.1.edited.rows", _element((0, 0), 9.0)), "not attention weights"),
    "projection of another size": (
        _tensor("decoder.0.projection", lambda w: w[:, :5]),
        "projection must have the shape",
    ),
    "no id": (lambda d, _: d.pop("id"), "`id` is missing"),
    "no certificate": (lambda d, _: d["provenance"].pop("certificate"), "certificate` is missing"),
    "tolerance of 1e9": (
        _set("provenance", "certificate", "tolerance", to=1e9),
        "tolerance` must be a number from 0 to 0.08",
    ),
    "certificate of other layers": (
        lambda d, _: d["provenance"]["certificate"]["stacks"]["decoder"].pop(),
        "must list the layers",
    ),
    "NaN in JSON": (_set("next", 0, 2, to=float("nan")), "safetensors file, but not a trace"),
    "nested 500 deep": (lambda d, _: d.update(warnings=_nested(500)), "safetensors file, but not a trace"),
}


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_value_is_named_in_a_sentence(name: str, saved: Path, tmp_path: Path) -> None:
    change, message = FORGERIES[name]
    with pytest.raises(DamagedError, match=message) as raised:
        attnscope.open(forged(saved, tmp_path, change))
    assert len(str(raised.value)) < 500 and "\n" not in str(raised.value)


def test_a_file_that_is_only_written_again_opens(saved: Path, tmp_path: Path) -> None:
    """Otherwise the hashes of `helpers.forged_traces` would not fit, and the tests above would test nothing."""
    opened = attnscope.open(forged(saved, tmp_path, lambda _d, _t: None))
    assert opened.id == attnscope.open(saved).id


@pytest.mark.parametrize(
    "change",
    [
        _set("provenance", "certificate", "ok", to=False),
        _set("provenance", "certificate", "stacks", "decoder", 0, "weighted_values", to=0.0),
        _set("provenance", "title", to="another model"),
        _set("warnings", to=["invented"]),
        _set("next", 0, 0, to="invented"),
        _set("stacks", "decoder", "causal", to=False),
        _tensor("decoder.0.projection", lambda w: w * 2),
    ],
    ids=["verdict", "error", "provenance", "warnings", "next", "causal", "projection"],
)
def test_the_checksum_covers_what_the_id_leaves_out(change: Change, saved: Path, tmp_path: Path) -> None:
    description, tensors = read_file(saved)
    change(description, tensors)
    checksum = description.pop("checksum")
    write_file(tmp_path / "changed.trace", description, tensors)
    description, tensors = read_file(tmp_path / "changed.trace")
    from safetensors.torch import save_file

    save_file(tensors, tmp_path / "changed.trace", {"attnscope": json.dumps(description | {"checksum": checksum})})
    with pytest.raises(DamagedError, match="was changed after it was saved"):
        attnscope.open(tmp_path / "changed.trace")


def test_the_verdict_and_the_sentence_of_a_certificate_are_not_believed(saved: Path, tmp_path: Path) -> None:
    def forge(description: Description, _tensors: Tensors) -> None:
        certificate = description["provenance"]["certificate"]
        certificate["stacks"]["decoder"][1]["weighted_values"] = 0.5
        certificate |= {"ok": True, "max_error": 0.0, "sentence": "Proven exact."}

    found = attnscope.open(forged(saved, tmp_path, forge)).certificate
    assert not found.ok and found.max_error == 0.5 and found.recorded
    assert found.sentence.startswith("Not exact: layer 1 differs by 5e-1")
    honest = attnscope.open(saved).certificate
    assert honest.ok and honest.sentence.endswith("as recorded in the file; it was not checked again.")


def test_a_figure_of_an_opened_trace_says_that_its_certificate_was_not_checked(saved: Path) -> None:
    caption = attnscope.figure(attnscope.open(saved), "head").attnscope_caption
    assert "as recorded in the file; it was not checked again" in caption


@pytest.mark.parametrize(
    ("name", "ident"),
    [("edited-llama", "323c8f8cc58342fe2528d28e6ee9d200"), ("given-weights", "4dac4e84731ac54ca3c83a597558d667")],
)
def test_files_of_version_0_1_open_with_their_ids(name: str, ident: str) -> None:
    trace = attnscope.open(FORMAT_1 / f"{name}.trace")
    assert trace.id == ident and trace.certificate.recorded
    torch.testing.assert_close(trace.attention(0, 0).sum(-1), torch.ones(len(trace.tokens)))
    if trace.edits:
        assert trace.edits == [edits.CutEdge(1, 0, query=3, key=1), edits.ScaleHead(2, 1, factor=0.5)]
        assert trace.attention(1, 0)[3, 1] == 0 and trace.head_output(0, 0).shape == (6, 32)


def test_a_file_that_is_cut_short_later_does_not_end_the_process(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.trace"
    path.write_bytes(saved.read_bytes())
    trace = attnscope.open(path)
    os.truncate(path, 100)
    torch.testing.assert_close(trace.attention(0, 0), attnscope.open(saved).attention(0, 0))


def test_a_file_larger_than_the_free_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.trace"
    header = b'{"__metadata__":{},"x":{"dtype":"U8","shape":[49999999950],"data_offsets":[0,49999999950]}}'
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 49_999_999_950)  # a sparse file
    monkeypatch.setattr("attnscope.trace.tensor_file.free_memory", lambda: 2_000_000_000)
    with pytest.raises(TooLongError, match=r"has 50\.0 GB, but only 2\.0 GB of memory are free"):
        attnscope.open(path)
    monkeypatch.setattr("attnscope.trace.tensor_file.free_memory", lambda: None)
    with pytest.raises((DamagedError, TooLongError), match=r"not a trace that attnscope saved|not enough memory"):
        attnscope.open(path)


def test_paths_that_are_no_files_raise_a_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, error, message in (
        (tmp_path, InputError, "it is a folder"),
        (tmp_path / "pipe", InputError, "not an ordinary file"),
        (tmp_path / ("x" * 5000), InputError, "name (is )?too long"),
        (tmp_path / "a\0b", InputError, "(?i)nul"),
        (tmp_path / "none", MissingError, "Trace not found"),
    ):
        with pytest.raises(error, match=message) as raised:
            attnscope.open(path)
        assert isinstance(raised.value, AttnscopeError) and len(str(raised.value)) < 400


def test_names_of_5000_characters_are_cut_in_errors(saved: Path, tmp_path: Path) -> None:
    long = "x" * 5000
    for change in (
        lambda d, _: d["stacks"].update({long: d["stacks"].pop("decoder")}),
        lambda d, _: d["tokens"].update({long: []}),
        lambda _, t: t.update({long: torch.ones(1)}),
        lambda d, _: d["tokens"]["text"][0].update({long: 1}),
        _set("provenance", "edits", 0, "type", to=long),
        _set(*MASK, "kind", to=long),
        _set("format", to=long),
    ):
        with pytest.raises(DamagedError) as raised:
            attnscope.open(forged(saved, tmp_path, change))
        assert len(str(raised.value)) < 500


def test_a_trace_of_given_weights_is_checked_too(tmp_path: Path) -> None:
    random_trace(["a", "b", "c"], layers=1).save(tmp_path / "given.trace")
    for change in (
        _tensor("decoder.0.weights", _element((0, 1, 0), 7.0)),
        _tensor("decoder.0.weights", _element((0, 1, 0), -1.0)),
        _tensor("decoder.0.weights", _element((0, 1, 0), float("inf"))),
        _tensor("decoder.0.weights", lambda w: w[:, :2]),
    ):
        with pytest.raises(DamagedError, match=r"decoder\.0\.weights"):
            attnscope.open(forged(tmp_path / "given.trace", tmp_path, change))
