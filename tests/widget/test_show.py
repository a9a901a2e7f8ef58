"""`attnscope.show` and the traits of its widget, without a page."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

import attnscope
from attnscope import wire
from attnscope.session import ModelEntry, Session
from attnscope.testing.fake_model import FakeModel
from attnscope.widget import AttentionWidget
from attnscope.widget.requests import Requests
from attnscope.widget.selection import Selectable

pytestmark = pytest.mark.core

WIDGET = "application/vnd.jupyter.widget-view+json"
HOSTILE = "</script><script>alert(1)</script>\x00\u202e"


@pytest.fixture
def trace() -> attnscope.Trace:
    return FakeModel(layers=3, heads=4).trace("one two three four five")


def test_a_widget_selects_the_given_heads_or_all_of_them(trace: attnscope.Trace) -> None:
    widget = attnscope.show(trace, view="neuron", layer=2, heads=(3, 1), head=1, token=4)
    got = (widget.view, widget.stack, widget.layer, widget.heads, widget.head, widget.token)
    assert got == ("neuron", "decoder", 2, [1, 3], 1, 4)
    assert widget.trace is trace
    assert attnscope.show(trace).heads == [0, 1, 2, 3]
    assert attnscope.show(trace, head=2).heads == [2]


def test_traits_stay_consistent_with_the_trace_and_each_other(trace: attnscope.Trace) -> None:
    widget, seen = attnscope.show(trace, heads=[1]), []
    widget.observe(lambda change: seen.append(change.new), "heads")
    widget.head = 3
    assert seen == [[1, 3]]
    widget.heads = [2]
    assert widget.head == 2
    widget.heads = None
    assert widget.heads == [0, 1, 2, 3]


def test_a_token_is_named_by_its_word_and_read_as_its_index(trace: attnscope.Trace) -> None:
    widget = attnscope.show(trace, token="three")
    assert widget.token == 2
    for position, index in (("five", 4), (("one", 1), 0), ([1, 3], 3), ("two three", 2), (None, None), (1, 1)):
        widget.token = position
        assert widget.token == index
    with pytest.raises(attnscope.AttnscopeError) as caught:
        widget.token = "seven"
    assert str(caught.value) == (
        '`token`: "seven" is not a word of the text (tokens: 0 "one", 1 "two", 2 "three", 3 "four", 4 "five").'
    )
    assert widget.token == 1
    with pytest.raises(attnscope.AttnscopeError, match="run a text first"):
        Selectable(None).token("nurse", "")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("layer", 3, "There is no layer 3: they go from 0 to 2."),
        ("layer", None, "A layer must be an integer; got None."),
        ("heads", [0, 9], "There is no head 9: they go from 0 to 3."),
        ("heads", 2, "`heads` must be a list of heads, or None for all; got 2."),
        ("token", -1, "There is no token -1: the text has tokens 0 to 4."),
        ("neuron", 8, "There is no neuron 8: they go from 0 to 7."),
        ("view", "tokens", "There is no view 'tokens': `view` must be 'model', 'head' or 'neuron'."),
        ("stack", "cross", "There is no stack 'cross': this trace has 'decoder'."),
        ("field", "both", "There is no field 'both': `field` must be 'before', 'after' or 'difference'."),
        ("field", "before", "`field` can only be 'after' without a `baseline`; got 'before'. Set `baseline` first."),
        ("baseline", 5, "`baseline` must be a Trace or the id of one, or None; got 5."),
        (
            "baseline",
            "abc",
            "There is no trace 'abc' in this widget. Set `baseline` to a Trace, or to the id of one it showed.",
        ),
        (
            "edits",
            [{"type": "ScaleHead", "layer": 0, "head": 0, "factor": 0}],
            "This widget has a trace without its model, so it cannot be edited. Trace the text with `edits`, or show the model: "
            "`attnscope.show(model, edits=[…])`.",
        ),
    ],
)
def test_an_invalid_selection_is_an_error(trace: attnscope.Trace, name: str, value: object, sentence: str) -> None:
    widget = attnscope.show(trace)
    before = getattr(widget, name)
    with pytest.raises(attnscope.AttnscopeError) as caught:
        setattr(widget, name, value)
    assert str(caught.value) == sentence and isinstance(caught.value, ValueError)
    assert getattr(widget, name) == before


def test_a_baseline_a_field_and_edits_are_traits(trace: attnscope.Trace) -> None:
    before = FakeModel(layers=3, heads=4).trace("one two three four")
    widget = attnscope.show(trace, baseline=before, token="five")
    assert (widget.baseline, widget.field, widget.edits) == (before.id, "difference", [])
    assert widget.baseline_trace is before and widget.trace is trace
    widget.field = "before"
    with pytest.raises(attnscope.InputError, match="tokens 0 to 3"):
        widget.token = 4  # the baseline is shown, which has four tokens
    widget.baseline = None
    assert widget.field == "after" and widget.baseline_trace is None
    widget.baseline = before.id
    assert widget.baseline_trace is before and widget.field == "after"
    assert attnscope.show(trace, baseline=before, field="after").field == "after"


def test_showing_something_other_than_a_trace_or_model_is_an_error() -> None:
    with pytest.raises(attnscope.AttnscopeError, match="needs a Trace, a Model or a Workspace; got str"):
        attnscope.show("the cat")  # type: ignore[arg-type]


def test_a_saved_cell_has_a_preview_and_text_besides_the_widget(trace: attnscope.Trace) -> None:
    weights = torch.full((1, 2, 3, 3), 1 / 3)
    given = attnscope.Trace.from_attention(list(weights), ["a", HOSTILE, "b"])
    for shown in (trace, given, FakeModel(layers=2).trace("word " * 90)):
        bundle, _ = attnscope.show(shown)._repr_mimebundle_()
        assert WIDGET in bundle and "AttentionWidget of <Trace" in bundle["text/plain"]
        ElementTree.fromstring(bundle["image/svg+xml"])
        assert "<script" not in bundle["image/svg+xml"] and len(bundle["image/svg+xml"]) < 200_000


def lines_of(picture: str) -> dict[str, float]:
    """The opacity of each line of a preview, by its path."""
    root = ElementTree.fromstring(picture)
    paths = [one for one in root.iter("{http://www.w3.org/2000/svg}path") if one.get("stroke-opacity")]
    return {one.attrib["d"]: float(one.attrib["stroke-opacity"]) for one in paths}


def test_the_preview_shows_the_selected_token(trace: attnscope.Trace) -> None:
    plain, _ = attnscope.show(trace, layer=1, heads=[2])._repr_mimebundle_()
    chosen, _ = attnscope.show(trace, layer=1, heads=[2], token=3)._repr_mimebundle_()
    before, after = lines_of(plain["image/svg+xml"]), lines_of(chosen["image/svg+xml"])
    weights = trace.attention(1, 2)
    own = sorted(float(weight) for weight in weights[3] if weight >= 0.03)
    kept = [after[path] for path in before if path in after and after[path] == before[path]]
    assert sorted(kept) == pytest.approx(own, abs=0.006)
    assert all(
        after[path] == pytest.approx(before[path] / 5, abs=0.02) for path in before if after[path] != before[path]
    )
    assert "from “four” (token 3)" in chosen["image/svg+xml"] and "(token" not in plain["image/svg+xml"]
    assert chosen["image/svg+xml"].count('font-weight="700"') == 1
    long = FakeModel(layers=2).trace("word " * 90)
    [row] = [
        one
        for one in ElementTree.fromstring(attnscope.show(long, token=45)._repr_mimebundle_()[0]["image/svg+xml"]).iter(
            "{http://www.w3.org/2000/svg}rect"
        )
        if one.get("width") == "400"
    ]
    assert float(row.attrib["y"]) == pytest.approx(400 * 45 / len(long.tokens), abs=0.1)


def test_in_a_terminal_a_trace_is_text(trace: attnscope.Trace) -> None:
    assert trace._repr_mimebundle_() is None
    with pytest.raises(NotImplementedError):  # IPython then falls back to the text
        trace._ipython_display_()


def test_importing_attnscope_imports_no_notebook_library() -> None:
    code = "import sys, attnscope; print([name for name in ('torch', 'anywidget', 'IPython') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


class Page:
    """A page that collects the responses to its requests."""

    def __init__(self, model: FakeModel) -> None:
        self.heard: list[tuple[str, str, wire.Message | None]] = []
        self.answered = threading.Event()
        self.requests = Requests(Session([ModelEntry.loaded(model)]), self._hear)

    def ask(self, **fields: object) -> None:
        self.requests.receive({"request": {"v": wire.VERSION, **fields}})

    def _hear(self, content: dict[str, str], buffers: list[bytes]) -> None:
        ((kind, ident),) = content.items()
        message = wire.decode(buffers[0]) if buffers else None
        self.heard.append((kind, ident, message))
        if message is not None and message.body.get("last"):
            self.answered.set()


def test_a_request_is_acknowledged_at_once_and_can_be_canceled_before_it_starts() -> None:
    hold = threading.Event()

    def held(_layer: int) -> None:
        hold.wait(20)

    page = Page(FakeModel(on_layer=held))
    page.ask(id="1", type="run", text="a b c")
    assert page.heard[0] == ("received", "1", None)
    page.ask(id="2", type="cancel", target="1")
    page.answered.clear()
    hold.set()
    assert page.answered.wait(20)
    codes = [
        message.body["code"] for _, ident, message in page.heard if message and ident == "1" and "code" in message.body
    ]
    assert codes == ["cancelled"]


@pytest.mark.parametrize("content", [None, "x", {}, {"request": None}, {"kind": "anywidget-command"}])
def test_other_custom_messages_are_ignored(content: object) -> None:
    page = Page(FakeModel())
    page.requests.receive(content)
    assert page.heard == []


def test_a_damaged_request_is_answered_with_an_error() -> None:
    page = Page(FakeModel())
    page.requests.receive({"request": {"v": 7, "id": "1", "type": "hello"}})
    ((kind, ident, message),) = page.heard
    assert (kind, ident) == ("answer", "1")
    assert message is not None and message.body["code"] == "bad_request"


def test_a_widget_gives_the_same_responses_as_a_server(trace: attnscope.Trace) -> None:
    heard: list[wire.Message] = []
    answered = threading.Event()
    widget = attnscope.show(trace)

    def hear(content: dict[str, str], buffers: list[bytes]) -> None:
        heard.extend(wire.decode(data) for data in buffers)
        if buffers:
            answered.set()

    widget.send = hear  # collects what would go to the page
    widget._receive(widget, {"request": {"v": 1, "id": "1", "type": "hello"}}, [])
    assert answered.wait(20)
    assert {"layer", "tile", "overview", "export"} <= set(heard[0].body["can"])
    assert heard[0].body["trace"] == trace.id


def test_closing_a_widget_stops_its_requests(trace: attnscope.Trace) -> None:
    widget: AttentionWidget = attnscope.show(trace)
    widget.close()
    assert widget.trace is None


def test_a_copy_without_its_page_says_what_to_do(
    trace: attnscope.Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attnscope.widget.widget._MODULE", tmp_path / "widget.js")
    with pytest.raises(attnscope.AttnscopeError, match="front end is missing"):
        attnscope.show(trace)
