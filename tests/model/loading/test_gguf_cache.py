"""A GGUF file is converted once, whatever its name; the copy is the same model, and the cache never stands in the way."""

from __future__ import annotations

import os
from pathlib import Path

import gguf
import pytest
import torch
from helpers.gguf_files import gemma_gguf

import attnscope
from attnscope.model.loading import gguf_cache
from attnscope.model.loading.gguf import load_gguf
from attnscope.model.loading.gguf_reader import fast_reader

pytestmark = pytest.mark.core

TEXT = "the cat sat on a mat"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("ATTNSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gguf"


def converted(cache: Path) -> list[Path]:
    return [folder for folder in cache.iterdir() if not folder.name.startswith(".")]


@pytest.fixture
def conversions(monkeypatch) -> list[str]:
    """The names of the files that were converted."""
    made: list[str] = []

    def counted(path: Path, **options):
        made.append(path.name)
        return load_gguf(path, **options)

    monkeypatch.setattr(gguf_cache, "load_gguf", counted)
    return made


def test_a_file_is_converted_once_by_its_content(tmp_path: Path, cache: Path, conversions: list[str]) -> None:
    own, tokenizer = load_gguf(gemma_gguf(tmp_path / "a.gguf"))
    ids = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    first = attnscope.load(tmp_path / "a.gguf")
    os.link(tmp_path / "a.gguf", tmp_path / "b.gguf")
    second = attnscope.load(tmp_path / "b.gguf")
    assert conversions == ["a.gguf"] and len(converted(cache)) == 1
    assert (second.title, second.name, second.dtype) == (first.title, "b", "float32") == ("tiny gemma", "b", "float32")
    for model in (first, second):
        assert type(model.hf_model) is type(own) and not model.hf_model.training
        assert model.tokenizer(TEXT)["input_ids"] == ids[0].tolist()
        with torch.no_grad():
            assert torch.equal(model.hf_model(ids).logits, own(ids).logits)
    assert torch.equal(first.trace(TEXT).attention(1, 2), second.trace(TEXT).attention(1, 2))
    gemma_gguf(tmp_path / "b.gguf", seed=1)  # other content under the same name
    other = attnscope.load(tmp_path / "b.gguf")
    assert conversions == ["a.gguf", "b.gguf"] and len(converted(cache)) == 2
    assert not torch.equal(other.trace(TEXT).attention(1, 2), second.trace(TEXT).attention(1, 2))


def test_what_is_damaged_or_unfinished_in_the_cache_is_made_again(
    tmp_path: Path, cache: Path, conversions: list[str]
) -> None:
    file = gemma_gguf(tmp_path / "a.gguf")
    attnscope.load(file)
    (folder,) = converted(cache)
    for damage in ("cut", "garbled", "no note"):
        weights = folder / "model.safetensors"
        if damage == "no note":
            (folder / "attnscope.json").unlink()
        else:
            size = weights.stat().st_size
            weights.write_bytes(weights.read_bytes()[:100] if damage == "cut" else b"x" * size)
        before = len(conversions)
        attnscope.load(file)
        attnscope.load(file)
        assert len(conversions) == before + 1, damage


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file in the place of the folder")
    with pytest.warns(UserWarning, match=r"cannot be kept in .*'a\.gguf' is converted again.*ATTNSCOPE_CACHE"):
        assert attnscope.load(gemma_gguf(tmp_path / "a.gguf")).trace(TEXT).certificate.ok


def test_the_cache_keeps_the_models_that_were_used_last(
    tmp_path: Path, cache: Path, conversions: list[str], monkeypatch
) -> None:
    files = [gemma_gguf(tmp_path / f"{name}.gguf", seed=seed) for seed, name in enumerate("abc")]
    attnscope.load(files[0])
    (folder,) = converted(cache)
    size = sum(file.stat().st_size for file in folder.iterdir())
    monkeypatch.setattr(gguf_cache, "LIMIT", int(2.5 * size))
    attnscope.load(files[1])
    for age, one in enumerate(converted(cache)):
        os.utime(one / "attnscope.json", (1000 + age, 1000 + age))
    attnscope.load(files[0])  # used again
    attnscope.load(files[2])
    assert conversions == ["a.gguf", "b.gguf", "c.gguf"] and len(converted(cache)) == 2
    attnscope.load(files[0])
    assert conversions == ["a.gguf", "b.gguf", "c.gguf"]
    attnscope.load(files[1])
    assert conversions[3:] == ["b.gguf"]
    monkeypatch.setattr(gguf_cache, "LIMIT", size // 4)  # too large for the cache: nothing is removed for it
    before = converted(cache)
    attnscope.load(gemma_gguf(tmp_path / "d.gguf", seed=9))
    assert converted(cache) == before


def test_the_fast_reader_reads_what_ggufs_own_reader_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    gemma_gguf(path)
    own = gguf.GGUFReader(path)
    with fast_reader():
        fast = gguf.GGUFReader(path)
        assert gguf.GGUFReader(path) is fast
    assert gguf.GGUFReader is type(own)
    assert list(fast.fields) == list(own.fields)
    for name, field in own.fields.items():
        assert fast.fields[name].types == field.types and fast.fields[name].contents() == field.contents(), name
    for one, other in zip(fast.tensors, own.tensors, strict=True):
        assert one.name == other.name and one.data.tobytes() == other.data.tobytes()
