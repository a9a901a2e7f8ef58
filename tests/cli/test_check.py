"""`attnscope check`, run as a command."""

from __future__ import annotations

from helpers.run_command import run_attnscope


def test_check_prints_every_layer_and_a_verdict():
    done = run_attnscope("check", "minilm", "--text", "the cat sat on the mat", "--pair", "the cat lay on the rug")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [sum(f"│ {' ' * 4}{layer} │" in line for line in lines) for layer in range(6)] == [1] * 6
    assert lines[-1] == "exact"
