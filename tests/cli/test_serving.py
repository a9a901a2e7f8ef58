"""`attnscope serve`, run as a command: invalid addresses, tokens and files."""

from __future__ import annotations

import pytest
from helpers.run_command import one_sentence, run_attnscope


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_other_machines_can_reach_needs_a_token(host):
    assert "--token" in one_sentence(run_attnscope("serve", "smollm2", "--host", host, "--no-browser"))


def test_an_address_that_other_machines_can_reach_needs_a_long_token():
    done = run_attnscope("serve", "smollm2", "--host", "0.0.0.0", "--token", "1234567", "--no-browser")
    assert "at least 8 characters" in one_sentence(done)


def test_a_token_with_characters_that_need_escaping_is_rejected():
    assert "letters, digits" in one_sentence(run_attnscope("serve", "smollm2", "--token", "a b", "--no-browser"))
    assert "letters, digits" in one_sentence(run_attnscope("serve", "smollm2", "--token", "", "--no-browser"))


def test_a_host_that_is_not_an_address_of_this_machine_is_an_error():
    assert "no.such.invalid" in one_sentence(run_attnscope("serve", "smollm2", "--host", "no.such.invalid"))
    done = run_attnscope("serve", "smollm2", "--host", "192.0.2.1", "--token", "long-enough-token")
    assert "192.0.2.1" in one_sentence(done)


@pytest.mark.parametrize("content", [None, b"", b"not a trace at all"])
def test_serving_a_file_that_is_not_a_trace_is_an_error(tmp_path, content):
    path = tmp_path / "bad.trace"
    if content is not None:
        path.write_bytes(content)
    assert "trace" in one_sentence(run_attnscope("serve", str(path), "--no-browser"))
