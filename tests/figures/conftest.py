"""Traces of the paper's sentences, computed once."""

from __future__ import annotations

import pytest

import attnscope


@pytest.fixture(scope="session")
def fox(smollm2: attnscope.Model) -> attnscope.Trace:
    """The sentence of figure 1, in a decoder."""
    return smollm2.trace("The quick, brown fox jumps over the lazy")


@pytest.fixture(scope="session")
def cats(minilm: attnscope.Model) -> attnscope.Trace:
    """The sentences of figure 2, in an encoder."""
    return minilm.trace("the cat sat on the mat", pair="the cat lay on the rug")
