"""The table of model types (docs/reference/models.md) is what its program finds, here tried on a sample of all families."""

from __future__ import annotations

import re

import pytest
import torch
import transformers
from breadth import page
from breadth.outcome import outcome

SAMPLE = [
    # text: plain, windows and soft caps, sinks, latent attention, experts, hybrids, sparse, several inputs of one module
    "llama", "gemma3_text", "gpt_oss", "deepseek_v3", "mixtral", "qwen3_next", "deepseek_v32", "albert", "modernbert",
    # two stacks, position bias, and the language part of a model for pictures
    "t5", "bart", "llava",
    # pictures, patches in rows, an encoder-decoder whose vocabulary stands in its text's config
    "vit", "siglip2", "florence2",
    # reported weights, refused, no attention at all
    "bloom", "longformer", "mamba",
]  # fmt: skip


@pytest.fixture(scope="module")
def table() -> dict[str, dict]:
    return {row["type"]: row for row in page.load()["types"]}


@pytest.mark.parametrize("model_type", SAMPLE)
def test_a_type_is_what_the_table_says(model_type: str, table: dict[str, dict]) -> None:
    torch.set_num_threads(1)
    found, said = outcome(model_type), table[model_type]
    assert (found.status, found.stacks) == (said["status"], said.get("stacks", {})), found.reason
    assert found.peculiar == said.get("peculiar", [])


def test_the_table_has_every_type_of_the_installed_transformers(table: dict[str, dict]) -> None:
    assert page.load()["transformers"] == transformers.__version__, "run `make table` for this release of transformers"
    assert set(table) == set(transformers.CONFIG_MAPPING.keys())


def test_no_type_is_shown_wrongly_and_each_has_its_reason(table: dict[str, dict]) -> None:
    assert not [name for name, row in table.items() if row["status"] in ("wrong", "failed")]
    for row in table.values():
        assert re.fullmatch(r"\S.*\S", row["reason"])
        assert row["status"] != "exact" or row["error"] <= 1e-4


def test_page_and_readme_say_what_the_table_counts(table: dict[str, dict]) -> None:
    summary = page.summary(list(table.values()), page.load()["transformers"])
    assert summary in page.README.read_text(encoding="utf-8")
    assert summary in page.PAGE.read_text(encoding="utf-8")
