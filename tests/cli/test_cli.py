"""The command line as a person meets it: in a process of its own."""

from __future__ import annotations

import html
import subprocess
import sys
from importlib.metadata import version

import pytest
from commands import attnscope, one_sentence

import attnscope as package
from attnscope.model.open_trace import open as attnscope_open


def test_the_version_is_the_packages():
    assert attnscope("--version").stdout == f"attnscope {version('attnscope')}\n"


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("demo",),
        ("serve",),
        ("check",),
        ("trace",),
        ("export",),
        ("figure",),
        ("heads",),
        ("generate",),
        ("patch",),
        ("models",),
    ],
)
def test_help_needs_no_torch(command):
    program = f"import sys; sys.argv = ['attnscope', *{command!r}, '--help']\nfrom attnscope.cli import main\n"
    program += "try: main()\nexcept SystemExit as end: assert not end.code\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("arguments", [("serve",), ("serve", "smollm2", "--port", "99999"), ("dance",), ("--nothing",)])
def test_wrong_usage_has_its_own_exit_code(arguments):
    done = attnscope(*arguments)
    assert done.returncode == 2
    assert "Usage" in done.stderr


@pytest.mark.parametrize("command", [("serve", "no-such-model"), ("check", "./no/such/folder"), ("serve", "no.gguf")])
def test_a_model_that_is_not_there_is_one_sentence(command):
    said = one_sentence(attnscope(*command))
    assert command[1].removeprefix("./") in said or "smollm2" in said


def test_check_shows_every_layer_and_a_verdict():
    done = attnscope("check", "minilm", "--text", "the cat sat on the mat", "--pair", "the cat lay on the rug")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [sum(f"│ {' ' * 4}{layer} │" in line for line in lines) for layer in range(6)] == [1] * 6
    assert lines[-1] == "exact"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_others_reach_is_refused_without_a_token(host):
    assert "--token" in one_sentence(attnscope("serve", "smollm2", "--host", host, "--no-browser"))


def test_an_address_that_others_reach_is_refused_with_a_token_that_can_be_guessed():
    done = attnscope("serve", "smollm2", "--host", "0.0.0.0", "--token", "1234567", "--no-browser")
    assert "at least 8 characters" in one_sentence(done)


def test_a_token_that_a_url_cannot_hold_is_refused():
    assert "letters, digits" in one_sentence(attnscope("serve", "smollm2", "--token", "a b", "--no-browser"))
    assert "letters, digits" in one_sentence(attnscope("serve", "smollm2", "--token", "", "--no-browser"))


def test_a_host_that_is_no_address_of_this_machine_is_one_sentence():
    assert "no.such.invalid" in one_sentence(attnscope("serve", "smollm2", "--host", "no.such.invalid"))
    done = attnscope("serve", "smollm2", "--host", "192.0.2.1", "--token", "long-enough-token")
    assert "192.0.2.1" in one_sentence(done)


def test_a_chat_is_read_from_a_file(tmp_path, smollm2):
    messages, made = tmp_path / "chat.json", tmp_path / "chat.trace"
    messages.write_text('[{"role": "user", "content": "Hi"}]')
    assert attnscope("trace", "smollm2", "--chat", str(messages), "-o", str(made)).returncode == 0
    assert attnscope_open(made).tokens == smollm2.trace([{"role": "user", "content": "Hi"}]).tokens
    assert "not both" in one_sentence(attnscope("heads", "smollm2", "--chat", str(messages), "--text", "Hi"))
    messages.write_text('{"role": "user"}')
    assert "holds no list of messages" in one_sentence(
        attnscope("figure", "smollm2", "--chat", str(messages), "-o", "x.pdf")
    )


def test_trace_writes_a_file_that_opens_as_the_same_trace(tmp_path, minilm):
    path = tmp_path / "cats.trace"
    pair = "the cat lay on the rug"
    done = attnscope("trace", "minilm", "--text", "the cat sat on the mat", "--pair", pair, "-o", str(path))
    assert done.returncode == 0
    assert "15 tokens" in done.stdout
    opened = attnscope_open(path)
    assert opened.id == minilm.trace("the cat sat on the mat", pair=pair).id
    assert (opened.provenance["text"], opened.provenance["pair"]) == ("the cat sat on the mat", pair)


@pytest.mark.parametrize(
    ("text", "output", "said"),
    [("", "a.trace", "no tokens"), ("fox", "no/folder/a.trace", "folder that does not exist")],
)
def test_a_trace_that_cannot_be_made_is_one_sentence_and_no_file(tmp_path, text, output, said):
    path = tmp_path / output
    assert said in one_sentence(attnscope("trace", "smollm2", "--text", text, "-o", str(path)))
    assert not list(tmp_path.rglob("*"))


def test_edits_are_given_one_by_one_and_in_a_file_and_said_wherever_the_trace_goes(tmp_path):
    path, listed, page = tmp_path / "edited.trace", tmp_path / "edits.json", tmp_path / "edited.html"
    listed.write_text('[{"type": "ScaleHead", "layer": 2, "head": 1, "factor": 0}]')
    cut = '{"type": "CutEdge", "layer": 3, "head": 0, "query": 2, "key": 1}'
    text = ("trace", "minilm", "--text", "the cat sat")
    done = attnscope(*text, "--edits", str(listed), "--edit", cut, "-o", str(path))
    assert done.returncode == 0, done.stderr
    changed = "Changed by 2 edits: head 2.1 is off; the edge from token 2 to token 1 in head 3.0 is cut."
    assert changed in done.stdout
    for command in (("heads", str(path)), ("export", str(path), "-o", str(page))):
        assert changed in attnscope(*command).stdout
    opened = attnscope_open(path)
    assert [repr(one) for one in opened.edits] == [
        "ScaleHead(layer=2, head=1, factor=0.0)",
        "CutEdge(layer=3, head=0, query=2, key=1)",
    ]
    assert float(opened.attention(3, 0)[2, 1]) == 0.0
    drawn = package.figure(opened, view="head", layer=3, heads=[0]).attnscope_caption
    assert changed in drawn
    package.export(opened, page)
    assert "<title>edited · the cat sat" in html.unescape(page.read_text())
    wrong = attnscope(*text, "--edit", cut.replace("3", "9", 1), "-o", str(tmp_path / "none.trace"))
    assert "layers 0 to 5" in one_sentence(wrong)
    assert not (tmp_path / "none.trace").exists()


@pytest.mark.parametrize("content", [None, b"", b"not a trace at all"])
def test_serving_a_file_that_is_no_trace_is_one_sentence(tmp_path, content):
    path = tmp_path / "bad.trace"
    if content is not None:
        path.write_bytes(content)
    assert "trace" in one_sentence(attnscope("serve", str(path), "--no-browser"))


def test_export_says_the_size_and_writes_a_model_s_text_or_a_saved_trace(tmp_path):
    page, trace, again = tmp_path / "fox.html", tmp_path / "fox.trace", tmp_path / "again.html"
    done = attnscope(
        "export", "minilm", "--text", "the quick fox", "-o", str(page), "--layers", "0-1,4", "--layer", "4"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{page}: ")
    assert " MB, all views, no weight more than " in done.stdout
    assert attnscope("trace", "minilm", "--text", "the quick fox", "-o", str(trace)).returncode == 0
    assert attnscope("export", str(trace), "-o", str(again)).returncode == 0
    assert again.stat().st_size > page.stat().st_size
    said = one_sentence(attnscope("export", str(trace), "-o", str(again), "--max-mb", "0.1"))
    assert "0 MB are written" in said
