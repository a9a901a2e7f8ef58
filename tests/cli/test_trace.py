"""`attnscope trace`, run as a command: the file that it writes, and errors."""

from __future__ import annotations

import pytest
from helpers.run_command import one_sentence, run_attnscope

import attnscope


def test_trace_writes_a_file_that_opens_as_the_same_trace(tmp_path, minilm):
    path = tmp_path / "cats.trace"
    pair = "the cat lay on the rug"
    done = run_attnscope("trace", "minilm", "--text", "the cat sat on the mat", "--pair", pair, "-o", str(path))
    assert done.returncode == 0
    assert "15 tokens" in done.stdout
    opened = attnscope.open(path)
    assert opened.id == minilm.trace("the cat sat on the mat", pair=pair).id
    assert (opened.provenance["text"], opened.provenance["pair"]) == ("the cat sat on the mat", pair)


@pytest.mark.parametrize(
    ("text", "output", "said"),
    [("", "a.trace", "--text is empty"), ("fox", "no/folder/a.trace", "folder that does not exist")],
)
def test_a_failed_trace_is_an_error_and_leaves_no_file(tmp_path, text, output, said):
    path = tmp_path / output
    assert said in one_sentence(run_attnscope("trace", "smollm2", "--text", text, "-o", str(path)))
    assert not list(tmp_path.rglob("*"))
