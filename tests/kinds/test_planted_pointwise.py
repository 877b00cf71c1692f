"""Faults that real backward passes of pointwise layers, losses and look-ups had: the kinds must find them all."""

import numpy as np
import pytest

import gradcheck
from gradcheck.kinds import KINDS
from gradcheck.runs import Options, run
from reference_layers.activations import sigmoid


def leaky_relu_masked_by_its_output(c, p, y, g, due):
    return {"x": np.where(y > 0, g, c.negative_slope * g)}


def elu_without_alpha(c, p, y, g, due):
    return {"x": np.where(p["x"] > 0, g, g * np.exp(np.minimum(p["x"], 0)))}


def slope_of_the_output(c, p, y, g, due):
    return {"x": g * sigmoid(y) * sigmoid(-y)}


def silu_without_product_rule(c, p, y, g, due):
    return {"x": g * sigmoid(p["x"])}


def gelu_of_the_other_form(c, p, y, g, due):
    from reference_layers import GELU

    layer = GELU("none" if c.approximate == "tanh" else "tanh")
    return {"x": layer.backward({}, layer.forward({}, p["x"])[1], g)[0]}


def softmax_diagonal_only(c, p, y, g, due):
    return {"x": g * y * (1 - y)}


def softmax_over_the_last_axis(c, p, y, g, due):
    return {"x": y * (g - (g * y).sum(axis=-1, keepdims=True))}


def log_softmax_with_plus(c, p, y, g, due):
    return {"x": g + np.exp(y) * g.sum(axis=c.axis, keepdims=True)}


def log_softmax_without_sum(c, p, y, g, due):
    return {"x": g - np.exp(y) * g}


def ignored_in_the_mean(c, p, y, g, due):
    if c.reduction != "mean" or not c.counted:
        return due
    weights = np.array(c.class_weights or (1.0,) * c.classes)
    total = weights[list(c.counted)].sum()
    return {"x": due["x"] * total / (total + len(c.targets) - len(c.counted))}


def mean_over_the_batch(c, p, y, g, due):
    total = np.array(c.class_weights or (1.0,) * c.classes)[list(c.counted)].sum()
    return {"x": due["x"] * (total / len(c.targets) if c.reduction == "mean" else 1)}


def smoothing_of_ignored(c, p, y, g, due):
    wrong = due["x"].copy()
    wrong[np.array(c.targets) == c.ignore_index] -= c.label_smoothing / c.classes
    return {"x": wrong}


def divided_by_samples(c, p, y, g, due):
    return {"x": due["x"] * (p["x"].size / len(p["x"]) if c.reduction == "mean" else 1)}


def half(c, p, y, g, due):
    return {"x": due["x"] / 2}


def huber_not_cut(c, p, y, g, due):
    return {"x": due["x"] * np.maximum(1, np.abs(p["x"] - c.targets) / c.delta)}


def upstream_ignored(c, p, y, g, due):
    return {"x": due["x"] / np.where(g == 0, 1, g)} if g.shape in ((), due["x"].shape) else due


def reshaped_by_columns(c, p, y, g, due):
    return {"x": g.reshape(c.shape, order="F")}


def pieces_exchanged(c, p, y, g, due):
    others = zip(due.items(), reversed(due.values()), strict=True)
    return {name: other if other.shape == array.shape else array for (name, array), other in others}


def broadcast_mean(c, p, y, g, due):
    return {name: array * array.size / max(g.size, 1) for name, array in due.items()}


def inner_axes_not_summed(c, p, y, g, due):
    """Keep the first entry along axes of size 1, leading axes alone being summed."""
    kept = g.sum(axis=tuple(range(g.ndim - len(c.shape2))))
    first = kept[tuple(slice(0, 1) if n == 1 else slice(None) for n in c.shape2)]
    return due | {"x2": np.asarray(first)} if "x2" in due else due


def one_use_dropped(c, p, y, g, due):
    return {"x": due["x"] / 2} if c.twice else due


def factors_exchanged(c, p, y, g, due):
    return {"x": g * p["x"], "x2": g * p["x2"]} if "x2" in p and c.shape == c.shape2 else due


def repeated_rows_assigned(c, p, y, g, due):
    wrong = np.zeros_like(p["weight"])
    wrong[list(c.rows)] = g.reshape(-1, c.embedding_dim)
    if c.padding_row is not None:
        wrong[c.padding_row] = 0
    return {"weight": wrong}


def padding_gets_gradient(c, p, y, g, due):
    wrong = np.zeros_like(p["weight"])
    np.add.at(wrong, list(c.rows), g.reshape(-1, c.embedding_dim))
    return {"weight": wrong}


def negative_indices_lost(c, p, y, g, due):
    wrong = np.zeros_like(p["weight"])
    for index, row in zip(c.indices, g.reshape(-1, c.embedding_dim), strict=True):
        if index >= 0 and index != c.padding_row:
            wrong[index] += row
    return {"weight": wrong}


def inputs_exchanged(c, p, y, g, due):
    return due | {"x": due["x2"], "x2": due["x"]} if c.in1_features == c.in2_features else due


def weight_transposed(c, p, y, g, due):
    return due | {"weight": due["weight"].swapaxes(1, 2)} if c.in1_features == c.in2_features else due


FAULTS = {
    "leaky_relu": [leaky_relu_masked_by_its_output],
    "elu": [elu_without_alpha],
    "sigmoid": [slope_of_the_output],
    "tanh": [slope_of_the_output],
    "softplus": [slope_of_the_output],
    "silu": [silu_without_product_rule],
    "gelu": [gelu_of_the_other_form],
    "softmax": [softmax_diagonal_only, softmax_over_the_last_axis],
    "log_softmax": [log_softmax_with_plus, log_softmax_without_sum],
    "softmax_cross_entropy": [ignored_in_the_mean, mean_over_the_batch, smoothing_of_ignored],
    "cross_entropy": [half, upstream_ignored],
    "mean_squared_error": [half, divided_by_samples, upstream_ignored],
    "bce_with_logits": [divided_by_samples, upstream_ignored],
    "huber": [huber_not_cut, upstream_ignored],
    "reshape": [reshaped_by_columns],
    "concat": [pieces_exchanged],
    "add": [broadcast_mean, inner_axes_not_summed, one_use_dropped],
    "multiply": [one_use_dropped, factors_exchanged],
    "embedding": [repeated_rows_assigned, padding_gets_gradient, negative_indices_lost],
    "bilinear": [inputs_exchanged, weight_transposed],
}


def suite_of(name, fault):
    """Return the suite of a kind whose gradients are ``fault(config, primals, y, g, right gradients)``."""
    kind = KINDS[name]

    def build(config, primals):
        right = kind.build(config, primals)

        def vjp(arrays):
            y, pullback = right.vjp(arrays)
            return y, lambda g: fault(config, arrays, y, np.asarray(g), pullback(g))

        return gradcheck.Subject(name, primals, vjp, right.forward)

    return gradcheck.suite(name, build)


@pytest.mark.parametrize(("name", "fault"), [(n, fault) for n, faults in FAULTS.items() for fault in faults])
def test_the_corners_find_a_planted_fault(name, fault):
    report = run([suite_of(name, fault)], Options(examples=0))
    assert report.verdict == "failed", str(report)


@pytest.mark.parametrize("name", FAULTS)
def test_without_a_fault_the_corners_pass(name):
    report = run([suite_of(name, lambda _c, _p, _y, _g, due: due)], Options(examples=0))
    assert report.verdict == "passed", str(report)
