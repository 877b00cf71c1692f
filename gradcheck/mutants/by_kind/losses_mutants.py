"""What backward passes of losses get wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays

_Error = Callable[[Question], Array]


def _with_error(error: _Error) -> Callable[[Question], Arrays]:
    """Return the mistake of another derivative of the loss of each entry."""

    def gradients(question: Question) -> Arrays:
        value = error(question)
        divisor = value.size if question.config.reduction == "mean" else 1
        return {"x": value * question.cotangent / divisor}

    return gradients


def _mean_over(count: Callable[[Question], float]) -> Callable[[Question], Arrays]:
    """Return the mistake to divide the sum by something else."""

    def gradients(question: Question) -> Arrays:
        right = question.gradients["x"]
        if question.config.reduction != "mean":
            return {}
        whole = len(question.config.targets) if np.ndim(question.config.targets) == 1 else right.size
        return {"x": right * whole / count(question)}

    return gradients


def _sum_divided(question: Question) -> Arrays:
    return {} if question.config.reduction != "sum" else {"x": question.gradients["x"] / question.primals["x"].size}


def _each_divided(question: Question) -> Arrays:
    """Divide by the number of entries though nothing is summed."""
    return {} if question.config.reduction != "none" else {"x": question.gradients["x"] / question.primals["x"].size}


_REDUCED = (
    Mutant("mean-missing", "the mean is treated as a sum", _mean_over(lambda _: 1.0)),
    Mutant("sum-divided", "a sum is divided by the number of entries", _sum_divided),
    Mutant("each-divided", "losses that are not reduced are divided by their number", _each_divided),
)
_MEAN_OF_SAMPLES = Mutant(
    "mean-over-samples",
    "the sum is divided by the number of samples, not of entries",
    _mean_over(lambda q: len(q.primals["x"])),
)


def _difference(question: Question) -> Array:
    return np.asarray(question.primals["x"] - question.config.targets)


MEAN_SQUARED_ERROR_MUTANTS = (
    *_REDUCED,
    _MEAN_OF_SAMPLES,
    Mutant("factor-2-missing", "the factor 2 is left out", _with_error(_difference)),
    Mutant(
        "error-negated", "target less input stands for input less target", _with_error(lambda q: -2 * _difference(q))
    ),
    Mutant(
        "target-added",
        "the target is added, not taken off",
        _with_error(lambda q: 2 * (q.primals["x"] + q.config.targets)),
    ),
    Mutant("target-missing", "the target is left out", _with_error(lambda q: 2 * q.primals["x"])),
    Mutant("sign-of-error", "only the sign of the error is used", _with_error(lambda q: 2 * np.sign(_difference(q)))),
)


def _probability(question: Question) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(question.primals["x"] / 2)))


def _of_probability(question: Question) -> Array:
    """The gradient by the probability, without the derivative of the sigmoid."""
    p, t = np.clip(_probability(question), 1e-6, 1 - 1e-6), question.config.binary_targets
    return np.asarray((p - t) / (p * (1 - p)))


def _sigmoid_twice(question: Question) -> Array:
    again = 0.5 * (1 + np.tanh(_probability(question) / 2))
    return np.asarray(again - question.config.binary_targets)


def _clamped(question: Question) -> Array:
    """Clamp probabilities, as against log 0, before the targets are taken off."""
    return np.asarray(np.clip(_probability(question), 0.01, 0.99) - question.config.binary_targets)


BCE_MUTANTS = (
    *_REDUCED,
    _MEAN_OF_SAMPLES,
    Mutant(
        "sigmoid-missing",
        "the logit stands for the probability",
        _with_error(lambda q: q.primals["x"] - q.config.binary_targets),
    ),
    Mutant("sigmoid-twice", "the sigmoid is applied twice", _with_error(_sigmoid_twice)),
    Mutant("derivative-of-sigmoid-missing", "the gradient is that by the probability", _with_error(_of_probability)),
    Mutant(
        "derivative-of-sigmoid-twice",
        "the derivative of the sigmoid is applied once more",
        lambda q: {"x": q.gradients["x"] * _probability(q) * (1 - _probability(q))},
    ),
    Mutant("probability-clamped", "probabilities are clamped in the backward pass", _with_error(_clamped)),
    Mutant(
        "targets-rounded",
        "soft targets are rounded to classes",
        _with_error(lambda q: _probability(q) - (q.config.binary_targets > 0.4)),
    ),
    Mutant("target-missing", "the target is left out", _with_error(_probability)),
)


def _clipped(question: Question, at: float) -> Array:
    return np.clip(_difference(question), -at, at)


def _sides_exchanged(question: Question) -> Array:
    error, delta = _difference(question), question.config.delta
    return np.asarray(np.where(np.abs(error) <= delta, delta * np.sign(error), error))


HUBER_MUTANTS = (
    *_REDUCED,
    _MEAN_OF_SAMPLES,
    Mutant("delta-as-1", "delta is treated as 1", _with_error(lambda q: _clipped(q, 1.0))),
    Mutant("not-clipped", "the error is quadratic throughout", _with_error(_difference)),
    Mutant(
        "sign-alone", "the error is linear throughout", _with_error(lambda q: q.config.delta * np.sign(_difference(q)))
    ),
    Mutant("sides-exchanged", "the quadratic and the linear part are exchanged", _with_error(_sides_exchanged)),
    Mutant(
        "delta-missing",
        "the linear part lacks its factor delta",
        _with_error(
            lambda q: np.where(np.abs(_difference(q)) > q.config.delta, np.sign(_difference(q)), _difference(q))
        ),
    ),
    Mutant(
        "smooth-l1",
        "the gradient is divided by delta",
        _with_error(lambda q: _clipped(q, q.config.delta) / q.config.delta),
    ),
)


def _hits(question: Question) -> Array:
    return np.asarray(np.array(question.config.targets)[:, None] == np.arange(question.config.classes))


def _row_by_row(value: Callable[[Question], Array]) -> Callable[[Question], Arrays]:
    def gradients(question: Question) -> Arrays:
        n = len(question.config.targets)
        each = np.broadcast_to(question.cotangent, (n,)) / (n if question.config.reduction == "mean" else 1)
        return {"x": value(question) * each[:, None]}

    return gradients


CROSS_ENTROPY_MUTANTS = (
    Mutant("mean-missing", "the mean is treated as a sum", _mean_over(lambda _: 1.0)),
    Mutant(
        "mean-over-entries", "the sum is divided by the number of entries", _mean_over(lambda q: q.primals["x"].size)
    ),
    Mutant("reciprocal-missing", "−1 stands for −1/p", _row_by_row(lambda q: -1.0 * _hits(q))),
    Mutant(
        "with-softmax",
        "the gradient is that by the logits: p less the targets",
        _row_by_row(lambda q: q.primals["x"] - _hits(q)),
    ),
    Mutant("all-classes", "every class receives −1/p", _row_by_row(lambda q: -1 / q.primals["x"])),
    Mutant(
        "other-classes",
        "the classes that are not true receive 1/(1 − p) too",
        _row_by_row(lambda q: np.where(_hits(q), -1 / q.primals["x"], 1 / (1.5 - q.primals["x"]))),
    ),
    Mutant("log-of-2", "the logarithm is that of base 2", lambda q: {"x": q.gradients["x"] / np.log(2)}),
    Mutant(
        "label-off-by-one",
        "the next class is taken for the true one",
        _row_by_row(lambda q: np.roll(_hits(q), 1, axis=1) / -q.primals["x"]),
    ),
)
