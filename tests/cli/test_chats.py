"""The `--chat` option of every command that takes a text."""

from __future__ import annotations

import json

from helpers.run_command import one_sentence, run_attnscope

import attnscope


def test_a_chat_is_read_from_a_file(tmp_path, smollm2):
    messages, made = tmp_path / "chat.json", tmp_path / "chat.trace"
    messages.write_text('[{"role": "user", "content": "Hi"}]')
    assert run_attnscope("trace", "smollm2", "--chat", str(messages), "-o", str(made)).returncode == 0
    assert attnscope.open(made).tokens == smollm2.trace([{"role": "user", "content": "Hi"}]).tokens
    assert "not both" in one_sentence(run_attnscope("heads", "smollm2", "--chat", str(messages), "--text", "Hi"))
    messages.write_text('{"role": "user"}')
    assert "must contain a list of messages" in one_sentence(
        run_attnscope("figure", "smollm2", "--chat", str(messages), "-o", "x.pdf")
    )


def test_the_model_can_continue_the_last_message(tmp_path, smollm2):
    chat = [{"role": "user", "content": "Name a color."}, {"role": "assistant", "content": "The color is"}]
    messages, made = tmp_path / "chat.json", tmp_path / "chat.trace"
    messages.write_text(json.dumps(chat))
    options = ("smollm2", "--chat", str(messages), "--continue-final-message")
    assert run_attnscope("trace", *options, "-o", str(made)).returncode == 0
    written = smollm2.tokenizer.apply_chat_template(chat, continue_final_message=True)["input_ids"]
    assert [token.id for token in attnscope.open(made).tokens] == written
    assert run_attnscope("generate", *options, "-n", "2", "-o", str(made)).returncode == 0
    assert [token.id for token in attnscope.open(made).tokens][:-2] == written
    assert "needs --chat" in one_sentence(run_attnscope("heads", "smollm2", "--text", "Hi", "--continue-final-message"))
