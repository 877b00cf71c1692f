"""Each layer against its definition, and against the laws that its gradients obey, over drawn configurations."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.outputs import one_output

from gradcheck.kinds import KINDS
from gradcheck.suites.kind import Case
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
    naive,
)
from reference_layers.windows import scatter, sides, windows

few = settings(max_examples=25)

#: Rounding of a sum, in units of the sum of the absolute values of its terms.
ROUNDING = 1e-12


def cases(name, *regimes):
    """Return a strategy of cases of a kind: a drawn configuration, a regime of values and a seed."""
    kind = KINDS[name]
    drawn = st.one_of(st.sampled_from(kind.corners), kind.configs())
    return st.builds(Case, st.just(kind), drawn, st.sampled_from(regimes or kind.regimes), st.integers(0, 9999))


def conv_of(config):
    return Conv2d(
        config.in_channels,
        config.out_channels,
        config.kernel_size,
        config.stride,
        config.padding,
        config.dilation,
        config.groups,
        config.bias,
    )


def pool_of(kind, config):
    geometry = config.kernel_size, config.stride, config.padding, config.ceil_mode
    if kind == "max_pool2d":
        return MaxPool2d(*geometry, config.dilation)
    return AvgPool2d(*geometry, config.count_include_pad)


def split(primals):
    return {name: array for name, array in primals.items() if name != "x"}, primals["x"]


def like(y, seed=1):
    """Return a random cotangent for `y`."""
    return np.asarray(np.random.default_rng(seed).standard_normal(np.shape(y)), dtype=y.dtype)


def absolute(arrays):
    return {name: np.abs(array) for name, array in arrays.items()}


def assert_close(got, due, scale, rounding=ROUNDING):
    """Assert equality up to the rounding of sums whose terms have the absolute sum `scale`."""
    assert got.shape == due.shape
    assert np.all(np.abs(got - due) <= rounding * np.asarray(scale) + 1e-300)


def assert_same_sum(*products):
    """Assert that scalar products, each given as its array of terms, are equal."""
    for first, second in pairwise(products):
        scale = np.abs(first).sum() + np.abs(second).sum()
        assert abs(first.sum() - second.sum()) <= ROUNDING * scale


# Forward, by the definition.


@few
@given(cases("conv2d"))
def test_conv2d_is_its_definition(case):
    params, x = split(case.primals())
    c = case.config
    geometry = (c.stride, c.padding, c.dilation, c.groups)
    due = naive.conv(x, params["weight"], params.get("bias"), *geometry)
    size = absolute(params)
    scale = naive.conv(np.abs(x), size["weight"], size.get("bias"), *geometry)
    assert_close(conv_of(c).forward(params, x)[0], due, scale)


@few
@pytest.mark.parametrize("kind", ["max_pool2d", "avg_pool2d"])
@given(st.data())
def test_pooling_is_its_definition(kind, data):
    case = data.draw(cases(kind))
    x, c = case.primals()["x"], case.config
    y, _ = pool_of(kind, c).forward({}, x)
    mean = kind == "avg_pool2d"
    geometry = c.kernel_size, c.stride, c.padding, mean
    options = {"dilation": c.dilation, "ceil_mode": c.ceil_mode, "count_include_pad": c.count_include_pad}
    due = naive.pool(x, *geometry, **options)
    if mean:
        assert_close(y, due, naive.pool(np.abs(x), *geometry, **options))
    else:
        assert np.array_equal(y, due)


@few
@given(cases("affine"))
def test_affine_is_its_definition(case):
    params, x = split(case.primals())
    c = case.config
    y, _ = Affine(c.in_features, c.out_features, c.bias).forward(params, x)
    rows = x.reshape(-1, c.in_features)
    bias = params.get("bias", np.zeros(c.out_features))
    due = naive.affine(rows, params["weight"], bias)
    scale = naive.affine(np.abs(rows), np.abs(params["weight"]), np.abs(bias))
    assert y.shape == (*x.shape[:-1], c.out_features)
    assert_close(y.reshape(due.shape), due, scale)


@few
@given(cases("softmax_cross_entropy", "normal", "integers", "zeros", "near_ties", "tiny"))
def test_softmax_cross_entropy_is_its_definition(case):
    z, c = case.primals()["x"], case.config
    targets = np.maximum(c.targets, 0)  # the options, ignored samples among them, are the matter of test_ref_losses.py
    losses = naive.softmax_cross_entropy(z, targets)
    due = {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[c.reduction]
    y, _ = SoftmaxCrossEntropy(c.reduction).forward({}, z, targets)
    assert isinstance(y, np.ndarray)
    assert_close(y, np.asarray(due), 1 + np.abs(z).max() * len(z))


def test_softmax_cross_entropy_does_not_overflow():
    layer = SoftmaxCrossEntropy("none")
    y, cache = layer.forward({}, np.array([[1e4, 0.0, -1e4], [-1e308, 0.0, 1.0]]), np.array([1, 1]))
    assert y == pytest.approx([1e4, math.log1p(math.e)])
    assert np.isfinite(layer.backward({}, cache, np.ones(2))[0]).all()


@few
@given(cases("relu"))
def test_relu_is_its_definition(case):
    x = case.primals()["x"]
    y, cache = ReLU().forward({}, x)
    assert y.ravel().tolist() == [max(v, 0.0) for v in x.ravel()]
    g = like(y)
    due = [g_i if v > 0 else 0.0 for g_i, v in zip(g.ravel(), x.ravel(), strict=True)]
    assert ReLU().backward({}, cache, g)[0].ravel().tolist() == due


@pytest.mark.parametrize("at_zero", [0.0, 0.25, 0.5, 1.0])
def test_relu_takes_the_subgradient_it_is_told(at_zero):
    layer = ReLU(at_zero)
    _, cache = layer.forward({}, np.array([-1.0, -0.0, 0.0, 1e-300]))
    assert layer.backward({}, cache, np.full(4, 2.0))[0].tolist() == [0.0, 2 * at_zero, 2 * at_zero, 2.0]


@pytest.mark.parametrize("at_zero", [0.0, 1.0])
def test_relu_of_a_0_dimensional_array_is_an_array(at_zero):
    layer = ReLU(at_zero)
    y, cache = layer.forward({}, np.array(0.0))
    gradient, _ = layer.backward({}, cache, np.array(3.0))
    assert all(isinstance(array, np.ndarray) for array in (y, gradient))
    assert (y.shape, y, gradient) == ((), 0.0, 3 * at_zero)


def test_average_pooling_of_large_float16_does_not_overflow():
    y, _ = AvgPool2d(2).forward({}, np.full((1, 1, 2, 2), 3e4, np.float16))
    assert (y.dtype, y.item()) == (np.float16, np.float16(3e4))


@few
@given(cases("flatten"))
def test_flatten_joins_axes_in_row_major_order(case):
    x, start = case.primals()["x"], case.config.start_axis
    layer = Flatten(start)
    y, cache = layer.forward({}, x)
    assert y.shape == (*x.shape[:start], math.prod(x.shape[start:]))
    assert y.ravel().tolist() == x.ravel().tolist()
    g = like(y)
    assert np.array_equal(layer.backward({}, cache, g)[0], g.reshape(x.shape))


# The definitions themselves, by hand.


def test_naive_conv2d_by_hand():
    x = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    weight = np.array([[[[1.0, 10.0], [100.0, 1000.0]]]])
    y = naive.conv(x, weight, np.array([0.5]), (1, 1), (0, 0, 0, 0), (1, 1), 1)
    assert y[0, 0].tolist() == [[5421.5, 6532.5], [8754.5, 9865.5]]
    y = naive.conv(x, weight, None, (2, 1), (0, 0, 0, 0), (2, 2), 1)
    assert y[0, 0].tolist() == [[9731.0]]
    y = naive.conv(x, weight, None, (2, 3), (1, 0, 0, 1), (1, 1), 1)
    assert y[0, 0].tolist() == [[2100.0], [8754.0]]


def test_naive_conv2d_of_two_groups_by_hand():
    x = np.array([2.0, 3.0]).reshape(1, 2, 1, 1)
    weight = np.array([10.0, 100.0, 1000.0, 10000.0]).reshape(4, 1, 1, 1)
    y = naive.conv(x, weight, None, (1, 1), (0, 0, 0, 0), (1, 1), 2)
    assert y.ravel().tolist() == [20.0, 200.0, 3000.0, 30000.0]


def test_naive_pooling_by_hand():
    x = -np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    assert naive.pool(x, (2, 2), (1, 1), (0, 0, 0, 0), False)[0, 0].tolist() == [[-1, -2]]
    assert naive.pool(x, (2, 2), (1, 1), (0, 0, 0, 0), True)[0, 0].tolist() == [[-3, -4]]
    assert naive.pool(x, (2, 2), (2, 2), (1, 0, 1, 0), False)[0, 0].tolist() == [[-1, -2]]  # the border never wins
    assert naive.pool(x, (2, 2), (2, 2), (1, 0, 1, 0), True)[0, 0].tolist() == [[-0.25, -1.25]]  # its zeros count


def test_naive_affine_and_cross_entropy_by_hand():
    y = naive.affine(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([0.5, -0.5]))
    assert y.tolist() == [[11.5, 16.5]]
    losses = naive.softmax_cross_entropy(np.log([[1.0, 3.0], [1.0, 1.0]]), np.array([0, 1]))
    assert losses == pytest.approx([math.log(4), math.log(2)])


# Gradient of the input of a convolution, in two ways.


@settings(max_examples=30)
@given(cases("conv2d"))
def test_both_ways_to_the_input_gradient_agree(case):
    layer, (params, x) = conv_of(case.config), split(case.primals())
    y, cache = layer.forward(params, x)
    g = like(y)
    first, second = layer.grad_input_scatter(params, cache, g), layer.grad_input_full(params, cache, g)
    assert first.shape == x.shape
    assert_close(first, second, layer.grad_input_scatter(absolute(params), cache, np.abs(g)))


@few
@given(cases("conv2d"))
def test_conv2d_gradients_are_sums_over_windows(case):
    """Every ∂/∂w, ∂/∂b and ∂/∂x̃, with one addition for every product of the definition."""
    layer, (params, x) = conv_of(case.config), split(case.primals())
    y, cache = layer.forward(params, x)
    g = like(y)
    gradient, gradients = layer.backward(params, cache, g)
    c, padded = case.config, cache.padded
    per_out, depth = c.out_channels // c.groups, c.in_channels // c.groups
    reach = [d * (k - 1) + 1 for k, d in zip(c.kernel_size, c.dilation, strict=True)]
    weight, buffer = np.zeros(layer.weight_shape), np.zeros(padded.shape)
    for n, o, i, j in np.ndindex(*y.shape):
        top, left, first = i * c.stride[0], j * c.stride[1], o // per_out * depth
        place = (
            n,
            slice(first, first + depth),
            slice(top, top + reach[0], c.dilation[0]),
            slice(left, left + reach[1], c.dilation[1]),
        )
        weight[o] += g[n, o, i, j] * padded[place]
        buffer[place] += g[n, o, i, j] * params["weight"][o]
    top, bottom, left, right = c.padding
    inner = buffer[:, :, top : buffer.shape[2] - bottom, left : buffer.shape[3] - right]
    assert_close(gradients["weight"], weight, np.abs(g).sum() * np.abs(x).max())
    assert_close(gradient, inner, np.abs(g).sum() * np.abs(params["weight"]).max())
    assert set(gradients) == set(params)


@few
@given(cases("conv2d"))
def test_scatter_is_the_adjoint_of_windows(case):
    c, x = case.config, case.primals()["x"]
    x = conv_of(c).forward(*split(case.primals()))[1].padded
    view = windows(x, c.kernel_size, c.stride, c.dilation)
    g = like(view)
    assert not view.flags.writeable
    assert_same_sum(view * g, x * scatter(g, x.shape[2:], c.stride, c.dilation))


# Laws.


@few
@pytest.mark.parametrize("kind", ["conv2d", "affine"])
@given(st.data())
def test_euler_and_bias_laws(kind, data):
    """⟨W, dW⟩ = ⟨x, dx⟩ = ⟨y − b, g⟩, and db is the sum of g over all but its channel axis."""
    case = data.draw(cases(kind))
    primals = case.primals()
    y, pullback = case.kind.build(case.config, primals).vjp(primals)
    g = like(y)
    gradients = pullback(g)
    axis = 1 if kind == "conv2d" else y.ndim - 1
    linear = y
    if case.config.bias:
        shape = [1] * y.ndim
        shape[axis] = -1
        linear = y - primals["bias"].reshape(shape)
        others = tuple(k for k in range(y.ndim) if k != axis)
        assert_close(gradients["bias"], g.sum(axis=others), np.abs(g).sum(axis=others))
    assert ("bias" in gradients) == case.config.bias
    # The bias, taken off again, leaves its rounding behind, so that the sums are compared at the size of y.
    scale = sum(
        np.abs(t).sum() for t in (primals["weight"] * gradients["weight"], primals["x"] * gradients["x"], y * g)
    )
    products = [np.vdot(primals["weight"], gradients["weight"]), np.vdot(primals["x"], gradients["x"])]
    assert max(abs(product - np.vdot(linear, g)) for product in products) <= ROUNDING * scale


@few
@pytest.mark.parametrize("kind", ["max_pool2d", "avg_pool2d", "flatten", "relu"])
@given(st.data())
def test_layers_of_degree_one_obey_euler(kind, data):
    """⟨y, g⟩ = ⟨x, dx⟩; for the linear ones this is the adjoint identity."""
    case = data.draw(cases(kind))
    primals = case.primals()
    y, pullback = case.kind.build(case.config, primals).vjp(primals)
    g = like(y)
    assert_same_sum(y * g, primals["x"] * pullback(g)["x"])


@few
@pytest.mark.parametrize("kind", ["conv2d", "affine", "avg_pool2d", "flatten"])
@given(st.data())
def test_linear_layers_are_adjoint_to_their_gradient(kind, data):
    """⟨F(v) − F(0), g⟩ = ⟨v, dx(g)⟩ for any v, not only for the x of the cache."""
    case = data.draw(cases(kind, "normal"))
    primals = case.primals()
    subject = case.kind.build(case.config, primals)
    y, pullback = subject.vjp(primals)
    g, v = like(y), like(primals["x"], 2)
    moved = subject.forward({**primals, "x": v}) - subject.forward({**primals, "x": np.zeros_like(v)})
    scale = np.abs(v).sum() * np.abs(g).sum() * max(1.0, *(np.abs(a).max() for a in split(primals)[0].values()), 1.0)
    assert abs(np.vdot(moved, g) - np.vdot(v, pullback(g)["x"])) <= ROUNDING * scale


@few
@pytest.mark.parametrize("kind", list(KINDS))
@given(st.data())
def test_every_backward_is_linear_in_its_cotangent(kind, data):
    case = data.draw(cases(kind, "normal"))
    primals = case.primals()
    y, pullback = one_output(case.kind.build(case.config, primals)).vjp(primals)
    first, second = like(y, 1), like(y, 2)
    one, two, both = pullback(first), pullback(second), pullback(np.asarray(2 * first - 3 * second))
    nothing = pullback(np.zeros_like(y))
    for name in primals:
        due = 2 * one[name] - 3 * two[name]
        assert_close(both[name], due, 1 + np.abs(one[name]).max() + np.abs(two[name]).max(), 1e-11)
        assert not nothing[name].any()


@few
@given(cases("max_pool2d"))
def test_max_pooling_loses_no_gradient(case):
    """Σ dx = Σ g per sample and channel, ties included."""
    x = case.primals()["x"]
    layer = pool_of("max_pool2d", case.config)
    y, cache = layer.forward({}, x)
    g = like(y)
    axes = (2, 3)
    assert_close(layer.backward({}, cache, g)[0].sum(axes), g.sum(axes), np.abs(g).sum(axes))


@few
@given(cases("max_pool2d", "integers"))
def test_max_pooling_gives_tied_maxima_to_the_first(case):
    x, c = case.primals()["x"], case.config
    layer = pool_of("max_pool2d", c)
    y, cache = layer.forward({}, x)
    g = like(y)
    top, bottom, left, right = cache.around
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=-np.inf)
    buffer = np.zeros(padded.shape)
    for n, channel, i, j in np.ndindex(*y.shape):
        rows = i * c.stride[0] + np.arange(c.kernel_size[0]) * c.dilation[0]
        columns = j * c.stride[1] + np.arange(c.kernel_size[1]) * c.dilation[1]
        window = padded[n, channel][np.ix_(rows, columns)]
        a, b = np.unravel_index(window.argmax(), window.shape)
        buffer[n, channel, rows[a], columns[b]] += g[n, channel, i, j]
    inner = buffer[:, :, top : buffer.shape[2] - bottom, left : buffer.shape[3] - right]
    assert_close(layer.backward({}, cache, g)[0], inner, np.abs(g).sum())


@few
@given(cases("avg_pool2d"))
def test_average_pooling_loses_only_what_falls_on_the_border(case):
    """Σ dx = Σ_o g_o · valid_o / m_o: of the m_o entries of a window that count, valid_o are inside the image."""
    x = case.primals()["x"]
    layer = pool_of("avg_pool2d", case.config)
    y, cache = layer.forward({}, x)
    g = like(y)
    share, _ = layer.forward({}, np.ones_like(x))
    axes = (2, 3)
    assert_close(layer.backward({}, cache, g)[0].sum(axes), (g * share).sum(axes), np.abs(g).sum(axes))


@few
@given(cases("softmax_cross_entropy"))
def test_cross_entropy_gradient_rows_sum_to_zero(case):
    z, c = case.primals()["x"], case.config
    layer, targets = SoftmaxCrossEntropy(c.reduction), np.maximum(c.targets, 0)
    y, cache = layer.forward({}, z, targets)
    gradient = layer.backward({}, cache, like(y))[0]
    assert_close(gradient.sum(axis=1), np.zeros(len(z)), 10.0)
    onehot = np.eye(c.classes)[targets]
    factor = np.broadcast_to(like(y) / (len(z) if c.reduction == "mean" else 1), len(z))
    assert_close(gradient, (cache.probabilities - onehot) * factor[:, None], 10.0)


def test_cross_entropy_does_not_change_when_all_logits_move_together(rng):
    z, targets = rng.standard_normal((3, 4)), np.array([0, 3, 1])
    layer = SoftmaxCrossEntropy()
    assert layer.forward({}, z + 5.0, targets)[0] == pytest.approx(layer.forward({}, z, targets)[0], abs=1e-14)


@few
@given(cases("conv2d").filter(lambda case: case.config.groups > 1))
def test_groups_are_separate_convolutions(case):
    c, (params, x) = case.config, split(case.primals())
    layer = conv_of(c)
    y, cache = layer.forward(params, x)
    g = like(y)
    gradient, gradients = layer.backward(params, cache, g)
    scale = 1 + np.abs(x).sum() * max(np.abs(a).max() for a in params.values())
    single = Conv2d(
        c.in_channels // c.groups,
        c.out_channels // c.groups,
        c.kernel_size,
        c.stride,
        c.padding,
        c.dilation,
        bias=c.bias,
    )
    for k in range(c.groups):
        taken = slice(k * single.in_channels, (k + 1) * single.in_channels)
        given_ = slice(k * single.out_channels, (k + 1) * single.out_channels)
        own = {name: array[given_] for name, array in params.items()}
        part, part_cache = single.forward(own, x[:, taken])
        assert_close(y[:, given_], part, scale)
        part_gradient, part_gradients = single.backward(own, part_cache, g[:, given_])
        assert_close(gradient[:, taken], part_gradient, scale + np.abs(g).sum() * np.abs(params["weight"]).max())
        for name in params:
            assert_close(gradients[name][given_], part_gradients[name], np.abs(g).sum() * (1 + np.abs(x).max()))


def test_dilation_is_a_kernel_with_zeros_between(rng):
    x, weight = rng.standard_normal((2, 2, 8, 9)), rng.standard_normal((3, 2, 2, 3))
    spread = np.zeros((3, 2, 4, 5))
    spread[:, :, ::3, ::2] = weight
    dilated, plain = Conv2d(2, 3, (2, 3), dilation=(3, 2), bias=False), Conv2d(2, 3, (4, 5), bias=False)
    y, cache = dilated.forward({"weight": weight}, x)
    due, due_cache = plain.forward({"weight": spread}, x)
    assert y == pytest.approx(due, abs=1e-13)
    g = like(y)
    gradient, gradients = dilated.backward({"weight": weight}, cache, g)
    due_gradient, due_gradients = plain.backward({"weight": spread}, due_cache, g)
    assert gradient == pytest.approx(due_gradient, abs=1e-13)
    assert gradients["weight"] == pytest.approx(due_gradients["weight"][:, :, ::3, ::2], abs=1e-12)


def test_a_1x1_convolution_is_an_affine_layer_at_every_pixel(rng):
    x, weight, bias = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((6, 3)), rng.standard_normal(6)
    y, _ = Conv2d(3, 6, 1).forward({"weight": weight[:, :, None, None], "bias": bias}, x)
    due, _ = Affine(3, 6).forward({"weight": weight, "bias": bias}, np.moveaxis(x, 1, -1))
    assert y == pytest.approx(np.moveaxis(due, -1, 1), abs=1e-13)


@pytest.mark.parametrize("layer", [MaxPool2d(3, 2, "valid"), AvgPool2d(3, 2, "valid"), Conv2d(2, 3, 3, 2, "valid")])
def test_valid_is_no_padding(layer, rng):
    x, params = rng.standard_normal((2, 2, 7, 8)), layer.init(rng)
    plain = type(layer)(**{**{name: getattr(layer, name) for name in layer.__dataclass_fields__}, "padding": 0})
    y, cache = layer.forward(params, x)
    due, due_cache = plain.forward(params, x)
    assert np.array_equal(y, due)
    assert np.array_equal(layer.backward(params, cache, y)[0], plain.backward(params, due_cache, y)[0])


@few
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_same_pads_evenly_and_an_odd_one_at_the_end(size, kernel, stride, dilation):
    top, bottom, left, right = sides("same", size, kernel, stride, dilation)
    assert bottom - top in (0, 1)
    assert right - left in (0, 1)
    layer = Conv2d(1, 1, kernel, stride, "same", dilation, bias=False)
    plain = Conv2d(1, 1, kernel, stride, (top, bottom, left, right), dilation, bias=False)
    rng = np.random.default_rng(0)
    params, x = layer.init(rng), rng.standard_normal((1, 1, *size))
    y, cache = layer.forward(params, x)
    assert y.shape[2:] == tuple(math.ceil(n / s) for n, s in zip(size, stride, strict=True))
    due, due_cache = plain.forward(params, x)
    assert np.array_equal(y, due)
    assert np.array_equal(layer.backward(params, cache, y)[0], plain.backward(params, due_cache, y)[0])


# The batch.

BATCHED = ["conv2d", "conv1d", "conv3d", "max_pool2d", "avg_pool2d", "affine", "relu", "sequential"]


@few
@pytest.mark.parametrize("kind", BATCHED)
@given(st.data())
def test_samples_permuted_give_gradients_permuted(kind, data):
    case = data.draw(cases(kind, "normal"))
    primals = case.primals()
    subject = case.kind.build(case.config, primals)
    y, pullback = subject.vjp(primals)
    g = like(y)
    order = np.random.default_rng(case.seed).permutation(len(y))
    moved, moved_pullback = subject.vjp({**primals, "x": primals["x"][order]})
    assert_close(moved, y[order], 1 + np.abs(y).max())
    first, second = pullback(g), moved_pullback(g[order])
    for name in primals:
        due = first[name][order] if name == "x" else first[name]
        assert_close(second[name], due, 1 + np.abs(g).sum() * max(np.abs(a).max() for a in primals.values()))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_permuted_samples(reduction, rng):
    z, targets, order = rng.standard_normal((5, 3)), np.array([0, 2, 1, 1, 0]), rng.permutation(5)
    layer = SoftmaxCrossEntropy(reduction)
    y, cache = layer.forward({}, z, targets)
    moved, moved_cache = layer.forward({}, z[order], targets[order])
    g = like(y)
    if reduction == "none":
        assert np.array_equal(moved, y[order])
    else:
        assert moved == pytest.approx(y, abs=1e-14)
    due = layer.backward({}, cache, g)[0][order]
    assert layer.backward({}, moved_cache, g[order] if reduction == "none" else g)[0] == pytest.approx(due, abs=1e-15)


EMPTY = [
    (Conv2d(2, 4, (3, 2), 2, (1, 2, 0, 1)), (0, 2, 7, 6), (0, 4, 4, 3)),
    (Conv2d(4, 6, 3, dilation=2, groups=2), (0, 4, 7, 6), (0, 6, 3, 2)),
    (Conv2d(2, 4, 3, bias=False), (0, 2, 5, 5), (0, 4, 3, 3)),
    (MaxPool2d(2), (0, 2, 6, 4), (0, 2, 3, 2)),
    (AvgPool2d(3, 2, 1), (0, 2, 6, 5), (0, 2, 3, 3)),
    (Affine(3, 2), (0, 3), (0, 2)),
    (Affine(3, 2), (4, 0, 3), (4, 0, 2)),
    (ReLU(0.5), (0, 3), (0, 3)),
    (Flatten(), (0, 2, 3), (0, 6)),
    (Sequential.of(Conv2d(1, 2, 3), ReLU(), MaxPool2d(2), Flatten(), Affine(8, 3)), (0, 1, 6, 6), (0, 3)),
]


@pytest.mark.parametrize(("layer", "shape", "out_shape"), EMPTY, ids=lambda value: type(value).__name__)
def test_an_empty_batch_has_zero_gradients(layer, shape, out_shape, rng):
    params = layer.init(rng)
    y, cache = layer.forward(params, np.zeros(shape))
    assert y.shape == out_shape
    gradient, gradients = layer.backward(params, cache, np.zeros(out_shape))
    assert gradient.shape == shape
    assert {name: array.shape for name, array in gradients.items()} == {n: a.shape for n, a in params.items()}
    assert not any(array.any() for array in gradients.values())


@pytest.mark.parametrize("groups", [1, 2])
def test_an_empty_batch_in_the_other_way_to_the_input_gradient(groups, rng):
    layer = Conv2d(2, 4, 3, 2, 1, groups=groups)
    params = layer.init(rng)
    y, cache = layer.forward(params, np.zeros((0, 2, 5, 6)))
    assert layer.grad_input_full(params, cache, y).shape == (0, 2, 5, 6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_loss_of_an_empty_batch_is_zero(reduction):
    layer = SoftmaxCrossEntropy(reduction)
    y, cache = layer.forward({}, np.zeros((0, 3)), np.zeros(0, int))
    assert y.shape == ((0,) if reduction == "none" else ())
    assert y.sum() == 0
    assert layer.backward({}, cache, np.ones_like(y))[0].shape == (0, 3)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_the_network_on_an_empty_batch(pool, rng):
    network = FiveLayerCNN(pool, 10, (2, 3), 3, 4)
    params = network.init(rng)
    y, cache = network.forward(params, np.zeros((0, 1, 10, 10)), np.zeros(0, int))
    gradient, gradients = network.backward(params, cache)
    assert y == 0
    assert gradient.shape == (0, 1, 10, 10)
    assert {name: (array.shape, array.any()) for name, array in gradients.items()} == {
        name: (array.shape, False) for name, array in params.items()
    }


# Dtypes, memory and what is left alone.


@few
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kind", list(KINDS))
@given(st.data())
def test_the_dtype_of_the_input_is_kept(kind, dtype, data):
    case = data.draw(cases(kind, "normal"))
    primals, wide = case.primals(np.dtype(dtype)), case.primals()
    y, pullback = one_output(case.kind.build(case.config, primals)).vjp(primals)
    due, due_pullback = one_output(case.kind.build(case.config, wide)).vjp(wide)
    g = like(y)
    gradients = pullback(g)
    assert y.dtype == dtype
    assert {name: array.dtype for name, array in gradients.items()} == dict.fromkeys(primals, np.dtype(dtype))
    if kind in ("conv2d", "affine", "avg_pool2d", "flatten", "softmax_cross_entropy"):
        bar = 100 * float(np.finfo(dtype).eps)
        assert np.all(np.abs(y - due) <= bar * (1 + np.abs(due).max()))
        for name, array in due_pullback(g.astype(np.float64)).items():
            assert np.all(np.abs(gradients[name] - array) <= bar * (1 + np.abs(array).max()))


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def reversed_view(array):
    return np.flip(np.flip(array).copy())


def strided_view(array):
    wide = np.full(tuple(2 * n for n in array.shape), np.nan)
    view = wide[(*(slice(None, None, 2) for _ in array.shape), ...)]
    view[...] = array
    return view


def fortran(array):
    return array.copy(order="F")  # `asfortranarray` would make an axis of none


LAYOUTS = [read_only, fortran, reversed_view, strided_view]


@few
@pytest.mark.parametrize("layout", LAYOUTS, ids=["read-only", "Fortran", "reversed", "strided"])
@pytest.mark.parametrize("kind", list(KINDS))
@given(st.data())
def test_the_layout_in_memory_does_not_matter(kind, layout, data):
    case = data.draw(cases(kind, "normal"))
    primals = case.primals()
    subject = one_output(case.kind.build(case.config, primals))
    y, pullback = subject.vjp(primals)
    g = like(y)
    due = pullback(g)
    arranged, arranged_g = {name: layout(array) for name, array in primals.items()}, layout(g)
    got, got_pullback = subject.vjp(arranged)
    gradients = got_pullback(arranged_g)
    assert_close(got, y, 1 + np.abs(y).max())
    for name, array in due.items():
        assert_close(gradients[name], array, 1 + np.abs(array).max())


@few
@pytest.mark.parametrize("kind", list(KINDS))
@given(st.data())
def test_nothing_is_changed_and_nothing_is_shared(kind, data):
    case = data.draw(cases(kind))
    primals = case.primals()
    before = {name: array.copy() for name, array in primals.items()}
    subject = one_output(case.kind.build(case.config, primals))
    y, pullback = subject.vjp(primals)
    other, _ = subject.vjp({name: array + 1 for name, array in primals.items()})
    g, kept = like(y), y.copy()
    g_before = g.copy()
    first = pullback(g)
    saved = {name: array.copy() for name, array in first.items()}
    for array in first.values():
        assert not any(np.shares_memory(array, argument) for argument in (*primals.values(), g, y))
        array += 1.0  # what a caller does to a result must not reach the cache
    assert not any(np.shares_memory(out, argument) for out in (y, other) for argument in primals.values())
    second = pullback(g)
    assert all(np.array_equal(primals[name], before[name]) for name in primals)
    assert all(np.array_equal(second[name], saved[name]) for name in primals)
    assert np.array_equal(g, g_before)
    assert np.array_equal(y, kept)


@pytest.mark.parametrize(
    "layer", [Conv2d(2, 4, 3), Affine(3, 5), MaxPool2d(2), ReLU(), Flatten(), SoftmaxCrossEntropy(), AvgPool2d(2)]
)
def test_layers_are_values(layer):
    """Equal when their hyper-parameters are, hashable, and the same parameters for the same seed."""
    twin = type(layer)(**{name: getattr(layer, name) for name in layer.__dataclass_fields__})
    assert (twin, hash(twin)) == (layer, hash(layer))
    first, second = (one.init(np.random.default_rng(3)) for one in (layer, twin))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert all(array.dtype == np.float64 for array in first.values())
