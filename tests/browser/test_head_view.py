"""The head view: a typed sentence, the lines of a real head, and numbers that match Python."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope

NURSE = "The doctor asked the nurse a question. She"
CATS = ("the cat sat on the mat", "the cat lay on the rug")


def open_at(page: Page, app_server: str, **where: str) -> None:
    page.goto(f"{app_server}#{urlencode(where)}")
    expect(page.get_by_test_id("query-0")).to_be_visible(timeout=60_000)


@pytest.fixture
def nurse(page: Page, app_server: str) -> Page:
    """The app on the doctor and the nurse, with head 9.4 selected."""
    open_at(page, app_server, model="smollm2", text=NURSE, layer="9", heads="4")
    return page


@pytest.fixture
def cats(page: Page, app_server: str) -> Page:
    """The app on the pair of cats, with the head that links the sentences."""
    open_at(page, app_server, model="minilm", text=CATS[0], pair=CATS[1], layer="2", heads="9")
    return page


def readout(page: Page) -> Locator:
    return page.get_by_test_id("readout")


def number_in(text: str | None, name: str = "") -> float:
    found = re.search(rf"{name}\s*([−-]?\d+\.\d+)", text or "")
    assert found, text
    return float(found.group(1).replace("−", "-"))


def beside(page: Page, token: str) -> float:
    """The weight beside a token. On the page it is drawn on a canvas, so the token's accessible name contains it too."""
    expect(page.get_by_test_id(token)).to_have_attribute("aria-label", re.compile(r", token \d+, [01]\.\d+$"))
    return float((page.get_by_test_id(token).get_attribute("aria-label") or "").rsplit(" ", 1)[1])


def inked(page: Page, minimum: int = 1) -> None:
    """Wait for lines: some pixels of the head view's canvas are colored."""
    page.wait_for_function(
        """least => [...document.querySelectorAll("*")]
            .flatMap(host => host.shadowRoot ? [...host.shadowRoot.querySelectorAll("canvas")] : [])
            .some(canvas => {
                if (!canvas.width || !canvas.height) return false;
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                let colored = 0;
                for (let at = 3; at < data.length; at += 4) if (data[at] > 30) colored++;
                return colored >= least;
            })""",
        arg=minimum,
    )


def test_a_typed_sentence_becomes_tokens_and_lines(page: Page, app_server: str) -> None:
    open_at(page, app_server, model="smollm2", text="Hello", layer="0", heads="0")
    page.get_by_label("Prompt").fill("The grass is green and the sky is")
    page.get_by_label("Prompt").press("Enter")
    expect(page.get_by_test_id("query-7")).to_contain_text("is")
    expect(page.get_by_test_id("query-tokens").get_by_role("option")).to_have_count(8)
    expect(page.get_by_test_id("key-1")).to_contain_text("grass")
    inked(page, 500)


def test_weights_and_scores_in_the_readout_match_the_trace(nurse: Page, smollm2: attnscope.Model) -> None:
    trace = smollm2.trace(NURSE)
    exact, scores = trace.attention(9, 4)[8], trace.scores(9, 4)[8]
    nurse.get_by_test_id("query-8").hover()
    best = int(exact.argmax())
    expect(readout(nurse)).to_contain_text(f"{trace.tokens[8].text.strip()} → {trace.tokens[best].text.strip()}")
    text = readout(nurse).text_content()
    assert number_in(text) == pytest.approx(float(exact[best]), abs=0.006)
    assert number_in(text, "score") == pytest.approx(float(scores[best]), abs=0.06)  # one digit, as its error allows
    assert "rank 1 of 9" in (text or "") and "head 9.4" in (text or "")
    for key in range(9):
        if float(exact[key]) >= 0.006:
            assert beside(nurse, f"key-{key}") == pytest.approx(float(exact[key]), abs=0.011)


def test_pointing_at_a_key_shows_which_queries_attend_to_it(nurse: Page, smollm2: attnscope.Model) -> None:
    column = smollm2.trace(NURSE).attention(9, 4)[:, 4]
    nurse.get_by_test_id("key-4").hover()
    expect(readout(nurse)).to_contain_text("nurse")
    assert beside(nurse, "query-8") == pytest.approx(float(column[8]), abs=0.011)


def test_a_click_pins_a_token_and_escape_clears_it(nurse: Page) -> None:
    nurse.get_by_test_id("query-4").click()
    expect(nurse.get_by_test_id("query-4")).to_have_attribute("aria-selected", "true")
    nurse.get_by_test_id("query-8").click()
    expect(nurse.get_by_test_id("query-tokens").locator("[aria-selected=true]")).to_have_count(2)
    nurse.keyboard.press("Escape")
    expect(nurse.get_by_test_id("query-tokens").locator("[aria-selected=true]")).to_have_count(0)


def test_the_exact_row_of_a_pinned_token_is_fetched(nurse: Page, smollm2: attnscope.Model) -> None:
    exact = smollm2.trace(NURSE).attention(9, 4)[8]
    with nurse.expect_response(lambda response: "tile" in (response.request.post_data or "")):
        nurse.get_by_test_id("query-8").click()
    expect(readout(nurse)).to_contain_text(f"{float(exact.max()):.4f}")


def test_head_squares_toggle_isolate_and_restore_heads(nurse: Page) -> None:
    heads = nurse.get_by_role("group", name="Heads")
    on = heads.locator("[aria-pressed=true]")
    expect(on).to_have_text(["4"])
    heads.get_by_role("button", name="Head 3", exact=True).click()
    expect(on).to_have_text(["3", "4"])
    heads.get_by_role("button", name="Head 4", exact=True).click()
    expect(on).to_have_text(["3"])
    heads.get_by_role("button", name="Head 3", exact=True).click()
    expect(on).to_have_text(["3"])  # at least one stays selected
    nurse.wait_for_timeout(600)
    heads.get_by_role("button", name="Head 6", exact=True).dblclick()
    expect(on).to_have_text(["6"])
    nurse.wait_for_timeout(600)
    heads.get_by_role("button", name="Head 6", exact=True).dblclick()
    expect(on).to_have_count(9)


def test_the_layer_menu_changes_the_numbers(nurse: Page, smollm2: attnscope.Model) -> None:
    nurse.get_by_test_id("layer").select_option("13")
    exact = smollm2.trace(NURSE).attention(13, 4)[8]
    nurse.get_by_test_id("query-8").hover()
    expect(readout(nurse)).to_contain_text("head 13.4")
    assert number_in(readout(nurse).text_content()) == pytest.approx(float(exact.max()), abs=0.006)
    expect(nurse).to_have_url(re.compile("layer=13"))


def test_the_sentence_filter_keeps_only_its_part(cats: Page, minilm: attnscope.Model) -> None:
    trace = minilm.trace(CATS[0], pair=CATS[1])
    row = trace.attention(2, 9)[2]
    b = [i for i, token in enumerate(trace.tokens) if token.sentence == "B"]
    cats.get_by_role("radio", name="A → B").click()
    cats.get_by_test_id("query-2").hover()
    best = max(b, key=lambda key: float(row[key]))
    expect(readout(cats)).to_contain_text(re.compile(rf"→ {trace.tokens[best].text}"))
    assert number_in(readout(cats).text_content()) == pytest.approx(float(row[best]), abs=0.006)
    expect(cats.get_by_test_id("query-9")).to_have_class(re.compile("muted"))
    expect(cats.get_by_test_id("key-1")).to_have_class(re.compile("muted"))


def test_hiding_the_attention_sink_says_how_much_is_hidden(nurse: Page, smollm2: attnscope.Model) -> None:
    nurse.get_by_test_id("sinks").select_option("hidden")
    first = smollm2.trace(NURSE).attention(9, 4)[:, 0]
    share = re.compile(r"(\d+)\s?%")
    expect(nurse.get_by_test_id("legend-notes")).to_contain_text(share)
    found = share.search(nurse.get_by_test_id("legend-notes").inner_text())
    assert found and int(found.group(1)) == pytest.approx(100 * float(first.mean()), abs=1.5)


def test_the_badge_opens_the_certificate_and_runs_the_full_check(nurse: Page) -> None:
    badge = nurse.get_by_test_id("certificate")
    expect(badge).to_contain_text(re.compile(r"exact to \de-\d"))
    badge.click()
    rows = nurse.get_by_role("dialog").get_by_role("row")
    expect(rows).to_have_count(31)
    nurse.get_by_role("button", name="Run the full check").click()
    expect(nurse.get_by_role("dialog")).to_contain_text(
        "Hidden states, weights times value vectors, and eager weights", timeout=60_000
    )
    expect(rows.nth(5).get_by_role("cell").nth(3)).to_contain_text(re.compile(r"\d"))


def test_a_reload_shows_the_same(nurse: Page) -> None:
    nurse.get_by_test_id("layer").select_option("5")
    nurse.get_by_test_id("query-3").click()
    expect(nurse).to_have_url(re.compile("layer=5.*pins="))
    nurse.reload()
    expect(nurse.get_by_test_id("query-3")).to_have_attribute("aria-selected", "true")
    expect(nurse.get_by_test_id("layer")).to_have_value("5")
    expect(nurse.get_by_label("Prompt")).to_have_value(NURSE)


def test_an_example_switches_the_model_without_a_restart(nurse: Page) -> None:
    nurse.get_by_test_id("examples").click()
    nurse.get_by_text("Two cats", exact=True).click()
    expect(nurse.get_by_test_id("query-0")).to_contain_text("[CLS]", timeout=60_000)
    expect(nurse.get_by_test_id("model-menu")).to_contain_text("MiniLM")
    expect(nurse.get_by_test_id("layer")).to_have_value("2")
    nurse.get_by_test_id("examples").click()
    nurse.get_by_text("Doctor, nurse: He").click()
    expect(nurse.get_by_test_id("query-8")).to_contain_text("He", timeout=60_000)
    expect(nurse.get_by_test_id("model-menu")).to_contain_text("SmolLM2")


def test_a_text_that_cannot_be_traced_is_an_error_and_the_view_stays(nurse: Page, complaints: list[str]) -> None:
    nurse.get_by_label("Prompt").fill("")
    nurse.get_by_label("Prompt").press("Enter")
    nurse.get_by_label("Prompt").fill("fox " * 6000)
    nurse.get_by_label("Prompt").press("Enter")
    expect(nurse.get_by_test_id("failure")).to_contain_text("4,096", timeout=60_000)
    expect(nurse.get_by_test_id("query-4")).to_contain_text("nurse")
    complaints[:] = [one for one in complaints if "413" not in one]  # Chromium logs the failed request itself


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "‮evil‬ &amp; \u2028"]
)
def test_hostile_text_is_shown_as_text(page: Page, app_server: str, text: str) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"something ran: {dialog.message}"))
    open_at(page, app_server, model="smollm2", text=text, layer="0", heads="0")
    page.get_by_test_id("query-1").hover()
    assert page.get_by_test_id("query-tokens").locator("img, script").count() == 0


def test_the_theme_button_cycles_through_the_themes(nurse: Page) -> None:
    def ground() -> str:
        return nurse.get_by_test_id("prompt").evaluate("one => getComputedStyle(one).color")

    seen = {ground()}
    for _ in range(2):
        nurse.get_by_test_id("theme").click()
        nurse.wait_for_timeout(200)
        seen.add(ground())
    assert len(seen) == 2


def test_the_keyboard_reaches_tokens_and_layers(nurse: Page) -> None:
    nurse.get_by_test_id("query-tokens").focus()
    nurse.keyboard.press("End")
    expect(readout(nurse)).to_contain_text("She → nurse")
    nurse.keyboard.press("]")
    expect(nurse.get_by_test_id("layer")).to_have_value("10")
    nurse.keyboard.press("ArrowUp")
    expect(readout(nurse)).to_contain_text("head 10.4")


def test_more_than_a_thousand_tokens_are_drawn_with_few_labels(page: Page, app_server: str) -> None:
    text = " ".join(f"word{i % 97} and" for i in range(350))
    open_at(page, app_server, model="smollm2", text="Hello", layer="0", heads="0")
    page.get_by_label("Prompt").fill(text)
    page.get_by_label("Prompt").press("Enter")
    labels = page.get_by_test_id("query-tokens").get_by_role("option")
    expect(labels.first).to_have_attribute("aria-setsize", re.compile(r"^[12]\d{3}$"), timeout=120_000)
    assert 10 < labels.count() < 200
    inked(page, 500)


LAWYER = "The doctor asked the lawyer a question when the witness called the nurse. She"


def opened_on_the_lawyer(page: Page, app_server: str) -> None:
    address = {"model": "smollm2", "text": LAWYER, "layer": "9", "heads": "4", "side": "weights", "theme": "light"}
    page.goto(f"{app_server}#{urlencode(address)}")
    expect(page.get_by_test_id("query-14")).to_have_text(re.compile("She"))
    page.get_by_test_id("query-14").click()


def test_with_a_pin_the_readout_of_the_other_side_is_that_of_the_pair(
    page: Page, app_server: str, smollm2: attnscope.Model
):
    row = smollm2.trace(LAWYER).attention(9, 4)[14]
    weight, strongest = float(row[4]), int(row.argmax())
    opened_on_the_lawyer(page, app_server)
    readout = page.get_by_test_id("readout")
    page.get_by_test_id("key-4").hover()
    expect(readout).to_contain_text(f"She → lawyer  {weight:.4f}")
    page.mouse.move(600, 2)
    page.get_by_test_id("query-tokens").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id(f"key-{strongest}")).to_have_class(re.compile("active"))
    for _ in range(abs(4 - strongest)):
        page.keyboard.press("ArrowUp" if strongest > 4 else "ArrowDown")
    expect(page.get_by_test_id("key-4")).to_have_class(re.compile("active"))
    expect(readout).to_contain_text(f"She → lawyer  {weight:.4f}")


def test_a_pinned_line_is_as_faint_as_its_weight(page: Page, app_server: str):
    """She attends to nurse more than to called; the line of the pinned pair is not the darkest one for that."""
    opened_on_the_lawyer(page, app_server)
    page.get_by_test_id("key-10").click()
    page.mouse.move(600, 2)
    page.wait_for_timeout(300)
    orange = """(canvas, [x, y]) => {
        const ratio = canvas.width / canvas.clientWidth;
        const { data } = canvas.getContext("2d").getImageData(Math.round(x * ratio), Math.round(y * ratio) - 1, 1, 2);
        return ((data[0] - data[2]) * data[3]) / 255;
    }"""
    above = page.locator("[data-testid=head-view] canvas.above")
    stage = page.get_by_test_id("head-view").locator(".stage").bounding_box()
    assert stage

    def at(key: int) -> float:
        box = page.get_by_test_id(f"key-{key}").bounding_box()
        assert box
        return above.evaluate(orange, [box["x"] - 9 - stage["x"], box["y"] + box["height"] / 2 - stage["y"]])

    assert at(10) < 0.5 * at(12)


def test_selected_heads_stand_out_with_forced_colors(nurse: Page):
    nurse.emulate_media(forced_colors="active")
    on, off = (
        nurse.get_by_test_id(f"head-{head}").evaluate("one => getComputedStyle(one).backgroundColor") for head in (4, 3)
    )
    assert on != off
