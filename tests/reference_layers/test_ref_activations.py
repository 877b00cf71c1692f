"""Nonlinearities and softmaxes: known answers, loops by the definition, the ends of the number range, refusals."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from reference_layers import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    ShapeError,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

ELEMENTWISE = [
    ReLU(),
    LeakyReLU(0.2),
    LeakyReLU(-0.5),
    ELU(),
    ELU(0.3),
    Sigmoid(),
    Tanh(),
    Softplus(),
    SiLU(),
    GELU(),
    GELU("tanh"),
]
ALONG_AXIS = [Softmax(), Softmax(0), LogSoftmax(), LogSoftmax(0)]
each_elementwise = pytest.mark.parametrize("layer", ELEMENTWISE, ids=str)
each = pytest.mark.parametrize("layer", [*ELEMENTWISE, *ALONG_AXIS], ids=str)


def logistic(v):
    return 1 / (1 + math.exp(-v))


def normal_share(v):
    return (1 + math.erf(v / math.sqrt(2))) / 2


def normal_density(v):
    return math.exp(-v * v / 2) / math.sqrt(2 * math.pi)


def tanh_share(v):
    return (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) / 2


def tanh_density(v):
    inner = math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)
    return math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * v**2) * (1 - math.tanh(inner) ** 2) / 2


def value_and_slope(layer, v):
    """Return one output and its derivative, by the textbook formula."""
    match layer:
        case ReLU():
            return max(v, 0.0), float(v > 0)
        case LeakyReLU(slope):
            return (v, 1.0) if v > 0 else (slope * v, slope)
        case ELU(alpha):
            return (v, 1.0) if v > 0 else (alpha * (math.exp(v) - 1), alpha * math.exp(v))
        case Sigmoid():
            return logistic(v), logistic(v) * (1 - logistic(v))
        case Tanh():
            return math.tanh(v), 1 - math.tanh(v) ** 2
        case Softplus():
            return math.log(1 + math.exp(v)), logistic(v)
        case SiLU():
            return v * logistic(v), logistic(v) * (1 + v * (1 - logistic(v)))
        case GELU("none"):
            return v * normal_share(v), normal_share(v) + v * normal_density(v)
        case GELU("tanh"):
            return v * tanh_share(v), tanh_share(v) + v * tanh_density(v)


@each_elementwise
@given(x=arrays(np.float64, array_shapes(min_dims=0, max_dims=3, max_side=3), elements=st.floats(-6, 6, width=16)))
def test_every_entry_is_its_definition(layer, x):
    y, cache = layer.forward({}, x)
    g = np.asarray(np.random.default_rng(0).standard_normal(x.shape))
    gradient, gradients = layer.backward({}, cache, g)
    due, slope = np.zeros(x.shape), np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        due[index], slope[index] = value_and_slope(layer, float(x[index]))
    assert y == pytest.approx(due, rel=1e-13, abs=1e-14)
    assert gradient == pytest.approx(g * slope, rel=1e-12, abs=1e-14)
    assert gradients == layer.init(np.random.default_rng(0)) == {}


@pytest.mark.parametrize("log", [False, True])
@given(data=st.data())
def test_softmaxes_are_their_definition(log, data):
    x = data.draw(arrays(np.float64, array_shapes(max_dims=3, max_side=3), elements=st.floats(-6, 6, width=16)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    layer = (LogSoftmax if log else Softmax)(axis)
    y, cache = layer.forward({}, x)
    g = np.random.default_rng(0).standard_normal(x.shape)
    due, gradient = np.zeros(x.shape), np.zeros(x.shape)
    lines = zip(*(np.moveaxis(array, axis, -1).reshape(-1, x.shape[axis]) for array in (x, g)), strict=True)
    out = [np.moveaxis(array, axis, -1) for array in (due, gradient)]
    for place, (line, upstream) in zip(np.ndindex(*out[0].shape[:-1]), lines, strict=True):
        total = sum(math.exp(v) for v in line)
        shares = [math.exp(v) / total for v in line]
        for i, share in enumerate(shares):
            out[0][place][i] = math.log(share) if log else share
            # ∂y_j/∂x_i = y_j (δ_ij − y_i), and of the logarithm δ_ij − y_i
            out[1][place][i] = sum(
                float(upstream[j]) * ((i == j) - share) * (1 if log else shares[j]) for j in range(len(shares))
            )
    assert y == pytest.approx(due, rel=1e-12, abs=1e-14)
    assert layer.backward({}, cache, g)[0] == pytest.approx(gradient, abs=1e-13)


@pytest.mark.parametrize(
    ("layer", "x", "y", "slope"),
    [
        # Hendrycks and Gimpel give GELU(x) = xΦ(x); Φ(1) = 0.841345, φ(1) = 0.241971 of any table of the normal law.
        (GELU(), 1.0, 0.841345, 0.841345 + 0.241971),
        (GELU(), -2.0, -2 * 0.022750, 0.022750 - 2 * 0.053991),
        (Sigmoid(), math.log(4.0), 0.8, 0.16),
        (Tanh(), math.log(3.0), 0.8, 0.36),
        (Softplus(), math.log(math.e - 1), 1.0, 1 - 1 / math.e),
        (SiLU(), math.log(4.0), 0.8 * math.log(4.0), 0.8 + 0.16 * math.log(4.0)),
        (ELU(2.0), -math.log(2.0), -1.0, 1.0),
        (LeakyReLU(-0.5), -3.0, 1.5, -0.5),
    ],
)
def test_known_values(layer, x, y, slope):
    got, cache = layer.forward({}, np.array([x]))
    assert got == pytest.approx([y], abs=2e-6)
    assert layer.backward({}, cache, np.array([2.0]))[0] == pytest.approx([2 * slope], abs=4e-6)


@pytest.mark.parametrize(
    ("layer", "slope"), [(LeakyReLU(0.25), 0.25), (LeakyReLU(-0.5), -0.5), (ELU(3.0), 3.0), (ELU(), 1.0)]
)
def test_at_exactly_zero_the_left_slope_counts(layer, slope):
    _, cache = layer.forward({}, np.array([0.0, -0.0]))
    assert layer.backward({}, cache, np.ones(2))[0].tolist() == [slope, slope]


@each
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_the_ends_of_the_range_stay_finite(layer, dtype):
    top = float(np.finfo(dtype).max) / (8 if isinstance(layer, Softmax | LogSoftmax | LeakyReLU) else 1)
    for size in (top, 1e4, 50.0, 12.0, float(np.finfo(dtype).smallest_subnormal)):
        x = np.array([[size, 0.0], [-size, -0.0]], dtype)
        y, cache = layer.forward({}, x)
        gradient = layer.backward({}, cache, np.ones_like(y))[0]
        assert (y.dtype, gradient.dtype) == (dtype, dtype)
        assert np.isfinite(y).all()
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("layer", "x", "slope"),
    [
        (Sigmoid(), 40.0, math.exp(-40.0)),
        (Sigmoid(), -40.0, math.exp(-40.0)),
        (Tanh(), 20.0, 4 * math.exp(-40.0)),
        (Softplus(), -40.0, math.exp(-40.0)),
        (GELU(), -10.0, math.erfc(10 / math.sqrt(2)) / 2 - 10 * normal_density(10.0)),
    ],
)
def test_small_slopes_keep_their_digits(layer, x, slope):
    _, cache = layer.forward({}, np.array([x]))
    assert layer.backward({}, cache, np.ones(1))[0] == pytest.approx([slope], rel=1e-12)


@pytest.mark.parametrize(
    ("layer", "due"),
    [(Softmax(), [0.5, 0.0, 0.5]), (LogSoftmax(), [-math.log(2), -math.inf, -math.log(2)])],
    ids=["Softmax", "LogSoftmax"],
)
def test_masked_entries_have_gradient_zero(layer, due):
    y, cache = layer.forward({}, np.array([0.0, -np.inf, 0.0]))
    assert y == pytest.approx(np.array(due))
    assert layer.backward({}, cache, np.array([1.0, 0.0, 3.0]))[0][1] == 0.0


def test_softmaxes_of_one_entry_have_gradient_zero(rng):
    for layer in ALONG_AXIS[::2]:
        _, cache = layer.forward({}, rng.standard_normal((3, 1)))
        assert not layer.backward({}, cache, rng.standard_normal((3, 1)))[0].any()


@each
def test_an_empty_batch(layer):
    shape = (3, 0) if getattr(layer, "axis", -1) == 0 else (0, 3)
    y, cache = layer.forward({}, np.zeros(shape))
    assert y.shape == layer.backward({}, cache, y)[0].shape == shape


@each_elementwise
def test_a_0_dimensional_array_gives_arrays(layer):
    y, cache = layer.forward({}, np.array(0.5, np.float32))
    gradient, _ = layer.backward({}, cache, np.array(2.0, np.float32))
    assert all(type(array) is np.ndarray and array.dtype == np.float32 for array in (y, gradient))


@each
def test_a_gradient_of_another_shape_is_refused(layer):
    _, cache = layer.forward({}, np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=re.escape("expected grad_output of shape (2, 3), got shape=(3, 2)")):
        layer.backward({}, cache, np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: LeakyReLU(math.nan), "expected negative_slope to be a finite number, got negative_slope=nan"),
        (lambda: LeakyReLU("0.1"), "negative_slope='0.1'"),
        (lambda: LeakyReLU(True), "negative_slope=True"),
        (lambda: ELU(math.inf), "alpha=inf"),
        (lambda: GELU("erf"), "expected approximate to be 'none' or 'tanh', got approximate='erf'"),
        (lambda: Softmax(1.0), "expected axis to be an int, got axis=1.0"),
        (lambda: LogSoftmax(None), "axis=None"),
    ],
)
def test_impossible_hyper_parameters_are_refused(build, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        build()


@pytest.mark.parametrize(("axis", "shape"), [(2, (3, 4)), (-3, (3, 4)), (0, ()), (-1, (3, 0)), (0, (0,))])
@pytest.mark.parametrize("layer", [Softmax, LogSoftmax])
def test_axes_without_entries_are_refused(layer, axis, shape):
    with pytest.raises(ShapeError, match=re.escape(f"expected x to have entries along axis={axis}, got shape={shape}")):
        layer(axis).forward({}, np.zeros(shape))
