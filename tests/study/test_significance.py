"""Sign-flip tests against all flips counted by hand, and q-values against the published procedure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from attnscope import InputError
from attnscope.study.significance import q_values, sign_flip_p_values
from attnscope.study.statistics import nearer_zero, weighted_means


def test_p_values_are_close_to_those_of_all_flips():
    values = np.random.default_rng(2).normal(0.4, 1, size=(12, 2))
    flips = np.array(list(itertools.product([-1, 1], repeat=12)))
    exact = (np.abs(flips @ values) >= np.abs(values.sum(0)) * (1 - 1e-12)).mean(0)
    assert sign_flip_p_values(weighted_means(values), 12) == pytest.approx(exact, abs=0.015)


def test_p_values_without_an_effect_are_spread_evenly():
    values = np.random.default_rng(4).normal(size=(16, 400))
    found = sign_flip_p_values(weighted_means(values), 16, flips=1000)
    assert [(found < share).mean() for share in (0.1, 0.5, 0.9)] == pytest.approx([0.1, 0.5, 0.9], abs=0.06)


def test_both_orders_are_flipped_together():
    values = np.random.default_rng(6).normal(1.0, 0.1, size=(12, 1))
    assert sign_flip_p_values(nearer_zero([values, values]), 12)[0] < 0.01


def test_few_units_are_refused():
    with pytest.raises(InputError, match="at least 12 independent inputs; there are 11"):
        sign_flip_p_values(weighted_means(np.ones((11, 1))), 11)


def test_q_values_are_those_of_benjamini_and_hochberg():
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.5])  # sorted: .01·4/1, .03·4/2, .04·4/3, .5·4/4
    assert q_values(p) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, np.nan, 0.5], nan_ok=True)


def test_q_values_never_exceed_1():
    assert q_values(np.array([0.9, 0.95])).max() <= 1.0
