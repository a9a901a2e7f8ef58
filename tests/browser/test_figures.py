"""Figures saved from the page: valid files, with the tokens and numbers of the trace."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

import attnscope

NURSE = "The doctor asked the nurse a question. She"
SVG = "{http://www.w3.org/2000/svg}"
FAINTEST = 0.006  # the smallest weight that a figure draws on a linear scale


@pytest.fixture
def nurse(page: Page, app_server: str) -> Page:
    """The app on the doctor and the nurse, with head 9.4 selected."""
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': NURSE, 'layer': '9', 'heads': '4'})}")
    expect(page.get_by_test_id("query-8")).to_be_visible(timeout=240_000)
    expect(page.get_by_test_id("model-arrival")).to_have_text("")
    return page


NAMED = "the-doctor-asked-the-nurse-a-question"


def save(page: Page, folder: Path, panel: str, kind: str, ending: str, named: str = NAMED) -> Path:
    page.get_by_test_id(f"export-{panel}").click()
    with page.expect_download() as download:
        page.get_by_test_id(f"save-{kind}-{ending}").click()
    name = download.value.suggested_filename
    assert re.fullmatch(rf"attnscope-smollm2-{kind}[\d.-]*-{named}\.{ending}", name)
    download.value.save_as(folder / name)
    return folder / name


def words(root: ElementTree.Element, name: str) -> list[str]:
    """The texts of a class, without the marks for leading spaces."""
    found = [one for one in root.iter(f"{SVG}text") if one.get("class") == name]
    return ["".join(one.itertext()).lstrip("·") for one in found]


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


@pytest.mark.parametrize(
    ("panel", "kind", "caption"),
    [
        ("head", "head", "Attention of head 9.4"),
        ("head", "matrix", "Attention of head 9.4"),
        ("model", "model", "Attention of every head"),
        ("side", "neurons", "dimension by dimension"),
    ],
)
def test_every_view_is_saved_with_its_tokens_and_provenance(
    nurse: Page, smollm2: attnscope.Model, tmp_path: Path, panel: str, kind: str, caption: str
) -> None:
    trace = smollm2.trace(NURSE)
    shown = parse_qs(urlsplit(nurse.url).fragment)["trace"][0]
    root = ElementTree.parse(save(nurse, tmp_path, panel, kind, "svg")).getroot()
    said = root.findtext(f"{SVG}desc") or ""
    printed = " ".join(
        "".join(one.itertext()) for group in root.iter(f"{SVG}g") if group.get("class") == "caption" for one in group
    )
    for part in (caption, NURSE, "scale", "SmolLM2-135M-Instruct", shown[:12], f"attnscope {attnscope.__version__}"):
        assert part in said and part in printed, part
    assert shown in (root.findtext(f"{SVG}metadata") or "")
    tokens = [token.text.strip() for token in trace.tokens]
    if kind != "model":
        assert words(root, "token") == tokens * 2 or words(root, "token")[:9] == tokens
    if kind == "head":
        weights = trace.attention(9, 4)
        lines = [one for one in root.iter(f"{SVG}path") if one.get("class") == "edge"]
        surely, perhaps = int((weights > FAINTEST * 1.1).sum()), int((weights > FAINTEST * 0.9).sum())
        assert surely <= len(lines) <= perhaps
    if kind == "model":
        assert len([one for one in root.iter(f"{SVG}rect") if one.get("class") == "head"]) == 270
    width, height = (float(root.get(name, "0")) for name in ("width", "height"))
    assert png_size(save(nurse, tmp_path, panel, kind, "png")) == (round(2 * width), round(2 * height))


def test_the_python_code_of_a_view_makes_the_same_trace_and_figure(nurse: Page) -> None:
    nurse.get_by_test_id("query-8").click()
    nurse.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    nurse.get_by_test_id("export-head").click()
    nurse.get_by_test_id("python-head").click()
    box = nurse.get_by_test_id("copy-box").get_by_role("textbox")
    program = box.input_value()
    assert box.evaluate("one => one.value.slice(one.selectionStart, one.selectionEnd)") == program
    nurse.keyboard.press("Escape")
    expect(nurse.get_by_test_id("copy-box")).to_have_count(0)

    # Run it in a separate process, as a user would: rounding depends on the number of threads.
    (figure,) = [line[2:] for line in program.splitlines() if line.startswith("# attnscope.figure(")]
    caption = f"print({figure.rpartition('.savefig')[0]}.attnscope_caption)"
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}print(trace.id, *attention.shape)\n{caption}"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "MPLBACKEND": "agg"},
    )
    assert ran.returncode == 0, ran.stderr
    shown = parse_qs(urlsplit(nurse.url).fragment)["trace"][0]
    assert f'trace.id was "{shown}"' in program
    assert ran.stdout.startswith(f"{shown} 9 9\n")
    assert "9.4" in ran.stdout.partition("\n")[2]
    assert 'attnscope.show(trace, view="head", layer=9, heads=[4], token=8)' in program


def test_hostile_text_is_text_in_a_figure_and_a_string_in_python_code(
    page: Page, app_server: str, tmp_path: Path
) -> None:
    text = '</text><script>alert("1")</script> \u202eevil\u202c \\n & ]]>'
    page.on("dialog", lambda dialog: pytest.fail(f"something ran: {dialog.message}"))
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': text, 'layer': '0', 'heads': '0'})}")
    expect(page.get_by_test_id("query-3")).to_be_visible(timeout=240_000)
    root = ElementTree.parse(save(page, tmp_path, "head", "head", "svg", "text-script-alert-1-script-evil-n")).getroot()
    assert not list(root.iter(f"{SVG}script"))
    assert "".join(words(root, "token")).count("script") == 4
    assert "\u202e" not in ElementTree.tostring(root, encoding="unicode")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_test_id("export-head").click()
    page.get_by_test_id("python-head").click()
    expect(page.get_by_test_id("said")).to_have_text("Python code copied")
    program = page.evaluate("navigator.clipboard.readText()")
    (line,) = [line for line in program.splitlines() if line.startswith("trace = model.trace(")]
    assert eval(line.removeprefix("trace = model.trace")) == text
