"""`attnscope generate`, run as a command: one line per token, the text, the saved trace, and errors."""

from __future__ import annotations

import json

import pytest
from helpers.run_command import one_sentence, run_attnscope

import attnscope
from attnscope import edits

TEXT = "The quick, brown fox jumps over the lazy"


def test_each_token_has_a_line_and_the_text_follows(tmp_path, smollm2):
    path = tmp_path / "fox.trace"
    done = run_attnscope("generate", "smollm2", "--text", TEXT, "-n", "8", "--stop", ".", "-o", str(path))
    assert done.returncode == 0, done.stderr
    head, first, second, *_ = done.stdout.splitlines()
    assert head.split() == ["token", "probability", "alternatives"]
    assert first.split()[:2] == ["·dog", "70.7%"]
    assert "·river 7.6%" in first
    assert second.startswith(".")
    assert f"{TEXT} dog.\n" in done.stdout
    assert "2 new tokens, stopped by a stop string." in done.stdout
    saved = attnscope.open(path)
    assert saved.provenance["generated"]["prompt"] == len(saved.tokens) - 2


def test_a_chat_is_answered(tmp_path, smollm2):
    messages = [{"role": "user", "content": "Name a color."}]
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(messages))
    done = run_attnscope("generate", "smollm2", "--chat", str(file), "-n", "3")
    assert done.returncode == 0, done.stderr
    assert f"\n{smollm2.generate(messages, 3).text}\n" in done.stdout


def test_an_edit_applies_to_every_step(smollm2):
    cut = {"type": "ScaleHead", "layer": 11, "head": 2, "factor": 0}
    done = run_attnscope("generate", "smollm2", "--text", TEXT, "-n", "2", "--edit", json.dumps(cut))
    assert done.returncode == 0, done.stderr
    steps = smollm2.generate(TEXT, 2, edits=[edits.ScaleHead(11, 2, 0)]).steps
    assert "Modified by 1 edit: head 11.2 ablated." in done.stdout
    chances = [line.split()[1] for line in done.stdout.splitlines()[1:3]]
    assert chances == [f"{step.probability:.1%}" for step in steps]
    assert chances[0] != "70.7%"  # the value without the edit


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("minilm", "--text", "a b"), "cannot generate text"),
        (("smollm2",), "--chat FILE"),
        (("smollm2", "--text", "a b", "--top-p", "2"), "at most 1"),
        (("smollm2", "--text", "a b", "--edit", "{}"), "type"),
        (("smollm2", "--text", "a b", "-o", "no/such/folder/x.trace"), "folder"),
    ],
)
def test_invalid_generation_is_an_error(arguments, said):
    assert said in one_sentence(run_attnscope("generate", *arguments))
