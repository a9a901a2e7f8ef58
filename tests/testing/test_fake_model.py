"""The fake model is what a session takes for a model: pyright checks the assignment, the rest is checked here."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from attnscope.session.protocols import ModelLike
from attnscope.testing.fake_model import FakeModel

FAKE: ModelLike = FakeModel()
PUBLIC = sorted(name for name in dir(ModelLike) if not name.startswith("_"))


def test_the_protocol_asks_for_something() -> None:
    assert {"name", "stacks", "trace"} <= set(PUBLIC)


def named_parameters(function: Callable[..., object]) -> set[str]:
    """The names that a caller may use; what an overloaded method gathers in `*` and `**` has none."""
    several = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.kind not in several} - {"self"}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_fake_has_what_the_protocol_asks_for(name: str) -> None:
    assert hasattr(FAKE, name)
    wanted = getattr(ModelLike, name)
    if callable(wanted):
        taken = inspect.signature(getattr(FAKE, name)).parameters.values()
        names = {one.name for one in taken}
        assert any(one.kind is one.VAR_KEYWORD for one in taken) or named_parameters(wanted) <= names


def test_its_traces_are_real_and_the_same_for_the_same_text() -> None:
    one, other = FAKE.trace("a b c"), FAKE.trace("a b c")
    assert one.id == other.id != FAKE.trace("a b d").id
    assert [token.text for token in one.tokens] == [" a", " b", " c"]
