"""Dropout: the mask and what it does."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_layers import Dropout, ShapeError

PROBABILITIES = st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0])
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@given(SHAPES, PROBABILITIES, st.integers(0, 99))
def test_dropout_is_its_definition(shape, p, seed):
    """Entry by entry in row-major order, each with its own number of the generator."""
    rng = np.random.default_rng(seed)
    x, g = rng.integers(-2, 3, shape).astype(float), rng.standard_normal(shape)
    layer, numbers = Dropout(p, seed=seed), np.random.default_rng(seed)
    y, cache = layer.forward({}, x)
    gradient, gradients = layer.backward({}, cache, np.asarray(g))
    assert (y.shape, gradient.shape, gradients) == (shape, shape, {})
    for at in np.ndindex(*shape):
        kept = numbers.random() >= p
        assert y[at] == pytest.approx(x[at] / (1 - p) if kept else 0)
        assert gradient[at] == pytest.approx(np.asarray(g)[at] / (1 - p) if kept else 0)


@given(SHAPES, PROBABILITIES)
def test_without_training_nothing_is_dropped(shape, p):
    x = np.random.default_rng(0).standard_normal(shape)
    layer = Dropout(p, training=False)
    y, cache = layer.forward({}, np.asarray(x))
    assert np.array_equal(y, x)
    assert not np.shares_memory(y, x)
    assert np.array_equal(layer.backward({}, cache, np.asarray(x))[0], x)


def test_zeros_that_are_kept_have_a_gradient():
    layer, zeros = Dropout(0.3, seed=5), np.zeros((4, 6))
    y, cache = layer.forward({}, zeros)
    gradient, _ = layer.backward({}, cache, np.full((4, 6), 7.0))
    assert not y.any()
    assert np.array_equal(gradient != 0, layer.mask((4, 6)))
    assert set(np.unique(gradient)) == {0.0, 7.0 / 0.7}


def test_the_mean_stays():
    y, _ = Dropout(0.3, seed=1).forward({}, np.ones(100_000))
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)


def test_p_0_keeps_and_p_1_drops_everything():
    x = np.array([1.0, np.inf, -2.0])
    kept, dropped = Dropout(0), Dropout(1)
    assert np.array_equal(kept.forward({}, x)[0], x)
    y, cache = dropped.forward({}, x)
    assert not y.any()
    assert not dropped.backward({}, cache, x)[0].any()


def test_the_mask_follows_seed_and_shape_alone():
    shape = (5, 6)
    assert np.array_equal(Dropout(0.5, seed=3).mask(shape), Dropout(0.5, seed=3).mask(shape))
    assert not np.array_equal(Dropout(0.5, seed=3).mask(shape), Dropout(0.5, seed=4).mask(shape))
    x = np.random.default_rng(0).standard_normal(shape)
    for dtype in (np.float64, np.float32, np.float16):
        for arranged in (x.astype(dtype), np.asfortranarray(x.astype(dtype)), x.astype(dtype).T.copy().T):
            y, cache = Dropout(np.float64(0.5), seed=np.int64(3)).forward({}, arranged)
            assert y.dtype == dtype
            assert np.array_equal(cache, Dropout(0.5, seed=3).mask(shape))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Dropout(-0.1), "expected p to be a probability, 0 to 1, got p=-0.1"),
        (lambda: Dropout(1.5), "p=1.5"),
        (lambda: Dropout(float("nan")), "p=nan"),
        (lambda: Dropout("half"), "p='half'"),
        (lambda: Dropout(True), "p=True"),
        (lambda: Dropout(0.5, training=1), "training=1"),
        (lambda: Dropout(0.5, seed=-1), "expected seed to be an int from 0, got seed=-1"),
        (lambda: Dropout(0.5, seed=None), "seed=None"),
        (lambda: Dropout(0.5, seed=1.0), "seed=1.0"),
    ],
)
def test_impossible_hyper_parameters_are_refused(make, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make()


def test_a_gradient_of_another_shape_is_refused():
    layer = Dropout()
    with pytest.raises(ShapeError, match=re.escape("expected grad_output of shape (3,), got shape=(4,)")):
        layer.backward({}, layer.forward({}, np.ones(3))[1], np.ones(4))
