"""What all adapters share: which returned gradient is whose, and whether a kept one is added to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradcheck
from gradcheck.adapters import from_object
from gradcheck.adapters.kept_gradients import clear, is_added_to, is_assigned
from gradcheck.adapters.returned_gradients import Results, fit_shapes
from gradcheck.adapters.returned_values import leaves


@given(st.permutations([(2, 3), (3,), (), (4, 1), (3,), (2, 3)]))
def test_shapes_fit_in_any_order_and_equal_ones_in_their_own(shapes):
    due = {"weight": (2, 3), "bias": (3,), "scale": (), "kernel": (4, 1), "beta": (3,), "other": (2, 3)}
    found = {(k,): shape for k, shape in enumerate(shapes)}
    fits = fit_shapes(due, found)
    assert {name: found[path] for name, path in fits.items()} == due
    assert fits["weight"] < fits["other"]
    assert fits["bias"] < fits["beta"]


def test_shapes_of_which_one_is_wrong_do_not_fit():
    assert fit_shapes({"x": (2,), "w": (3,)}, {(0,): (2,), (1,): (4,)}) is None


def test_results_in_another_number_than_declared_are_refused():
    results = Results(what="backward", values=dict(leaves((np.ones(2), {"w": np.ones(3)}))))
    assert results.as_declared(("x", "weight")) == {"x": (0,), "weight": (1, "w")}
    assert results.as_declared((None, "weight")) == {"weight": (1, "w")}
    with pytest.raises(ValueError, match=r"backward to return 1 results, .* 2 values, of shapes \(2,\), \(3,\)"):
        results.as_declared(("x",))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_gradient_that_grows_by_itself_is_added_to(dtype):
    gradient = np.random.default_rng(0).normal(size=20).astype(dtype)
    held = np.ones(20, dtype=dtype)
    once = held + gradient
    assert is_added_to(held, once, once + gradient)
    assert not is_added_to(held, gradient, gradient)
    assert is_assigned(gradient, gradient.copy())
    assert not is_assigned(once, once + gradient)


def test_a_gradient_of_zero_shows_nothing():
    zero = np.zeros(3)
    assert not is_added_to(zero, zero, zero)
    assert not is_assigned(zero, zero)


def test_only_arrays_are_cleared():
    held = np.ones(3)
    clear([None, held, 1.0])
    assert not held.any()


class ManyWeights:
    """Multiplies by weights of many shapes, whose gradients come in the reverse order."""

    shapes = tuple((size, 2) for size in range(3, 10))

    def __init__(self):
        for k, shape in enumerate(self.shapes):
            setattr(self, f"w{k}", np.zeros(shape))

    def forward(self, x):
        self.x = x
        return np.concatenate([x @ getattr(self, f"w{k}").T for k in range(len(self.shapes))], axis=1)

    def backward(self, dy):
        ends = np.cumsum([rows for rows, _ in self.shapes])
        parts = np.split(dy, ends[:-1], axis=1)
        dx = sum(part @ getattr(self, f"w{k}") for k, part in enumerate(parts))
        return (*(part.T @ self.x for part in parts[::-1]), dx)


def test_gradients_of_distinct_shapes_are_told_apart_however_many_they_are(rng):
    primals = {"x": rng.normal(size=(20, 2))}
    primals |= {f"w{k}": rng.normal(size=shape) for k, shape in enumerate(ManyWeights.shapes)}
    gradcheck.verify(from_object(ManyWeights, primals))


class ScalarGradients:
    """Returns the gradients of its two numbers in a list."""

    def __init__(self):
        self.gamma, self.beta = np.zeros(()), np.zeros(())

    def forward(self, x):
        self.x = x
        return self.gamma * x + self.beta

    def backward(self, dy):
        self.dx = self.gamma * dy
        return [(dy * self.x).sum(), dy.sum()]


def test_a_list_of_numbers_is_several_gradients_of_a_layer_object(rng):
    primals = {"x": rng.normal(size=4), "gamma": rng.normal(size=()), "beta": rng.normal(size=())}
    gradcheck.verify(from_object(ScalarGradients, primals, grads={"x": "dx"}, returns=("gamma", "beta")))
