"""Odd values on the command line end in one sentence, before anything takes long."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
import typer
from helpers import tiny_models
from typer.testing import CliRunner

import attnscope
from attnscope.cli import app
from attnscope.cli.missing_arguments import requiring
from attnscope.cli.numbers import at_least, numbers
from attnscope.errors import InputError, TooLongError

MOST = 100_000


@pytest.fixture
def saved(tmp_path: Path) -> str:
    model = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())
    model.trace("a b c").save(tmp_path / "a.trace")
    return str(tmp_path / "a.trace")


def refused(*line: str) -> str:
    done = CliRunner().invoke(app, list(line))
    assert isinstance(done.exception, InputError), done.output
    return str(done.exception)


@pytest.mark.parametrize(
    "given",
    [
        "0-99999999999",
        f"0-{MOST}",
        ",".join(["0-60000", "0-60000"]),
        "3-1",
        "",
        ",",
        "a",
        "-1",
        "1-",
        "１",
        "nan",
        "0x1",
        "1;2",
    ],
)
def test_lists_of_numbers_are_short_and_ascending(given):
    with pytest.raises(InputError, match="expects numbers and ranges such as 0,3,5-7"):
        numbers("--layers", given)


def test_numbers_and_ranges_are_read():
    assert numbers("--heads", "0, 3,5-7") == [0, 3, 5, 6, 7]
    assert len(numbers("--heads", f"1-{MOST}") or []) == MOST


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "0", "1e300"])
def test_the_largest_size_is_a_positive_number(saved, tmp_path, value):
    assert "--max-mb must be a number" in refused("export", saved, "-o", str(tmp_path / "a.html"), "--max-mb", value)
    assert at_least("--max-mb", 0.5, 0.001) == 0.5


def test_too_many_layers_are_a_sentence_in_every_command(saved, tmp_path):
    for name, file in (("export", "a.html"), ("figure", "a.pdf")):
        assert "--layers expects" in refused(name, saved, "-o", str(tmp_path / file), "--layers", "0-99999999999")


def test_a_chat_that_is_nested_too_deeply_is_a_sentence(tmp_path):
    chat = tmp_path / "deep.json"
    for text in ("[" * 100_000, '{"a":' * 100_000):
        chat.write_text(text)
        message = refused("trace", "smollm2", "-o", str(tmp_path / "a.trace"), "--chat", str(chat))
        assert "is not valid JSON (it is nested too deeply)" in message


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
@pytest.mark.parametrize(
    "line",
    [
        ("trace", "smollm2", "-o", "a.trace", "--text"),
        ("generate", "smollm2", "--text"),
        ("check", "smollm2", "--text"),
        ("export", "smollm2", "-o", "a.html", "--text"),
        ("figure", "smollm2", "-o", "a.pdf", "--text"),
        ("heads", "smollm2", "--text"),
        ("patch", "smollm2", "--corrupted", "a", "--clean"),
        ("patch", "smollm2", "--clean", "a", "--corrupted"),
    ],
)
def test_a_blank_text_is_refused(line, text):
    assert f"{line[-1]} is {'blank' if text else 'empty'}" in refused(*line, text)


@pytest.mark.parametrize("path", ["q" * 300 + ".trace", "absent/a.trace", "."])
def test_a_path_that_cannot_be_written_is_a_sentence(path):
    assert "Cannot write the trace" in refused("trace", "smollm2", "--text", "a", "-o", path)


def test_a_text_that_is_far_too_long_is_refused_before_it_is_tokenized(smollm2, monkeypatch):
    def tokenize(*_texts, **_options):
        raise AssertionError("tokenized")

    text = "word " * 200_000
    monkeypatch.setattr("attnscope.model.inputs.text.tokenize", tokenize)
    for call in (smollm2.trace, smollm2.generate, smollm2.count_tokens, smollm2.states, smollm2.check):
        with pytest.raises(TooLongError, match=r"1,000,000 characters.* 8,192 tokens") as error:
            call(text)
        assert error.value.fits == 8192


def test_more_than_four_times_the_tokens_that_a_model_was_designed_for_are_refused(smollm2):
    with pytest.raises(TooLongError, match=r"at most 32,768, 4 times what it was designed for") as error:
        smollm2.count_tokens(" a" * 32_769)
    assert error.value.fits == 8192
    assert smollm2.count_tokens(" a" * 32_768) == 32_768
    assert (
        len(smollm2.encode("word " * 200_000, max_tokens=10).tokens) == 10
    )  # a text to cut may be as long as it likes


def test_a_missing_argument_is_named_even_where_typer_does_not_notice():
    for command in app.registered_commands:
        function = command.callback
        assert function is not None
        needed = [name for name, one in inspect.signature(function).parameters.items() if one.default is one.empty]
        if needed:
            with pytest.raises(typer.Exit) as left:
                function()  # what old versions of typer do with a new click
            assert left.value.exit_code == 2


def test_the_name_of_a_missing_option_is_the_one_to_type(capsys):
    with pytest.raises(typer.Exit):
        requiring(app.registered_commands[3].callback)(model="smollm2", output=None)
    assert capsys.readouterr().err == "attnscope: Missing option --output. Add --help to see how it is used.\n"


def test_a_saved_json_of_chats_is_still_read(tmp_path):
    from attnscope.cli.chats import text_or_chat

    (tmp_path / "chat.json").write_text(json.dumps([{"role": "user", "content": "a"}]))
    assert text_or_chat(None, tmp_path / "chat.json") == [{"role": "user", "content": "a"}]
