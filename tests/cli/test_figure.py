"""`attnscope figure`, run as a command."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.random_traces import random_trace
from helpers.run_command import run_attnscope
from helpers.svg_files import SvgFile


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("traces") / "given.trace"
    random_trace(["the", "cat", "sat"], layers=3, heads=4).save(path)
    return path


def test_a_saved_trace_becomes_a_figure_and_its_caption_is_printed(saved, tmp_path):
    out = tmp_path / "figure.svg"
    done = run_attnscope("figure", saved, "--view", "model", "--layers", "0,2", "--heads", "1-3", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Model view of user-supplied attention, layers 0, 2, heads 1–3.")
    assert sorted(SvgFile(out).texts) == ["0", "1", "2", "2", "3"]
    assert [path.name for path in tmp_path.iterdir()] == ["figure.svg"]


def test_tokens_are_named_by_index_word_occurrence_or_span(saved, tmp_path):
    out = tmp_path / "figure.svg"
    for written, said in (("1", "token 1 (cat)"), ("sat", "token 2 (sat)"), ("the#1", "token 0 (the)")):
        done = run_attnscope("figure", saved, "--heads", "0", "--token", written, "-o", out)
        assert done.returncode == 0 and f"from {said}" in done.stdout, done.stderr
    for written in ("0-1", "0,1", "the cat"):
        done = run_attnscope("figure", saved, "--heads", "0", "--token", written, "-o", out)
        assert done.returncode == 0 and "from tokens 0–1 (the cat)" in done.stdout, done.stderr
    done = run_attnscope("figure", saved, "--token", "8#1", "-o", out)
    assert done.returncode == 1 and '"8" is not a word of the text (tokens: 0 "the", 1 "cat", 2 "sat")' in done.stderr


def test_a_model_on_a_text_becomes_a_figure(tmp_path):
    out = tmp_path / "figure.pdf"
    arguments = (
        "--text",
        "the cat sat",
        "--pair",
        "a cat lay",
        "--layer",
        "2",
        "--heads",
        "9",
        "--token",
        "cat ",
        "--filter",
        "AB",
    )
    done = run_attnscope("figure", "minilm", *arguments, "-o", out)
    assert (
        done.returncode == 1
        and '`--token`: "cat" occurs at tokens 2 and 6 of "the cat sat' in done.stderr
        and "cat#2" in done.stderr
    )
    done = run_attnscope("figure", "minilm", *arguments[:-4], "--token", "cat#1", "--filter", "AB", "-o", out)
    assert done.returncode == 0 and "from token 2 (cat)" in done.stdout and "Only attention A → B" in done.stdout
    assert out.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "a.gif"), ".pdf, .svg, .png; got 'a.gif'"),
        (("-o", "no-folder/a.pdf"), "is in a folder that does not exist"),
        (("-o", "a.pdf", "--heads", "1-x"), "numbers and ranges such as 0,3,5-7; got '1-x'"),
        (("-o", "a.pdf", "--text", "the cat"), "is a saved trace, which already has its input"),
        (("-o", "a.pdf", "--layer", "7"), "this stack has layers 0 to 2"),
        (("-o", "a.pdf", "--view", "neuron"), "the trace has only attention weights"),
    ],
)
def test_an_invalid_figure_is_an_error(saved, arguments, message):
    done = run_attnscope("figure", saved, *arguments)
    assert done.returncode == 1 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_a_model_needs_a_text():
    assert "Pass a text to run minilm on" in run_attnscope("figure", "minilm", "-o", "a.pdf").stderr
