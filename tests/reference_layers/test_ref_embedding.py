"""The embedding: loops by the definition, indices of all sorts, padding, dtypes, refusals."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from reference_layers import Affine, Embedding, Sequential, ShapeError

configs = st.one_of(st.sampled_from(KINDS["embedding"].corners), KINDS["embedding"].configs())


@given(configs)
def test_rows_are_copied_and_their_gradients_summed(config):
    layer, rng = config.layer, np.random.default_rng(0)
    weight = rng.standard_normal((config.num_embeddings, config.embedding_dim))
    indices = np.array(config.indices).reshape(config.index_shape)
    y, cache = layer.forward({"weight": weight}, indices)
    assert y.shape == (*config.index_shape, config.embedding_dim)
    g = rng.standard_normal(y.shape)
    none, gradients = layer.backward({"weight": weight}, cache, g)
    due = np.zeros_like(weight)
    for place in np.ndindex(*config.index_shape):
        row = int(indices[place]) + (config.num_embeddings if indices[place] < 0 else 0)
        padding = row == config.padding_row
        assert y[place].tolist() == (np.zeros(config.embedding_dim) if padding else weight[row]).tolist()
        due[row] += 0.0 if padding else g[place]
    assert none is None
    assert gradients.keys() == {"weight"}
    assert gradients["weight"] == pytest.approx(due, abs=1e-14)


def test_repeated_indices_by_hand():
    """The case of a bug report: three uses of row 1 must give three times the gradient, not one."""
    layer, weight = Embedding(3, 2), np.zeros((3, 2))
    _, cache = layer.forward({"weight": weight}, np.array([1, 1, 2, 1]))
    gradient = layer.backward({"weight": weight}, cache, np.array([[1.0, 10.0]] * 4))[1]["weight"]
    assert gradient.tolist() == [[0.0, 0.0], [3.0, 30.0], [1.0, 10.0]]


@pytest.mark.parametrize("padding_idx", [2, -1])
def test_the_padding_row_matters_to_nothing(padding_idx, rng):
    layer, indices = Embedding(3, 2, padding_idx), np.array([[0, 2], [-1, 1]])
    weight, changed = rng.standard_normal((2, 3, 2))
    changed[:2] = weight[:2]
    assert np.array_equal(layer.forward({"weight": weight}, indices)[0], layer.forward({"weight": changed}, indices)[0])
    assert not layer.init(rng)["weight"][2].any()
    assert layer == Embedding(3, 2, 2)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint8])
def test_any_integers_are_indices(dtype):
    weight = np.arange(6.0).reshape(3, 2)
    y, _ = Embedding(3, 2).forward({"weight": weight}, np.array([2, 0], dtype))
    assert y.tolist() == [[4.0, 5.0], [0.0, 1.0]]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_the_dtype_of_the_weight_is_kept_and_many_terms_are_not_lost(dtype):
    layer, weight = Embedding(2, 1), np.ones((2, 1), dtype)
    y, cache = layer.forward({"weight": weight}, np.zeros(5000, int))
    gradient = layer.backward({"weight": weight}, cache, np.ones_like(y))[1]["weight"]
    assert y.dtype == gradient.dtype == dtype
    assert gradient.ravel().tolist() == [5000.0, 0.0]  # in float16, one by one, it would end at 2048


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3, 2)])
def test_no_indices_give_a_gradient_of_zeros(shape, rng):
    layer = Embedding(3, 2)
    params = layer.init(rng)
    y, cache = layer.forward(params, np.zeros(shape, int))
    assert y.shape == (*shape, 2)
    gradient = layer.backward(params, cache, y)[1]["weight"]
    assert gradient.shape == (3, 2)
    assert not gradient.any()


def test_one_index_gives_one_row_and_nothing_is_shared(rng):
    layer = Embedding(3, 2)
    params, indices = layer.init(rng), np.array(1)
    y, cache = layer.forward(params, indices)
    assert (y.shape, cache.shape) == ((2,), ())
    assert not np.shares_memory(y, params["weight"])
    assert not np.shares_memory(cache, indices)


def test_a_chain_may_begin_with_an_embedding(rng):
    chain = Sequential.of(Embedding(5, 3, 0), Affine(3, 2))
    params = chain.init(rng)
    y, cache = chain.forward(params, np.array([[1, 0], [4, 1]]))
    none, gradients = chain.backward(params, cache, np.ones_like(y))
    assert none is None
    assert {name: array.shape for name, array in gradients.items()} == {n: a.shape for n, a in params.items()}


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: Embedding(0, 2), "num_embeddings=0"),
        (lambda: Embedding(2, 1.5), "embedding_dim=1.5"),
        (lambda: Embedding(3, 2, 3), "expected padding_idx to be None or an int from -3 to 2, got padding_idx=3"),
        (lambda: Embedding(3, 2, -4), "padding_idx=-4"),
        (lambda: Embedding(3, 2, True), "padding_idx=True"),
    ],
)
def test_impossible_hyper_parameters_are_refused(build, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        build()


@pytest.mark.parametrize(
    ("indices", "fragment"),
    [
        ([[0, 1], [3, 0]], "expected indices from -3 to 2, got 3 at index (1, 0)"),
        ([-4], "got -4 at index (0,)"),
        ([0.0], "expected integer indices, got dtype=float64"),
        ([True], "got dtype=bool"),
    ],
)
def test_indices_that_are_no_rows_are_refused(indices, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        Embedding(3, 2).forward({"weight": np.zeros((3, 2))}, np.array(indices))


def test_arrays_of_another_shape_are_refused():
    layer = Embedding(3, 2)
    with pytest.raises(ShapeError, match=re.escape("expected weight of shape (3, 2), got shape=(2, 3)")):
        layer.forward({"weight": np.zeros((2, 3))}, np.zeros(1, int))
    _, cache = layer.forward({"weight": np.zeros((3, 2))}, np.zeros(4, int))
    with pytest.raises(ShapeError, match=re.escape("expected grad_output of shape (4, 2), got shape=(4, 3)")):
        layer.backward({"weight": np.zeros((3, 2))}, cache, np.zeros((4, 3)))
