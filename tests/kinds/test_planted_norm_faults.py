"""Faults that backward passes of normalising layers and dropout really have, planted into ours: all must be found."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import gradcheck
from gradcheck.kinds.channel_normalization import running_statistics
from gradcheck.runs import Options, run
from reference_layers import (
    BatchNorm,
    Dropout,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
    channel_normalization,
    local_response_norm,
    normalization,
)
from reference_layers.normalization import mean


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


#: For each kind: the layer of a configuration, and constants of its forward.
LAYERS = {
    "layer_norm": lambda c: (LayerNorm(c.normalized_shape, c.eps, c.affine),),
    "rms_norm": lambda c: (RMSNorm(c.normalized_shape, c.eps),),
    "batch_norm": lambda c: (BatchNorm(c.channels, c.eps, True, c.affine),),
    "batch_norm_eval": lambda c: (BatchNorm(c.channels, c.eps, False, c.affine), *running_statistics(c)),
    "group_norm": lambda c: (GroupNorm(c.groups, c.channels, c.eps, c.affine),),
    "instance_norm": lambda c: (InstanceNorm(c.channels, c.eps, c.affine),),
    "local_response_norm": lambda c: (LocalResponseNorm(c.size, c.alpha, c.beta, c.k),),
    "dropout": lambda c: (Dropout(c.p, c.training, c.seed),),
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
        return dx, gradients | ({name: spoil(layer, params, x, cache, g)} if name in gradients else {})

    return fault


def pulled_back_by(formula):
    """Return a fault of the gradient of the input: ``formula(cache, axes, ĝ, layer)`` for `standardize_backward`."""

    def fault(layer, params, _x, cache, g):
        def instead(own, axes, grad_normalized):
            return formula(own, axes, grad_normalized, layer)

        with (
            patch.object(normalization, "standardize_backward", instead),
            patch.object(channel_normalization, "standardize_backward", instead),
        ):
            return layer.backward(params, cache, g)

    return fault


def terms(cache, axes, g, shift=1.0, stretch=1.0):
    """Return the gradient of x with other weights of its two correction terms."""
    along = cache.normalized * mean(g * cache.normalized, axes)
    return cache.inverse * (g - shift * mean(g, axes) - stretch * along)


def count(cache, axes):
    return np.prod([cache.normalized.shape[axis] for axis in axes])


def without_eps(cache, axes, g, layer):
    """Return the gradient as if ε were 0 in the backward pass alone."""
    deviation = np.sqrt(np.maximum(1 / cache.inverse**2 - layer.eps, 1e-30))
    normalized = cache.normalized / cache.inverse / deviation
    return terms(cache._replace(inverse=1 / deviation, normalized=normalized), axes, g)


def without_gamma(layer, params, _x, cache, g):
    ones = {name: np.ones_like(array) if name == "gamma" else array for name, array in params.items()}
    return layer.backward(ones, cache, g)[0]


def gamma_twice(layer, params, _x, cache, g):
    squares = {name: array**2 if name == "gamma" else array for name, array in params.items()}
    return layer.backward(squares, cache, g)[0]


def gradients_swapped(layer, params, _x, cache, g):
    dx, gradients = layer.backward(params, cache, g)
    return dx, {"gamma": gradients["beta"], "beta": gradients["gamma"]} if gradients else {}


def gamma_from(array_of):
    """Return a fault of the gradient of gamma: summed with another array than x̂."""

    def spoil(layer, params, x, cache, g):
        return layer.backward(params, cache._replace(normalized=array_of(layer, params, x, cache)), g)[1]["gamma"]

    return spoiled("gamma", spoil)


def times(name, factor):
    def spoil(layer, params, x, cache, g):
        return factor(x) * layer.backward(params, cache, g)[1][name]

    return spoiled(name, spoil)


SCALED = {
    "gamma missing in dx": ("x", spoiled("x", without_gamma)),
    "gamma twice in dx": ("x", spoiled("x", gamma_twice)),
    "dgamma from x": ("gamma", gamma_from(lambda _l, _p, x, _c: x)),
    "dgamma / N": ("gamma", times("gamma", lambda x: 1 / len(x))),
    "upstream ignored": (None, lambda layer, params, _x, cache, g: layer.backward(params, cache, np.ones_like(g))),
}
SHIFTED = {
    **SCALED,
    "dgamma and dbeta swapped": (None, gradients_swapped),
    "dbeta / N": ("beta", times("beta", lambda x: 1 / len(x))),
}
STANDARDIZED = {
    **SHIFTED,
    "statistics constant": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a, g, 0, 0))),
    "mean constant": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a, g, shift=0))),
    "variance constant": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a, g, stretch=0))),
    "sign of the variance term": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a, g, stretch=-1))),
    "sums for means": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a, g, count(c, a), count(c, a)))),
    "1/σ missing": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a, g) / c.inverse)),
    "1/σ twice": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a, g) * c.inverse)),
    "variance of N − 1": (
        "x",
        pulled_back_by(lambda c, a, g, _: terms(c, a, g, stretch=count(c, a) / max(count(c, a) - 1, 1))),
    ),
    "ε missing": ("x", pulled_back_by(without_eps)),
}
ONE_AXIS = {
    "means over the first axis only": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a[:1], g))),
    "means over the last axis only": ("x", pulled_back_by(lambda c, a, g, _: terms(c, a[-1:], g))),
}


def other_groups(layer, _params, x, cache, g):
    """Return the gradient of gamma with the statistics of group ``c mod G`` for those of ``c // (C/G)``."""
    sample = x.reshape(len(x), layer.groups, -1)
    middle, inverse = sample.mean(axis=2), cache.inverse[:, :, 0]
    wrong = np.arange(layer.channels) % layer.groups
    along = (slice(None), wrong, *(None,) * (x.ndim - 2))
    return (g * (x - middle[along]) * inverse[along]).sum(axis=(0, *range(2, x.ndim)))


def trailing(layer, x):
    return tuple(range(x.ndim - len(layer.normalized_shape), x.ndim))


def in_other_mode(layer, params, _x, cache, g):
    return replace(layer, training=not layer.training).backward(params, cache, g)[0]


def response(change):
    """Return a fault: another layer's backward with this layer's cache."""
    return spoiled("x", lambda layer, params, _x, cache, g: change(layer).backward(params, cache, g)[0])


def not_mirrored(layer, params, _x, cache, g):
    window = local_response_norm._window_sums
    with patch.object(local_response_norm, "_window_sums", lambda array, before, after: window(array, after, before)):
        return layer.backward(params, cache, g)[0]


def scale_of(layer):
    return 1 / (1 - layer.p) if layer.training and layer.p < 1 else 1.0


def masked(mask_of):
    def spoil(layer, _params, x, mask, g):
        return g * mask_of(layer, x, mask) * scale_of(layer)

    return spoiled("x", spoil)


FAULTS = {
    "layer_norm": {
        **STANDARDIZED,
        **ONE_AXIS,
        "dgamma of the first row": (
            "gamma",
            spoiled("gamma", lambda a, _p, _x, c, g: (g * c.normalized).reshape(-1, *a.normalized_shape)[0]),
        ),
    },
    "rms_norm": {
        **SCALED,
        "mean taken off": (
            "x",
            spoiled("x", lambda a, p, x, c, g: terms(c, trailing(a, x), g * p["gamma"])),
        ),
        "root constant": (
            "x",
            spoiled("x", lambda a, p, x, c, g: terms(c, trailing(a, x), g * p["gamma"], 0, 0)),
        ),
        "sum for mean": (
            "x",
            spoiled(
                "x", lambda a, p, x, c, g: terms(c, trailing(a, x), g * p["gamma"], 0, np.prod(a.normalized_shape))
            ),
        ),
    },
    "batch_norm": {**STANDARDIZED, **ONE_AXIS, "as by running statistics": ("x", spoiled("x", in_other_mode))},
    "batch_norm_eval": {**SHIFTED, "as in training": ("x", spoiled("x", in_other_mode))},
    "group_norm": {**STANDARDIZED, "dgamma by group c mod G": ("gamma", spoiled("gamma", other_groups))},
    "instance_norm": {**STANDARDIZED, **ONE_AXIS},
    "local_response_norm": {
        "windows constant": ("x", spoiled("x", lambda a, _p, _x, c, g: g * c.denominator**-a.beta)),
        "factor 2 missing": ("x", response(lambda a: replace(a, alpha=a.alpha / 2))),
        "α not divided": ("x", response(lambda a: replace(a, alpha=a.alpha * a.size))),
        "window not mirrored": ("x", spoiled("x", not_mirrored)),
        "upstream ignored": ("x", SCALED["upstream ignored"][1]),
    },
    "dropout": {
        "mask missing": ("x", masked(lambda _l, _x, mask: np.ones_like(mask))),
        "mask inverted": ("x", masked(lambda _l, _x, mask: ~mask)),
        "mask drawn again": ("x", masked(lambda layer, x, _: replace(layer, seed=layer.seed + 1).mask(x.shape))),
        "mask from the output": ("x", masked(lambda _l, x, mask: mask & (x != 0))),
        "scale missing": ("x", spoiled("x", lambda _l, _p, _x, mask, g: g * mask)),
        "scale twice": ("x", spoiled("x", lambda a, _p, _x, mask, g: g * mask * scale_of(a) ** 2)),
        "scale 1/p": ("x", spoiled("x", lambda a, _p, _x, mask, g: g * mask / (a.p or 1.0))),
        "upstream ignored": ("x", SCALED["upstream ignored"][1]),
    },
}
TABLE = [
    pytest.param(kind, primal, fault, id=f"{kind}: {name}")
    for kind, faults in FAULTS.items()
    for name, (primal, fault) in faults.items()
]
#: Faults at ties and at zeros: other values have none.
SHOWN_BY_INTEGERS = {"dropout: mask from the output"}


@pytest.mark.parametrize(("kind", "primal", "fault"), TABLE)
def test_few_corners_find_a_planted_fault_and_name_it(kind, primal, fault, request):
    suite = suite_of(kind, fault)
    regime = "integers" if request.node.callspec.id in SHOWN_BY_INTEGERS else "normal"
    few = replace(suite, kind=replace(suite.kind, regimes=(regime,)))
    assert_found(run([few], Options(examples=0)), primal)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "primal", "fault"), TABLE)
def test_drawn_cases_alone_find_a_planted_fault(kind, primal, fault):
    suite = suite_of(kind, fault)
    assert_found(gradcheck.check(replace(suite, kind=replace(suite.kind, corners=()))), primal)


def assert_found(report, primal):
    assert report.verdict == "failed", str(report)
    assert report.failures
    if primal is not None:
        assert {failure.primal for failure in report.failures} == {primal}


@pytest.mark.parametrize("kind", FAULTS)
def test_the_layer_without_a_fault_passes(kind):
    report = gradcheck.check(suite_of(kind, right))
    assert report.verdict == "passed", str(report)
    assert report.failures == ()
