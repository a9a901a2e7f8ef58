"""The fake model satisfies the protocol of a session's models. Pyright checks the assignment; the rest is checked here."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from attnscope.session.protocols import ModelLike
from attnscope.testing.fake_model import FakeModel

FAKE: ModelLike = FakeModel()
PUBLIC = sorted(name for name in dir(ModelLike) if not name.startswith("_"))


def test_the_protocol_has_members() -> None:
    assert {"name", "stacks", "trace"} <= set(PUBLIC)


def named_parameters(function: Callable[..., object]) -> set[str]:
    """The names of parameters that a caller may use, without `*args` and `**kwargs` of overloaded methods."""
    several = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.kind not in several} - {"self"}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_fake_model_has_every_member_of_the_protocol(name: str) -> None:
    assert hasattr(FAKE, name)
    wanted = getattr(ModelLike, name)
    if callable(wanted):
        taken = inspect.signature(getattr(FAKE, name)).parameters.values()
        names = {one.name for one in taken}
        assert any(one.kind is one.VAR_KEYWORD for one in taken) or named_parameters(wanted) <= names


def test_traces_are_the_same_for_the_same_text() -> None:
    one, other = FAKE.trace("a b c"), FAKE.trace("a b c")
    assert one.id == other.id != FAKE.trace("a b d").id
    assert [token.text for token in one.tokens] == [" a", " b", " c"]
