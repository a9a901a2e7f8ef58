"""The command line as a whole: version, help, wrong usage, an unknown model."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from helpers.run_command import ATTNSCOPE, VARIABLES, one_sentence, run_attnscope

pytestmark = pytest.mark.core


def test_the_version_is_that_of_the_package():
    assert run_attnscope("--version").stdout == f"attnscope {version('attnscope')}\n"


@pytest.mark.parametrize("arguments", [("heads",), ("heads", "minilm", "--text", "a b", "--by", "beauty")])
def test_a_command_of_the_tests_ends_like_one_from_a_shell(arguments):
    alone = subprocess.run([ATTNSCOPE, *arguments], env=os.environ | VARIABLES, capture_output=True, text=True)
    done = run_attnscope(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_a_command_of_the_tests_has_the_folder_and_the_environment_of_the_test(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.json").write_text("{}")
    said = one_sentence(run_attnscope("trace", "minilm", "--chat", "x.json", "-o", "a.trace"))
    assert "must contain a list of messages" in said
    shown = [run_attnscope("--help", COLUMNS=columns).stdout.splitlines() for columns in ("60", "90")]
    assert [max(map(len, lines)) for lines in shown] == [60, 90]


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
def test_help_does_not_import_torch(command):
    program = f"import sys; sys.argv = ['attnscope', *{command!r}, '--help']\nfrom attnscope.cli import main\n"
    program += "try: main()\nexcept SystemExit as end: assert not end.code\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("arguments", [("serve",), ("serve", "smollm2", "--port", "99999"), ("dance",), ("--nothing",)])
def test_wrong_usage_has_its_own_exit_code(arguments):
    done = run_attnscope(*arguments)
    assert done.returncode == 2
    assert "Usage" in done.stderr


@pytest.mark.parametrize("command", [("serve", "no-such-model"), ("check", "./no/such/folder"), ("serve", "no.gguf")])
def test_an_unknown_model_is_an_error(command):
    said = one_sentence(run_attnscope(*command))
    assert command[1].removeprefix("./") in said or "smollm2" in said
