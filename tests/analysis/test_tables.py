"""The table of heads has one row per head, and pandas is imported only when a table is built."""

from __future__ import annotations

import subprocess
import sys

import pytest

import attnscope
from attnscope import analysis

pytestmark = pytest.mark.core

TEXT, PAIR = "the cat sat on the mat", "the cat lay on the rug"


@pytest.fixture(scope="module")
def cats(minilm: attnscope.Model) -> attnscope.Trace:
    return minilm.trace(TEXT, pair=PAIR)


def test_the_table_of_heads_has_one_row_per_head(cats) -> None:
    table = analysis.heads(cats)
    assert list(table.columns) == ["layer", "head", *analysis.measures()["name"]]
    assert [(row.layer, row.head) for row in table.itertuples()] == [(i, j) for i in range(6) for j in range(12)]
    off = analysis.heads(cats, off_sink=True)
    assert off[["special_tokens", "a_to_b"]].notna().sum().tolist() == [0, 72]
    weights = cats.attention(2, 3)
    kept = [i for i, token in enumerate(cats.tokens) if not token.special]
    rows = weights[:, kept] / weights[:, kept].sum(1, keepdim=True)
    assert off.query("layer == 2 and head == 3")["confidence"].item() == pytest.approx(
        float(rows.amax(1).mean()), abs=1e-5
    )


def test_pandas_is_imported_only_when_a_table_is_built() -> None:
    program = (
        "import sys, attnscope; assert 'torch' not in sys.modules; "
        "attnscope.analysis.heads; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
