"""`attnscope heads`, run as a command: the table, its order, the file, and errors."""

from __future__ import annotations

import re

import pandas
import pytest
from helpers.run_command import one_sentence, run_attnscope

from attnscope import analysis

TEXT, PAIR = "the cat sat on the mat", "the cat lay on the rug"


def rows_of(output: str) -> dict[str, float]:
    """The heads of the printed table, with the value that they are ranked by."""
    found = (re.match(r"\s*(\d+\.\d+)\s+(\d\.\d+|–)", line) for line in output.splitlines())
    return {match[1]: float(match[2]) for match in found if match}


def test_heads_are_ranked_by_a_measure_and_all_written_to_a_file(tmp_path, minilm):
    path = tmp_path / "heads.csv"
    done = run_attnscope(
        "heads", "minilm", "--text", TEXT, "--pair", PAIR, "--by", "a-to-b", "--top", "7", "--csv", str(path)
    )  # fmt: skip
    assert done.returncode == 0
    expected = analysis.heads(minilm.trace(TEXT, pair=PAIR)).sort_values("a_to_b", ascending=False)
    shown = rows_of(done.stdout)
    assert list(shown) == [f"{row.layer}.{row.head}" for row in expected.head(7).itertuples()]
    assert list(shown.values()) == pytest.approx(expected["a_to_b"].head(7).tolist(), abs=6e-4)
    assert "7 of 72 heads by A→B" in done.stdout and "sentence B" in done.stdout
    table = pandas.read_csv(path)
    assert list(table.columns) == list(expected.columns) and len(table) == 72
    assert table["entropy"].tolist() == pytest.approx(expected["entropy"].tolist(), abs=1e-5)


def test_a_saved_trace_is_measured_without_its_sinks(tmp_path, smollm2):
    trace = smollm2.trace(TEXT)
    trace.save(tmp_path / "cat.trace")
    done = run_attnscope(
        "heads", str(tmp_path / "cat.trace"), "--by", "previous", "--off-sink", "--lowest", "--top", "3"
    )
    expected = analysis.heads(trace, off_sink=True)["previous"].sort_values().head(3)
    assert list(rows_of(done.stdout).values()) == pytest.approx(expected.tolist(), abs=6e-4)
    assert "Attention sinks are dropped" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--text", "a b", "--by", "beauty"), "Unknown measure 'beauty'. --by must be one of entropy"),
        (("--text", "a b", "--by", "a_to_b"), "'a_to_b' is not defined for this input"),
        (("--text", "a b", "--csv", "no/such/folder/x.csv"), "folder that does not exist"),
        (("--text", "a b", "--stack", "cross"), "--stack must be one of encoder"),
        ((), "--text"),
    ],
)
def test_an_invalid_measurement_is_an_error(arguments, said):
    assert said in one_sentence(run_attnscope("heads", "minilm", *arguments))
