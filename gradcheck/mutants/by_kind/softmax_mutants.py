"""What backward passes of softmax, and of cross-entropy after it, get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays
from reference_layers import SoftmaxCrossEntropy, softmax

_Formula = Callable[[Array, Array, Question], Array]


def _formula(change: _Formula) -> Callable[[Question], Arrays]:
    """Return the mistake of another formula in the output s and the upstream gradient g."""
    return lambda question: {"x": change(question.outputs, question.cotangent, question)}


def _sum(array: Array, question: Question) -> Array:
    return np.asarray(array.sum(axis=question.config.axis, keepdims=True))


def _mean(array: Array, question: Question) -> Array:
    return np.asarray(array.mean(axis=question.config.axis, keepdims=True))


def _of_input(s: Array, g: Array, q: Question) -> Array:  # noqa: ARG001 - every formula has this signature
    x = q.primals["x"]
    return np.asarray(x * (g - _sum(g * x, q)))


def _along_other_axis(s: Array, g: Array, q: Question) -> Array:
    other = (q.config.axis + 1) % s.ndim
    return np.asarray(s * (g - (g * s).sum(axis=other, keepdims=True)))


SOFTMAX_MUTANTS = (
    Mutant("diagonal-only", "only the diagonal of the Jacobian is used", _formula(lambda s, g, _: s * (1 - s) * g)),
    Mutant("dot-missing", "the term Σ g·s is left out", _formula(lambda s, g, _: s * g)),
    Mutant("dot-is-mean", "the term Σ g·s is averaged", _formula(lambda s, g, q: s * (g - _mean(g * s, q)))),
    Mutant("dot-added", "the term Σ g·s is added, not taken off", _formula(lambda s, g, q: s * (g + _sum(g * s, q)))),
    Mutant("factor-missing", "the factor s is left out", _formula(lambda s, g, q: g - _sum(g * s, q))),
    Mutant("dot-without-softmax", "the sum is that of g alone", _formula(lambda s, g, q: s * (g - _sum(g, q)))),
    Mutant("input-for-output", "the input is used where the output should be", _formula(_of_input)),
    Mutant("axis-wrong", "the sum runs along another axis", _formula(_along_other_axis)),
    Mutant("summed-over-all", "the sum runs over everything", _formula(lambda s, g, _: s * (g - (g * s).sum()))),
)
LOG_SOFTMAX_MUTANTS = (
    Mutant("sum-missing", "the sum of the upstream gradient is left out", _formula(lambda y, g, _: g - np.exp(y) * g)),
    Mutant("sum-added", "the sum is added, not taken off", _formula(lambda y, g, q: g + np.exp(y) * _sum(g, q))),
    Mutant(
        "cross-entropy-shortcut",
        "the upstream gradient is taken to sum to 1, as after a cross-entropy",
        _formula(lambda y, g, _: g - np.exp(y)),
    ),
    Mutant("sum-is-mean", "the sum is averaged", _formula(lambda y, g, q: g - np.exp(y) * _mean(g, q))),
    Mutant(
        "output-for-softmax",
        "the output stands for its exponential",
        _formula(lambda y, g, q: g - y * _sum(g, q)),
    ),
    Mutant(
        "axis-wrong",
        "the sum runs along another axis",
        _formula(lambda y, g, q: g - np.exp(y) * g.sum(axis=(q.config.axis + 1) % y.ndim, keepdims=True)),
    ),
)


# Cross-entropy after it


def _pulled(layer: SoftmaxCrossEntropy, question: Question, targets: Any = None) -> Array:
    """Return the gradient of x of another loss."""
    config, x = question.config, question.primals["x"]
    given = np.array(config.targets) if targets is None else targets
    _, cache = layer.forward({}, x, given)
    gradient: Array = layer.backward({}, cache, question.cotangent)[0]
    return gradient


def _altered(**changes: Any) -> Callable[[Question], Arrays]:
    """Return the mistake to pull another loss back: that with these options."""
    return lambda question: {"x": _pulled(replace(question.config.layer, **changes), question)}


def _counted(question: Question) -> Array:
    return np.asarray(np.array(question.config.targets) != question.config.ignore_index)


def _each_upstream(question: Question) -> Array:
    """Return what the loss of each sample is multiplied by, before any mean."""
    n = len(question.config.targets)
    return np.asarray(np.broadcast_to(question.cotangent, (n,)))[:, None]


def _divisor(count: Callable[[Question], float]) -> Callable[[Question], Arrays]:
    """Return the mistake to divide the sum by something else."""

    def gradients(question: Question) -> Arrays:
        if question.config.reduction != "mean":
            return {}
        summed = _pulled(replace(question.config.layer, reduction="sum"), question)
        return {"x": summed / count(question)}

    return gradients


def _sum_divided(question: Question) -> Arrays:
    if question.config.reduction == "mean":
        return {}
    return {"x": question.gradients["x"] / len(question.config.targets)}


def _ignored_not_masked(question: Question) -> Arrays:
    """Give ignored samples the gradient that softmax and nothing would have."""
    s = softmax(question.primals["x"])
    ignored = ~_counted(question)[:, None]
    return {"x": np.where(ignored, s * _each_upstream(question), question.gradients["x"])}


def _smoothed_when_ignored(question: Question) -> Arrays:
    """Mask the one-hot part of ignored samples alone."""
    config = question.config
    s = softmax(question.primals["x"])
    part = config.label_smoothing * (s - 1 / config.classes) * _each_upstream(question)
    return {"x": np.where(~_counted(question)[:, None], part, question.gradients["x"])}


def _smoothing_not_shared(question: Question) -> Arrays:
    """Forget to divide the smoothing by the number of classes."""
    config = question.config
    if config.label_smoothing == 0 or config.class_weights:
        return {}
    part = config.label_smoothing * (1 / config.classes - 1) * _each_upstream(question) / _mean_divisor(question)
    return {"x": question.gradients["x"] + np.where(_counted(question)[:, None], part, 0.0)}


def _mean_divisor(question: Question) -> float:
    """Return by what the mean of unweighted samples is divided, 1 without one."""
    return max(float(_counted(question).sum()), 1.0) if question.config.reduction == "mean" else 1.0


def _softmax_twice(question: Question) -> Arrays:
    return {"x": question.altered(x=softmax(question.primals["x"]))["x"]}


def _part(own: float, hot: float) -> Callable[[Question], Arrays]:
    """Return the mistake of other factors of softmax and one-hot targets."""

    def gradients(question: Question) -> Arrays:
        config = question.config
        if config.class_weights or config.label_smoothing:
            return {}
        hits = np.array(config.targets)[:, None] == np.arange(config.classes)
        each = _each_upstream(question) / _mean_divisor(question)
        value = (own * softmax(question.primals["x"]) + hot * hits) * each
        return {"x": np.where(_counted(question)[:, None], value, 0.0)}

    return gradients


def _next_label(question: Question) -> Arrays:
    targets = np.array(question.config.targets)
    moved = np.where(_counted(question), (targets + 1) % question.config.classes, targets)
    return {"x": _pulled(question.config.layer, question, moved)}


SOFTMAX_CROSS_ENTROPY_MUTANTS = (
    Mutant("mean-missing", "the mean over the batch is treated as a sum", _divisor(lambda _: 1.0)),
    Mutant("mean-over-samples", "the sum is divided by all samples", _divisor(lambda q: len(q.config.targets))),
    Mutant(
        "mean-over-counted",
        "the sum is divided by the number of samples that count, not by their weights",
        _divisor(lambda q: max(len(q.config.counted), 1)),
    ),
    Mutant("mean-over-entries", "the sum is divided by the number of entries", _divisor(lambda q: q.primals["x"].size)),
    Mutant(
        "sum-divided",
        "a sum is divided by the number of samples",
        lambda q: {"x": q.gradients["x"] / len(q.config.targets)},
        lambda c, _: c.reduction != "mean",
    ),
    Mutant("weights-missing", "the weights of the classes are left out", _altered(class_weights=None)),
    Mutant("ignored-not-masked", "ignored samples receive a gradient", _ignored_not_masked),
    Mutant("smoothing-on-ignored", "ignored samples receive the gradient of the smoothing", _smoothed_when_ignored),
    Mutant("smoothing-missing", "label smoothing is left out", _altered(label_smoothing=0.0)),
    Mutant("smoothing-not-shared", "the smoothing is not divided by the number of classes", _smoothing_not_shared),
    Mutant("softmax-twice", "softmax is applied twice", _softmax_twice),
    Mutant("softmax-missing", "the softmax is left out: only the one-hot targets remain", _part(0.0, -1.0)),
    Mutant("targets-missing", "the one-hot targets are left out: only the softmax remains", _part(1.0, 0.0)),
    Mutant("targets-added", "the one-hot targets are added, not taken off", _part(1.0, 1.0)),
    Mutant("label-off-by-one", "the next class is taken for the true one", _next_label),
)
