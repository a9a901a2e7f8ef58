"""The page and its files are served by name, and no other file on disk is."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.core


def test_the_page_and_its_files_have_the_right_media_types(running):
    with running.client() as client:
        for path, kind, content in [
            ("/", "text/html; charset=utf-8", "<!doctype html><title>the page</title>"),
            ("/static/app.js", "text/javascript; charset=utf-8", "export const one = 1;"),
            ("/static/assets/look.css", "text/css; charset=utf-8", "body { margin: 0 }"),
        ]:
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, kind, content)
            assert client.head(path).status_code == 200


def test_an_unchanged_file_is_not_sent_again(running, static):
    with running.client() as client:
        first = client.get("/static/app.js")
        again = client.get("/static/app.js", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        (static / "app.js").write_text("export const one = 2;")
        assert client.get("/static/app.js", headers={"if-none-match": first.headers["etag"]}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.js",
        "/static/..%2fsecret.js",
        "/static/%2e%2e/secret.js",
        "/static/%2e%2e%2fsecret.js",
        "/static/%252e%252e%252fsecret.js",
        "/static/..%5csecret.js",
        "/static/..\\secret.js",
        "/static/assets/../../secret.js",
        "/static/assets/..%2f..%2fsecret.js",
        "/static//app.js",
        "/static/./app.js",
        "/static/app.js%00",
        "/static/app.js/",
        "/static/%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/link.js",
        "/static/notes.txt",
        "/static/",
        "/static",
        "/app.js",
        "/secret.js",
        "/static/assets",
        "http://evil.com/static/app.js",
    ],
)
def test_no_path_outside_the_folder_is_served(running, path):
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nCookie: {running.cookie}\r\n\r\n"
    answer = running.raw(request.encode())
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"outside" not in answer


def test_a_copy_without_its_page_says_what_to_do(running, static):
    (static / "app.html").unlink()
    with running.client() as client:
        answer = client.get("/")
    assert answer.status_code == 503
    assert "make setup" in answer.text
