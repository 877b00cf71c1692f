"""Every figure of the four articles on back-propagation, 000 to 003, as a known answer."""

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import gradcheck
from reference_layers import (
    Affine,
    AvgPool2d,
    Conv2d,
    FiveLayerCNN,
    MaxPool2d,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    softmax,
)
from reference_layers.losses import negative_log_likelihood
from reference_layers.windows import crop, output_size, pad

IMAGE = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]], float)
KERNEL = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], float)


def slide(image, kernel):
    """Return the valid cross-correlation of two matrices, by `sliding_window_view`."""
    return np.einsum("ijab,ab->ij", sliding_window_view(image, kernel.shape), kernel)


def rotated(kernel):
    return kernel[..., ::-1, ::-1]


def convolve(image, kernel, **options):
    """Return the output of a one-channel `Conv2d` without a bias."""
    layer = Conv2d(1, 1, kernel.shape, bias=False, **options)
    return layer.forward({"weight": kernel[None, None]}, image[None, None])[0][0, 0]


def pulled_back(layer, params, x, g):
    return layer.backward(params, layer.forward(params, x)[1], g)


# 000, 003: softmax and cross-entropy.


def test_003_softmax_of_1_2_4():
    assert softmax(np.array([1.0, 2.0, 4.0])) == pytest.approx([0.04201, 0.114195, 0.84379], abs=6e-6)


@pytest.mark.parametrize(("probability", "loss"), [(0.9, 0.1054), (0.8, 0.2231), (0.9503, 0.0509)])
def test_003_loss_of_a_probability(probability, loss):
    # The slides round the first two and cut the third off after four digits.
    assert negative_log_likelihood(probability) == pytest.approx(loss, abs=1e-4)
    logits = np.log([[1 - probability, probability]])
    assert SoftmaxCrossEntropy().forward({}, logits, np.array([1]))[0] == pytest.approx(loss, abs=1e-4)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_000_and_003_gradient_of_the_logits_is_output_minus_onehot(target):
    z = np.array([[1.0, 2.0, 4.0]])
    layer = SoftmaxCrossEntropy("sum")
    targets = np.array([target])
    gradient, _ = layer.backward({}, layer.forward({}, z, targets)[1], np.ones(()))
    assert gradient[0] == pytest.approx(softmax(z[0]) - np.eye(3)[target], abs=1e-15)
    numeric = gradcheck.numeric_gradient(lambda v: layer.forward({}, v, targets)[0], z, 1e-6)
    assert gradient == pytest.approx(numeric, abs=1e-9)


def test_003_gradient_of_the_logits_1_2_4_in_figures():
    layer = SoftmaxCrossEntropy()
    gradient, _ = layer.backward({}, layer.forward({}, np.array([[1.0, 2.0, 4.0]]), np.array([2]))[1])
    assert gradient[0] == pytest.approx([0.04201, 0.114195, 0.84379 - 1], abs=6e-6)


# 000, 003: pooling.

MAPS = np.array([[5.0, 9.0], [3.0, 6.0]])


def test_000_mean_pooling_spreads_a_quarter():
    gradient, _ = pulled_back(AvgPool2d(2), {}, np.zeros((1, 1, 4, 4)), MAPS[None, None])
    assert gradient[0, 0].tolist() == [
        [1.25, 1.25, 2.25, 2.25],
        [1.25, 1.25, 2.25, 2.25],
        [0.75, 0.75, 1.5, 1.5],
        [0.75, 0.75, 1.5, 1.5],
    ]


def test_000_mean_pooling_in_index_form_reads_half_the_place(rng):
    g = rng.standard_normal((2, 3, 4, 5))
    gradient, _ = pulled_back(AvgPool2d(2), {}, np.zeros((2, 3, 8, 10)), g)
    rows, columns = np.indices((8, 10)) // 2
    assert np.array_equal(4 * gradient, g[:, :, rows, columns])
    assert np.array_equal(4 * gradient, g.repeat(2, axis=2).repeat(2, axis=3))


def test_000_max_pooling_puts_the_gradient_where_the_maximum_was():
    """The maximum is at the upper left, upper right, lower left and lower right of its window."""
    x = np.array([[9.0, 1, 2, 8], [0, 3, 1, 4], [1, 0, 2, 3], [7, 2, 1, 6]])
    layer = MaxPool2d(2)
    y, cache = layer.forward({}, x[None, None])
    assert y[0, 0].tolist() == [[9, 8], [7, 6]]
    gradient, _ = layer.backward({}, cache, MAPS[None, None])
    assert gradient[0, 0].tolist() == [[5, 0, 0, 9], [0, 0, 0, 0], [0, 0, 0, 0], [3, 0, 0, 6]]


def test_000_max_pooling_in_index_form_reads_half_the_place(rng):
    x, g = rng.standard_normal((2, 3, 6, 8)), rng.standard_normal((2, 3, 3, 4))
    layer = MaxPool2d(2)
    y, cache = layer.forward({}, x)
    rows, columns = np.indices((6, 8)) // 2
    expected = np.where(x == y[:, :, rows, columns], g[:, :, rows, columns], 0)
    assert np.array_equal(layer.backward({}, cache, g)[0], expected)


# 003: the 5×5 example, output sizes.


def test_003_first_output_of_the_5x5_example_is_4():
    y = convolve(IMAGE, KERNEL)
    assert y[0, 0] == 4
    assert y.tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


def test_000_sizes_of_valid_and_full():
    assert output_size(12, 5) == 12 - 5 + 1 == 8
    assert output_size(8, 5, padding=2 * 4) == 8 + 5 - 1 == 12
    layer = Conv2d(6, 12, 5)
    params = layer.init(np.random.default_rng(0))
    y, cache = layer.forward(params, np.ones((1, 6, 12, 12)))
    assert y.shape == (1, 12, 8, 8)
    assert layer.backward(params, cache, y)[0].shape == (1, 6, 12, 12)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_000_sizes_through_the_network(pool, rng):
    """28 → 24 → 12 → 8 → 4 with 6 and then 12 maps, 192 features, 10 classes."""
    network = FiveLayerCNN(pool)
    params = network.init(rng)
    x = rng.standard_normal((2, 1, 28, 28))
    shapes = {}
    for name, layer in network.body.layers:
        own = {key.split(".")[1]: array for key, array in params.items() if key.startswith(name + ".")}
        x, _ = layer.forward(own, x)
        shapes[name] = x.shape[1:]
    assert shapes == {
        "c1": (6, 24, 24),
        "relu1": (6, 24, 24),
        "s2": (6, 12, 12),
        "c3": (12, 8, 8),
        "relu3": (12, 8, 8),
        "s4": (12, 4, 4),
        "flatten": (192,),
        "o5": (10,),
    }


SIZES = [(size, kernel, stride) for size in range(1, 13) for kernel in range(1, 6) for stride in range(1, 5)]


def test_003_valid_sizes():
    for size, kernel, stride in SIZES:
        if kernel <= size:
            due = math.ceil((size - kernel + 1) / stride)
            assert output_size(size, kernel, stride) == due
            x = np.zeros((1, 1, size, size))
            layer = Conv2d(1, 1, kernel, stride, "valid")
            assert layer.forward(layer.init(np.random.default_rng(0)), x)[0].shape == (1, 1, due, due)
            assert AvgPool2d(kernel, stride, "valid").forward({}, x)[0].shape == (1, 1, due, due)


def test_003_same_sizes():
    for size, kernel, stride in SIZES:
        shape = (1, 1, math.ceil(size / stride), math.ceil((size + 1) / stride))
        x = np.zeros((1, 1, size, size + 1))
        layer = Conv2d(1, 1, kernel, stride, "same")
        assert layer.forward(layer.init(np.random.default_rng(0)), x)[0].shape == shape
        assert MaxPool2d(kernel, stride, "same").forward({}, x)[0].shape == shape


def test_003_sizes_of_lenet():
    """Two 5×5 convolutions (the first padded to keep 28) and two average pools; then 120, 84 and 10."""
    network = Sequential.of(Conv2d(1, 6, 5, padding="same"), AvgPool2d(2), Conv2d(6, 16, 5), AvgPool2d(2))
    x, sizes = np.zeros((1, 1, 28, 28)), []
    for _, layer in network.layers:
        x, _ = layer.forward(layer.init(np.random.default_rng(0)), x)
        sizes.append(x.shape[1:])
    assert sizes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5)]
    features = math.prod(sizes[-1])
    assert [features * 120 + 120, 120 * 84 + 84, 84 * 10 + 10] == [48120, 10164, 850]


def test_003_sizes_and_parameters_of_alexnet():
    """Five convolutions, three 3×3 pools, two fully connected layers of 4096: 62 million parameters.

    Strides, paddings and maps are not in the slides but in Krizhevsky, Sutskever and Hinton, 2012, without its groups.
    """
    convolutions = [
        Conv2d(3, 96, 11, 4),
        Conv2d(96, 256, 5, padding=2),
        Conv2d(256, 384, 3, padding=1),
        Conv2d(384, 384, 3, padding=1),
        Conv2d(384, 256, 3, padding=1),
    ]
    size, sizes = 227, []
    for k, layer in enumerate(convolutions):
        size = output_size(size, layer.kernel_size[0], layer.stride[0], 2 * layer.padding[0])
        sizes.append(size)
        if k in (0, 1, 4):
            size = output_size(size, 3, 2)
            sizes.append(size)
    assert sizes == [55, 27, 27, 13, 13, 13, 13, 6]
    widths = [256 * size**2, 4096, 4096, 1000]
    assert widths[0] == 9216
    parameters = sum(math.prod(layer.weight_shape) + layer.out_channels for layer in convolutions)
    parameters += sum((before + 1) * after for before, after in pairwise(widths))
    assert parameters == 62_378_344


def test_003_a_kernel_over_three_channels_sums_over_them(rng):
    """A 3×3×3 kernel over an RGB image gives one map; several kernels give several."""
    x, weight = rng.standard_normal((1, 3, 6, 7)), rng.standard_normal((2, 3, 3, 3))
    y, _ = Conv2d(3, 2, 3, bias=False).forward({"weight": weight}, x)
    for o in range(2):
        assert y[0, o] == pytest.approx(sum(slide(x[0, c], weight[o, c]) for c in range(3)), abs=1e-13)


# 002: scatter-add.


@pytest.fixture
def example(rng):
    """The example of 002: x 3×3, w 2×2, padding 1, stride 1, and a gradient dz of z, 4×4."""
    layer = Conv2d(1, 1, 2, padding=1)
    x, w, dz = rng.standard_normal((3, 3)), rng.standard_normal((2, 2)), rng.standard_normal((4, 4))
    params = {"weight": w[None, None], "bias": np.zeros(1)}
    z, cache = layer.forward(params, x[None, None])
    return layer, params, cache, x, w, z[0, 0], dz


def test_002_output_is_4x4(example):
    *_, x, w, z, _ = example
    assert z.shape == (4, 4)
    assert z == pytest.approx(slide(np.pad(x, 1), w), abs=1e-14)


@pytest.mark.parametrize("way", ["grad_input_scatter", "grad_input_full"])
def test_002_gradient_of_x11(example, way):
    layer, params, cache, _, w, _, dz = example
    gradient = getattr(layer, way)(params, cache, dz[None, None])[0, 0]
    x11 = dz[0, 0] * w[1, 1] + dz[0, 1] * w[1, 0] + dz[1, 0] * w[0, 1] + dz[1, 1] * w[0, 0]
    assert gradient[0, 0] == pytest.approx(x11, abs=1e-14)


@pytest.mark.parametrize("way", ["grad_input_scatter", "grad_input_full"])
@pytest.mark.parametrize("stride", [1, 2])
def test_002_scatter_add_into_the_padded_shape_then_cut(rng, way, stride):
    x, w = rng.standard_normal((3, 3)), rng.standard_normal((2, 2))
    layer = Conv2d(1, 1, 2, stride, padding=1, bias=False)
    params = {"weight": w[None, None]}
    z, cache = layer.forward(params, x[None, None])
    dz = rng.standard_normal(z.shape)
    buffer = np.zeros((5, 5))
    for i, j in np.ndindex(*z.shape[2:]):
        buffer[i * stride : i * stride + 2, j * stride : j * stride + 2] += dz[0, 0, i, j] * w
    assert cache.padded.shape[2:] == buffer.shape
    gradient = getattr(layer, way)(params, cache, dz)
    assert gradient.shape == x[None, None].shape
    assert gradient[0, 0] == pytest.approx(buffer[1:-1, 1:-1], abs=1e-14)


def test_002_padding_then_cutting_gives_the_image_back(rng):
    x = rng.standard_normal((2, 3, 4, 5))
    assert np.array_equal(crop(pad(x, (1, 2, 0, 3), 7.0), (1, 2, 0, 3)), x)


# 000, 003: backward of the fully connected layer and of the convolution.


def test_003_gradients_of_the_fully_connected_layer(rng):
    """dA = W·dZ, dW = dZ·A, db = dZ, for one sample; each is a product over the shared index."""
    w, a, dz = rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal(3)
    grad_a, grads = pulled_back(Affine(4, 3), {"weight": w, "bias": np.zeros(3)}, a[None], dz[None])
    assert grad_a[0] == pytest.approx([sum(dz[i] * w[i, j] for i in range(3)) for j in range(4)], abs=1e-14)
    assert grads["weight"] == pytest.approx(np.outer(dz, a), abs=1e-15)
    assert np.array_equal(grads["bias"], dz)


def test_003_gradients_of_the_convolution(rng):
    """dW = A ⊗ dZ (valid), dA = zero-padded dZ ⊗ rot180(W), db = Σ dZ."""
    a, w, dz = rng.standard_normal((5, 6)), rng.standard_normal((3, 2)), rng.standard_normal((3, 5))
    params = {"weight": w[None, None], "bias": np.zeros(1)}
    grad_a, grads = pulled_back(Conv2d(1, 1, (3, 2)), params, a[None, None], dz[None, None])
    assert grads["weight"][0, 0] == pytest.approx(slide(a, dz), abs=1e-13)
    assert grad_a[0, 0] == pytest.approx(slide(np.pad(dz, ((2, 2), (1, 1))), rotated(w)), abs=1e-13)
    assert grads["bias"] == pytest.approx([dz.sum()], abs=1e-13)


def test_000_gradient_through_convolution_and_relu(rng):
    """d_in is the full convolution of d_out · relu′(y) with the rotated kernel."""
    x, w, g = rng.standard_normal((12, 12)), rng.standard_normal((5, 5)), rng.standard_normal((8, 8))
    network = Sequential.of(Conv2d(1, 1, 5, bias=False), ReLU())
    params = {"0.weight": w[None, None]}
    y, cache = network.forward(params, x[None, None])
    gradient, _ = network.backward(params, cache, g[None, None])
    assert gradient[0, 0] == pytest.approx(slide(np.pad(g * (y[0, 0] > 0), 4), rotated(w)), abs=1e-12)


@pytest.mark.parametrize(("article", "at_zero"), [("000", 0.0), ("003", 1.0)])
def test_derivative_of_relu(article, at_zero):
    gradient, _ = pulled_back(ReLU(at_zero), {}, np.array([-2.0, 0.0, 3.0]), np.ones(3))
    assert gradient.tolist() == [0.0, at_zero, 1.0], article


# 001: true convolution, Jacobian layout, the residual connection.


def true_convolution(image, kernel):
    """Return ``z[x, y] = Σ_ab w[a, b] σ[x−a, y−b]`` wherever it is not zero by construction."""
    z = np.zeros(np.add(image.shape, kernel.shape) - 1)
    for x, y in np.ndindex(*z.shape):
        for a, b in np.ndindex(*kernel.shape):
            if 0 <= x - a < image.shape[0] and 0 <= y - b < image.shape[1]:
                z[x, y] += kernel[a, b] * image[x - a, y - b]
    return z


def test_001_true_convolution_is_cross_correlation_with_the_rotated_kernel(rng):
    image, kernel = rng.standard_normal((4, 5)), rng.standard_normal((3, 2))
    z = true_convolution(image, kernel)
    assert convolve(image, rotated(kernel), padding=(2, 1)) == pytest.approx(z, abs=1e-14)
    assert np.abs(convolve(image, kernel, padding=(2, 1)) - z).max() > 0.1
    assert z[1] == pytest.approx(sum(np.convolve(image[1 - a], kernel[a]) for a in range(2)), abs=1e-14)


def test_001_gradients_of_true_convolution(rng):
    """∂C/∂w[a, b] = Σ δ[x, y] σ[x−a, y−b]; the δ before it is δ ∗ ROT180(w), padded by kernel − 1 and cut."""
    image, kernel = rng.standard_normal((4, 5)), rng.standard_normal((3, 2))
    delta = rng.standard_normal((6, 6))
    layer = Conv2d(1, 1, (3, 2), padding=(2, 1), bias=False)
    before, grads = pulled_back(layer, {"weight": rotated(kernel)[None, None]}, image[None, None], delta[None, None])
    weight = np.zeros((3, 2))
    for a, b in np.ndindex(3, 2):
        weight[a, b] = (delta[a : a + 4, b : b + 5] * image).sum()
    assert rotated(grads["weight"])[0, 0] == pytest.approx(weight, abs=1e-13)
    assert before[0, 0] == pytest.approx(true_convolution(delta, rotated(kernel))[2:-2, 1:-1], abs=1e-13)


def test_001_differential_is_the_trace_of_the_jacobian_times_dx(rng):
    """D_X f = ∂f/∂Xᵀ, so that df = tr(D_X f · dX)."""
    layer = Affine(4, 3)
    params = layer.init(rng)
    x, dx, g = rng.standard_normal((2, 4)), rng.standard_normal((2, 4)), rng.standard_normal((2, 3))
    layout = pulled_back(layer, params, x, g)[0].T
    assert layout.shape == (4, 2)
    df = (g * (layer.forward(params, x + dx)[0] - layer.forward(params, x)[0])).sum()
    assert np.trace(layout @ dx) == pytest.approx(df, abs=1e-13)


def test_001_residual_connection_adds_the_upstream_gradient(rng):
    """Y = F(x) + x has the derivative F′ + 1."""
    layer = Conv2d(2, 2, 3, padding="same")
    params = layer.init(rng)
    x, g = rng.standard_normal((1, 2, 4, 3)), rng.standard_normal((1, 2, 4, 3))
    gradient = pulled_back(layer, params, x, g)[0] + g
    numeric = gradcheck.numeric_gradient(lambda v: (g * (layer.forward(params, v)[0] + v)).sum(), x, 0.5)
    assert gradient == pytest.approx(numeric, abs=1e-11)


def test_001_projection_shortcut_where_the_shapes_differ(rng):
    """A 1×1 convolution with the stride of F takes the place of the identity; the gradients of both paths add up."""
    block, shortcut = Conv2d(2, 4, 3, 2, padding=1), Conv2d(2, 4, 1, 2)
    own, other = block.init(rng), shortcut.init(rng)
    x = rng.standard_normal((1, 2, 5, 6))
    y = block.forward(own, x)[0]
    g = rng.standard_normal(y.shape)
    assert shortcut.forward(other, x)[0].shape == y.shape
    gradient = pulled_back(block, own, x, g)[0] + pulled_back(shortcut, other, x, g)[0]
    numeric = gradcheck.numeric_gradient(
        lambda v: (g * (block.forward(own, v)[0] + shortcut.forward(other, v)[0])).sum(), x, 0.5
    )
    assert gradient == pytest.approx(numeric, abs=1e-11)


# 003: named kernels on an image that is dark on the left and bright on the right.

EDGE = np.repeat([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]], 5, axis=0)
SOBEL = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
SCHARR = np.array([[-3.0, 0, 3], [-10, 0, 10], [-3, 0, 3]])
LAPLACIAN = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
GAUSSIAN = np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
HAAR = np.array([[-1.0, 1], [-1, 1]])


@pytest.mark.parametrize(
    ("kernel", "row"),
    [(SOBEL, [0, 4, 4, 0]), (SCHARR, [0, 16, 16, 0]), (LAPLACIAN, [0, 1, -1, 0]), (HAAR, [0, 0, 2, 0, 0])],
    ids=["sobel", "scharr", "laplacian", "haar"],
)
def test_003_edge_kernels_answer_to_an_edge_and_to_nothing_else(kernel, row):
    assert all(answer.tolist() == row for answer in convolve(EDGE, kernel))
    assert not convolve(np.ones((5, 6)), kernel).any()
    assert all(answer.tolist() == row for answer in convolve(EDGE.T.copy(), kernel.T.copy()).T)


@pytest.mark.parametrize("kernel", [SOBEL, SCHARR, HAAR], ids=["sobel", "scharr", "haar"])
def test_003_directed_kernels_do_not_see_an_edge_along_them(kernel):
    assert not convolve(EDGE.T.copy(), kernel).any()


def test_003_gaussian_keeps_constants_and_smooths_an_edge():
    assert np.array_equal(convolve(np.full((5, 6), 3.0), GAUSSIAN), np.full((3, 4), 3.0))
    assert convolve(EDGE, GAUSSIAN)[0].tolist() == [0, 0.25, 0.75, 1]
