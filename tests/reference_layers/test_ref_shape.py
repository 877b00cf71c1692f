"""Reshaping, joining, and broadcast sums and products: loops by the definition, memory, refusals."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

from reference_layers import Add, Concat, Multiply, Reshape, ShapeError
from reference_layers.arithmetic import unbroadcast

pairs_of_shapes = mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3).map(
    lambda found: found.input_shapes
)


def random(shape, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape))


# Reshape.


@given(array_shapes(max_dims=3, max_side=4), st.data())
def test_reshape_keeps_the_order_of_the_entries(shape, data):
    new = data.draw(st.sampled_from([shape[::-1], (-1,), (shape[0], -1), (1, *shape), (-1, shape[-1])]))
    x = random(shape)
    y, cache = Reshape(new).forward({}, x)
    assert y.ndim == len(new)
    assert all(due in (-1, size) for size, due in zip(y.shape, new, strict=True))
    assert [y[index] for index in np.ndindex(*y.shape)] == [x[index] for index in np.ndindex(*shape)]
    g = random(y.shape, 1)
    gradient, _ = Reshape(new).backward({}, cache, g)
    assert gradient.shape == shape
    assert [gradient[index] for index in np.ndindex(*shape)] == [g[index] for index in np.ndindex(*y.shape)]


def test_reshape_of_an_empty_batch():
    y, cache = Reshape((-1, 3, 2)).forward({}, np.zeros((0, 6)))
    assert y.shape == (0, 3, 2)
    assert Reshape((-1, 3, 2)).backward({}, cache, y)[0].shape == (0, 6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_reshape_reads_rows_first_whatever_the_memory(order):
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], order=order)
    assert Reshape((3, 2)).forward({}, x)[0].tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize("sizes", [3, "ab", (2, 1.5), (-2, 3), (None,), (True,)])
def test_shapes_that_are_none_are_refused(sizes):
    with pytest.raises(ValueError, match=re.escape(f"ints from 0, or -1 once, got shape={sizes!r}")):
        Reshape(sizes)


def test_two_unknown_sizes_are_refused():
    with pytest.raises(ValueError, match=re.escape("expected at most one size to be -1, got shape=(-1, 2, -1)")):
        Reshape((-1, 2, -1))


@pytest.mark.parametrize(
    ("new", "shape", "fragment"),
    [
        ((3, 4), (3, 5), "expected x with the 12 entries of shape=(3, 4), got shape=(3, 5)"),
        ((-1, 4), (3, 3), "expected x with the 4 entries of shape=(-1, 4) or a multiple of them, got shape=(3, 3)"),
        ((0, -1), (0, 3), "expected x with the 0 entries of shape=(0, -1) or a multiple of them, got shape=(0, 3)"),
    ],
)
def test_another_number_of_entries_is_refused(new, shape, fragment):
    with pytest.raises(ShapeError, match=re.escape(fragment)):
        Reshape(new).forward({}, np.zeros(shape))


# Concat.


@given(array_shapes(max_dims=3, max_side=3), st.lists(st.integers(0, 3), min_size=1, max_size=4), st.data())
def test_joined_entries_are_those_of_the_pieces(shape, sizes, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shapes = [tuple(size if k == axis % len(shape) else n for k, n in enumerate(shape)) for size in sizes]
    pieces = tuple(random(own, seed) for seed, own in enumerate(shapes))
    y, cache = Concat(axis).forward({}, pieces)
    g = random(y.shape, 9)
    gradients, _ = Concat(axis).backward({}, cache, g)
    assert y.shape[axis] == sum(sizes)
    start = 0
    for piece, gradient, size in zip(pieces, gradients, sizes, strict=True):
        assert gradient.shape == piece.shape
        for index in np.ndindex(*piece.shape):
            place = list(index)
            place[axis] += start
            assert (y[tuple(place)], g[tuple(place)]) == (piece[index], gradient[index])
        start += size


@pytest.mark.parametrize(
    ("axis", "shapes"),
    [
        (1, []),
        (1, [(3,)]),
        (-3, [(3, 4), (3, 4)]),
        (0, [()]),
        (0, [(3, 4), (3, 5)]),
        (1, [(3, 4), (2, 4)]),
        (0, [(3, 4), (3,)]),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(axis, shapes):
    with pytest.raises(ShapeError, match=re.escape(f"along axis={axis} alone, got shapes={tuple(shapes)}")):
        Concat(axis).forward({}, tuple(np.zeros(shape) for shape in shapes))


def test_an_axis_that_is_none_is_refused():
    with pytest.raises(ValueError, match=re.escape("expected axis to be an int, got axis=1.5")):
        Concat(1.5)


# Add and multiply.


@pytest.mark.parametrize("layer", [Add(), Multiply()], ids=str)
@given(pairs_of_shapes)
def test_broadcast_gradients_are_sums_over_all_uses(layer, shapes):
    x = tuple(random(shape, seed) for seed, shape in enumerate(shapes))
    y, cache = layer.forward({}, x)
    g = random(y.shape, 9)
    gradients, _ = layer.backward({}, cache, g)
    due = tuple(np.zeros(shape) for shape in shapes)
    for index in np.ndindex(*y.shape):
        places = [
            tuple(0 if n == 1 else i for i, n in zip(index[len(index) - len(shape) :], shape, strict=True))
            for shape in shapes
        ]
        first, second = (array[place] for array, place in zip(x, places, strict=True))
        assert y[index] == (first + second if isinstance(layer, Add) else first * second)
        factors = (1.0, 1.0) if isinstance(layer, Add) else (second, first)
        for array, place, factor in zip(due, places, factors, strict=True):
            array[place] += g[index] * factor
    for gradient, expected in zip(gradients, due, strict=True):
        assert gradient == pytest.approx(expected, abs=1e-13)
        assert gradient.shape == expected.shape


@pytest.mark.parametrize(("layer", "slope"), [(Add(), 2.0), (Multiply(), 6.0)], ids=str)
def test_an_array_used_twice_gets_both_gradients(layer, slope):
    x = np.array([3.0])
    _, cache = layer.forward({}, (x, x))
    first, second = layer.backward({}, cache, np.ones(1))[0]
    assert not np.shares_memory(first, second)
    assert first + second == slope


@pytest.mark.parametrize("layer", [Add(), Multiply()], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_scalars_and_empty_batches_keep_dtype_and_shape(layer, dtype):
    for shapes in [((), ()), ((0, 3), (3,)), ((0, 3), (1, 1)), ((2,), ())]:
        x = tuple(np.ones(shape, dtype) for shape in shapes)
        y, cache = layer.forward({}, x)
        arrays = (y, *layer.backward({}, cache, np.ones_like(y))[0])
        assert all(type(array) is np.ndarray and array.dtype == dtype for array in arrays)
        assert tuple(array.shape for array in arrays[1:]) == shapes


@pytest.mark.parametrize("layer", [Add(), Multiply()], ids=str)
def test_shapes_that_cannot_be_broadcast_are_refused(layer):
    with pytest.raises(ShapeError, match=re.escape("equal or 1, got shapes=((3, 2), (3,))")):
        layer.forward({}, (np.zeros((3, 2)), np.zeros(3)))


@given(pairs_of_shapes)
def test_unbroadcasting_is_the_adjoint_of_broadcasting(shapes):
    small, out = shapes[0], np.broadcast_shapes(*shapes)
    v, g = random(small), random(out, 1)
    assert (np.broadcast_to(v, out) * g).sum() == pytest.approx((v * unbroadcast(g, small)).sum(), abs=1e-12)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (Reshape((4,)), np.zeros((2, 2))),
        (Concat(0), (np.zeros(1), np.zeros(3))),
        (Add(), (np.zeros(4), np.zeros(1))),
        (Multiply(), (np.zeros(4), np.zeros(()))),
    ],
    ids=["Reshape", "Concat", "Add", "Multiply"],
)
def test_gradients_of_another_shape_are_refused(layer, x):
    _, cache = layer.forward({}, x)
    with pytest.raises(ShapeError, match=re.escape("expected grad_output of shape (4,), got shape=(2, 2)")):
        layer.backward({}, cache, np.zeros((2, 2)))
