"""The exported file as bytes, without a browser."""

from __future__ import annotations

import hashlib
import importlib
import re
import subprocess
import sys
import zlib
from base64 import b64decode, b64encode

import pytest
import torch
from helpers.exported_pages import messages, vectors

import attnscope
from attnscope import offline
from attnscope.errors import InputError, TooLongError
from attnscope.offline import document

PAIR = ("the cat sat on the mat", "the cat lay on the rug")


def test_weights_computed_from_the_file_are_exact_within_its_stated_error(smollm2):
    trace = smollm2.trace("The doctor asked the nurse a question about the patient. She")
    written = document(trace, layers=[3, 9], error=1e-3)
    assert written.neurons
    assert 0 < written.error <= 1e-3
    worst, worst_dot = 0.0, 0.0
    for layer in (3, 9):
        [message] = messages(written.html, f"layer decoder {layer}")
        q, k = vectors(message, "q"), vectors(message, "k").repeat_interleave(3, 0)
        dots = q @ k.mT
        causal = torch.ones(dots.shape[1:], dtype=torch.bool).tril()
        rebuilt = torch.softmax((dots * message.body["scaling"]).masked_fill(~causal, -torch.inf), -1)
        exact = torch.stack([trace.attention(layer, head) for head in range(9)])
        off = (rebuilt - exact).abs().max().item()
        assert off == pytest.approx(message.body["error"], rel=0.02, abs=1e-6)
        worst = max(worst, off)
        true = torch.stack([trace.q(layer, h) @ trace.k(layer, h).T for h in range(9)])
        worst_dot = (dots - true).abs().max().item()
        assert worst_dot == pytest.approx(message.body["dot_error"], rel=0.02)
    [hello] = messages(written.html, "hello")
    assert hello.body["file"]["error"] == written.error == pytest.approx(worst, rel=0.02)
    assert "run" not in hello.body["can"]


def test_two_processes_write_the_same_bytes(minilm, tmp_path):
    trace = minilm.trace(*PAIR)
    trace.save(tmp_path / "cat.trace")
    first = attnscope.export(trace, tmp_path / "a.html").read_bytes()
    assert attnscope.export(trace, tmp_path / "a.html").read_bytes() == first
    program = "import sys, attnscope; attnscope.export(attnscope.open(sys.argv[1]), sys.argv[2], values=False)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "cat.trace"), str(tmp_path / "b.html")], check=True)
    assert (tmp_path / "b.html").read_bytes() == document(
        attnscope.open(tmp_path / "cat.trace"), values=False
    ).html.encode()


def test_the_policy_allows_the_two_scripts_by_their_hashes_and_no_connection(minilm):
    html = document(minilm.trace("the cat")).html
    assert html.isascii()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    [loader] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    [program] = re.findall(r'id="program">([^<]*)<', html)
    for script in (loader.encode(), zlib.decompress(b64decode(program), 31)):
        assert f"'sha256-{b64encode(hashlib.sha256(script).digest()).decode()}'" in policy


def test_layers_and_neurons_can_be_omitted(minilm, tmp_path):
    trace = minilm.trace(*PAIR)
    some = document(trace, layers=range(1, 3))
    names = re.findall(r'data-block="([^"]*)"', some.html)
    assert [name for name in names if name.startswith("layer")] == ["layer encoder 1", "layer encoder 2"]
    assert "overview encoder AB" in names
    [traced] = messages(some.html, "trace")
    assert traced.body["stacks"]["encoder"]["left_out"] == [0, 3, 4, 5]
    assert traced.body["warnings"][-1].startswith("Only layers 1–2 are in this file")
    assert [one.body["layer"] for one in messages(some.html, "overview encoder")] == [1, 2]
    assert 'data-start="layer=1"' in some.html
    without = document(trace, neurons=False)
    assert not without.neurons
    assert without.size < document(trace, values=False).size


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layers": [6]}, "layers 0 to 5"),
        ({"layers": []}, "None of the chosen `layers` has attention"),
        ({"layers": [1], "layer": 0}, "not one of the exported `layers`"),
        ({"heads": [12]}, "0 to 11"),
        ({"token": 99}, "the text has tokens 0 to 3"),
        ({"view": "tree"}, "'model', 'head', 'neuron'"),
        ({"form": "png"}, "'auto', 'qk', 'attention'"),
        ({"error": 2.0}, "from 1e-7 to 0.1"),
        ({"field": "both"}, "'before', 'after', 'difference'"),
        ({"field": "before"}, "needs a `baseline`"),
        ({"baseline": "the dog"}, "`baseline` must be a Trace; got str"),
    ],
)
def test_invalid_export_arguments_are_errors(minilm, asked, said):
    with pytest.raises(InputError, match=re.escape(said)):
        document(minilm.trace("the cat"), **asked)


def test_a_page_that_is_too_large_or_cannot_be_written_leaves_no_file(minilm, tmp_path):
    trace = minilm.trace("the cat")
    with pytest.raises(TooLongError, match="fewer `layers`"):
        attnscope.export(trace, tmp_path / "cat.html", max_bytes=50_000)
    with pytest.raises(InputError, match="does not exist"):
        attnscope.export(trace, tmp_path / "nowhere" / "cat.html")
    assert list(tmp_path.iterdir()) == []


def test_export_is_a_function_regardless_of_earlier_imports():
    importlib.import_module("attnscope.cli.export")
    importlib.import_module("attnscope.offline.file")
    assert callable(attnscope.export)
    assert attnscope.export is offline.export
