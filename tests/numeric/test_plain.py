"""The plain ε-difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck import numeric_gradient


def test_two_evaluations_per_entry_and_x_is_not_changed(rng):
    x = rng.standard_normal((3, 4))
    before, calls = x.copy(), []
    numeric_gradient(lambda array: calls.append(array) or array.sum(), x)
    assert len(calls) == 2 * x.size
    np.testing.assert_array_equal(x, before)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.1, 1e-3]))
def test_exact_for_quadratics_at_any_step(seed, epsilon):
    rng = np.random.default_rng(seed)
    matrix, x = rng.standard_normal((4, 4)), rng.standard_normal(4)
    np.testing.assert_allclose(
        numeric_gradient(lambda v: v @ matrix @ v, x, epsilon), (matrix + matrix.T) @ x, rtol=1e-9, atol=1e-9
    )


def test_error_falls_as_the_square_of_the_step():
    x = np.array([0.7])
    errors = [abs(numeric_gradient(lambda v: np.sin(v[0]), x, e)[0] - np.cos(0.7)) for e in (1e-2, 1e-3)]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.01)


def test_float32_uses_the_step_really_taken():
    x = np.array([1.0], dtype=np.float32)
    assert numeric_gradient(lambda v: float(v[0]) * 3, x, 1e-4)[0] == pytest.approx(3.0, abs=1e-12)


def test_a_non_contiguous_array_is_differentiated_in_its_own_order(rng):
    x = rng.standard_normal((4, 6)).T[::2]
    weights = rng.standard_normal(x.shape)
    np.testing.assert_allclose(numeric_gradient(lambda v: (v * weights).sum(), x), weights, rtol=1e-8)


@pytest.mark.parametrize(
    ("x", "epsilon", "error", "fragment"),
    [
        (np.arange(3), 1e-6, TypeError, "dtype=int64"),
        ([1.0], 1e-6, TypeError, "array of floating dtype"),
        (np.ones(2), 0.0, ValueError, "epsilon=0.0"),
        (np.ones(2), float("nan"), ValueError, "epsilon=nan"),
        (np.full(1, 1e30), 1e-6, ValueError, "epsilon=1e-06"),
    ],
)
def test_refusals(x, epsilon, error, fragment):
    with pytest.raises(error, match=fragment):
        numeric_gradient(np.sum, x, epsilon)


def test_a_function_of_many_values_is_refused():
    with pytest.raises(ValueError, match=r"one number, got an array of shape \(3,\)"):
        numeric_gradient(lambda x: x, np.ones(3))
