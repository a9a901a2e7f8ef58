"""The table of model types in docs/reference/models.md matches what its script finds, checked on a sample of families."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from breadth import page, reading
from breadth.made_tokenizers import made
from breadth.outcome import outcome
from breadth.reading import with_tokens

from attnscope.model.inputs.tokens import Reader
from attnscope.types import Token

SAMPLE = [
    # text: plain, windows and soft caps, sinks, latent attention, experts, hybrids, sparse, several inputs of one module
    "llama", "gemma3_text", "gpt_oss", "deepseek_v3", "mixtral", "qwen3_next", "deepseek_v32", "albert", "modernbert",
    # two stacks, position bias, and the language part of a model for images
    "t5", "bart", "llava",
    # images, patches in rows, an encoder-decoder with its vocabulary in the text config
    "vit", "siglip2", "florence2",
    # reported weights, unsupported, no attention at all
    "bloom", "longformer", "mamba",
]  # fmt: skip


@pytest.fixture(scope="module")
def table() -> dict[str, dict]:
    return {row["type"]: row for row in page.load()["types"]}


@pytest.mark.parametrize("model_type", SAMPLE)
def test_a_model_type_behaves_as_in_the_table(model_type: str, table: dict[str, dict]) -> None:
    torch.set_num_threads(1)
    found, row = outcome(model_type), table[model_type]
    assert (found.status, found.stacks) == (row["status"], row.get("stacks", {})), found.reason
    assert found.peculiar == row.get("peculiar", [])


def test_the_table_has_every_type_of_the_installed_transformers(table: dict[str, dict]) -> None:
    assert page.load()["transformers"] == transformers.__version__, "run `make table` for this release of transformers"
    assert set(table) == set(transformers.CONFIG_MAPPING.keys())


def test_no_type_is_shown_wrongly_and_every_row_gives_a_reason(table: dict[str, dict]) -> None:
    assert not [name for name, row in table.items() if row["status"] in ("wrong", "failed")]
    for row in table.values():
        assert re.fullmatch(r"\S.*\S", row["reason"])
        assert row["status"] != "exact" or row["error"] <= 1e-4


def test_the_page_and_the_readme_give_the_counts_of_the_table(table: dict[str, dict]) -> None:
    summary = page.summary(list(table.values()), page.load()["transformers"])
    assert summary in page.README.read_text(encoding="utf-8")
    assert summary in page.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "model_type", ["gpt2", "llama", "t5", "bert", "marian", "fsmt", "m2m_100", "clip", "canine", "wav2vec2"]
)
def test_the_tokens_of_a_type_are_read_as_in_the_table(model_type: str, table: dict[str, dict]) -> None:
    row = table[model_type]
    assert with_tokens({**row, "tokens": {"reading": "wrong"}}) == row


def test_every_type_with_text_says_how_its_tokens_are_read(table: dict[str, dict]) -> None:
    for row in table.values():
        assert ("tokens" in row) == ("text" in row.get("kind", ""))
    assert not [name for name, row in table.items() if row.get("tokens", {}).get("reading") == "wrong"]
    assert page.tokens_summary(list(table.values())) in page.PAGE.read_text(encoding="utf-8").replace("\n", " ")


@pytest.mark.parametrize("fault", ["mojibake", "dropped"])
def test_a_wrong_reading_is_found(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Faulty(Reader):
        def all(self, ids: Sequence[int]) -> list[Token]:
            tokens = super().all(ids)
            if fault == "dropped":
                return [replace(token, text="") if token.text == "a" else token for token in tokens]
            return [replace(token, text="Ã", raw=False) if token.raw else token for token in tokens]

    tokenizer = made("GPT2Tokenizer", tmp_path)
    assert reading.reading_of(tokenizer) == "exact"
    monkeypatch.setattr(reading, "reader", Faulty)
    assert reading.reading_of(tokenizer) == "wrong"
