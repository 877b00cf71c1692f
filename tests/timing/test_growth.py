"""Exponents of power laws, known beforehand, and how far they are trusted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.timing.growth import power_law, student_t


@given(st.floats(-3, 3), st.floats(1e-6, 1e6), st.lists(st.integers(1, 10**7), min_size=3, max_size=8, unique=True))
def test_a_power_law_is_found_exactly(exponent, factor, sizes):
    found = power_law(sizes, [factor * size**exponent for size in sizes])
    # Neighbouring sizes leave few digits of their logarithms' difference.
    assert found.value == pytest.approx(exponent, abs=1e-6 * max(1.0, 1e-3 * max(sizes)))
    assert found.low <= found.value <= found.high


@given(st.integers(0, 2**31 - 1))
def test_the_interval_holds_the_exponent_as_often_as_it_says(seed):
    rng = np.random.default_rng(seed)
    sizes = np.geomspace(10, 1e4, 6)
    tries = 400
    held = 0
    for _ in range(tries):
        found = power_law(sizes, sizes**1.5 * np.exp(0.2 * rng.standard_normal(6)))
        held += found.low <= 1.5 <= found.high
    assert held / tries == pytest.approx(0.95, abs=5 * math.sqrt(0.95 * 0.05 / tries))


def test_two_sizes_give_no_interval():
    assert power_law([1, 100], [2, 20]) == (0.5, None, None)


def test_a_constant_does_not_grow():
    assert power_law([10, 100, 1000], [7, 7, 7]) == (0.0, 0.0, 0.0)


def test_the_quantiles_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    for freedom in range(1, 21):
        assert student_t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=6e-4)
    assert student_t(500) >= stats.t.ppf(0.975, 500)
