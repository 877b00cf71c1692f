"""Faults that hand-written backward passes really have, planted into the reference layers: all must be found."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import gradcheck
from gradcheck.runs import Options, run
from reference_layers import (
    Affine,
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    MaxPool2d,
    ReLU,
    TrueConv2d,
)
from reference_layers.windows import crop, pad, scatter, windows


@dataclass(frozen=True)
class Faulty:
    """A reference layer with another backward: ``fault(layer, params, x, cache, g)``."""

    layer: Any
    fault: Callable

    def forward(self, params, x, *constants):
        output, cache = self.layer.forward(params, x, *constants)
        return output, (x, cache)

    def backward(self, params, cache, grad_output):
        return self.fault(self.layer, params, *cache, grad_output)


def hyper_parameters(c):
    return c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding, c.dilation, c.groups, c.bias


#: For each kind: the layer of a configuration, and constants of its forward.
LAYERS = {
    "conv2d": lambda c: (Conv2d(*hyper_parameters(c)),),
    "true_conv2d": lambda c: (TrueConv2d(*hyper_parameters(c)),),
    "conv_transpose2d": lambda c: (ConvTranspose2d(*hyper_parameters(c), c.output_padding),),
    "max_pool2d": lambda c: (MaxPool2d(c.kernel_size, c.stride, c.padding, c.ceil_mode, c.dilation),),
    "avg_pool2d": lambda c: (AvgPool2d(c.kernel_size, c.stride, c.padding, c.ceil_mode, c.count_include_pad),),
    "affine": lambda c: (Affine(c.in_features, c.out_features, c.bias),),
    "relu": lambda _: (ReLU(),),
    "softmax_cross_entropy": lambda c: (c.layer, np.array(c.targets)),
    "flatten": lambda c: (Flatten(c.start_axis),),
}


def suite_of(kind, fault):
    def build(config, primals):
        layer, *constants = LAYERS[kind](config)
        return gradcheck.from_reference(Faulty(layer, fault), primals, *constants, name=kind)

    return gradcheck.suite(kind, build)


def right(layer, params, _x, cache, g):
    return layer.backward(params, cache, g)


def spoiled(name, spoil):
    """Return a fault that puts ``spoil(layer, params, x, cache, g)`` in place of one gradient."""

    def fault(layer, params, x, cache, g):
        dx, gradients = layer.backward(params, cache, g)
        if name == "x":
            return spoil(layer, params, x, cache, g), gradients
        if name in gradients:
            gradients = gradients | {name: spoil(layer, params, x, cache, g)}
        return dx, gradients

    return fault


def with_upstream(change):
    """Return a fault that pulls something else than g back."""
    return lambda layer, params, _x, cache, g: layer.backward(params, cache, change(g))


def scaled(name, factor):
    """Return a fault that multiplies one gradient by ``factor(x, g)``."""

    def spoil(layer, params, x, cache, g):
        dx, gradients = layer.backward(params, cache, g)
        return factor(x, g) * (dx if name == "x" else gradients[name])

    return spoiled(name, spoil)


negated = scaled("x", lambda _x, _g: -1.0)
upstream_ignored = with_upstream(np.ones_like)


def taps_of(layer, params, g):
    spread = np.matmul(layer._weight_matrix(params).swapaxes(-1, -2), layer._by_group(g))
    return spread.reshape(g.shape[0], layer.in_channels, *layer.kernel_size, *g.shape[2:])


def scatter_assigned(taps, size, stride, dilation=(1, 1)):
    """Return `scatter` with ``=`` in place of ``+=``."""
    n, c, kernel_rows, kernel_columns, rows, columns = taps.shape
    image = np.zeros((n, c, *size), taps.dtype)
    for a in range(kernel_rows):
        for b in range(kernel_columns):
            top, left = a * dilation[0], b * dilation[1]
            image[:, :, top : top + stride[0] * rows : stride[0], left : left + stride[1] * columns : stride[1]] = taps[
                :, :, a, b
            ]
    return image


def conv_scattered(scatterer, stride=None, dilation=None):
    def spoil(layer, params, _x, cache, g):
        taps = taps_of(layer, params, g)
        image = scatterer(taps, cache.padded.shape[2:], stride or layer.stride, dilation or layer.dilation)
        return np.ascontiguousarray(crop(image, cache.around))

    return spoiled("x", spoil)


def conv_pulled_back_with(change):
    """Return a fault of the gradient of the input: other weights."""

    def spoil(layer, params, _x, cache, g):
        return layer.grad_input_scatter({"weight": change(layer, params["weight"])}, cache, g)

    return spoiled("x", spoil)


def conv_ends_swapped(layer, params, _x, cache, g):
    top, bottom, left, right_side = cache.around
    return layer.grad_input_scatter(params, cache._replace(around=(bottom, top, right_side, left)), g)


def conv_last_sample(layer, _params, _x, cache, g):
    return layer.grad_weight(cache._replace(padded=cache.padded[-1:]), g[-1:])


def last_row_dropped(g):
    g = g.copy()
    g[:, :, -1] = 0
    return g


def group_0_everywhere(layer, weight):
    return np.tile(weight[: layer.out_channels // layer.groups], (layer.groups, 1, 1, 1))


CONV2D = {
    "kernel not rotated": ("x", conv_pulled_back_with(lambda _, w: w[:, :, ::-1, ::-1])),
    "kernel flipped up-down": ("x", conv_pulled_back_with(lambda _, w: w[:, :, ::-1])),
    "stride 1 in the scatter": ("x", conv_scattered(scatter, stride=(1, 1))),
    "dilation 1 in the scatter": ("x", conv_scattered(scatter, dilation=(1, 1))),
    "padding ends swapped": ("x", spoiled("x", conv_ends_swapped)),
    "last row of windows dropped": (None, with_upstream(last_row_dropped)),
    "last row dropped in dx": ("x", spoiled("x", lambda c, p, _, k, g: c.backward(p, k, last_row_dropped(g))[0])),
    "overlap assigned": ("x", conv_scattered(scatter_assigned)),
    "weights of group 0 for all groups": ("x", conv_pulled_back_with(group_0_everywhere)),
    "dW of the last sample only": ("weight", spoiled("weight", conv_last_sample)),
    "dW / N": ("weight", scaled("weight", lambda x, _: 1 / len(x))),
    "dW over positions averaged": ("weight", scaled("weight", lambda _, g: 1 / (g.shape[2] * g.shape[3]))),
    "dW rotated": ("weight", spoiled("weight", lambda c, _p, _x, k, g: c.grad_weight(k, g)[:, :, ::-1, ::-1].copy())),
    "db of sample 0 only": ("bias", spoiled("bias", lambda _l, _p, _x, _c, g: g[0].sum((1, 2)))),
    "db averaged": ("bias", spoiled("bias", lambda _l, _p, _x, _c, g: g.mean((0, 2, 3)))),
    "db of the batch averaged": ("bias", spoiled("bias", lambda _l, _p, _x, _c, g: g.sum((2, 3)).mean(0))),
    "dx negated": ("x", negated),
    "upstream ignored": (None, upstream_ignored),
}


def true_conv_unrotated(layer, params, _x, cache, g):
    """Pull back through the cross-correlation that shares the configuration."""
    return layer.grad_input_scatter({"weight": params["weight"][:, :, ::-1, ::-1]}, cache, g)


TRUE_CONV2D = {
    "pulled back through cross-correlation": ("x", spoiled("x", true_conv_unrotated)),
    "dW not rotated back": ("weight", spoiled("weight", lambda c, _p, _x, k, g: c.grad_weight(k, g)[:, :, ::-1, ::-1])),
    "dx negated": ("x", negated),
}


def transposed_with(geometry):
    """Return a fault of the gradient of the input: windows of ``geometry(layer)`` over the padded map."""

    def spoil(layer, params, x, _cache, g):
        kernel, stride, dilation = geometry(layer)
        view = np.zeros((*g.shape[:2], *kernel, *x.shape[2:]))
        padded = np.pad(pad(g, layer.padding), ((0, 0), (0, 0), (0, 99), (0, 99)))
        view[...] = windows(padded, kernel, stride, dilation)[..., : x.shape[2], : x.shape[3]]
        return np.matmul(layer._weight_matrix(params), layer._columns(view)).reshape(x.shape)

    return spoiled("x", spoil)


def transposed_pulled_back_with(change):
    """Return a fault of the gradient of the input: other weights."""
    return spoiled("x", lambda t, p, _, c, g: t.backward({**p, "weight": change(t, p["weight"])}, c, g)[0])


def group_0_of_the_input_everywhere(layer, weight):
    return np.tile(weight[: layer.in_channels // layer.groups], (layer.groups, 1, 1, 1))


CONV_TRANSPOSE2D = {
    "stride and dilation exchanged": ("x", transposed_with(lambda t: (t.kernel_size, t.dilation, t.stride))),
    "stride 1": ("x", transposed_with(lambda t: (t.kernel_size, (1, 1), t.dilation))),
    "dilation of the axes exchanged": ("x", transposed_with(lambda t: (t.kernel_size, t.stride, t.dilation[::-1]))),
    "kernel rotated": ("x", transposed_pulled_back_with(lambda _, w: w[:, :, ::-1, ::-1])),
    "weights of group 0 for all groups": ("x", transposed_pulled_back_with(group_0_of_the_input_everywhere)),
    "last row of outputs dropped": (None, with_upstream(last_row_dropped)),
    "dW / N": ("weight", scaled("weight", lambda x, _: 1 / len(x))),
    "db averaged": ("bias", spoiled("bias", lambda _l, _p, _x, _c, g: g.mean((0, 2, 3)))),
    "dx negated": ("x", negated),
    "upstream ignored": (None, upstream_ignored),
}


def by_window(x, layer, cache, border):
    """Return the windows of x, one axis for all taps: (N, C, taps, rows, columns)."""
    view = windows(pad(x, cache.around, border), layer.kernel_size, layer.stride, layer._dilation)
    return view.reshape(*view.shape[:2], -1, *view.shape[4:])


def routed(layer, cache, g, taps):
    """Return gradients of taps (N, C, taps, rows, columns) added up in the input."""
    return layer._scatter((taps * g[:, :, None]).reshape(*g.shape[:2], *layer.kernel_size, *g.shape[2:]), cache)


def all_within(gap):
    """Return a fault that gives the gradient to every entry so near to the maximum."""

    def spoil(layer, _params, x, cache, g):
        flat = by_window(x, layer, cache, -np.inf)
        return routed(layer, cache, g, flat.max(2, keepdims=True) - flat <= gap)

    return spoiled("x", spoil)


def to_minimum(layer, _params, x, cache, g):
    flat = by_window(x, layer, cache, np.inf)
    taps = np.arange(flat.shape[2])[:, None, None]
    return routed(layer, cache, g, flat.argmin(2)[:, :, None] == taps)


def winner_assigned(layer, _params, x, cache, g):
    """Write each gradient to its winner, as ``dx[index] = g`` does: the last window wins."""
    image = np.zeros((*x.shape[:2], *cache.padded_size))
    rows, columns = layer.kernel_size
    for n, c, i, j in np.ndindex(*g.shape):
        row, column = divmod(int(cache.winner[n, c, i, j]), columns)
        assert row < rows
        place = i * layer.stride[0] + row * layer.dilation[0], j * layer.stride[1] + column * layer.dilation[1]
        image[n, c, *place] = g[n, c, i, j]
    return np.ascontiguousarray(crop(image, cache.around))


def everywhere(layer, _params, _x, cache, g):
    return routed(layer, cache, g, np.ones((1, 1, np.prod(layer.kernel_size), 1, 1)))


def overhang_dropped(layer, params, x, cache, g):
    """Leave out the last row and the last column of windows where they reach behind the padding."""
    plain, g = replace(layer, ceil_mode=False)._around(x.shape[2:]), g.copy()
    g[:, :, g.shape[2] - (cache.around[1] > plain[1]) :] = 0
    g[:, :, :, g.shape[3] - (cache.around[3] > plain[3]) :] = 0
    return layer.backward(params, cache, g)[0]


def dilation_forgotten(layer, params, _x, cache, g):
    return replace(layer, dilation=1).backward(params, cache, g)[0]


MAX_POOL2D = {
    "overlap assigned": ("x", spoiled("x", winner_assigned)),
    "every tied maximum gets everything": ("x", all_within(0.0)),
    "near maxima get gradient": ("x", all_within(0.1)),
    "minimum": ("x", spoiled("x", to_minimum)),
    "every entry gets everything": ("x", spoiled("x", everywhere)),
    "windows that overhang dropped": ("x", spoiled("x", overhang_dropped)),
    "dilation forgotten": ("x", spoiled("x", dilation_forgotten)),
    "last row of windows dropped": ("x", with_upstream(last_row_dropped)),
    "dx negated": ("x", negated),
    "upstream ignored": ("x", upstream_ignored),
}


def mean_assigned(layer, _params, _x, cache, g):
    share = (g / cache.divisor)[:, :, None, None]
    taps = np.broadcast_to(share, (*g.shape[:2], *layer.kernel_size, *g.shape[2:]))
    return np.ascontiguousarray(crop(scatter_assigned(taps, cache.padded_size, layer.stride), cache.around))


def border_not_counted(layer, _params, x, cache, g):
    inside = by_window(np.ones_like(x), layer, cache, 0.0).sum(2)
    return layer.backward({}, cache, g * cache.divisor / inside)[0]


def kernel_counted(layer, _params, _x, cache, g):
    return layer.backward({}, cache, g * cache.divisor / np.prod(layer.kernel_size))[0]


AVG_POOL2D = {
    "divisor missing": ("x", spoiled("x", everywhere)),
    "divisor of one axis only": ("x", spoiled("x", lambda a, p, _, c, g: a.backward(p, c, g)[0] * a.kernel_size[1])),
    "overlap assigned": ("x", spoiled("x", mean_assigned)),
    "border not counted": ("x", spoiled("x", border_not_counted)),
    "the whole kernel counted": ("x", spoiled("x", kernel_counted)),
    "windows that overhang dropped": ("x", spoiled("x", overhang_dropped)),
    "last row of windows dropped": ("x", with_upstream(last_row_dropped)),
    "dx negated": ("x", negated),
    "upstream ignored": ("x", upstream_ignored),
}


def axis_0_only(_layer, _params, _x, _cache, g):
    """Sum over axis 0, then take the first of what is left: right at rank 2 only."""
    db = g.sum(axis=0)
    return db.reshape(-1, g.shape[-1])[0]


def after_update(layer, params, _x, cache, g):
    gradient = layer.backward(params, cache, g)[1]["weight"]
    return g @ (params["weight"] - 0.1 * gradient)


def square_weight_transposed(_layer, params, _x, _cache, g):
    weight = params["weight"]
    return g @ (weight.T if weight.shape[0] == weight.shape[1] else weight)


AFFINE = {
    "db over axis 0 only": ("bias", spoiled("bias", axis_0_only)),
    "db over axis 0 only, of another shape": ("bias", spoiled("bias", lambda _l, _p, _x, _c, g: g.sum(0))),
    "db of the first row": ("bias", spoiled("bias", lambda _l, _p, _x, _c, g: g.reshape(-1, g.shape[-1])[0])),
    "dW / N": ("weight", scaled("weight", lambda x, _: 1 / len(x))),
    "dx with the weight after an update": ("x", spoiled("x", after_update)),
    "square weight transposed": ("x", spoiled("x", square_weight_transposed)),
    "dx negated": ("x", negated),
    "upstream ignored": (None, upstream_ignored),
}

RELU = {
    "derivative missing": ("x", spoiled("x", lambda _l, _p, _x, _c, g: g)),
    "derivative 2 at zero": ("x", spoiled("x", lambda _l, _p, x, _c, g: g * np.where(x == 0, 2.0, x > 0))),
    "mask from x > -0.1": ("x", spoiled("x", lambda _l, _p, x, _c, g: g * (x > -0.1))),
    "mask from the upstream": ("x", spoiled("x", lambda _l, _p, _x, _c, g: g * (g > 0))),
    "dx negated": ("x", negated),
    "upstream ignored": ("x", upstream_ignored),
}


def softmax_missing(layer, _params, _x, cache, g):
    onehot = np.zeros_like(cache.probabilities)
    onehot[np.arange(len(onehot)), cache.targets] = 1
    return layer.backward({}, cache._replace(probabilities=np.zeros_like(onehot)), g)[0]


def onehot_missing(layer, params, _x, cache, g):
    return layer.backward(params, cache, g)[0] - softmax_missing(layer, params, None, cache, g)


def no_mean(layer, params, _x, cache, g):
    return layer.backward(params, cache, g)[0] * (len(cache.targets) if layer.reduction == "mean" else 1)


def mean_over_classes_too(layer, params, _x, cache, g):
    return layer.backward(params, cache, g)[0] / (cache.probabilities.shape[1] if layer.reduction == "mean" else 1)


SOFTMAX_CROSS_ENTROPY = {
    "softmax term missing": ("x", spoiled("x", softmax_missing)),
    "one-hot term missing": ("x", spoiled("x", onehot_missing)),
    "no mean": ("x", spoiled("x", no_mean)),
    "sign": ("x", negated),
    "upstream ignored": ("x", upstream_ignored),
    "divided by N·C": ("x", spoiled("x", mean_over_classes_too)),
}

FLATTEN = {
    "column-major": ("x", spoiled("x", lambda _l, _p, _x, shape, g: g.reshape(shape, order="F"))),
    "reversed": ("x", spoiled("x", lambda _l, _p, _x, shape, g: g.reshape(-1)[::-1].reshape(shape))),
    "not unflattened": ("x", spoiled("x", lambda _l, _p, _x, _shape, g: g)),
    "dx negated": ("x", negated),
    "upstream ignored": ("x", upstream_ignored),
}

FAULTS = {
    "conv2d": CONV2D,
    "true_conv2d": TRUE_CONV2D,
    "conv_transpose2d": CONV_TRANSPOSE2D,
    "max_pool2d": MAX_POOL2D,
    "avg_pool2d": AVG_POOL2D,
    "affine": AFFINE,
    "relu": RELU,
    "softmax_cross_entropy": SOFTMAX_CROSS_ENTROPY,
    "flatten": FLATTEN,
}
TABLE = [
    pytest.param(kind, primal, fault, id=f"{kind}: {name}")
    for kind, faults in FAULTS.items()
    for name, (primal, fault) in faults.items()
]
#: Faults at ties and at zeros: other values have none.
SHOWN_BY_INTEGERS = {"max_pool2d: every tied maximum gets everything", "relu: derivative 2 at zero"}


@pytest.mark.parametrize(("kind", "primal", "fault"), TABLE)
def test_few_corners_find_a_planted_fault_and_name_it(kind, primal, fault, request):
    suite = suite_of(kind, fault)
    regime = "integers" if request.node.callspec.id in SHOWN_BY_INTEGERS else "normal"
    few = replace(suite, kind=replace(suite.kind, regimes=(regime,)))
    assert_found(run([few], Options(examples=0)), primal)


@pytest.mark.parametrize(
    ("kind", "primal", "fault"), [next(p for p in TABLE if p.values[0] == kind) for kind in FAULTS]
)
def test_the_first_fault_of_each_kind_is_found_by_check(kind, primal, fault):
    assert_found(gradcheck.check(suite_of(kind, fault)), primal)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "primal", "fault"), TABLE)
def test_drawn_cases_alone_find_a_planted_fault(kind, primal, fault):
    suite = suite_of(kind, fault)
    without_corners = replace(suite, kind=replace(suite.kind, corners=()))
    assert_found(gradcheck.check(without_corners), primal)
    assert_found(gradcheck.check(suite), primal)


def assert_found(report, primal):
    assert report.verdict == "failed", str(report)
    assert report.failures
    if primal is not None:
        # Some faults raise, beside being wrong, where options are that they know nothing of.
        assert {failure.primal for failure in report.failures if failure.check != "raised"} == {primal}
        assert report.failures[0].primal == primal


@pytest.mark.parametrize("kind", FAULTS)
def test_the_layer_without_a_fault_passes(kind):
    report = gradcheck.check(suite_of(kind, right))
    assert report.verdict == "passed", str(report)
    assert report.failures == ()


@pytest.mark.parametrize("at_zero", [0.5, 1.0])
def test_another_subgradient_at_zero_is_no_fault(at_zero):
    fault = spoiled("x", lambda _l, _p, x, _c, g: g * np.where(x == 0, at_zero, x > 0))
    report = gradcheck.check(suite_of("relu", fault))
    assert report.verdict == "passed", str(report)


@pytest.mark.parametrize("ties", ["last", "split"])
def test_another_choice_among_tied_maxima_is_no_fault(ties):
    def spoil(layer, _params, x, cache, g):
        flat = by_window(x, layer, cache, -np.inf)
        hit = flat == flat.max(2, keepdims=True)
        if ties == "split":
            return routed(layer, cache, g, hit / hit.sum(2, keepdims=True))
        return routed(layer, cache, g, hit & (np.cumsum(hit[:, :, ::-1], 2)[:, :, ::-1] == 1))

    report = run([suite_of("max_pool2d", spoiled("x", spoil))], Options(examples=0))
    assert report.verdict == "passed", str(report)
