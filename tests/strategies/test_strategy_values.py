"""Value regimes keep their promises."""

import numpy as np
import pytest

from gradcheck.strategies.values import REGIMES, values

SHAPE = (20, 500)


def drawn(regime, shape=SHAPE, seed=0):
    return values(regime, shape, np.random.default_rng(seed))


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 3), (2, 1, 3)])
def test_shape_dtype_and_finite(regime, shape):
    array = np.asarray(drawn(regime, shape))
    assert (array.shape, array.dtype) == (shape, np.float64)
    assert np.isfinite(array).all()


@pytest.mark.parametrize("regime", REGIMES)
def test_the_same_seed_gives_the_same_array(regime):
    np.testing.assert_array_equal(drawn(regime), drawn(regime))
    assert (drawn(regime) != drawn(regime, seed=1)).any()


@pytest.mark.parametrize("regime", REGIMES)
def test_every_array_may_be_written(regime):
    assert drawn(regime).flags.writeable


def test_integers_are_few_and_tied():
    assert np.unique(drawn("integers")).tolist() == [-2, -1, 0, 1, 2]


def test_a_third_of_zeros_is_zero_and_the_first_row():
    array = drawn("zeros")
    assert not array[0].any()
    assert np.mean(array[1:] == 0) == pytest.approx(1 / 3, abs=0.02)
    assert array[array != 0].std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shape", [(1, 500), (500,)])
def test_zeros_leave_values_where_there_is_one_row_only(shape):
    assert 0 < np.count_nonzero(drawn("zeros", shape)) < 500


def test_near_ties_are_near_but_no_ties():
    array = drawn("near_ties")
    gaps = array - array.round()
    assert np.unique(array.round()).tolist() == [-2, -1, 0, 1, 2]
    assert np.unique(array).size == array.size
    assert gaps.std() == pytest.approx(1e-4, rel=0.1)
    assert np.abs(gaps).max() < 1e-3


@pytest.mark.parametrize(
    ("regime", "mean", "spread"),
    [("normal", 0.0, 1.0), ("large", 0.0, 1e3), ("tiny", 0.0, 1e-4), ("offset", 1e3, 1.0)],
)
def test_magnitudes(regime, mean, spread):
    array = drawn(regime)
    assert array.mean() == pytest.approx(mean, abs=0.05 * spread)
    assert array.std() == pytest.approx(spread, rel=0.05)
