"""Norms and spreads of vectors of any size."""

import numpy as np
import pytest

from gradcheck.numeric.space import is_finite, norm, rms, spread


@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-170, 1e-140, 1.0, 1e140, 1e200, 1e307])
def test_norms_survive_squares_that_a_float64_cannot_hold(size):
    vector = size * np.array([3.0, 4.0, 0.0, 0.0])
    assert norm(vector) == pytest.approx(5 * size, rel=1e-3)
    assert rms(vector) == pytest.approx(2.5 * size, rel=1e-3)
    assert is_finite(vector)


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_has_no_finite_norm(odd):
    vector = np.array([1.0, odd, 1e200])
    assert not np.isfinite(norm(vector))
    assert not is_finite(vector)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_spreads_survive_squares_that_a_float64_cannot_hold(size):
    draws = [size * np.array([1.0, 0.0]), size * np.array([3.0, 0.0])]
    assert spread(draws) == pytest.approx(size * np.array([2**0.5, 0.0]))
