"""Layouts keep numbers and change memory; cotangents are what their names say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.numeric.array_layouts import LAYOUTS, read_only, repeated
from gradcheck.strategies import COTANGENT_KINDS, cotangent, cotangents, layouts

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
DTYPES = st.sampled_from([np.float64, np.float32, np.float16])


@given(SHAPES, DTYPES, layouts())
def test_layouts_keep_numbers_shape_and_dtype(shape, dtype, layout):
    array = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    stored = layout(array)
    assert (stored.shape, stored.dtype) == (array.shape, array.dtype)
    np.testing.assert_array_equal(stored, array)
    assert not np.shares_memory(stored, array)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("Fortran", lambda a: a.flags.f_contiguous and not a.flags.c_contiguous),
        ("reversed", lambda a: all(stride < 0 for stride in a.strides)),
        ("step-sliced", lambda a: not a.flags.forc and a.strides[-1] == 2 * a.itemsize),
        ("offset view", lambda a: a.flags.c_contiguous and a.base is not None and a.base.size > a.size),
        ("transposed view", lambda a: a.strides[1] == a.itemsize),
    ],
)
def test_each_layout_is_the_one_that_its_name_says(name, holds):
    assert holds(LAYOUTS[name](np.arange(120.0).reshape(2, 3, 4, 5)))


def test_every_layout_has_its_test():
    (mark,) = test_each_layout_is_the_one_that_its_name_says.pytestmark
    assert {name for name, _ in mark.args[1]} == set(LAYOUTS)


def test_read_only_and_repeated_cannot_be_written_to():
    array = np.arange(6.0).reshape(3, 2)
    assert not read_only(array).flags.writeable
    assert repeated(array).strides[0] == 0
    assert not repeated(array).flags.writeable
    np.testing.assert_array_equal(repeated(array), [[0, 1]] * 3)
    assert repeated(np.array(2.0)) == 2.0


@given(SHAPES, st.sampled_from(COTANGENT_KINDS), st.integers(0, 2**31 - 1))
def test_cotangents_are_what_their_names_say(shape, kind, seed):
    weights = cotangent(kind, shape, np.random.default_rng(seed))
    assert weights.shape == shape
    magnitudes = np.abs(weights)
    match kind:
        case "signed":
            assert ((magnitudes >= 1) & (magnitudes <= 2)).all()
        case "huge":
            assert ((magnitudes >= 2**20) & (magnitudes <= 2**21)).all()
        case "zeros":
            assert not weights.any()
        case "one-hot":
            assert sorted(weights.ravel()) == [0] * (weights.size - 1) + [1] * min(weights.size, 1)
        case "zero-sum":
            assert abs(weights.sum()) <= 1e-14 * max(1, weights.size)


def test_every_kind_of_cotangent_is_drawn():
    drawn = set()

    @settings(max_examples=200, derandomize=True, database=None)
    @given(cotangents((3, 4)))
    def collect(weights):
        magnitudes = np.abs(weights)
        drawn.add((bool(magnitudes.max() > 100), bool(magnitudes.min() == 0), bool(magnitudes.sum() == 1)))

    collect()
    assert {(True, False, False), (False, True, False), (False, True, True), (False, False, False)} <= drawn
