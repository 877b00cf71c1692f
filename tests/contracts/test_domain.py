"""Questions at other places than the subject's own: where the subject is not defined, nothing is blamed."""

import numpy as np
import pytest
from support.layers import subject

import gradcheck

RNG = np.random.default_rng(0)


def deviation(primals):
    x = primals["x"]
    y = np.array([x.std()], x.dtype)
    return y, lambda g: {"x": (g * (x - x.mean()) / x.size / y).astype(x.dtype)}


def bond_lengths(primals):
    between = primals["x"][1:] - primals["x"][:-1]
    lengths = np.sqrt((between**2).sum(-1))

    def pullback(g):
        pull = between / lengths[:, None] * g[:, None]
        return {"x": np.pad(pull, ((1, 0), (0, 0))) - np.pad(pull, ((0, 1), (0, 0)))}

    return lengths, pullback


def singular_values(primals):
    u, s, v = np.linalg.svd(primals["x"], full_matrices=False)
    return s, lambda g: {"x": u * g @ v}


def inverse(primals):
    y = np.linalg.inv(primals["x"])
    return y, lambda g: {"x": -y.T @ g @ y.T}


def correlation(primals):
    a, b = (primals[name] - primals[name].mean() for name in "ab")
    size_a, size_b = np.sqrt(a @ a), np.sqrt(b @ b)
    r = a @ b / (size_a * size_b)

    def pullback(g):
        return {"a": g * (b / size_b - r * a / size_a) / size_a, "b": g * (a / size_a - r * b / size_b) / size_b}

    return np.array([r], a.dtype), pullback


UNDEFINED_WHERE_EQUAL = {
    "deviation of two": (deviation, {"x": np.array([1.0, 2.0])}),
    "deviation of three": (deviation, {"x": np.array([1.0, 2.0, 4.0])}),
    "bond lengths": (bond_lengths, {"x": RNG.standard_normal((6, 3))}),
    "singular values": (singular_values, {"x": RNG.standard_normal((4, 3))}),
    "inverse": (inverse, {"x": RNG.standard_normal((3, 3)) + 2 * np.eye(3)}),
    "correlation": (correlation, {"a": RNG.standard_normal(5), "b": RNG.standard_normal(5)}),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("function", "primals"), UNDEFINED_WHERE_EQUAL.values(), ids=UNDEFINED_WHERE_EQUAL)
def test_what_is_undefined_where_entries_are_equal_is_not_blamed_for_repeated_entries(function, primals, dtype):
    for seed in range(5):
        report = gradcheck.check(subject(function, **primals), dtype=dtype, seed=seed)
        assert report.passed, str(report)


def test_a_cotangent_of_repeated_entries_is_asked_beside_a_place_that_is_undefined():
    def counts_twice(primals):
        lengths, pullback = bond_lengths(primals)
        return lengths, lambda g: pullback(2 * g if 0 in g.strides else g)

    report = gradcheck.check(subject(counts_twice, x=RNG.standard_normal((6, 3))))
    assert {failure.check for failure in report.failures} == {"layout"}
    assert "with the cotangent with stride 0" in report.failures[0].explanation


def test_a_smaller_batch_that_has_no_values_leaves_no_trace():
    def whitened(primals):
        x = primals["x"]
        few = np.nan if len(x) < 3 else 0.0
        return x - x.mean(0) + few, lambda g: {"x": g - g.mean(0) + few}

    traits = [gradcheck.Trait("batch-normalising", ("x",))]
    report = gradcheck.check(subject(whitened, traits=traits, x=RNG.standard_normal((3, 2))))
    assert report.passed, str(report)


def test_a_forward_that_is_not_finite_beside_the_point_is_told():
    def square_from_one(primals):
        x = primals["x"]
        return np.where(x < 1, np.nan, x**2), lambda g: {"x": 2 * g * x}

    report = gradcheck.check(subject(square_from_one, x=np.array([1.0])))
    assert report.verdict == "inconclusive"
    assert "beside the point the forward has no values: an output is nan" in report.subjects[0].notes


def test_a_difference_of_large_numbers_that_another_layout_rounds_otherwise_is_not_blamed():
    def exponential(primals):
        x = primals["x"]
        return np.exp(x) - 1, lambda g: {"x": g * np.exp(x)}

    for seed in range(10):
        x = 1e-6 * np.random.default_rng(seed).standard_normal(20)
        report = gradcheck.check(subject(exponential, x=x), seed=seed)
        assert not {failure.check for failure in report.failures} & {"layout", "batch-exchange"}, str(report)
