"""Elementwise layers and softmax against formulas of Python's own numbers, entry by entry."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_layers import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ShapeError,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)


def logistic(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def normal_below(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def tanh_form(x):
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return u, math.sqrt(2 / math.pi) * (1 + 0.134145 * x * x)


#: Layer, value, derivative.
FORMULAS = [
    (LeakyReLU(-0.5), lambda x: x if x > 0 else -0.5 * x, lambda x: 1 if x > 0 else -0.5),
    (ELU(0.7), lambda x: x if x > 0 else 0.7 * math.expm1(x), lambda x: 1 if x > 0 else 0.7 * math.exp(x)),
    (Sigmoid(), logistic, lambda x: logistic(x) * logistic(-x)),
    (Tanh(), math.tanh, lambda x: 1 / math.cosh(x) ** 2 if abs(x) < 300 else 0.0),
    (Softplus(), lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))), logistic),
    (SiLU(), lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    (
        GELU(),
        lambda x: x * normal_below(x),
        lambda x: normal_below(x) + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    ),
    (
        GELU("tanh"),
        lambda x: x * logistic(2 * tanh_form(x)[0]),
        lambda x: (
            logistic(2 * tanh_form(x)[0])
            + 2 * x * logistic(2 * tanh_form(x)[0]) * logistic(-2 * tanh_form(x)[0]) * tanh_form(x)[1]
        ),
    ),
]


@pytest.mark.parametrize(("layer", "value", "slope"), FORMULAS, ids=[f"{k}-{f[0]}" for k, f in enumerate(FORMULAS)])
def test_entry_by_entry(layer, value, slope):
    @given(st.lists(st.floats(-30, 30), min_size=1, max_size=5), st.sampled_from([np.float64, np.float32]))
    def agrees(numbers, dtype):
        x = np.array(numbers, dtype=dtype)
        y, cache = layer.forward({}, x)
        gradient, _ = layer.backward({}, cache, np.ones_like(x))
        assert y.dtype == gradient.dtype == dtype
        rtol, atol = (1e-12, 1e-300) if dtype == np.float64 else (1e-4, 1e-30)
        np.testing.assert_allclose(y, [value(float(one)) for one in x], rtol, atol)
        np.testing.assert_allclose(gradient, [slope(float(one)) for one in x], rtol, 1e-14)

    agrees()


@pytest.mark.parametrize("layer", [Softmax(0), LogSoftmax(0)])
def test_softmax_by_loops(layer):
    @given(st.lists(st.floats(-50, 50), min_size=1, max_size=4), st.integers(0, 99))
    def agrees(numbers, seed):
        x, n = np.array(numbers), len(numbers)
        y, cache = layer.forward({}, x)
        shares = [1 / math.fsum(math.exp(other - one) for other in numbers) for one in numbers]
        logarithmic = isinstance(layer, LogSoftmax)
        np.testing.assert_allclose(y, np.log(shares) if logarithmic else shares, rtol=1e-12, atol=1e-13)
        g = np.random.default_rng(seed).standard_normal(n)
        due = [
            math.fsum(
                g[j] * ((i == j) - shares[i] if logarithmic else shares[j] * ((i == j) - shares[i])) for j in range(n)
            )
            for i in range(n)
        ]
        np.testing.assert_allclose(layer.backward({}, cache, g)[0], due, rtol=1e-9, atol=1e-13)

    agrees()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LeakyReLU(math.nan), "expected negative_slope to be a finite number, got negative_slope=nan"),
        (lambda: ELU("1"), "expected alpha to be a finite number, got alpha='1'"),
        (lambda: GELU("erf"), "expected approximate to be 'none' or 'tanh', got approximate='erf'"),
        (lambda: Softmax(0.5), "expected axis to be an int, got axis=0.5"),
        (lambda: Softmax(2).forward({}, np.ones((2, 3))), r"expected x to have the axis 2, got shape=\(2, 3\)"),
        (lambda: Softmax(0).forward({}, np.ones((0, 3))), "expected at least one entry along axis 0"),
    ],
)
def test_refusals(make, message):
    with pytest.raises((ValueError, ShapeError), match=message):
        make()
