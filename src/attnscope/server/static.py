"""The page's static files.

Requests name files from a listing of the package's `static` folder. No path is ever built from a request.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from attnscope.server.replies import error_page, error_response

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
"""The file types that are served, with their media types. These do not depend on the operating system's table."""


class StaticFiles:
    """The files of one folder, by name."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def page(self, _request: Request) -> Response:
        """`GET /`."""
        path = self._files().get(PAGE)
        if path is None:
            return error_page(
                503, "attnscope's front end is missing. Run `make setup` in a checkout, or reinstall attnscope."
            )
        return Response(path.read_bytes(), media_type=TYPES[".html"])

    def file(self, request: Request) -> Response:
        """`GET /static/<name>`. Browsers may cache a file, but must revalidate it each time."""
        path = self._files().get(request.path_params["name"])
        if path is None:
            return error_response(404, "Not found: no file of this name.", code="unknown")
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
