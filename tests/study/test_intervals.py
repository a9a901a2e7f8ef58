"""Intervals: worked by hand where possible, and their coverage of known means."""

from __future__ import annotations

import numpy as np
import pytest

from attnscope.study.intervals import FEWEST, mean_interval, statistic_interval, unit_means
from attnscope.study.statistics import nearer_zero, ratio_of_sums, weighted_means

DRAWS = 1500
NORMAL = (lambda rng, size: rng.normal(size=size), 0.0)
SKEWED = (lambda rng, size: rng.exponential(size=size), 1.0)


@pytest.mark.parametrize("units", [12, 24, 60])
@pytest.mark.parametrize(("draw", "true"), [NORMAL, SKEWED], ids=["normal", "exponential"])
def test_intervals_of_means_cover_the_true_mean_about_95_times_in_100(units, draw, true):
    values = draw(np.random.default_rng(units), (units, DRAWS))
    found = mean_interval(values)
    coverage = float(((found.low <= true) & (true <= found.high)).mean())
    assert 0.925 <= coverage <= 0.975


@pytest.mark.parametrize("units", [12, 24, 60])
@pytest.mark.parametrize(("draw", "true"), [NORMAL, SKEWED], ids=["normal", "exponential"])
def test_intervals_of_other_statistics_cover_the_true_value_nearly_as_often(units, draw, true):
    """BCa, on a ratio of sums whose true value is the mean: the numerator divided by a constant 1."""
    values = draw(np.random.default_rng(units + 1), (units, DRAWS))
    found = statistic_interval(ratio_of_sums(values, np.ones_like(values)), units)
    coverage = float(((found.low <= true) & (true <= found.high)).mean())
    assert {12: 0.86, 24: 0.90, 60: 0.92}[units] <= coverage <= 0.975


def test_percentile_intervals_would_cover_less_than_ours():
    rng = np.random.default_rng(3)
    values = rng.exponential(size=(24, 400))
    resampled = np.stack([values[rng.integers(0, 24, 24)].mean(0) for _ in range(1000)])
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    ours = mean_interval(values)
    assert ((ours.low <= 1) & (ours.high >= 1)).mean() > ((low <= 1) & (high >= 1)).mean()


def test_few_units_have_a_mean_but_no_interval():
    found = mean_interval(np.arange(FEWEST - 1.0)[:, None])
    assert found.estimate[0] == pytest.approx(3.0)
    assert found.n[0] == FEWEST - 1
    assert np.isnan([found.low[0], found.high[0]]).all()


def test_missing_values_are_left_out_cell_by_cell():
    values = np.random.default_rng(0).normal(size=(20, 2))
    values[:5, 1] = np.nan
    found = mean_interval(values)
    alone = mean_interval(values[5:, 1:])
    assert found.n.tolist() == [20, 15]
    assert found.estimate[1] == pytest.approx(values[5:, 1].mean())
    assert (found.low[1], found.high[1]) == (alone.low[0], alone.high[0])


def test_equal_values_have_an_interval_of_no_width():
    found = mean_interval(np.full((9, 1), 0.25))
    assert (found.low[0], found.estimate[0], found.high[0]) == (0.25, 0.25, 0.25)


def test_all_missing_values_have_no_mean():
    found = mean_interval(np.full((9, 1), np.nan))
    assert np.isnan(found.estimate[0])
    assert found.n[0] == 0


def test_values_of_0_and_1_get_a_finite_interval():
    values = np.zeros((12, 1))
    values[0] = 1.0
    found = mean_interval(values)
    assert 0.0 <= found.low[0] < found.estimate[0] < found.high[0] <= 1.0


def test_a_unit_is_the_mean_of_its_inputs():
    values = np.array([[1.0], [3.0], [5.0], [np.nan]])
    assert unit_means(values, np.array([0, 0, 1, 1])).tolist() == [[2.0], [5.0]]


def test_orders_that_disagree_in_sign_give_0_and_others_the_mean_nearer_0():
    orders = [np.array([[1.0, 1.0, -2.0], [3.0, 3.0, -4.0]]), np.array([[-1.0, 1.0, -1.0], [-1.0, 0.0, -1.0]])]
    assert nearer_zero(orders)(np.ones((1, 2)))[0].tolist() == [0.0, 0.5, -1.0]


def test_one_order_is_its_mean():
    assert nearer_zero([np.array([[1.0], [3.0]])])(np.ones((1, 2)))[0].tolist() == [2.0]


def test_resampled_weights_count_a_unit_as_often_as_it_was_drawn():
    assert weighted_means(np.array([[1.0], [4.0]]))(np.array([[2.0, 1.0]]))[0].tolist() == [2.0]


def test_a_share_is_a_ratio_of_sums():
    found = ratio_of_sums(np.array([[1.0], [3.0]]), np.array([[1.0], [7.0]]))(np.ones((1, 2)))
    assert found[0].tolist() == [0.5]


def test_intervals_are_the_same_each_time():
    values = np.random.default_rng(5).normal(size=(10, 3))
    assert (mean_interval(values).low == mean_interval(values).low).all()
