"""The numbers that a person saves as CSV are those of Python, and a PDF is the figure alone."""

from __future__ import annotations

import math
import re
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
import torch
from playwright.sync_api import Page, expect

import attnscope
from attnscope.analysis.edges import edge_of

NURSE = "The doctor asked the nurse a question. She"
PRINT = """
    window.print = () => {
        const [sheet] = document.adoptedStyleSheets;
        top.printed = {
            css: [...sheet.cssRules].map(rule => rule.cssText).join(" "),
            body: document.body.innerHTML,
            title: document.title,
        };
        dispatchEvent(new Event("afterprint"));
    };
"""


@pytest.fixture
def nurse(page: Page, app_server: str) -> Page:
    """The app on the doctor and the nurse, with heads 9.4 and 9.7 selected."""
    page.add_init_script(PRINT)
    page.goto(f"{app_server}#{urlencode({'model': 'smollm2', 'text': NURSE, 'layer': '9', 'heads': '4,7'})}")
    expect(page.get_by_test_id("query-8")).to_be_visible(timeout=240_000)
    return page


def table(page: Page, folder: Path, kind: str) -> pd.DataFrame:
    page.get_by_test_id("export-side").click()
    with page.expect_download() as download:
        page.get_by_test_id(f"save-{kind}-csv").click()
    name = download.value.suggested_filename
    assert re.fullmatch(rf"attnscope-smollm2-{kind}-[\w.-]+-the-doctor-asked-the-nurse-a-question\.csv", name)
    download.value.save_as(folder / name)
    expect(page.get_by_test_id("said")).to_contain_text(f"Saved {name}")
    return pd.read_csv(folder / name, keep_default_na=False, na_values=[""])


def float32(values: pd.Series) -> torch.Tensor:
    return torch.tensor(values.to_numpy(np.float64), dtype=torch.float64).float()


def close(values: pd.Series, exact: torch.Tensor) -> bool:
    """Whether values are equal up to the rounding of float32: another process may sum in another order."""
    return torch.allclose(float32(values), exact.float(), rtol=1e-4, atol=1e-5)


def test_the_weights_of_a_token_are_those_of_python(nurse: Page, smollm2: attnscope.Model, tmp_path: Path) -> None:
    trace = smollm2.trace(NURSE)
    nurse.get_by_test_id("query-8").click()
    nurse.get_by_test_id("side-weights").click()
    expect(nurse.get_by_test_id("side-panel")).to_contain_text("attention from She")
    saved = table(nurse, tmp_path, "weights")
    assert len(saved) == 2 * 9
    assert list(saved["key_token"][:9]) == [token.text for token in trace.tokens]
    assert set(saved["query_token"]) == {" She"}
    for head, rows in saved.groupby("head"):
        assert close(rows["weight"], trace.attention(9, head)[8])
        assert close(rows["score"], trace.scores(9, head)[8])
        assert list(rows["rank"]) == [1 + sum(rows["weight"] > weight) for weight in rows["weight"]]

    nurse.get_by_test_id("query-8").click()
    nurse.get_by_test_id("key-4").click()
    nurse.get_by_test_id("sinks").select_option("renormalized")
    expect(nurse.get_by_test_id("side-panel")).to_contain_text("attention to nurse")
    saved = table(nurse, tmp_path, "weights")
    assert list(saved["query"]) == [*range(4, 9)] * 2  # later queries only: the others cannot attend to it
    for head, rows in saved.groupby("head"):
        rest = trace.attention(9, head)[4:].double()
        assert rows["weight"].to_numpy() == pytest.approx((rest[:, 4] / rest[:, 1:].sum(1)).numpy(), rel=1e-4, abs=1e-6)


def test_the_ranking_of_heads_for_a_pair_is_that_of_python(
    nurse: Page, smollm2: attnscope.Model, tmp_path: Path
) -> None:
    nurse.get_by_test_id("query-8").click()
    nurse.get_by_test_id("key-4").click()
    nurse.get_by_test_id("side-edges").click()
    expect(nurse.get_by_test_id("edge-0")).to_be_visible()
    saved = table(nurse, tmp_path, "edges").set_index(["layer", "head"]).sort_index()
    edge = edge_of(smollm2.trace(NURSE), 8, 4)
    places = list(zip(edge.layer.tolist(), edge.head.tolist(), strict=True))
    assert len(saved) == len(places) == 270
    found = saved.loc[places]
    assert close(found["weight"], edge.weight)
    assert close(found["score"], edge.score)
    assert found["rank"].tolist() == edge.rank.tolist()
    assert set(found["query_token"]) == {" She"} and set(found["key_token"]) == {" nurse"}


def test_the_neurons_of_a_query_are_those_of_python(nurse: Page, smollm2: attnscope.Model, tmp_path: Path) -> None:
    trace = smollm2.trace(NURSE)
    nurse.get_by_test_id("query-5").click()
    expect(nurse.get_by_test_id("neuron-cells")).to_be_visible()
    saved = table(nurse, tmp_path, "neurons")
    columns = [str(dimension) for dimension in range(64)]
    query, keys = saved[saved["vector"] == "q"], saved[saved["vector"] == "k"]
    assert list(query["token"]) == [5] and list(keys["token"]) == list(range(9))
    vectors = torch.tensor(keys[columns].to_numpy(np.float64)).float()
    assert close(query[columns].iloc[0], trace.q(9, 4)[5])
    assert torch.allclose(vectors, trace.k(9, 4).float(), rtol=1e-4, atol=1e-5)
    assert close(keys["weight"], trace.attention(9, 4)[5])
    assert keys["score"].tolist()[6:] == [-math.inf] * 3
    assert close(keys["score"], trace.scores(9, 4)[5])
    dots = trace.k(9, 4).double() @ trace.q(9, 4)[5].double()
    assert keys["dot"].to_numpy() == pytest.approx(dots.numpy(), abs=1e-4)


def test_an_entry_that_cannot_be_used_says_why(nurse: Page) -> None:
    nurse.get_by_test_id("side-edges").click()
    nurse.get_by_test_id("export-side").click()
    for entry in ("save-edges-csv", "save-edges-svg", "save-edges-pdf"):
        expect(nurse.get_by_test_id(entry)).to_be_disabled()
        expect(nurse.get_by_test_id(entry)).to_have_attribute("title", "Pin a token on each side first.")


def test_all_views_include_the_ranking_for_a_pinned_pair(nurse: Page) -> None:
    nurse.get_by_test_id("query-8").click()
    nurse.get_by_test_id("key-4").click()
    nurse.get_by_test_id("side-edges").click()
    expect(nurse.get_by_test_id("edge-0")).to_be_visible()
    names: list[str] = []
    nurse.on("download", lambda download: names.append(download.suggested_filename))
    nurse.get_by_test_id("export-page").click()
    nurse.get_by_test_id("save-all-svg").click()
    expect(nurse.get_by_test_id("said")).to_have_text("Saved 3 figures")
    nurse.wait_for_timeout(500)
    views = sorted(name.split("smollm2-")[1].split("-the-doctor")[0] for name in names)
    assert views == ["edges-8-4", "layer-9", "model"]


@pytest.mark.parametrize(("panel", "kind"), [("head", "head"), ("model", "model"), ("side", "neurons")])
def test_a_pdf_is_one_page_as_large_as_the_figure(nurse: Page, tmp_path: Path, panel: str, kind: str) -> None:
    expect(nurse.get_by_test_id("model-arrival")).to_have_text("")
    nurse.get_by_test_id(f"export-{panel}").click()
    nurse.get_by_test_id(f"save-{kind}-pdf").click()
    expect(nurse.get_by_test_id("said")).to_have_text("")
    expect(nurse.locator("iframe")).to_have_count(0)
    printed = nurse.evaluate("window.printed")
    assert printed["title"].startswith("attnscope-smollm2-")
    width, height = (
        float(part) for part in re.findall(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"', printed["body"])[0]
    )
    sheet = nurse.context.new_page()
    sheet.set_content(f"<style>{printed['css']}</style>{printed['body']}")
    pdf = sheet.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    box = [float(part) for part in re.findall(rb"/MediaBox \[([\d. ]+)\]", pdf)[0].split()]
    assert box[2] == pytest.approx(0.75 * width, abs=1.6) and box[3] == pytest.approx(0.75 * height, abs=1.6)
    assert b"/Font" in pdf  # text stays text
    sheet.close()
