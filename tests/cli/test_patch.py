"""`attnscope patch` as a person meets it: the largest effects, what they are of, the file, and wrong prompts."""

from __future__ import annotations

import pandas
import pytest
from commands import attnscope, one_sentence

CLEAN, CORRUPTED = "The capital of France is", "The capital of Spain is"
PROMPTS = ("patch", "smollm2", "--clean", CLEAN, "--corrupted", CORRUPTED)


def test_the_largest_effects_come_first_with_what_they_are_of_and_a_file_of_all(tmp_path):
    path = tmp_path / "sweep.csv"
    done = attnscope(
        *PROMPTS, "--answer", " Paris", "--what", "residual", "--by", "layer", "--top", "3", "-o", str(path)
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 30 by effect. probability of ' Paris'" in done.stdout.replace("\n", " ")
    found = pandas.read_csv(path)
    assert list(found.columns) == ["layer", "value", "effect", "restored", "unchanged"] and len(found) == 30
    assert (
        float(found["restored"].sub(1).abs().to_numpy().max()) < 1e-3
    )  # the whole stream of the clean prompt is the clean prompt


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--clean", CLEAN, "--corrupted", f"{CORRUPTED} not"), "do not line up"),
        (("--clean", CLEAN, "--corrupted", CORRUPTED, "-o", "/no/such/folder/x.csv"), "does not exist"),
    ],
)
def test_what_cannot_be_patched_is_one_sentence(arguments, said):
    assert said in one_sentence(attnscope("patch", "smollm2", *arguments))
