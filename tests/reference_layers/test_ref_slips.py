"""Where the articles slip: the slip's form is wrong by the numbers, and the right form is right."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import gradcheck
from reference_layers import Affine, AvgPool2d, Conv2d, MaxPool2d, ReLU, Sequential, SoftmaxCrossEntropy


def slide(image, kernel):
    return np.einsum("ijab,ab->ij", sliding_window_view(image, kernel.shape), kernel)


# Slip 1, article 002: ∂L/∂z₁₁ · ∂L/∂x₁₁ where ∂L/∂z₁₁ · ∂z₁₁/∂x₁₁ is meant, and wrong indices for x₂₂.


@pytest.fixture
def example(rng):
    """x 3×3, w 2×2, padding 1: its gradient by ε-difference, and every ∂z/∂x (4, 4, 3, 3) likewise."""
    layer = Conv2d(1, 1, 2, padding=1, bias=False)
    x, w, dz = rng.standard_normal((1, 1, 3, 3)), rng.standard_normal((1, 1, 2, 2)), rng.standard_normal((4, 4))

    def z(v):
        return layer.forward({"weight": w}, v)[0][0, 0]

    slopes = np.zeros((4, 4, 3, 3))
    for i, j in np.ndindex(4, 4):
        slopes[i, j] = gradcheck.numeric_gradient(lambda v, at=(i, j): z(v)[at], x, 0.5)[0, 0]
    loss = gradcheck.numeric_gradient(lambda v: (dz * z(v)).sum(), x, 0.5)[0, 0]
    cache = layer.forward({"weight": w}, x)[1]
    return loss, slopes, dz, w[0, 0], layer.backward({"weight": w}, cache, dz[None, None])[0][0, 0]


def test_slip_1_the_chain_goes_through_dz_dx(example):
    loss, slopes, dz, _, gradient = example
    assert gradient == pytest.approx(loss, abs=1e-12)
    assert np.einsum("ij,ijkl->kl", dz, slopes) == pytest.approx(loss, abs=1e-12)


def test_slip_1_dl_dz_times_dl_dx_is_not_the_gradient(example):
    loss, _, dz, _, _ = example
    touched = dz[:2, :2]
    assert abs((touched * loss[0, 0]).sum() - loss[0, 0]) > 1e-3


def test_slip_1_indices_of_x22(example):
    loss, slopes, dz, w, gradient = example
    right = dz[1, 1] * w[1, 1] + dz[1, 2] * w[1, 0] + dz[2, 1] * w[0, 1] + dz[2, 2] * w[0, 0]
    assert right == pytest.approx(loss[1, 1], abs=1e-12)
    assert right == pytest.approx(gradient[1, 1], abs=1e-12)
    by_slopes = sum(dz[at] * slopes[at][1, 1] for at in [(1, 1), (1, 2), (2, 1), (2, 2)])
    assert by_slopes == pytest.approx(right, abs=1e-12)


def test_slip_1_wrong_indices_give_wrong_numbers(example):
    """∂z₂₃/∂x₃₂ is another entry than ∂z₂₃/∂x₂₂, in fact 0; ∂z₂₂/∂x₂₂ is not ∂z₃₃/∂x₂₂."""
    loss, slopes, dz, w, _ = example
    assert slopes[1, 2][2, 1] == 0
    assert slopes[1, 2][1, 1] == pytest.approx(w[1, 0], abs=1e-12)
    wrong_index = dz[1, 1] * w[1, 1] + dz[1, 2] * slopes[1, 2][2, 1] + dz[2, 1] * w[0, 1] + dz[2, 2] * w[0, 0]
    twice = dz[1, 1] * w[1, 1] + dz[1, 2] * w[1, 0] + dz[2, 1] * w[0, 1] + dz[2, 2] * slopes[1, 1][1, 1]
    assert min(abs(wrong_index - loss[1, 1]), abs(twice - loss[1, 1])) > 1e-3


# Slip 2, article 002: dL/db = dL/dz. True for one neuron, not for a map, whose bias is shared.


def bias_subject(rng, reduce, out_shape=(3, 4)):
    """Return a convolution of a batch of 2 whose bias gradient is ``reduce(g)``."""
    layer = Conv2d(2, 3, 2)
    primals = {
        "x": rng.standard_normal((2, 2, out_shape[0] + 1, out_shape[1] + 1)),
        "weight": rng.standard_normal((3, 2, 2, 2)),
        "bias": rng.standard_normal(3),
    }
    right = gradcheck.from_reference(layer, primals)

    def vjp(arrays):
        y, pullback = right.vjp(arrays)
        return y, lambda g: {**pullback(g), "bias": reduce(g)}

    return gradcheck.Subject("convolution", primals, vjp, right.forward)


@pytest.mark.parametrize(
    "reduce",
    [
        lambda g: g[0, :, 0, 0],
        lambda g: g[0].sum((1, 2)),
        lambda g: g[:, :, 0, 0].sum(0),
        lambda g: g.mean((0, 2, 3)),
    ],
    ids=["no sum", "no sum over the batch", "no sum over positions", "mean"],
)
def test_slip_2_a_bias_gradient_that_is_not_summed_is_refused(rng, reduce):
    report = gradcheck.check(bias_subject(rng, reduce))
    assert report.verdict == "failed"
    assert {failure.primal for failure in report.failures} == {"bias"}


def test_slip_2_a_bias_gradient_of_the_shape_of_the_map_is_refused(rng):
    report = gradcheck.check(bias_subject(rng, lambda g: g))
    assert report.verdict == "failed"
    assert {failure.primal for failure in report.failures} == {"bias"}


def test_slip_2_the_sum_over_positions_and_batch_is_right(rng):
    assert gradcheck.check(bias_subject(rng, lambda g: g.sum((0, 2, 3)))).passed


def test_slip_2_dl_db_is_dl_dz_for_one_neuron(rng):
    layer = Affine(3, 1)
    params, x = layer.init(rng), rng.standard_normal((1, 3))
    g = np.array([[0.7]])
    assert layer.backward(params, layer.forward(params, x)[1], g)[1]["bias"].tolist() == [0.7]
    numeric = gradcheck.numeric_gradient(
        lambda b: (g * layer.forward({**params, "bias": b}, x)[0]).sum(), params["bias"], 0.5
    )
    assert numeric == pytest.approx([0.7], abs=1e-12)


# Slip 3, article 003: the padded dZ is printed once as 6×6 and once as 6×7.


def test_slip_3_only_the_6x6_padding_gives_the_4x4_input_back(rng):
    """A 4×4 input with a 3×3 kernel gives dZ 2×2, padded by 2 on every side."""
    layer = Conv2d(1, 1, 3, bias=False)
    x, w = rng.standard_normal((1, 1, 4, 4)), rng.standard_normal((1, 1, 3, 3))
    z, cache = layer.forward({"weight": w}, x)
    dz = rng.standard_normal(z.shape)
    assert z.shape[2:] == (2, 2)
    numeric = gradcheck.numeric_gradient(lambda v: (dz * layer.forward({"weight": w}, v)[0]).sum(), x, 0.5)[0, 0]
    square, oblong = np.pad(dz[0, 0], 2), np.pad(dz[0, 0], ((2, 2), (2, 3)))
    assert (square.shape, oblong.shape) == ((6, 6), (6, 7))
    kernel = w[0, 0, ::-1, ::-1]
    assert slide(square, kernel) == pytest.approx(numeric, abs=1e-12)
    assert slide(square, kernel) == pytest.approx(layer.backward({"weight": w}, cache, dz)[0][0, 0], abs=1e-14)
    assert slide(oblong, kernel).shape == (4, 5) != x.shape[2:]


# Slip 5, article 000: an ε of 0.1 or 0.5 is exact where the layer is linear, and useless at kinks and in curves.

WIDE = [0.1, 0.5]


def deviation(layer, params, primal, x, g, epsilon, *constants):
    """Return the largest difference between the ε-difference and the backward pass, for one primal."""

    def loss(v):
        own = params if primal == "x" else {**params, primal: v}
        return (g * layer.forward(own, v if primal == "x" else x, *constants)[0]).sum()

    gradient, gradients = layer.backward(params, layer.forward(params, x, *constants)[1], g)
    at, found = (x, gradient) if primal == "x" else (params[primal], gradients[primal])
    return np.abs(gradcheck.numeric_gradient(loss, at, epsilon) - found).max()


@pytest.mark.parametrize("epsilon", WIDE)
@pytest.mark.parametrize(
    ("layer", "shape", "primal"),
    [
        *((Conv2d(2, 3, (3, 2), 2, 1), (2, 2, 5, 6), primal) for primal in ("x", "weight", "bias")),
        *((Affine(4, 3), (5, 4), primal) for primal in ("x", "weight", "bias")),
        (AvgPool2d(2), (2, 3, 4, 6), "x"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_slip_5_a_wide_step_is_exact_where_the_layer_is_linear(layer, shape, primal, epsilon, rng):
    params, x = layer.init(rng), rng.standard_normal(shape)
    g = rng.standard_normal(layer.forward(params, x)[0].shape)
    assert deviation(layer, params, primal, x, g, epsilon) <= 1e-12


TARGETS = np.array([2, 0, 3])


@pytest.mark.parametrize("epsilon", WIDE)
def test_slip_5_a_wide_step_is_wrong_where_the_layer_curves(epsilon, rng):
    z = rng.standard_normal((3, 4))
    layer = SoftmaxCrossEntropy("sum")
    one = np.ones(())
    # The error is ε²·f'''/6, and f''' of a softmax loss stays below 0.1: at ε = 0.1 there is little to see.
    assert deviation(layer, {}, "x", z, one, epsilon, TARGETS) > {0.1: 1e-5, 0.5: 1e-3}[epsilon]
    assert deviation(layer, {}, "x", z, one, 1e-6, TARGETS) < 1e-8


@pytest.mark.parametrize("epsilon", WIDE)
def test_slip_5_a_wide_step_is_wrong_for_a_weight_before_the_softmax(epsilon, rng):
    """A step in a weight moves the logits by as much as the input is large."""
    network = Sequential.of(Affine(4, 5), SoftmaxCrossEntropy("sum"))
    params, x, one = network.init(rng), 4 * rng.standard_normal((3, 4)), np.ones(())
    assert deviation(network, params, "0.weight", x, one, epsilon, TARGETS) > 1e-3
    assert deviation(network, params, "0.weight", x, one, 1e-6, TARGETS) < 1e-7


@pytest.mark.parametrize("epsilon", WIDE)
def test_slip_5_the_error_in_a_curve_grows_with_the_square_of_the_step(epsilon, rng):
    z = rng.standard_normal((3, 4))
    layer, one = SoftmaxCrossEntropy("sum"), np.ones(())
    wide, half = (deviation(layer, {}, "x", z, one, step, TARGETS) for step in (epsilon, epsilon / 2))
    assert wide / half == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("epsilon", WIDE)
@pytest.mark.parametrize("at_zero", [0.0, 1.0])
def test_slip_5_a_wide_step_is_wrong_near_a_kink(epsilon, at_zero):
    """Entries nearer to 0 than ε see the other side; a small step does not."""
    x = np.array([-2.0, -0.05, 0.03, 1.5])
    layer, g = ReLU(at_zero), np.ones(4)
    assert deviation(layer, {}, "x", x, g, epsilon) > 1e-3
    assert deviation(layer, {}, "x", x, g, 1e-6) < 1e-9
    far = np.where(np.abs(x) < 0.5, np.sign(x) * 0.6, x)
    assert deviation(layer, {}, "x", far, g, epsilon) <= 1e-12


@pytest.mark.parametrize("epsilon", WIDE)
def test_slip_5_a_wide_step_crosses_the_ties_of_a_maximum(epsilon):
    x = np.array([[[[1.0, 1.05], [0.0, -1.0]]]])
    g = np.ones((1, 1, 1, 1))
    assert deviation(MaxPool2d(2), {}, "x", x, g, epsilon) > 1e-3
    assert deviation(MaxPool2d(2), {}, "x", x, g, 1e-6) < 1e-9
