"""The numbers of docs/how-to/patching.md: the stored results match part of a new run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from attnscope import Model

ROOT = Path(__file__).resolve().parents[2]
STORED = json.loads((ROOT / "docs" / "images" / "patching.json").read_text(encoding="utf-8"))
LAYERS = (22, 23)


@pytest.fixture(scope="module")
def example() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "examples"))
    yield import_module("patching")
    sys.path.remove(str(ROOT / "examples"))


@pytest.mark.parametrize("what", ["residual", "output", "attention"])
def test_the_stored_sweeps_are_those_of_the_model(example: Any, smollm2: Model, what: str) -> None:
    found = smollm2.patch(
        example.CLEAN, example.CORRUPTED, what=what, answer=example.ANSWER, foil=example.FOIL, layers=LAYERS
    )
    stored = torch.tensor(STORED[what], dtype=torch.float64)
    assert torch.allclose(found.restored, stored[list(LAYERS)], atol=1e-3)
    assert (found.clean, found.corrupted) == pytest.approx((STORED["clean"], STORED["corrupted"]), abs=1e-3)


@pytest.mark.parametrize("name", ["nurse, attention", "nurse, output", "engineer, output"])
def test_the_stored_mediation_is_that_of_the_model(example: Any, smollm2: Model, name: str) -> None:
    stored = STORED[name]
    layer, head, indirect = stored["heads"][0]
    clean = example.NURSE if name.startswith("nurse") else example.ENGINEER
    what = name.partition(", ")[2]
    found = smollm2.mediate(clean, example.MAN, " he", " she", what=what, layers=[layer], heads=[head])
    assert float(found.indirect) == pytest.approx(indirect, abs=1e-3)
    assert found.total == pytest.approx(stored["total"], abs=1e-3)
