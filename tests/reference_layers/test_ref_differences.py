"""Every backward pass against plain central differences, entry by entry, with nothing of gradcheck between."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_layers import (
    Affine,
    AvgPool2d,
    Conv2d,
    FiveLayerCNN,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
)

EPSILON = 1e-6


def central_differences(function, at):
    """Return the gradient of a scalar function, by two evaluations per entry."""
    gradient = np.zeros(at.shape)
    for index in np.ndindex(*at.shape):
        upper, lower = at.copy(), at.copy()
        upper[index] += EPSILON
        lower[index] -= EPSILON
        gradient[index] = (function(upper) - function(lower)) / (upper[index] - lower[index])
    return gradient


def distinct(shape, rng):
    """Return values at least 0.01 apart and at least 0.005 from 0: no step crosses a kink or a tie."""
    size = int(np.prod(shape))
    return (0.01 * (rng.permutation(size) - size // 2) + 0.005).reshape(shape)


def assert_backward_is_the_slope(layer, x, *constants):
    """Compare the gradients of the input and of all parameters, for a random upstream gradient."""
    rng = np.random.default_rng(5)
    params = {name: array + rng.standard_normal(array.shape) for name, array in layer.init(rng).items()}
    y, cache = layer.forward(params, x, *constants)
    g = rng.standard_normal(y.shape)
    gradient, gradients = layer.backward(params, cache, g)
    assert set(gradients) == set(params)

    def loss(own, v):
        return (g * layer.forward(own, v, *constants)[0]).sum()

    scale = 1 + np.abs(g * y).sum()  # rounding is that of the sum, over the step
    assert gradient == pytest.approx(central_differences(lambda v: loss(params, v), x), rel=1e-6, abs=1e-8 * scale)
    for name, array in params.items():
        slope = central_differences(lambda v, name=name: loss({**params, name: v}, x), array)
        assert gradients[name] == pytest.approx(slope, rel=1e-6, abs=1e-8 * scale)


LAYERS = [
    (Conv2d(2, 3, 3), (2, 2, 5, 6)),
    (Conv2d(2, 3, (3, 2), (2, 3), (1, 0, 2, 1)), (2, 2, 6, 5)),
    (Conv2d(4, 6, (2, 3), (1, 2), 1, (2, 1), 2), (1, 4, 5, 6)),
    (Conv2d(3, 3, 3, 2, "same", groups=3, bias=False), (2, 3, 5, 4)),
    (MaxPool2d(2), (2, 2, 4, 6)),
    (MaxPool2d((3, 2), (2, 1), (1, 0, 0, 1)), (2, 2, 6, 5)),
    (AvgPool2d(2), (2, 2, 4, 6)),
    (AvgPool2d((3, 2), (2, 1), (1, 0, 0, 1)), (2, 2, 6, 5)),
    (Affine(4, 3), (5, 4)),
    (Affine(4, 3, bias=False), (2, 3, 4)),
    (Affine(4, 1), (4,)),
    (Flatten(), (2, 3, 4)),
    (Flatten(0), (2, 3)),
    (ReLU(), (3, 4)),
    (Sequential.of(Conv2d(1, 2, 3), AvgPool2d(2), Flatten(), Affine(8, 3)), (2, 1, 6, 6)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=[f"{layer}" for layer, _ in LAYERS])
def test_backward_is_the_central_difference(layer, shape, rng):
    assert_backward_is_the_slope(layer, distinct(shape, rng))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_backward_of_the_loss_is_the_central_difference(reduction, rng):
    targets = np.array([0, 3, 1])
    assert_backward_is_the_slope(SoftmaxCrossEntropy(reduction), rng.standard_normal((3, 4)), targets)


def test_backward_of_the_network_is_the_central_difference(rng):
    network = FiveLayerCNN("mean", 10, (2, 3), 3, 4)
    assert_backward_is_the_slope(network, rng.standard_normal((2, 1, 10, 10)), np.array([3, 1]))


@pytest.mark.parametrize(("at_zero", "step"), [(0.0, -1), (1.0, 1)])
def test_relu_at_zero_is_a_one_sided_difference_and_not_the_central_one(at_zero, step):
    """The left slope is 0 and the right one 1; the central difference lies between them, at 1/2."""
    layer, zero = ReLU(at_zero), np.zeros(1)
    y, cache = layer.forward({}, zero)
    one_sided = (layer.forward({}, zero + step * EPSILON)[0] - y) / (step * EPSILON)
    assert layer.backward({}, cache, np.ones(1))[0] == one_sided == at_zero
    assert central_differences(lambda v: layer.forward({}, v)[0].sum(), zero) == 0.5


sides_of = st.tuples(*(st.integers(0, 1) for _ in range(4)))
pairs = st.tuples(st.integers(1, 2), st.integers(1, 3))


@settings(max_examples=15)
@given(groups=st.integers(1, 2), kernel=pairs, stride=pairs, padding=sides_of, dilation=pairs, bias=st.booleans())
def test_backward_of_drawn_convolutions_is_the_central_difference(groups, kernel, stride, padding, dilation, bias):
    layer = Conv2d(2, 2 * groups, kernel, stride, padding, dilation, groups, bias)
    assert_backward_is_the_slope(layer, distinct((1, 2, 4, 8), np.random.default_rng(1)))


@settings(max_examples=15)
@given(pool=st.sampled_from([MaxPool2d, AvgPool2d]), stride=pairs, padding=sides_of)
def test_backward_of_drawn_pools_is_the_central_difference(pool, stride, padding):
    assert_backward_is_the_slope(pool((2, 3), stride, padding), distinct((1, 2, 4, 5), np.random.default_rng(1)))


@pytest.mark.parametrize("wrong", [0.5, 1.001, -1.0])
def test_the_comparison_can_fail(wrong, rng):
    """A backward pass that is off by a factor is noticed, for the input and for a parameter."""

    class Wrong(Affine):
        def backward(self, params, cache, grad_output):
            gradient, gradients = super().backward(params, cache, grad_output)
            return gradient, gradients | {"weight": wrong * gradients["weight"]}

    with pytest.raises(AssertionError):
        assert_backward_is_the_slope(Wrong(4, 3), distinct((5, 4), rng))
