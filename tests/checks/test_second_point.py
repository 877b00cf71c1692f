"""A second point: special values that hide an error, caches that are filled once, constants that belong to a point."""

import threading

import numpy as np
import pytest
from support.layers import subject

import gradcheck
from gradcheck.checks.contracts.elsewhere import other_points
from gradcheck.checks.fresh_copy import FreshCopy
from gradcheck.numeric.space import Space

RNG = np.random.default_rng(3)
X = RNG.standard_normal((3, 4))
SPECIAL = {
    "ones": np.ones(4),
    "zeros": np.zeros((2, 3)),
    "one entry": np.array(0.5),
    "identity": np.eye(3),
    "equal rows": np.tile(RNG.standard_normal(4), (3, 1)),
    "equal columns": np.tile(RNG.standard_normal((3, 1)), (1, 4)),
    "signs": np.array([1.0, -1.0, -1.0, 1.0]),
}


@pytest.mark.parametrize("array", SPECIAL.values(), ids=SPECIAL)
def test_a_special_array_is_moved_off_in_value(array):
    space = Space.of({"x": array})
    moved = next(other_points(space, array.reshape(-1))).reshape(array.shape)
    assert np.unique(moved).size == array.size, "no two entries are equal"
    assert (moved != array).all()
    assert moved.min() >= min(array.min(), 0)
    assert moved.max() <= max(array.max(), 1)


def test_the_entries_of_an_ordinary_array_are_moved_along():
    space = Space.of({"x": X})
    (moved,) = other_points(space, X.reshape(-1))
    assert np.array_equal(moved, np.roll(X.reshape(-1), 1))


def scaled(primals):
    x, w = primals["x"], primals["w"]
    return x * w, lambda g: {"x": g, "w": (g * x).sum(0)}


def shifted(primals):
    x, b = primals["x"], primals["b"]
    return np.tanh(x + b), lambda g: {"x": g / np.cosh(x) ** 2, "b": (g / np.cosh(x) ** 2).sum(0)}


def not_transposed(primals):
    x, w = primals["x"], primals["w"]
    return x @ w, lambda g: {"x": g @ w, "w": x.T @ g}


def always_squared(primals):
    x, p = primals["x"], primals["p"]
    return x**p, lambda g: {"x": 2 * g * x, "p": (g * x**p * np.log(x)).sum()}


def first_row_for_all(primals):
    x, w = primals["x"], primals["w"]
    return np.tanh(x * w), lambda g: {"x": g * w / np.cosh(x * w) ** 2, "w": (g / np.cosh(x * w) ** 2).sum(0) * x[0]}


HIDDEN = {
    "factor of one": (scaled, {"x": X, "w": np.ones(4)}),
    "term of zero": (shifted, {"x": X, "b": np.zeros(4)}),
    "identity": (not_transposed, {"x": X, "w": np.eye(4)}),
    "one exponent": (always_squared, {"x": np.abs(X) + 0.5, "p": np.array(2.0)}),
    "equal rows": (first_row_for_all, {"x": np.tile(X[0], (3, 1)), "w": X[1]}),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("layer", "primals"), HIDDEN.values(), ids=HIDDEN)
def test_an_error_that_special_values_hide_is_a_wrong_gradient_and_no_cache(layer, primals, dtype):
    for seed in range(5):
        report = gradcheck.check(subject(layer, **primals), dtype=dtype, seed=seed)
        assert {failure.check for failure in report.failures} == {"gradient"}, str(report)
        assert "the values of the first point hide the error" in str(report).replace("\n             ", " ")


class KeepsFirst:
    """Scales by the factors that the first forward saw."""

    w = None

    def __call__(self, primals):
        self.w = primals["w"].copy() if self.w is None else self.w
        return primals["x"] * primals["w"], lambda g: {"x": g * self.w, "w": (g * primals["x"]).sum(0)}


@pytest.mark.parametrize("w", [np.ones(4), X[0]], ids=["ones", "any"])
@pytest.mark.parametrize(
    "wrap", [lambda layer: layer, lambda layer: lambda primals: layer(primals)], ids=["", "closure"]
)
def test_a_cache_that_is_filled_once_is_blamed_as_one(w, wrap):
    report = gradcheck.check(subject(wrap(KeepsFirst()), x=X, w=w))
    assert [(failure.check, failure.primal) for failure in report.failures] == [("second-point", "x")]
    assert "bit for bit it is still that of the first point" in report.failures[0].explanation


def test_where_there_is_no_fresh_copy_both_explanations_are_told():
    lock = threading.Lock()

    def locked(primals):
        with lock:
            return scaled(primals)

    (failure,) = gradcheck.check(subject(locked, x=X, w=np.ones(4))).failures
    assert failure.check == "second-point"
    assert "something of the first call is left, or the values of the first point hide" in failure.explanation


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "passed"), (1.01, "failed")])
def test_what_is_held_constant_belongs_to_the_point(factor, verdict):
    held = X.copy()

    def half_constant(primals):
        x, w = primals["x"], primals["w"]
        return held * x * w, lambda g: {"x": factor * g * x * w, "w": (g * x * x).sum(0)}

    layer = gradcheck.Subject("layer", {"x": X, "w": np.ones(4)}, half_constant, constants={"held": held})
    report = gradcheck.check(layer)
    assert report.verdict == verdict, str(report)


def test_calls_of_a_fresh_copy_leave_no_trace():
    calls = []

    def counted(primals):
        calls.append(len(calls))
        return scaled(primals)

    kept = FreshCopy(counted)
    kept.make()({"x": X, "w": np.ones(4)})
    assert calls == []
    assert kept.make().__closure__[0].cell_contents is not calls


def test_what_holds_too_much_is_not_copied():
    large = np.zeros(2**22)
    assert FreshCopy(lambda: large).make() is None
