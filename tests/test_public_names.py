"""What `attnscope` itself offers."""

from __future__ import annotations

import pytest

import attnscope

pytestmark = pytest.mark.core


def test_exports_are_sorted_and_complete() -> None:
    assert attnscope.__all__ == sorted(attnscope.__all__, key=str.lower) or attnscope.__all__ == sorted(
        attnscope.__all__
    )
    assert all(getattr(attnscope, name) is not None for name in attnscope.__all__)
    with pytest.raises(AttributeError):
        attnscope.nothing  # noqa: B018
