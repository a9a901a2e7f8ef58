"""The fixtures of the browser tests catch errors and external requests."""

from __future__ import annotations

from playwright.sync_api import Page


def test_a_console_error_is_a_complaint(page: Page, complaints: list[str]):
    page.evaluate("console.error('broken on purpose')")
    assert len(complaints) == 1 and "broken on purpose" in complaints[0]
    complaints.clear()


def test_an_uncaught_error_is_a_complaint(page: Page, complaints: list[str]):
    page.evaluate("setTimeout(() => { throw new Error('broken on purpose') })")
    page.wait_for_timeout(50)
    assert len(complaints) == 1 and "broken on purpose" in complaints[0]
    complaints.clear()


def test_a_request_to_another_machine_is_a_complaint_and_is_blocked(page: Page, complaints: list[str]):
    answered = page.evaluate("fetch('https://example.com/').then(() => true, () => false)")
    assert not answered
    assert any("request to another machine: https://example.com/" in complaint for complaint in complaints)
    complaints.clear()


def test_a_page_without_errors_gives_no_complaints(page: Page, complaints: list[str]):
    page.set_content("<p>quiet</p>")
    page.evaluate("fetch('data:text/plain,inside').then(reply => reply.text())")
    assert complaints == []
