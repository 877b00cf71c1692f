"""Ladders of steps: error bars that hold, and kinks that are seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.numeric.function import Function
from gradcheck.numeric.ladder import a_priori_noise, climb, read
from gradcheck.numeric.precision import DOUBLE, SINGLE, precision_of


def ladder(function, x, direction, precision=DOUBLE, rungs=3):
    """Return slopes of `function` at `x`, evaluated in `precision`."""
    dtype = precision.dtype

    def evaluate(point):
        return function(point.astype(dtype)).astype(np.float64)

    wrapped = Function(
        evaluate=evaluate, round=lambda point: point.astype(dtype).astype(np.float64), precision=precision
    )
    outputs = evaluate(x)
    steps = climb(wrapped, x, outputs, direction, precision.first_step, rungs)
    return read(steps, a_priori_noise(outputs, precision), precision)


SMOOTH = [
    (np.sin, np.cos),
    (np.exp, np.exp),
    (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    (lambda x: x**3, lambda x: 3 * x**2),
    (lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
]


@pytest.mark.parametrize("precision", [DOUBLE, SINGLE], ids=["float64", "float32"])
@given(seed=st.integers(0, 2**32 - 1), which=st.integers(0, len(SMOOTH) - 1))
def test_the_bar_covers_the_true_error(precision, seed, which):
    function, derivative = SMOOTH[which]
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(40).astype(precision.dtype).astype(np.float64)
    slopes = ladder(function, x, np.ones(40), precision)
    error = np.abs(slopes.value - derivative(x) * slopes.taken)
    bars = 4 * slopes.rounding + 3 * slopes.truncation
    assert (error <= bars)[slopes.smooth].all()
    assert slopes.smooth.mean() > 0.8


def test_kinks_at_the_point_are_marked_and_no_others():
    x = np.array([0.0, 0.5, -0.5, 0.0, 2.0])
    slopes = ladder(lambda v: np.maximum(v, 0), x, np.ones(5))
    np.testing.assert_array_equal(slopes.smooth, x != 0)
    np.testing.assert_array_equal(slopes.at_point, x == 0)


def test_a_kink_beside_the_point_is_left_behind_by_smaller_steps():
    x = np.array([1e-4])
    assert not ladder(np.abs, x, np.ones(1), rungs=2).smooth[0]
    clear = ladder(np.abs, x, np.ones(1), rungs=6)
    assert clear.smooth[0]
    assert clear.value[0] == pytest.approx(1.0, abs=1e-8)


def test_an_infinite_slope_is_not_smooth():
    slopes = ladder(lambda v: np.sqrt(np.abs(v)), np.zeros(3), np.ones(3))
    assert not slopes.smooth.any()


def test_values_outside_the_domain_are_not_smooth():
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = ladder(np.log, np.array([1e-4, 1.0]), np.ones(2))
    np.testing.assert_array_equal(slopes.smooth, [False, True])


def test_precisions_are_found_by_dtype():
    assert precision_of(np.dtype(np.float32)) is SINGLE
