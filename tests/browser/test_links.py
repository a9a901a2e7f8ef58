"""Links: what a copied one says, where it works, and what another browser sees."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from helpers.chromium_page import TIMEOUT_MS
from playwright.sync_api import Browser, Page, expect

NURSE = "The doctor asked the nurse a question. She"


@pytest.fixture
def other_site() -> Iterator[tuple[str, list[str]]]:
    """The address of a site on another host name, and the links on its page."""
    links: list[str] = []

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write("".join(f'<a href="{link}">a view</a>' for link in links).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/", links
        server.shutdown()


@pytest.mark.parametrize("menu", ["export-page", "export-head"])
def test_a_copied_link_says_where_it_works_and_the_offline_page_stands_beside_it(nurse: Page, menu: str) -> None:
    nurse.context.grant_permissions(["clipboard-read", "clipboard-write"])
    nurse.get_by_test_id(menu).click()
    expect(nurse.get_by_test_id("save-page")).to_contain_text("to send to others")
    link = nurse.get_by_test_id("copy-link")
    expect(link).to_contain_text("works in this browser, while this app runs")
    link.click()
    expect(nurse.get_by_test_id("said")).to_have_text("Link copied: works in this browser, while this app runs")
    copied = nurse.evaluate("navigator.clipboard.readText()")
    nurse.goto("about:blank")
    nurse.goto(copied)
    expect(nurse.get_by_test_id("head-4")).to_have_attribute("aria-pressed", "true")
    expect(nurse.get_by_test_id("layer")).to_have_value("9")


def test_another_browser_is_told_where_the_full_address_stands(
    nurse: Page, browser: Browser, app_server: str, other_site: tuple[str, list[str]]
) -> None:
    url, links = other_site
    link = nurse.url
    links.append(link)
    context = browser.new_context()
    stranger = context.new_page()
    stranger.set_default_timeout(TIMEOUT_MS)
    stranger.goto(link)
    expect(stranger.get_by_text("from the terminal where attnscope was started")).to_be_visible()
    expect(stranger.get_by_text("Ask them for an offline page")).to_be_visible()
    expect(stranger.get_by_role("link")).to_have_count(0)
    stranger.goto(url)
    stranger.get_by_role("link").click()
    expect(stranger.get_by_text("from the terminal where attnscope was started")).to_be_visible()
    stranger.goto(app_server)
    stranger.goto("about:blank")
    stranger.goto(link)
    expect(stranger.get_by_test_id("query-8")).to_be_visible()
    context.close()


def test_a_link_on_another_site_opens_the_app_in_the_browser_that_knows_it(
    nurse: Page, other_site: tuple[str, list[str]], complaints: list[str]
) -> None:
    url, links = other_site
    links.append(nurse.url)
    nurse.goto(url)
    nurse.get_by_role("link").click()
    expect(nurse.get_by_test_id("query-5")).to_be_visible()
    complaints[:] = [one for one in complaints if "401" not in one]


def test_a_link_to_an_unknown_model_says_so_once_and_offers_the_others(page: Page, app_server: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    page.goto(f"{app_server}#model=gpt5&text={quote(NURSE)}&layer=9")
    remark = page.get_by_test_id("remark")
    expect(remark).to_contain_text("The link names the model “gpt5”, which this app does not have.")
    expect(page.get_by_test_id("failure")).to_have_count(0)
    expect(page.get_by_test_id("prompt")).to_have_value(NURSE)
    assert not [one for one in asked if '"run"' in one]
    page.get_by_test_id("run").click()
    expect(page.get_by_test_id("query-8")).to_be_visible(timeout=240_000)
    expect(remark).to_have_count(0)
    page.goto(f"{app_server}#model=gpt5&text={quote('The cat sat')}")
    remark.get_by_role("button", name="MiniLM").click()
    expect(page.get_by_test_id("query-0")).to_contain_text("[CLS]")
    expect(remark).to_have_count(0)


def test_a_word_that_is_not_in_the_text_is_a_remark_and_no_failure(page: Page, app_server: str) -> None:
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': NURSE, 'token': 'dentist'})}")
    expect(page.get_by_test_id("remark")).to_contain_text('"dentist" is not a word of the text', timeout=240_000)
    expect(page.get_by_test_id("failure")).to_have_count(0)
    expect(page.get_by_test_id("retry")).to_have_count(0)
    page.get_by_test_id("remark").get_by_role("button", name="Dismiss").click()
    expect(page.get_by_test_id("remark")).to_have_count(0)
