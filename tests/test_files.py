"""Writing files: all or nothing, a sentence if it fails, no leftovers, and devices stay devices."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.random_traces import random_trace

import attnscope
from attnscope.errors import InputError, WriteError
from attnscope.files import replacing, shown

pytestmark = pytest.mark.core

TRACE = random_trace(["the", "cat", "sat"], layers=2)

WRITERS: dict[str, Callable[[Path], object]] = {
    "a.trace": TRACE.save,
    "a.html": lambda path: attnscope.export(TRACE, path),
    "a.svg": lambda path: attnscope.figure(TRACE, "head").savefig(path),
    "a.pdf": lambda path: attnscope.figure(TRACE, "model").savefig(str(path)),
}


def _names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def _write(path: Path, text: str) -> None:
    with replacing(path, "the text") as unfinished:
        unfinished.write_text(text)


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_replaces_an_old_file_and_leaves_nothing_else(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("old")
    WRITERS[name](path)
    assert path.read_bytes() != b"old"
    assert _names(tmp_path) == [name]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("folder", "file", "error", "message"),
    [
        ("", "x" * 300, (InputError, WriteError), "name (is )?too long"),
        ("", "a\0b", InputError, r"contains a NUL character|must be a valid path"),
        ("missing", "", InputError, "is in a folder that does not exist"),
        ("", "folder", InputError, "is a folder"),
        ("file", "", InputError, "is in a folder that does not exist"),
        ("/proc", "", WriteError, r"/proc/a\..*: "),
    ],
    ids=["long", "nul", "no folder", "a folder", "in a file", "proc"],
)
def test_every_writer_says_why_it_cannot_write(
    name: str, folder: str, file: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    (tmp_path / f"folder{Path(name).suffix}").mkdir()
    (tmp_path / "file").write_text("")
    path = tmp_path / folder / (f"{file}{Path(name).suffix}" if file else name)
    with pytest.raises(error, match=message) as raised:
        WRITERS[name](path)
    assert (
        str(raised.value).startswith(("Cannot write the ", "Invalid path ", "`path` must be a valid path"))
        and len(str(raised.value)) < 300
    )


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_keeps_the_old_file_and_is_said_in_a_sentence(name: str, tmp_path: Path) -> None:
    """A limit on the size of files fails in the same place as a full disk."""
    (tmp_path / name).write_text("old")
    program = (
        "import resource, sys; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path; from test_files import WRITERS\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))\n"
        "from attnscope.errors import WriteError\n"
        "try: WRITERS[sys.argv[1]](Path(sys.argv[2]))\n"
        "except WriteError as error: print(error)"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", program, name, str(tmp_path / name), str(here.parent / "src"), str(here)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("Cannot write the ") and "larger than files may be here" in done.stdout, done.stderr
    assert (tmp_path / name).read_text() == "old" and _names(tmp_path) == [name]


def test_a_pipe_gets_the_content_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    _write(pipe, "content")
    reader.join(60)
    assert found == ["content"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_to_a_device_stays_and_the_device_too(tmp_path: Path) -> None:
    null = tmp_path / "null.trace"
    null.symlink_to(os.devnull)
    TRACE.save(null)
    assert null.is_symlink() and stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_link_to_a_file_stays_and_permissions_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    _write(link, "new")
    assert link.is_symlink() and target.read_text() == "new" and stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    _write(tmp_path / "a", "new")
    (tmp_path / "b").write_text("plain")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from attnscope.files import replacing\n"
        "with replacing(Path(sys.argv[1]), 'the text') as unfinished:\n"
        "    unfinished.write_text('half')\n"
        "    os.kill(os.getpid(), 9)"
    )
    path = tmp_path / "a.trace"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent / "src")}
    done = subprocess.run([sys.executable, "-c", program, str(path)], env=environment, timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert [one.read_text() for one in tmp_path.iterdir()] == ["half"] and not path.exists()
    _write(tmp_path / "other", "new")
    assert _names(tmp_path) == ["other"]


def test_a_save_in_progress_is_not_removed_by_another(tmp_path: Path) -> None:
    with replacing(tmp_path / "one", "the text") as unfinished:
        unfinished.write_text("one")
        _write(tmp_path / "two", "two")
        assert unfinished.read_text() == "one"
    assert _names(tmp_path) == ["one", "two"]


def test_an_error_in_the_block_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path, "the text") as unfinished:
        unfinished.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and _names(tmp_path) == ["a"]


def test_a_figure_without_an_extension_gets_that_of_matplotlib(tmp_path: Path) -> None:
    figure = attnscope.figure(TRACE, "head")
    figure.savefig(tmp_path / "plain")
    figure.savefig(tmp_path / "as.given", format="svg")
    assert _names(tmp_path) == ["as.given", "plain.png"]
    assert (tmp_path / "as.given").read_text().startswith("<?xml")


def test_a_long_path_is_shortened_in_messages() -> None:
    assert shown("a.trace") == "'a.trace'"
    assert len(shown("x" * 5000)) < 250
