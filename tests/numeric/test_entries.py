"""Entry by entry, and the directions of the projected check."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.numeric.directions import random_tangent, scales, signed_random
from gradcheck.numeric.entries import entry_gradient
from gradcheck.numeric.function import Function
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Space


def test_the_gradient_of_a_weighted_sum(rng):
    matrix, x, g = rng.standard_normal((5, 4)), rng.standard_normal(4), rng.standard_normal(5)
    calls = []

    def evaluate(point):
        calls.append(point)
        return np.tanh(matrix @ point)

    function = Function(evaluate=evaluate, round=lambda point: point, precision=DOUBLE)
    outputs = np.tanh(matrix @ x)
    found = entry_gradient(function, x, outputs, g, range(4), np.full(4, 1e-5))
    np.testing.assert_allclose(found.value, matrix.T @ (g * (1 - outputs**2)), rtol=1e-7, atol=1e-9)
    assert len(calls) == 8
    assert (found.gap < 1e-3).all()


def test_the_gap_shows_a_kink():
    function = Function(evaluate=np.abs, round=lambda point: point, precision=DOUBLE)
    found = entry_gradient(function, np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.ones(2), [0, 1], np.full(2, 1e-5))
    np.testing.assert_allclose(found.gap, [2.0, 0.0], atol=1e-9)


@given(st.integers(1, 500), st.integers(0, 2**32 - 1))
def test_directions_have_no_small_entry(size, seed):
    entries = np.abs(signed_random(size, np.random.default_rng(seed)))
    assert entries.min() >= 1
    assert entries.max() <= 2


def test_tangents_follow_the_scale_of_each_array(rng):
    arrays = {"small": 1e-6 * rng.standard_normal(50), "zero": np.zeros(3), "large": 1e6 * rng.standard_normal(50)}
    space = Space.of(arrays)
    factors = scales(space, space.join(arrays))
    tangent = space.split(random_tangent(space, factors, rng))
    assert 1e-7 < np.abs(tangent["small"]).mean() < 1e-5
    assert 1 <= np.abs(tangent["zero"]).min() <= np.abs(tangent["zero"]).max() <= 2
    assert 1e5 < np.abs(tangent["large"]).mean() < 1e7


@given(st.integers(0, 2**32 - 1))
def test_join_and_split_are_inverse(seed):
    rng = np.random.default_rng(seed)
    arrays = {"a": rng.standard_normal((2, 3)), "b": rng.standard_normal(()), "c": rng.standard_normal((1, 4, 2))}
    space = Space.of(arrays)
    for name, array in space.split(space.join(arrays)).items():
        np.testing.assert_array_equal(array, arrays[name])
    assert [space.locate(k)[0] for k in range(space.size)] == ["a"] * 6 + ["b"] + ["c"] * 8
