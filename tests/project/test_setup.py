"""The setup scripts: finished steps are not repeated, failed ones are; Chromium from apt-get; the checks, and tidy files."""

from __future__ import annotations

import sys
from pathlib import Path

import checks
import chromium
import pytest
import tidy
from steps import StepError, Steps

FAIL = [sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"]


@pytest.fixture
def done() -> list[str]:
    return []


def test_a_finished_step_is_not_repeated(tmp_path: Path, done: list[str]):
    for _ in range(2):
        Steps(tmp_path / "stamps", 1).do_once("step", "key", "Step", lambda: done.append("step"))
    assert done == ["step"]


def test_a_step_is_repeated_when_its_inputs_change(tmp_path: Path, done: list[str]):
    for key in ("old", "new"):
        Steps(tmp_path / "stamps", 1).do_once("step", key, "Step", lambda: done.append("step"))
    assert done == ["step", "step"]


def test_a_failed_step_is_repeated(tmp_path: Path, done: list[str]):
    steps = Steps(tmp_path / "stamps", 1)
    with pytest.raises(StepError):
        steps.do_once("step", "key", "Step", lambda: steps.run(FAIL, log="step", cwd=tmp_path))
    steps.do_once("step", "key", "Step", lambda: done.append("step"))
    assert done == ["step"]


def test_the_error_of_a_failed_command_has_its_output_and_the_path_of_its_log(tmp_path: Path):
    with pytest.raises(StepError, match=r"the reason[\s\S]*exit status 3[\s\S]*step\.log"):
        Steps(tmp_path, 1).run(FAIL, log="step", cwd=tmp_path)
    assert (tmp_path / "step.log").read_text() == "the reason\n"


def test_a_step_prints_one_line_when_it_starts_and_one_when_it_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    loud = [sys.executable, "-c", "for number in range(1000): print(number)"]
    steps = Steps(tmp_path, 3)
    steps.do("Loud", lambda: steps.run(loud, log="loud", cwd=tmp_path), done=False)
    first, last = capsys.readouterr().out.splitlines()
    assert first == "[1/3] Loud …" and last.startswith("[1/3] Loud: done in ")


def test_all_checks_run_and_a_failed_one_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    fine = [sys.executable, "-c", "print('nothing wrong')"]
    monkeypatch.setattr(checks, "CHECKS", {"first": FAIL, "second": fine, "third": FAIL})
    assert checks.main() == 1
    shown = capsys.readouterr()
    assert shown.out.count("the reason") == 2 and shown.out.count("nothing wrong") == 1
    assert "first: FAILED with exit status 3" in shown.out and "second: passed" in shown.out
    assert set(shown.err.strip().removeprefix("Failed: ").removesuffix(".").split(", ")) == {"first", "third"}
    monkeypatch.setattr(checks, "CHECKS", {"second": fine})
    assert checks.main() == 0


def _program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_environment_variable_chromium_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    on_path, named = _program(tmp_path / "bin", "chromium"), _program(tmp_path / "own", "my-chrome")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert chromium.find() == str(on_path)
    monkeypatch.setenv("CHROMIUM", str(named))
    assert chromium.find() == str(named)


@pytest.mark.parametrize(
    ("system", "user", "programs", "expected"),
    [
        ("debian", 0, ["apt-get"], "env DEBIAN_FRONTEND=noninteractive apt-get install"),
        ("debian", 1000, ["apt-get", "sudo"], "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install"),
        ("debian", 1000, ["apt-get"], None),
        ("ubuntu", 0, ["apt-get"], None),  # its package `chromium` only installs a snap
        ("debian", 0, [], None),
    ],
)
def test_chromium_is_installed_only_with_apt_get_on_debian_and_sufficient_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, user: int, programs: list[str], expected: str | None
):
    for name in programs:
        _program(tmp_path, name)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr(chromium, "_release", lambda: ["NAME=any", f"ID={system}"])
    commands = [" ".join(command) for command in chromium.commands_to_install()]
    assert len(commands) == (2 if expected else 0)
    assert not expected or commands[1].startswith(expected)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("cache = '/" + "home/ada/cache'", "a home directory"),
        ("cp /" + "work/main/x y", "a machine-specific path"),
        ('"resol' + 'ved": "https://registry.corp.example/x.tgz"', "a package host"),
    ],
)
def test_text_that_names_one_machine_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, named: str
):
    monkeypatch.setattr(tidy, "ROOT", tmp_path)
    (tmp_path / "file").write_text(f"first line\n{line}\n")
    [fault] = tidy.faults("file")
    assert fault.startswith("file:2") and named in fault


@pytest.mark.parametrize("line", ["see https://example.org/home/page", "/usr/share/x", "a/home/b", "GET /etc/passwd"])
def test_an_ordinary_path_is_not_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str):
    monkeypatch.setattr(tidy, "ROOT", tmp_path)
    (tmp_path / "file").write_text(line)
    assert list(tidy.faults("file")) == []


def test_large_files_and_build_outputs_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tidy, "ROOT", tmp_path)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "x.whl").write_bytes(bytes(tidy.LARGEST + 1))
    large, built = tidy.faults("dist/x.whl")
    assert "1,000,001 bytes" in large and "built" in built
