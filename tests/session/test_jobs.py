"""How requests are queued, limited, canceled and stopped."""

from __future__ import annotations

import threading
import time

from helpers.session_requests import LayerGate, ask, error_of

from attnscope.session import Limits, ModelEntry, Session
from attnscope.testing.fake_model import FakeModel
from attnscope.wire import Message


class RunningRequest(threading.Thread):
    """A request in its own thread."""

    def __init__(self, session: Session, **fields: object) -> None:
        super().__init__()
        self.responses: list[Message] = []
        self._session, self._fields = session, fields
        self.start()

    def run(self) -> None:
        self.responses = ask(self._session, **self._fields)

    @property
    def last(self) -> Message:
        self.join(30)
        return self.responses[-1]


def wait_until(true) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_run_that_waits_for_a_loading_model_can_be_canceled():
    finish = threading.Event()

    def load() -> FakeModel:
        assert finish.wait(30)
        return FakeModel()

    session = Session([ModelEntry("fake", "Fake", "decoder", load)])
    session.start_loading()
    assert ask(session, type="hello")[0].body["models"][0]["loaded"] is False
    waiting = RunningRequest(session, type="run", id="w", text="a")
    wait_until(lambda: session.cancel("w"))
    assert error_of([waiting.last])[0] == "cancelled"
    assert waiting.responses[0].body.get("stage", "load") == "load"
    finish.set()
    assert ask(session, type="run", text="a")[-1].type == "trace"


def test_one_forward_pass_runs_at_a_time():
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    first = RunningRequest(session, type="run", id="1", text="a")
    assert gate.reached.wait(20)
    second = RunningRequest(session, type="run", id="2", text="b")
    wait_until(lambda: len(session._jobs._jobs) == 2)
    assert gate.passes == 1
    gate.open.set()
    assert [first.last.type, second.last.type] == ["trace", "trace"]
    assert second.responses[0].body["text"] == "waiting for another forward pass"


def test_canceling_stops_a_forward_pass_and_frees_the_model():
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    run = RunningRequest(session, type="run", id="r", text="a")
    assert gate.reached.wait(20)
    assert ask(session, type="cancel", id="c", target="r")[0].body == {"last": True, "found": True}
    gate.open.set()
    assert error_of([run.last]) == ("cancelled", "The request was canceled.")
    assert ask(session, type="cancel", target="r")[0].body["found"] is False
    assert ask(session, type="run", text="b")[-1].type == "trace"


def test_a_page_can_only_cancel_its_own_requests():
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    run = RunningRequest(session, type="run", id="1", page="mine", text="a")
    assert gate.reached.wait(20)
    assert ask(session, type="cancel", page="other", target="1")[0].body["found"] is False
    assert ask(session, type="cancel", page="mine", target="1")[0].body["found"] is True
    gate.open.set()
    assert error_of([run.last])[0] == "cancelled"


def test_a_newer_run_replaces_the_older_run_of_the_same_page_only():
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    other = RunningRequest(session, type="run", id="o", page="other", text="o")
    assert gate.reached.wait(20)
    older = RunningRequest(session, type="run", id="1", page="mine", text="a")
    wait_until(lambda: len(session._jobs._jobs) == 2)
    newer = RunningRequest(session, type="run", id="2", page="mine", text="b")
    assert error_of([older.last]) == ("cancelled", "A newer run of this page took its place.")
    gate.open.set()
    assert [other.last.type, newer.last.type] == ["trace", "trace"]


def test_a_newer_run_also_stops_an_older_sweep_of_its_page_but_not_vice_versa():
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    sweep = RunningRequest(session, type="patch", id="1", page="mine", clean="a b", corrupted="a c")
    assert gate.reached.wait(20)
    run = RunningRequest(session, type="run", id="2", page="mine", text="a")
    wait_until(lambda: any(job.cancelled() for job in list(session._jobs._jobs)))
    again = RunningRequest(session, type="patch", id="3", page="mine", clean="a b", corrupted="a c")
    wait_until(lambda: any(job.id == "3" for job in list(session._jobs._jobs)))
    gate.open.set()
    assert error_of([sweep.last]) == ("cancelled", "A newer run of this page took its place.")
    assert [run.last.type, again.last.type] == ["trace", "patch"]


def test_work_stops_when_the_client_disconnects():
    gate = LayerGate()
    disconnected = threading.Event()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    run = RunningRequest(session, type="run", text="a", disconnected=disconnected.is_set)
    assert gate.reached.wait(20)
    disconnected.set()
    gate.open.set()
    assert error_of([run.last])[0] == "cancelled"


def test_forward_passes_above_the_limit_are_rejected_while_other_requests_still_work():
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))], limits=Limits(passes=1))
    run = RunningRequest(session, type="run", id="1", text="a")
    assert gate.reached.wait(20)
    assert error_of(ask(session, type="run", id="2", text="b"))[0] == "busy"
    assert ask(session, type="hello")[0].type == "hello"
    gate.open.set()
    assert run.last.type == "trace"


def test_a_closed_session_stops_its_work_and_rejects_requests():
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))])
    run = RunningRequest(session, type="run", text="a")
    assert gate.reached.wait(20)
    assert session.close() is False
    gate.open.set()
    assert error_of([run.last]) == ("cancelled", "The session is shutting down.")
    assert session.close(within_s=20) is True
    assert error_of(ask(session, type="hello"))[0] == "busy"
