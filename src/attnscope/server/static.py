"""The files of the page. Only a file that lies in the package's `static` folder has a name here: no path is built."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from attnscope.server.replies import refusal, refusal_page

PAGE = "app.html"
FOLDER = Path(__file__).resolve().parent.parent / "static"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
"""What is served, and as what: not left to a table of the operating system."""


class StaticFiles:
    """The files of one folder, each under its own name."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def page(self, _request: Request) -> Response:
        """`GET /`."""
        path = self._files().get(PAGE)
        if path is None:
            return refusal_page(
                503, "This copy of attnscope has no page in it: run `make setup` in a checkout, or install it again."
            )
        return Response(path.read_bytes(), media_type=TYPES[".html"])

    def file(self, request: Request) -> Response:
        """`GET /static/<name>`. The browser keeps a file, but asks each time whether it is still the same."""
        path = self._files().get(request.path_params["name"])
        if path is None:
            return refusal(404, "There is no such file.", code="unknown")
        content = path.read_bytes()
        headers = {"etag": f'"{hashlib.sha256(content).hexdigest()[:32]}"', "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        headers["content-type"] = TYPES[path.suffix]
        return Response(content, headers=headers)

    def _files(self) -> dict[str, Path]:
        found = self._folder.rglob("*")
        return {
            path.relative_to(self._folder).as_posix(): path
            for path in found
            if path.suffix in TYPES and path.is_file() and not path.is_symlink()
        }
