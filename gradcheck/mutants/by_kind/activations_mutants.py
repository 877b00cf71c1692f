"""What backward passes of nonlinearities get wrong.

Every slope is a function of input, output and configuration, and few need all of them.
"""
# ruff: noqa: ARG005

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays

_Slope = Callable[[Array, Array, Any], Any]


def _slope(change: _Slope) -> Callable[[Question], Arrays]:
    """Return the mistake of another derivative: ``change(x, y, config)``."""

    def gradients(question: Question) -> Arrays:
        return {"x": question.cotangent * change(question.primals["x"], question.outputs, question.config)}

    return gradients


def _at_output(question: Question) -> Arrays:
    return question.altered(x=question.outputs)


def _squared(question: Question) -> Arrays:
    slope = question.altered(cotangent=np.ones_like(question.cotangent))["x"]
    return {"x": question.gradients["x"] * slope}


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _normal(x: Array) -> Array:
    """Return the cumulative distribution of N(0, 1), near enough for a mistake."""
    return np.asarray(0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))


def _density(x: Array) -> Array:
    return np.asarray(np.exp(-x * x / 2) / np.sqrt(2 * np.pi))


def _quick_gelu(x: Array, y: Array, config: Any) -> Array:  # noqa: ARG001 - every slope has this signature
    s = _sigmoid(1.702 * x)
    return np.asarray(s + 1.702 * x * s * (1 - s))


def _other_gelu(question: Question) -> Arrays:
    """Differentiate the other of the two curves."""
    from reference_layers import GELU

    layer = GELU("tanh" if question.config.approximate == "none" else "none")
    _, cache = layer.forward({}, question.primals["x"])
    return {"x": layer.backward({}, cache, question.cotangent)[0]}


_LEGAL = "at the kink every slope between those of the two sides is a subgradient"

#: Mistakes of every nonlinearity that works entry by entry.
ENTRYWISE = (
    Mutant("derivative-at-output", "the derivative is taken at the output, not the input", _at_output),
    Mutant("derivative-missing", "the upstream gradient is passed on as it is", _slope(lambda x, y, c: 1.0)),
    Mutant("derivative-squared", "the derivative is applied twice", _squared),
    Mutant("output-for-derivative", "the upstream gradient is multiplied by the output", _slope(lambda x, y, c: y)),
    Mutant("input-for-derivative", "the upstream gradient is multiplied by the input", _slope(lambda x, y, c: x)),
)
_TWICE = ("derivative-at-output", "derivative-squared")
SIGMOID_MUTANTS = (
    *ENTRYWISE,
    Mutant("output-formula-on-input", "s·(1 − s) is calculated of the input", _slope(lambda x, y, c: x * (1 - x))),
    Mutant("one-factor-missing", "s·(1 − s) lacks its second factor", _slope(lambda x, y, c: y)),
    Mutant("tanh-formula", "1 − s² stands for s·(1 − s)", _slope(lambda x, y, c: 1 - y * y)),
)
TANH_MUTANTS = (
    *ENTRYWISE,
    Mutant("output-formula-on-input", "1 − y² is calculated of the input", _slope(lambda x, y, c: 1 - x * x)),
    Mutant("square-missing", "1 − y stands for 1 − y²", _slope(lambda x, y, c: 1 - y)),
    Mutant("sigmoid-formula", "y·(1 − y) stands for 1 − y²", _slope(lambda x, y, c: y * (1 - y))),
)
SOFTPLUS_MUTANTS = (
    *ENTRYWISE,
    Mutant("sigmoid-of-output", "the sigmoid is that of the output", _slope(lambda x, y, c: _sigmoid(y))),
    Mutant("sigmoid-mirrored", "the sigmoid is that of −x", _slope(lambda x, y, c: _sigmoid(-x))),
    Mutant("as-relu", "the derivative is that of the ReLU", _slope(lambda x, y, c: x > 0)),
)
SILU_MUTANTS = (
    *ENTRYWISE,
    Mutant("term-with-input-missing", "the term x·σ′(x) is left out", _slope(lambda x, y, c: _sigmoid(x))),
    Mutant(
        "sigmoid-missing",
        "only the term x·σ′(x) is left",
        _slope(lambda x, y, c: x * _sigmoid(x) * (1 - _sigmoid(x))),
    ),
    Mutant(
        "input-factor-missing",
        "the term x·σ′(x) lacks its factor x",
        _slope(lambda x, y, c: _sigmoid(x) * (2 - _sigmoid(x))),
    ),
)
GELU_MUTANTS = (
    *ENTRYWISE,
    Mutant("other-curve", "the other of the two curves, exact and by tanh, is differentiated", _other_gelu),
    Mutant("sigmoid-curve", "the approximation by a sigmoid is differentiated", _slope(_quick_gelu)),
    Mutant("density-missing", "the term x·φ(x) is left out", _slope(lambda x, y, c: _normal(x))),
    Mutant(
        "density-without-input", "the term x·φ(x) lacks its factor x", _slope(lambda x, y, c: _normal(x) + _density(x))
    ),
)
_SAME_MASK = "the output has the slopes of the input, which are 0 and 1: twice is once"
RELU_MUTANTS = (
    *(replace(one, equivalent=_SAME_MASK) if one.slug in _TWICE else one for one in ENTRYWISE),
    Mutant(
        "mask-from-output",
        "the mask is where the output is positive",
        _slope(lambda x, y, c: y > 0),
        equivalent="the output is positive where the input is, and only there",
    ),
    Mutant("slope-1-at-zero", "the slope at 0 is 1", _slope(lambda x, y, c: x >= 0), convention=_LEGAL),
    Mutant("mask-inverted", "negative entries receive the gradient", _slope(lambda x, y, c: x < 0)),
    Mutant("threshold-wrong", "only entries above 1 receive the gradient", _slope(lambda x, y, c: x > 1)),
    Mutant("mask-from-size", "all entries but zeros receive the gradient", _slope(lambda x, y, c: x != 0)),
)
LEAKY_RELU_MUTANTS = (
    *ENTRYWISE,
    Mutant("slope-missing", "negative entries receive nothing", _slope(lambda x, y, c: x > 0)),
    Mutant(
        "slope-on-wrong-side",
        "the slope is that of positive entries",
        _slope(lambda x, y, c: np.where(x > 0, c.negative_slope, 1.0)),
    ),
    Mutant(
        "mask-from-output",
        "the side is told by the output",
        _slope(lambda x, y, c: np.where(y > 0, 1.0, c.negative_slope)),
    ),
    Mutant("slope-usual", "the slope is the usual 0.01", _slope(lambda x, y, c: np.where(x > 0, 1.0, 0.01))),
    Mutant(
        "slope-1-at-zero",
        "the slope at 0 is 1",
        _slope(lambda x, y, c: np.where(x >= 0, 1.0, c.negative_slope)),
        convention=_LEGAL,
    ),
)
ELU_MUTANTS = (
    *ENTRYWISE,
    Mutant(
        "alpha-missing", "alpha is treated as 1", _slope(lambda x, y, c: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0))))
    ),
    Mutant(
        "alpha-1-in-output-formula", "y + 1 stands for y + alpha", _slope(lambda x, y, c: np.where(x > 0, 1.0, y + 1))
    ),
    Mutant("alpha-not-added", "y stands for y + alpha", _slope(lambda x, y, c: np.where(x > 0, 1.0, y))),
    Mutant(
        "side-from-output",
        "the side is told by the output",
        _slope(lambda x, y, c: np.where(y > 0, 1.0, c.alpha * np.exp(np.minimum(x, 0)))),
    ),
)
