"""Layers with windows: known answers, and forward and backward against loops over every window and tap."""

import re
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from gradcheck.suites.kind import Case
from reference_layers import (
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose2d,
    GlobalAvgPool2d,
    MaxPool1d,
    MaxPool2d,
    ShapeError,
    TrueConv2d,
    naive,
)
from reference_layers.windows import normal_padding, output_size, overhang, tap_counts

few = settings(max_examples=25, deadline=None)


def cases(name, *regimes):
    """Return a strategy of cases of a kind: a drawn configuration, a regime of values and a seed."""
    kind = KINDS[name]
    drawn = st.one_of(st.sampled_from(kind.corners), kind.configs())
    regime = st.sampled_from(regimes or ("normal", "integers", "zeros"))
    return st.builds(Case, st.just(kind), drawn, regime, st.integers(0, 9999))


def pulled_back(case):
    """Return primals, output, a cotangent and the gradients of a case's reference layer."""
    primals = case.primals()
    y, pullback = case.kind.build(case.config, primals).vjp(primals)
    g = np.random.default_rng(1).standard_normal(y.shape)
    return primals, y, g, pullback(g)


def assert_close(got, due):
    assert got.shape == due.shape
    assert np.all(np.abs(got - due) <= 1e-10 * (1 + np.abs(due).max(initial=0)))


def line(*values):
    return np.array(values, dtype=float)[None, None]


def image(*rows):
    return np.array(rows, dtype=float)[None, None]


def square(n):
    """Return an image of the numbers from 1 to n², row by row."""
    return np.arange(1.0, n * n + 1).reshape(1, 1, n, n)


# Known answers.


@pytest.mark.parametrize(
    ("padding", "due"), [(0, [3.5]), (1, [2.0, 3.5, 3.0]), (2, [0.5, 2.0, 3.5, 3.0, 0.0]), ("same", [2.0, 3.5, 3.0])]
)
def test_conv1d_is_the_correlation_of_numpy(padding, due):
    """The example of `numpy.correlate`, in its modes valid, same and full."""
    y, _ = Conv1d(1, 1, 3, padding=padding, bias=False).forward({"weight": line(0, 1, 0.5)}, line(1, 2, 3))
    assert y.ravel().tolist() == due


def test_true_convolution_is_the_convolution_of_numpy():
    """The example of `numpy.convolve`, in its mode full, as an image of one row."""
    layer = TrueConv2d(1, 1, (1, 3), padding=(0, 2), bias=False)
    y, _ = layer.forward({"weight": image([0, 1, 0.5])}, image([1, 2, 3]))
    assert y.ravel().tolist() == [0.0, 1.0, 2.5, 4.0, 1.5]


def test_true_convolution_multiplies_polynomials(rng):
    """(Σ p[i, j] uⁱ vʲ)·(Σ q[i, j] uⁱ vʲ), term by term."""
    p, q = rng.integers(-3, 4, (3, 4)).astype(float), rng.integers(-3, 4, (2, 3)).astype(float)
    due = np.zeros((4, 6))
    for (i, j), (k, m) in product(np.ndindex(*p.shape), np.ndindex(*q.shape)):
        due[i + k, j + m] += p[i, j] * q[k, m]
    layer = TrueConv2d(1, 1, q.shape, padding=(1, 2), bias=False)
    y, _ = layer.forward({"weight": q[None, None]}, p[None, None])
    assert y[0, 0].tolist() == due.tolist()


@pytest.mark.parametrize(
    ("options", "due"),
    [
        ({}, [[0, 0, 1], [0, 4, 6], [4, 12, 9]]),
        ({"stride": 2}, [[0, 0, 0, 1], [0, 0, 2, 3], [0, 2, 0, 3], [4, 6, 6, 9]]),
        ({"padding": 1}, [[4]]),
        (
            {"stride": 2, "output_padding": (0, 1)},
            [[0, 0, 0, 1, 0], [0, 0, 2, 3, 0], [0, 2, 0, 3, 0], [4, 6, 6, 9, 0]],
        ),
        ({"dilation": 2}, [[0, 0, 0, 1], [0, 0, 2, 3], [0, 2, 0, 3], [4, 6, 6, 9]]),
    ],
    ids=str,
)
def test_transposed_convolution_by_hand(options, due):
    """The first three are the examples of section 14.10 of "Dive into Deep Learning"."""
    layer = ConvTranspose2d(1, 1, 2, bias=False, **options)
    y, _ = layer.forward({"weight": image([0, 1], [2, 3])}, image([0, 1], [2, 3]))
    assert y[0, 0].tolist() == due


@pytest.mark.parametrize(
    ("layer", "x", "due"),
    [
        # The examples of PyTorch's AvgPool1d and of Keras's MaxPooling1D.
        (AvgPool1d(3, 2), line(1, 2, 3, 4, 5, 6, 7), [[2, 4, 6]]),
        (MaxPool1d(2, 1), line(1, 2, 3, 4, 5), [[2, 3, 4, 5]]),
        (MaxPool1d(2, 2), line(1, 2, 3, 4, 5), [[2, 4]]),
        (MaxPool1d(2, 1, "same"), line(1, 2, 3, 4, 5), [[2, 3, 4, 5, 5]]),
        # The test data of ONNX's operators AveragePool, MaxPool and GlobalAveragePool.
        (AvgPool2d(3, 2, ceil_mode=True), square(4), [[[6, 7.5], [12, 13.5]]]),
        (MaxPool2d(3, 2, ceil_mode=True), square(4), [[[11, 12], [15, 16]]]),
        (MaxPool2d(2, 1, dilation=2), square(4), [[[11, 12], [15, 16]]]),
        (MaxPool2d(2, 1, dilation=2, ceil_mode=True), square(4), [[[11, 12], [15, 16]]]),
        (GlobalAvgPool2d(), square(3), [5]),
        (GlobalAvgPool2d(keepdims=True), square(3), [[[5]]]),
        # By hand.
        (AvgPool1d(2, 2, ceil_mode=True), line(1, 2, 5), [[1.5, 5]]),
        (AvgPool1d(3, 2, 1, ceil_mode=True), line(3, 6, 9, 12), [[3, 9, 6]]),
        (AvgPool1d(3, 2, 1, True, False), line(3, 6, 9, 12), [[4.5, 9, 12]]),
        (AvgPool1d(2, 3, (0, 1), True), line(1, 2, 3), [[1.5]]),  # a second window would start in the padding
        (MaxPool1d(3, 2, ceil_mode=True), line(1, 2), [[2]]),
        (AdaptiveAvgPool2d((1, 3)), image([1, 3, 8, 10]), [[[2, 5.5, 9]]]),
        (AdaptiveAvgPool2d((2, 4)), image([1, 3]), [[[1, 1, 3, 3], [1, 1, 3, 3]]]),
    ],
    ids=str,
)
def test_pooling_by_known_answers(layer, x, due):
    assert layer.forward({}, x)[0][0].tolist() == due


def test_average_pooling_with_padding_of_two():
    """The test data of ONNX's AveragePool with pads of 2, which do not count or do."""
    y, _ = AvgPool2d(5, 1, 2, count_include_pad=False).forward({}, square(5))
    assert y[0, 0].tolist() == [[7 + 2.5 * row + 0.5 * column for column in range(5)] for row in range(5)]
    y, _ = AvgPool2d(5, 1, 2).forward({}, square(5))
    assert y[0, 0, 0] == pytest.approx([2.52, 3.6, 4.8, 4.08, 3.24], abs=1e-14)


def test_the_gradient_of_a_mean_is_shared_by_those_that_count():
    layer = AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False)
    _, cache = layer.forward({}, line(3, 6, 9, 12))
    assert layer.backward({}, cache, line(2, 3, 5))[0].tolist() == [[[1.0, 2.0, 1.0, 6.0]]]


# Loops.


def meetings(size, places, kernel, stride, dilation, before):
    """Yield (place, tap, entry) wherever a tap of a window meets an entry of the input."""
    for place, tap in product(np.ndindex(*places), np.ndindex(*kernel)):
        axes = zip(place, tap, stride, dilation, before, strict=True)
        entry = tuple(i * s + a * d - b for i, a, s, d, b in axes)
        if all(0 <= e < n for e, n in zip(entry, size, strict=True)):
            yield place, tap, entry


def group_slices(config):
    """Yield the channels in, those out and the latter's place within a weight, group by group."""
    taken, given_ = config.in_channels // config.groups, config.out_channels // config.groups
    for k in range(config.groups):
        yield slice(k * taken, (k + 1) * taken), slice(k * given_, (k + 1) * given_)


@few
@pytest.mark.parametrize("kind", ["conv1d", "conv2d", "conv3d", "true_conv2d"])
@given(st.data())
def test_convolutions_are_loops(kind, data):
    case = data.draw(cases(kind))
    c = case.config
    primals, y, g, gradients = pulled_back(case)
    x, w = primals["x"], primals["weight"]
    due, dx, dw = np.zeros(y.shape), np.zeros(x.shape), np.zeros(w.shape)
    geometry = c.kernel_size, c.stride, c.dilation, c.padding[::2]
    for place, tap, entry in meetings(c.size, y.shape[2:], *geometry):
        own = tuple(k - 1 - a for k, a in zip(c.kernel_size, tap, strict=True)) if kind == "true_conv2d" else tap
        for taken, given_ in group_slices(c):
            entries, kernel = x[:, taken, *entry], w[given_, :, *own]
            due[:, given_, *place] += entries @ kernel.T
            dx[:, taken, *entry] += g[:, given_, *place] @ kernel
            dw[given_, :, *own] += g[:, given_, *place].T @ entries
    assert_close(gradients["x"], dx)
    assert_close(gradients["weight"], dw)
    others = (0, *range(2, y.ndim))
    if c.bias:
        due += np.expand_dims(primals["bias"], tuple(range(1, y.ndim - 1)))
        assert_close(gradients["bias"], g.sum(axis=others))
    assert_close(y, due)


@few
@pytest.mark.parametrize("kind", ["conv1d", "conv3d"])
@given(st.data())
def test_convolutions_are_their_definition(kind, data):
    case = data.draw(cases(kind))
    c, primals = case.config, case.primals()
    y = case.kind.build(c, primals).forward(primals)
    geometry = c.stride, c.padding, c.dilation, c.groups
    assert_close(y, naive.conv(primals["x"], primals["weight"], primals.get("bias"), *geometry))


@few
@given(cases("conv_transpose2d"))
def test_transposed_convolution_is_loops(case):
    c = case.config
    primals, y, g, gradients = pulled_back(case)
    x, w = primals["x"], primals["weight"]
    assert y.shape == (c.batch, c.out_channels, *c.output_size)
    due, dx, dw = np.zeros(y.shape), np.zeros(x.shape), np.zeros(w.shape)
    geometry = c.kernel_size, c.stride, c.dilation, c.padding[::2]
    for place, tap, entry in meetings(y.shape[2:], c.size, *geometry):
        for taken, given_ in group_slices(c):
            entries, kernel = x[:, taken, *place], w[taken, :, *tap]
            due[:, given_, *entry] += entries @ kernel
            dx[:, taken, *place] += g[:, given_, *entry] @ kernel.T
            dw[taken, :, *tap] += entries.T @ g[:, given_, *entry]
    if c.bias:
        due += primals["bias"][:, None, None]
        assert_close(gradients["bias"], g.sum(axis=(0, 2, 3)))
    assert_close(y, due)
    assert_close(gradients["x"], dx)
    assert_close(gradients["weight"], dw)


@few
@pytest.mark.parametrize("kind", ["max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"])
@given(st.data())
def test_pooling_is_loops(kind, data):
    case = data.draw(cases(kind))
    c, mean = case.config, kind.startswith("avg")
    primals, y, g, gradients = pulled_back(case)
    x = primals["x"]
    options = {"dilation": c.dilation, "ceil_mode": c.ceil_mode, "count_include_pad": c.count_include_pad}
    due = naive.pool(x, c.kernel_size, c.stride, c.padding, mean, **options)
    assert_close(y, due)
    inside = {place: [] for place in np.ndindex(*y.shape[2:])}
    counted = dict.fromkeys(inside, 0)
    before = c.padding[::2]
    for place, _, entry in meetings(c.size, y.shape[2:], c.kernel_size, c.stride, c.dilation, before):
        inside[place].append(entry)
    padded = [n + b + a for n, b, a in zip(c.size, before, c.padding[1::2], strict=True)]
    for place, *_ in meetings(padded, y.shape[2:], c.kernel_size, c.stride, c.dilation, [0] * len(padded)):
        counted[place] += 1
    dx = np.zeros(x.shape)
    for place, entries in inside.items():
        if mean:
            for entry in entries:
                dx[:, :, *entry] += g[:, :, *place] / (counted[place] if c.count_include_pad else len(entries))
            continue
        for m, channel in np.ndindex(*x.shape[:2]):
            winner = max(entries, key=lambda entry, at=(m, channel): x[*at, *entry])  # the first of those tied
            dx[m, channel, *winner] += g[m, channel, *place]
    assert_close(gradients["x"], dx)


@few
@given(cases("adaptive_avg_pool2d"))
def test_adaptive_pooling_is_loops(case):
    """Entry k is in part i where the interval [k, k + 1) meets [i·n/o, (i + 1)·n/o)."""
    c = case.config
    primals, y, g, gradients = pulled_back(case)
    due, dx = np.zeros(y.shape), np.zeros(primals["x"].shape)
    parts = [
        [[k for k in range(n) if k + 1 > Fraction(i * n, o) and k < Fraction((i + 1) * n, o)] for i in range(o)]
        for n, o in zip(c.size, c.output_size, strict=True)
    ]
    for i, j in np.ndindex(*c.output_size):
        entries = list(product(parts[0][i], parts[1][j]))
        for row, column in entries:
            due[:, :, i, j] += primals["x"][:, :, row, column] / len(entries)
            dx[:, :, row, column] += g[:, :, i, j] / len(entries)
    assert_close(y, due)
    assert_close(gradients["x"], dx)


@few
@given(cases("global_avg_pool2d"))
def test_global_pooling_is_the_sum_over_positions(case):
    c = case.config
    primals, y, g, gradients = pulled_back(case)
    due, dx = np.zeros((c.batch, c.channels)), np.zeros(primals["x"].shape)
    for row, column in np.ndindex(*c.size):
        due += primals["x"][:, :, row, column] / (c.size[0] * c.size[1])
        dx[:, :, row, column] = g.reshape(due.shape) / (c.size[0] * c.size[1])
    assert y.shape == ((*due.shape, 1, 1) if c.keepdims else due.shape)
    assert_close(y.reshape(due.shape), due)
    assert_close(gradients["x"], dx)


# Laws between layers.

CONVOLUTIONS = {"conv1d": Conv1d, "conv3d": Conv3d, "true_conv2d": TrueConv2d}


def layer_of(case):
    c = case.config
    geometry = c.kernel_size, c.stride, c.padding, c.dilation
    return CONVOLUTIONS[case.kind.name](c.in_channels, c.out_channels, *geometry, c.groups, c.bias)


@few
@pytest.mark.parametrize("kind", CONVOLUTIONS)
@given(st.data())
def test_both_ways_to_the_input_gradient_agree(kind, data):
    case = data.draw(cases(kind))
    layer, params = layer_of(case), case.primals()
    x = params.pop("x")
    y, cache = layer.forward(params, x)
    g = np.random.default_rng(1).standard_normal(y.shape)
    assert_close(layer.grad_input_full(params, cache, g), layer.grad_input_scatter(params, cache, g))


@few
@given(cases("true_conv2d"))
def test_true_convolution_is_cross_correlation_with_the_rotated_kernel(case):
    c, params = case.config, case.primals()
    x = params.pop("x")
    plain = Conv2d(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, c.dilation, c.groups, c.bias)
    true, rotated = layer_of(case), params | {"weight": np.rot90(params["weight"], 2, (2, 3))}
    y, cache = true.forward(params, x)
    due, plain_cache = plain.forward(rotated, x)
    assert_close(y, due)
    g = np.random.default_rng(1).standard_normal(y.shape)
    gradient, gradients = true.backward(params, cache, g)
    due_gradient, due_gradients = plain.backward(rotated, plain_cache, g)
    assert_close(gradient, due_gradient)
    assert_close(gradients["weight"], np.rot90(due_gradients["weight"], 2, (2, 3)))
    if c.bias:
        assert_close(gradients["bias"], due_gradients["bias"])


def test_a_convolution_over_one_row_is_one_over_a_line(rng):
    x, weight = rng.standard_normal((3, 4, 9)), rng.standard_normal((6, 2, 3))
    line_layer = Conv1d(4, 6, 3, 2, (1, 2), 2, 2, bias=False)
    row_layer = Conv2d(4, 6, (1, 3), (1, 2), (0, 0, 1, 2), (1, 2), 2, bias=False)
    y, cache = line_layer.forward({"weight": weight}, x)
    due, row_cache = row_layer.forward({"weight": weight[:, :, None]}, x[:, :, None])
    assert np.array_equal(y, due[:, :, 0])
    gradient, gradients = line_layer.backward({"weight": weight}, cache, y)
    due_gradient, due_gradients = row_layer.backward({"weight": weight[:, :, None]}, row_cache, due)
    assert np.array_equal(gradient, due_gradient[:, :, 0])
    assert np.array_equal(gradients["weight"], due_gradients["weight"][:, :, 0])


def test_a_separable_kernel_in_space_is_three_convolutions_of_lines(rng):
    x, kernels = rng.standard_normal((2, 1, 4, 5, 6)), [rng.standard_normal(k) for k in (2, 3, 4)]
    weight = np.einsum("a,b,e->abe", *kernels)[None, None]
    y, _ = Conv3d(1, 1, (2, 3, 4), bias=False).forward({"weight": weight}, x)
    for axis, kernel in enumerate(kernels, 2):
        lines = np.moveaxis(x, axis, -1)
        layer = Conv1d(1, 1, len(kernel), bias=False)
        out, _ = layer.forward({"weight": kernel[None, None]}, lines.reshape(-1, 1, lines.shape[-1]))
        x = np.moveaxis(out.reshape(*lines.shape[:-1], -1), -1, axis)
    assert_close(y, x)


@few
@given(cases("conv_transpose2d").filter(lambda case: not case.config.bias))
def test_transposed_convolution_is_the_adjoint_of_the_convolution_between_the_same_sizes(case):
    """⟨conv(v), x⟩ = ⟨v, transposed(x)⟩, where conv takes an image of the size that the other gives."""
    c, primals = case.config, case.primals()
    x, y = primals["x"], case.kind.build(c, primals).forward(primals)
    v = np.random.default_rng(2).standard_normal(y.shape)
    conv = Conv2d(c.out_channels, c.in_channels, c.kernel_size, c.stride, c.padding, c.dilation, c.groups, bias=False)
    back, _ = conv.forward({"weight": primals["weight"]}, v)
    products = back[:, :, : c.size[0], : c.size[1]] * x, v * y
    assert products[0].sum() == pytest.approx(products[1].sum(), abs=1e-12 * np.abs(products[1]).sum() + 1e-12)


def test_parts_that_divide_the_input_are_windows(rng):
    x, g = rng.standard_normal((2, 3, 6, 8)), rng.standard_normal((2, 3, 3, 2))
    parts, windows = AdaptiveAvgPool2d((3, 2)), AvgPool2d((2, 4))
    (y, cache), (due, window_cache) = parts.forward({}, x), windows.forward({}, x)
    assert_close(y, due)
    assert_close(parts.backward({}, cache, g)[0], windows.backward({}, window_cache, g)[0])
    whole, _ = AdaptiveAvgPool2d(1).forward({}, x)
    assert_close(whole, GlobalAvgPool2d(keepdims=True).forward({}, x)[0])


# Geometry.


@given(*[st.integers(1, 9)] * 2, st.integers(1, 4), *[st.integers(0, 4)] * 2, st.integers(1, 3))
def test_the_overhang_is_that_of_counting(size, kernel, stride, before, after, dilation):
    """Windows go on until one reaches the end of the padded input; the last must start before that of the input."""
    reach = dilation * (kernel - 1) + 1
    padded = size + before + after
    starts = [0]
    while starts[-1] + reach < padded:
        starts.append(starts[-1] + stride)
    last = starts[-1]
    due = last + reach - padded if last < size + before and last + reach - padded < stride else 0
    assert overhang(size, kernel, stride, (before, after), dilation) == due


@given(*[st.integers(1, 6)] * 2, *[st.integers(1, 3)] * 2, st.integers(1, 5), st.integers(0, 3))
def test_taps_are_counted_one_by_one(size, kernel, stride, dilation, number, before):
    taps = [[i * stride + a * dilation - before for a in range(kernel)] for i in range(number)]
    due = [sum(0 <= tap < size for tap in own) for own in taps]
    assert tap_counts(size, kernel, stride, number, before, dilation).tolist() == due


@pytest.mark.parametrize(
    ("padding", "rank", "due"),
    [(1, 1, (1, 1)), ((2,), 1, (2, 2)), ((1, 2), 1, (1, 2)), ((1, 2, 3), 3, (1, 1, 2, 2, 3, 3)), ("same", 3, "same")],
)
def test_padding_over_lines_and_volumes(padding, rank, due):
    assert normal_padding(padding, rank) == due


# Empty batches and narrow dtypes.


@pytest.mark.parametrize(
    ("layer", "shape", "out_shape"),
    [
        (Conv1d(2, 4, 3, 2, 1), (0, 2, 7), (0, 4, 4)),
        (Conv3d(2, 4, 2, groups=2), (0, 2, 3, 4, 5), (0, 4, 2, 3, 4)),
        (TrueConv2d(2, 4, 3), (0, 2, 5, 6), (0, 4, 3, 4)),
        (ConvTranspose2d(2, 4, 3, 2, 1, output_padding=1), (0, 2, 3, 4), (0, 4, 6, 8)),
        (MaxPool1d(2, ceil_mode=True), (0, 2, 5), (0, 2, 3)),
        (MaxPool2d(2, dilation=2), (0, 2, 6, 4), (0, 2, 2, 1)),
        (AvgPool1d(3, 2, 1), (0, 2, 6), (0, 2, 3)),
        (AvgPool2d(3, 2, 1, True, False), (0, 2, 6, 5), (0, 2, 4, 3)),
        (GlobalAvgPool2d(), (0, 2, 6, 5), (0, 2)),
        (AdaptiveAvgPool2d((2, 3)), (0, 2, 5, 4), (0, 2, 2, 3)),
    ],
    ids=str,
)
def test_an_empty_batch_has_zero_gradients(layer, shape, out_shape, rng):
    params = layer.init(rng)
    y, cache = layer.forward(params, np.zeros(shape))
    assert y.shape == out_shape
    gradient, gradients = layer.backward(params, cache, np.zeros(out_shape))
    assert gradient.shape == shape
    assert {name: array.shape for name, array in gradients.items()} == {n: a.shape for n, a in params.items()}
    assert not any(array.any() for array in gradients.values())


@pytest.mark.parametrize("layer", [AvgPool2d(2, ceil_mode=True), AdaptiveAvgPool2d(1), GlobalAvgPool2d()], ids=str)
def test_means_of_large_float16_do_not_overflow(layer):
    y, _ = layer.forward({}, np.full((1, 1, 2, 2), 3e4, np.float16))
    assert (y.dtype, y.item()) == (np.float16, np.float16(3e4))


@pytest.mark.parametrize("layer", [AdaptiveAvgPool2d(1), GlobalAvgPool2d(keepdims=True)], ids=str)
def test_the_gradient_of_a_large_map_in_float16_does_not_vanish(layer):
    """The number of its entries is beyond the largest float16."""
    _, cache = layer.forward({}, np.zeros((1, 1, 257, 256), np.float16))
    gradient, _ = layer.backward({}, cache, np.full((1, 1, 1, 1), 64, np.float16))
    assert gradient.dtype == np.float16
    assert gradient[0, 0, 0, 0] == pytest.approx(64 / (257 * 256), rel=1e-2)


def test_infinite_entries_stay_in_their_parts():
    y, _ = AdaptiveAvgPool2d((1, 2)).forward({}, image([np.inf, 1, 2, 4]))
    assert y.ravel().tolist() == [np.inf, 3.0]


# Refusals.


@pytest.mark.parametrize(
    ("build", "fragment"),
    [
        (lambda: Conv1d(1, 1, (3, 3)), "expected kernel_size to be an int, got kernel_size=(3, 3)"),
        (lambda: Conv1d(1, 1, 3, padding=(1, 2, 3)), "an int, two ints (before, after), 'valid' or 'same', got"),
        (lambda: Conv3d(1, 1, (3, 3)), "an int or a triple of ints (depth, height, width), got kernel_size=(3, 3)"),
        (
            lambda: Conv3d(1, 1, 3, padding=(1, 2)),
            "an int, a triple (depth, height, width), six ints (front, back, top, bottom, left, right), 'valid' or",
        ),
        (lambda: Conv3d(4, 3, 3, groups=2), "groups=2 and out_channels=3"),
        (lambda: TrueConv2d(1, 1, 0), "kernel_size=0"),
        (lambda: TrueConv2d(1, 1, 1, bias="no"), "bias='no'"),
        (lambda: ConvTranspose2d(3, 4, 3, groups=2), "groups=2 and in_channels=3"),
        (
            lambda: ConvTranspose2d(1, 1, 3, padding="same"),
            "left, right), got padding='same'",
        ),
        (lambda: ConvTranspose2d(1, 1, 3, output_padding=-1), "output_padding to be at least 0, got output_padding=-1"),
        (lambda: ConvTranspose2d(1, 1, 3, output_padding=1.5), "output_padding=1.5"),
        (
            lambda: ConvTranspose2d(1, 1, 3, output_padding=1),
            "stride=1 and dilation=1; up to 0 works",
        ),
        (
            lambda: ConvTranspose2d(1, 1, 3, (2, 3), dilation=(1, 2), output_padding=(1, 3)),
            "output_padding=3, stride=3 and dilation=2; up to 2 works",
        ),
        (lambda: MaxPool1d(0), "kernel_size=0"),
        (lambda: MaxPool1d(2, padding=2), "padding=(2, 2) and kernel_size=(2,); up to (1,) works"),
        (
            lambda: MaxPool2d(2, padding=4, dilation=3),
            "with dilation=(3, 3); up to (3, 3) works",
        ),
        (lambda: MaxPool2d(2, dilation=0), "dilation=0"),
        (lambda: MaxPool2d(2, ceil_mode=1), "expected ceil_mode to be True or False, got ceil_mode=1"),
        (lambda: AvgPool2d(2, ceil_mode="yes"), "ceil_mode='yes'"),
        (lambda: AvgPool2d(2, count_include_pad=None), "count_include_pad=None"),
        (lambda: AvgPool2d(2, padding=2, count_include_pad=False), "padding=(2, 2, 2, 2) and kernel_size=(2, 2)"),
        (lambda: AvgPool1d(3, padding=(0, 3)), "padding=(0, 3) and kernel_size=(3,); up to (2,) works"),
        (lambda: GlobalAvgPool2d("no"), "keepdims='no'"),
        (lambda: AdaptiveAvgPool2d(0), "expected output_size to be at least 1, got output_size=0"),
        (lambda: AdaptiveAvgPool2d((1, 2, 3)), "a pair of ints (height, width), got output_size=(1, 2, 3)"),
    ],
)
def test_impossible_hyper_parameters_are_refused(build, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)) as refusal:
        build()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("layer", "shape", "fragment"),
    [
        (Conv1d(2, 1, 3), (1, 2, 5, 5), "expected x of shape (N, 2, L), got shape=(1, 2, 5, 5)"),
        (Conv3d(2, 1, 3), (1, 2, 5, 5), "expected x of shape (N, 2, D, H, W), got shape=(1, 2, 5, 5)"),
        (Conv1d(2, 1, 5), (1, 2, 4), "for size=4"),
        (ConvTranspose2d(2, 1, 3), (1, 3, 5, 5), "expected x of shape (N, 2, H, W), got shape=(1, 3, 5, 5)"),
        (ConvTranspose2d(1, 1, 3, padding=2), (1, 1, 2, 4), "padding=(2, 2) and output_padding=0; a size of 3 works"),
        (ConvTranspose2d(1, 1, 3), (1, 1, 4, 0), "got size=0"),
        (MaxPool1d(2), (1, 1, 4, 4), "expected x of shape (N, C, L), got shape=(1, 1, 4, 4)"),
        (MaxPool1d(3, 2, ceil_mode=True), (1, 1, 1), "kernel_size=3"),
        (
            MaxPool1d(2, 1, 1, dilation=2),
            (1, 1, 1),
            "expected every window to hold an entry of x, got one that holds padding alone for size=1 with "
            "padding=(1, 1), kernel_size=2 and dilation=2; a size of 2 works",
        ),
        (MaxPool2d(2, 1, 1), (1, 1, 0, 4), "got one that holds padding alone for size=0"),
        (AvgPool1d(2, 1, 1, count_include_pad=False), (1, 1, 0), "at least one entry along every axis"),
        (GlobalAvgPool2d(), (1, 2, 3), "expected x of shape (N, C, H, W), got shape=(1, 2, 3)"),
        (GlobalAvgPool2d(), (1, 2, 0, 3), "expected maps of at least one entry, got shape=(1, 2, 0, 3)"),
        (AdaptiveAvgPool2d(1), (1, 2, 3, 0), "got shape=(1, 2, 3, 0)"),
    ],
)
def test_inputs_of_another_shape_are_refused(layer, shape, fragment, rng):
    with pytest.raises(ShapeError, match=re.escape(fragment)) as refusal:
        layer.forward(layer.init(rng), np.zeros(shape))
    assert "\n" not in str(refusal.value)


def test_the_size_that_a_refused_transposed_convolution_names_is_the_least_that_works(rng):
    for kernel, stride, padding, dilation, more in product((1, 2, 3), (1, 2, 3), (0, 1, 2, 5), (1, 2), (0, 1)):
        if more >= max(stride, dilation):
            continue
        layer = ConvTranspose2d(1, 1, kernel, stride, padding, dilation, output_padding=more)
        with pytest.raises(ShapeError, match="a size of") as refusal:
            layer.forward(layer.init(rng), np.zeros((1, 1, 0, 0)))
        least = int(re.search(r"a size of (\d+) works", str(refusal.value))[1])
        assert min(layer.forward(layer.init(rng), np.zeros((1, 1, least, least)))[0].shape) >= 1
        with pytest.raises(ShapeError):
            layer.forward(layer.init(rng), np.zeros((1, 1, least - 1, least - 1)))


@pytest.mark.parametrize(
    ("layer", "shape", "due"),
    [
        (Conv1d(2, 4, 3), (1, 2, 7), (1, 4, 5)),
        (ConvTranspose2d(2, 4, 3), (1, 2, 5, 6), (1, 4, 7, 8)),
        (AvgPool1d(2, ceil_mode=True), (1, 2, 5), (1, 2, 3)),
        (GlobalAvgPool2d(), (3, 2, 5, 6), (3, 2)),
        (GlobalAvgPool2d(True), (3, 2, 5, 6), (3, 2, 1, 1)),
        (AdaptiveAvgPool2d((2, 3)), (1, 2, 5, 6), (1, 2, 2, 3)),
    ],
    ids=str,
)
def test_gradients_of_another_shape_are_refused(layer, shape, due, rng):
    params = layer.init(rng)
    _, cache = layer.forward(params, rng.standard_normal(shape))
    for wrong in [(1, *due), due[:-1], (due[0] + 1, *due[1:]), ()]:
        with pytest.raises(ShapeError, match=re.escape(f"expected grad_output of shape {due}, got shape={wrong}")):
            layer.backward(params, cache, np.ones(wrong))


def test_ceil_mode_takes_an_input_that_is_shorter_than_the_kernel():
    assert MaxPool1d(3, 2, ceil_mode=True).forward({}, line(1, 2))[0].tolist() == [[[2.0]]]
    with pytest.raises(ShapeError, match="kernel_size=3"):
        MaxPool1d(3, 2).forward({}, line(1, 2))
    with pytest.raises(ShapeError, match="kernel_size=3"):
        output_size(2, 3)
