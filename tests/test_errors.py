"""Errors also derive from the matching built-in exceptions."""

from __future__ import annotations

import pytest

import attnscope
from attnscope import errors

pytestmark = pytest.mark.core


def test_errors_derive_from_matching_built_in_exceptions() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.MissingError, FileNotFoundError)
    assert str(errors.MissingError("one sentence.")) == "one sentence."
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), attnscope.AttnscopeError), name
