"""The `--chat` option of every command that takes a text."""

from __future__ import annotations

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
