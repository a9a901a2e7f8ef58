"""`POST /api`: valid requests, requests rejected before they cost anything, streaming, and stopping."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import ExitStack

import httpx
import pytest

from attnscope.session import Limits, ModelEntry
from attnscope.wire import Message, decode, encode

HELLO = {"v": 1, "id": "1", "type": "hello"}


def head(running, *lines: str) -> bytes:
    own = ["POST /api HTTP/1.1", f"Host: 127.0.0.1:{running.port}", f"Cookie: {running.cookie}"]
    return "\r\n".join([*own, f"Origin: {running.base}", *lines, "", ""]).encode()


def refused(answer: httpx.Response) -> tuple[int, str]:
    fields = answer.json()
    assert (fields["v"], fields["type"], fields["last"]) == (1, "error", True)
    assert fields["message"].endswith(".")
    return answer.status_code, fields["code"]


def messages(stream: bytes) -> list[Message]:
    """The messages of a stream of frames, read as docs/reference/wire.md describes."""
    found = []
    while stream:
        length = int.from_bytes(stream[:8], "little")
        assert len(stream) >= 8 + length
        found.append(decode(stream[8 : 8 + length]))
        stream = stream[8 + length :]
    return found


def wait_until(true) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_patch_and_states_work_over_http(running):
    sweep = running.ask(type="patch", clean="a b c", corrupted="a d c", answer=" x")
    assert [one.type for one in sweep] == ["progress"] * 3 + ["patch"]
    assert sweep[-1].tensors["values"].shape == (3, 4) and sweep[-1].body["answer"]["text"] == " x"
    trace = running.ask(type="run", text="a b c")[-1].body["trace"]
    states = running.ask(type="states", trace=trace)[-1]
    assert states.type == "states" and states.tensors["norms"].shape == (4, 3)


def test_edits_of_a_real_model_work_over_http_and_invalid_ones_are_errors(serving, smollm2):
    with serving(further=[ModelEntry("real", "Real", "decoder", lambda: smollm2)]) as running:
        asked = {"model": "real", "text": "a b c"}
        edits = [{"type": "CutEdge", "layer": 1, "head": 2, "query": 2, "key": 1}]
        run = running.ask(type="run", **asked, edits=edits)[-1].body
        assert run["edits"] == edits and run["certificate"]["ok"]
        made = running.ask(type="generate", **asked, max_new_tokens=2, edits=edits)[-1].body
        assert made["edits"] == edits and len(made["tokens"]["text"]) == len(run["tokens"]["text"]) + 2
        for wrong in ({**edits[0], "head": 99}, {**edits[0], "query": 99}, {**edits[0], "key": -1}, {"type": "Cut"}):
            for kind in ("run", "generate"):
                with running.client() as client:
                    answer = client.post("/api", json={"v": 1, "id": "1", "type": kind, **asked, "edits": [wrong]})
                assert refused(answer) == (400, "bad_request"), wrong


def test_three_stacks_work_over_http(running):
    run = running.ask(type="run", model="writer", text="a b c", target="d e")[-1].body
    assert list(run["stacks"]) == ["encoder", "decoder", "cross"] and run["input"]["target"] == "d e"
    for stack, shape in (("encoder", (3, 3)), ("decoder", (2, 2)), ("cross", (2, 3))):
        about = {"trace": run["trace"], "stack": stack}
        layer = running.ask(type="layer", layer=0, **about)[-1].body
        assert (layer["queries"], layer["keys"]) == shape
        assert running.ask(type="overview", **about)[0].tensors["thumbnails"].shape[1:] == shape


def test_a_request_as_json_and_as_message_bytes_gets_the_same_stream(running):
    with running.client() as client:
        as_json = client.post("/api", json=HELLO)
        data = encode(Message("hello", "1"))
        as_bytes = client.post("/api", content=data, headers={"content-type": "application/x-safetensors"})
    assert as_json.headers["content-type"] == "application/vnd.attnscope.messages"
    assert as_json.content == as_bytes.content
    (hello,) = messages(as_json.content)
    assert (hello.type, hello.body["last"]) == ("hello", True)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain;application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/json",
        "",
        None,
    ],
)
def test_other_content_types_are_rejected(running, kind):
    headers = {} if kind is None else {"content-type": kind}
    with running.client() as client:
        assert refused(client.post("/api", content=json.dumps(HELLO), headers=headers))[0] == 415


def test_a_charset_is_accepted_and_a_content_encoding_is_rejected(running):
    with running.client() as client:
        kind = {"content-type": "Application/JSON; charset=utf-8"}
        assert client.post("/api", content=json.dumps(HELLO), headers=kind).status_code == 200
        packed = {**kind, "content-encoding": "gzip"}
        assert refused(client.post("/api", content=json.dumps(HELLO), headers=packed))[0] == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"hello"',
        b"\xff\xfe",
        b'{"v":2,"id":"1","type":"hello"}',
        b'{"v":1,"id":1,"type":"hello"}',
        b'{"v":1,"id":"1"}',
        b"[" * 200_000,
        b'{"v":1,"id":"1","type":"run","text":' + b"9" * 5000 + b"}",
    ],
)
def test_an_invalid_body_is_an_error(running, body):
    with running.client() as client:
        answer = client.post("/api", content=body, headers={"content-type": "application/json"})
        assert refused(answer) == (400, "bad_request")
        answer = client.post("/api", content=body, headers={"content-type": "application/x-safetensors"})
        assert refused(answer) == (400, "bad_request")


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"type": "unheard-of"}, 400, "bad_request"),
        ({"type": "run"}, 400, "bad_request"),
        ({"type": "run", "text": 7}, 400, "bad_request"),
        ({"type": "run", "text": ""}, 400, "bad_request"),
        ({"type": "run", "text": "\ud800"}, 400, "bad_request"),
        ({"type": "run", "text": "a", "model": "other"}, 404, "unknown"),
        ({"type": "layer", "trace": "other", "stack": "decoder", "layer": 0}, 404, "unknown"),
        ({"type": "run", "text": "a " * 400_000}, 413, "too_large"),
        ({"type": "run", "text": "a " * 5000}, 413, "too_large"),
    ],
)
def test_an_error_as_the_first_response_is_an_http_error(running, request_, status, code):
    with running.client() as client:
        answer = client.post(
            "/api", content=json.dumps({**HELLO, **request_}), headers={"content-type": "application/json"}
        )
    assert refused(answer) == (status, code)
    assert answer.json()["id"] == "1"


def test_a_body_over_the_limit_is_rejected_with_or_without_a_content_length(running):
    large = b" " * 1_000_001
    kind = {"content-type": "application/json"}
    with running.client() as client:
        assert refused(client.post("/api", content=large, headers=kind)) == (413, "too_large")
        assert refused(client.post("/api", content=iter([large]), headers=kind)) == (413, "too_large")
        assert refused(client.post("/api", content=iter([b" "] * 3), headers=kind)) == (400, "bad_request")


def test_a_body_that_only_claims_to_be_huge_is_rejected_at_once(running):
    for length in ("1000001", "99999999999", "9" * 18):
        claim = head(running, "Content-Type: application/json", f"Content-Length: {length}")
        assert running.raw(claim).startswith(b"HTTP/1.1 413")


def test_an_endless_body_is_rejected_at_the_limit_while_it_still_arrives(running):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    endless = head(running, "Content-Type: application/json", "Transfer-Encoding: chunked") + chunk * 16
    assert running.raw(endless).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_arrive_times_out(running):
    lying = head(running, "Content-Type: application/json", "Content-Length: 500") + b"{"
    assert running.raw(lying).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "5, 6", "９", "9" * 40])
def test_an_invalid_content_length_is_rejected(running, length):
    data = head(running, "Content-Type: application/json", f"Content-Length: {length}".encode().decode("latin-1"))
    assert running.raw(data).startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def test_bytes_after_the_content_length_are_not_part_of_the_body(running):
    body = json.dumps(HELLO).encode()
    data = head(running, "Content-Type: application/json", f"Content-Length: {len(body)}") + body + b"GARBAGE" * 100
    assert running.status(data) == 200


def test_progress_is_streamed_while_the_forward_pass_runs(running):
    running.gate.at = 1
    request = {**HELLO, "type": "run", "model": "held", "text": "a b c"}
    with running.client() as client, client.stream("POST", "/api", json=request) as answer:
        parts = answer.iter_bytes()
        (first,) = messages(next(parts))
        assert (first.type, first.body["done"], first.body["total"], first.body["last"]) == ("progress", 1, 3, False)
        running.gate.open.set()
        rest = list(messages(b"".join(parts)))
    assert [message.type for message in rest] == ["progress", "progress", "trace"]
    assert rest[-1].body["last"]


def test_other_requests_are_answered_during_a_forward_pass(running):
    run = threading.Thread(target=running.ask, kwargs={"type": "run", "model": "held", "text": "a"})
    run.start()
    assert running.gate.reached.wait(20)
    assert running.ask(type="hello")[0].type == "hello"
    running.gate.open.set()
    run.join(20)


def test_closing_the_connection_stops_the_forward_pass(running):
    running.gate.at = 1
    request = {**HELLO, "type": "run", "model": "held", "text": "a b c"}
    with running.client() as client, client.stream("POST", "/api", json=request) as answer:
        next(answer.iter_bytes())
        assert running.gate.reached.wait(20)
    jobs = running.session._jobs._jobs
    wait_until(lambda: all(job.cancelled() for job in jobs))
    running.gate.open.set()
    wait_until(lambda: not jobs)
    assert len(running.session._traces) == 0


def test_a_canceled_request_ends_its_stream_with_an_error(running):
    running.gate.at = 1
    request = {"v": 1, "id": "7", "type": "run", "model": "held", "text": "a b c"}
    with running.client() as client, client.stream("POST", "/api", json=request) as answer:
        parts = answer.iter_bytes()
        next(parts)
        assert running.gate.reached.wait(20)
        assert running.ask(type="cancel", target="7")[0].body["found"]
        running.gate.open.set()
        (last,) = messages(b"".join(parts))
    assert (last.type, last.body["code"], last.body["last"]) == ("error", "cancelled", True)


def test_requests_above_the_limit_get_a_busy_error(serving):
    with serving(Limits(requests=2)) as running:
        held = {"type": "run", "model": "held", "text": "a"}
        runs = [threading.Thread(target=running.ask, kwargs=held) for _ in range(2)]
        for run in runs:
            run.start()
        wait_until(lambda: len(running.session._jobs._jobs) == 2)
        with running.client() as client:
            assert refused(client.post("/api", json=HELLO)) == (503, "busy")
        running.gate.open.set()
        for run in runs:
            run.join(20)
        assert running.ask(type="hello")[0].type == "hello"


def test_requests_whose_bodies_are_still_arriving_count_towards_the_limit(serving):
    with serving(Limits(requests=2)) as running, ExitStack() as stack:
        for _ in range(2):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=20))
            half = head(running, "Content-Type: application/json", "Expect: 100-continue", "Content-Length: 9")
            slow.sendall(half)
            assert slow.recv(100).startswith(b"HTTP/1.1 100")
        with running.client() as client:
            assert refused(client.post("/api", json=HELLO)) == (503, "busy")


def test_an_unexpected_exception_is_an_internal_error_on_the_page_and_a_traceback_in_the_log(
    running, caplog, monkeypatch
):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setitem(running.session._answers, "hello", fail)
    with running.client() as client:
        answer = client.post("/api", json=HELLO)
    assert refused(answer) == (500, "internal")
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert caplog.records[0].exc_info


def test_controls_are_streamed_as_they_are_drawn(running, monkeypatch):
    running.gate.open.set()
    edit = {"type": "ScaleHead", "layer": 1, "head": 2, "factor": 0}
    trace = running.ask(type="run", text="one two", edits=[edit])[-1].body["trace"]
    second, passes = threading.Event(), []

    def blocking(_gate: object, layer: int) -> None:
        passes.append(layer)
        assert passes.count(0) < 2 or second.wait(20)

    monkeypatch.setattr(type(running.gate), "__call__", blocking)
    request = {"v": 1, "id": "c", "type": "control", "trace": trace, "tokens": [1]}
    with running.client() as client, client.stream("POST", "/api", json=request) as answer:
        chunks = answer.iter_raw()
        received = next(chunks)
        assert b"total" in received and passes.count(0) <= 2  # the first batch, while the second one waits
        second.set()
        received += b"".join(chunks)
    found = [one.body for one in messages(received) if one.type == "control"]
    assert [len(one["values"]) for one in found] == [0, 1, 2, 3, 3]
    assert [one["last"] for one in found] == [False] * 4 + [True]


def test_generated_tokens_are_streamed_until_the_connection_closes(running):
    running.gate.open.set()
    responses = running.ask(type="generate", text="one two", max_new_tokens=3)
    kinds = [response.type for response in responses if response.type != "progress"]
    assert kinds == ["token"] * 3 + ["trace"]
    assert responses[-1].body["generation"]["text"] == " word0 word1 word2"
    with (
        running.client() as client,
        client.stream(
            "POST", "/api", json={"v": 1, "id": "g", "type": "generate", "text": "a", "max_new_tokens": 500}
        ) as answer,
    ):
        assert b"word0" in next(chunk for chunk in answer.iter_raw() if b"word0" in chunk)
    wait_until(lambda: not running.session.cancel("g"))
