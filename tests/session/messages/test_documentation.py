"""docs/reference/wire.md names every field and tensor of the messages, in the section on their type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.session_requests import ask

import attnscope.session
from attnscope.offline import page
from attnscope.server.replies import STATUS
from attnscope.session import ModelEntry, Session
from attnscope.testing import FakeModel
from attnscope.wire import Message

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "wire.md").read_text(encoding="utf-8")
SECTIONS = {section.partition("\n")[0]: section for section in re.split(r"^###? ", PAGE, flags=re.MULTILINE)}
CODE = Path(attnscope.session.__file__).parent
ALWAYS = {"last", "trace", "stack", "layer"}
"""Fields that many responses repeat from their request."""
PLACES = {"text", "image", "source", "target", "encoder", "decoder", "cross"}
"""Names of sides and stacks, which are keys of some objects."""


@pytest.fixture(scope="module")
def responses() -> dict[str, list[Message]]:
    session = Session([ModelEntry.loaded(FakeModel())], exporter=page)
    requests = {"run": {"text": "a b c"}, "generate": {"text": "a b"}, "patch": {"clean": "a b", "corrupted": "a c"}}
    found = {name: ask(session, type=name, **fields) for name, fields in {"hello": {}, **requests}.items()}
    place = {"trace": found["run"][-1].body["trace"], "stack": "decoder", "layer": 0}
    edit = {"type": "ScaleHead", "layer": 1, "head": 0, "factor": 0}
    edited = ask(session, type="run", text="a b c", edits=[edit])
    effect = ask(session, type="effect", trace=edited[-1].body["trace"], baseline=place["trace"])
    control = ask(session, type="control", trace=edited[-1].body["trace"], tokens=[1])
    found |= {"effect": effect, "control": control}
    further = {
        "edits": {"edits": [edit]},
        "states": {"answer": "a"},
        "overview": {},
        "layer": {},
        "tile": {"heads": [0], "rows": [0]},
        "values": {},
        "edge": {"query": 2, "key": 0},
        "align": {},
        "check": {},
        "export": {"heads": [0]},
        "cancel": {"target": "1"},
    }
    place["baseline"] = ask(session, type="run", text="a b d e")[-1].body["trace"]
    found |= {name: ask(session, type=name, **place, **fields) for name, fields in further.items()}
    found["save"] = ask(session, type="save", traces=[place["trace"]], current=place["trace"])
    found["open"] = ask(session, type="open", tensors=dict(found["save"][-1].tensors))
    return found


def names_in(value: object) -> Iterator[str]:
    """The keys of all objects in a JSON value, except ids and names of sides and stacks."""
    if isinstance(value, dict):
        yield from (key for key in value if key not in PLACES and not key.isdigit())
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    for one in inner:
        yield from names_in(one)


def section_of(kind: str) -> str:
    trace, generate = SECTIONS["The trace response"], SECTIONS["generate"]
    others = {"trace": trace + generate, "token": generate + trace, "check": trace}
    return others.get(kind) or SECTIONS["Edits in other forms" if kind == "edits" else kind]


def test_the_page_names_every_field_and_tensor_of_each_response(responses: dict[str, list[Message]]) -> None:
    for name, answers in responses.items():
        for answer in answers:
            assert answer.type != "error", f"{name}: {answer.body}"
            section = section_of(answer.type)
            named = set(re.findall(r"\w+", section))
            missing = ({*names_in(answer.body)} - ALWAYS | answer.tensors.keys()) - named
            assert not missing, f"{answer.type}: {', '.join(sorted(missing))}"


def test_the_page_names_every_field_of_requests_and_every_request(responses: dict[str, list[Message]]) -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in [*CODE.glob("messages/*.py"), CODE / "session.py"])
    read = {*re.findall(r"""_of\(body, "(\w+)\"""", source), *re.findall(r"""body(?:\.get\(|\[)"(\w+)\"""", source)}
    assert {"clean", "heads", "cut", "edits", "image"} <= read
    assert not read - set(re.findall(r"`(\w+)`", PAGE))
    listed = set(re.findall(r"^\| \[`(\w+)`\]", PAGE, re.MULTILINE))
    assert listed == {*responses["hello"][0].body["can"], "hello"}


def test_the_page_gives_the_status_of_every_error_code() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (\d+)", PAGE, re.MULTILINE))
    assert listed == {**{code: str(status) for code, status in STATUS.items()}, "forbidden": "401"}
