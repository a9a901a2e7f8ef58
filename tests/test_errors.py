"""Errors are also what people who write Python expect."""

from __future__ import annotations

import pytest

import attnscope
from attnscope import errors

pytestmark = pytest.mark.core


def test_errors_are_also_what_python_people_expect() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.MissingError, FileNotFoundError)
    assert str(errors.MissingError("one sentence.")) == "one sentence."
    for name, kind in vars(errors).items():
        if isinstance(kind, type):
            assert issubclass(kind, attnscope.AttnscopeError), name
