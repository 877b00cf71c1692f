"""What backward passes of fully connected layers get wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradcheck.mutants.by_kind.bias_mutants import bias_mutants
from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays

_RATE = 0.125


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _with_weight(change: Callable[[Question], Array | None]) -> Callable[[Question], Arrays]:
    def gradients(question: Question) -> Arrays:
        weight = change(question)
        return {} if weight is None else {"x": question.cotangent @ weight}

    return gradients


def _transposed(question: Question) -> Array | None:
    weight = question.primals["weight"]
    return weight.T if weight.shape[0] == weight.shape[1] else None


def _from_output(question: Question) -> Arrays:
    x, y = question.primals["x"], question.outputs
    return {"weight": _rows(question.cotangent).T @ _rows(y)} if x.shape == y.shape else {}


def _operands_exchanged(question: Question) -> Arrays:
    x, g = question.primals["x"], question.cotangent
    return {"weight": _rows(x).T @ _rows(g)}


def _first_rows(question: Question) -> Arrays:
    """Sum over the first axis alone, and take the first of the others."""
    x, g = question.primals["x"], question.cotangent
    if x.ndim < 3:
        return {}
    first_g, first_x = (array.reshape(len(array), -1, array.shape[-1])[:, 0] for array in (g, x))
    return {"weight": first_g.T @ first_x}


def _over_first_axis(question: Question) -> Arrays:
    """Sum the bias's gradient over the first axis alone."""
    g = question.cotangent
    return {"bias": g.sum(axis=0)} if "bias" in question.primals and g.ndim > 2 else {}


def _bias_first_rows(question: Question) -> Arrays:
    g = question.cotangent
    taken = g.reshape(len(g), -1, g.shape[-1])[:, 0].sum(axis=0)
    return {"bias": taken} if "bias" in question.primals and g.ndim > 2 else {}


def _bias_in_weight(question: Question) -> Arrays:
    """Add the gradient of the bias to that of the weight as well."""
    if "bias" not in question.primals:
        return {}
    return {"weight": question.gradients["weight"] + question.gradients["bias"][:, None]}


AFFINE_MUTANTS = (
    Mutant("weight-not-transposed", "the weight is not transposed for the input", _with_weight(_transposed)),
    Mutant(
        "weight-already-updated",
        "the weight was updated before the gradient of the input was made",
        _with_weight(lambda q: q.primals["weight"] - _RATE * q.gradients["weight"]),
    ),
    Mutant("weight-as-ones", "the weight is taken as ones", _with_weight(lambda q: np.ones_like(q.primals["weight"]))),
    Mutant("weight-from-output", "the gradient of the weight is made from the output, not the input", _from_output),
    Mutant("operands-exchanged", "input and upstream gradient are exchanged for the weight", _operands_exchanged),
    Mutant("first-rows-only", "the gradient of the weight leaves out all but the first rows", _first_rows),
    Mutant("bias-over-first-axis", "the gradient of the bias is summed over the first axis alone", _over_first_axis),
    Mutant("bias-first-rows-only", "the gradient of the bias leaves out all but the first rows", _bias_first_rows),
    Mutant("bias-in-weight", "the gradient of the bias is added to that of the weight", _bias_in_weight),
    *bias_mutants(-1),
)


# Two inputs


def _bilinear(x: str, x2: str) -> Callable[[Question], Arrays]:
    """Return the mistake to take one input for another where both are as wide."""

    def gradients(question: Question) -> Arrays:
        first, second = question.primals[x], question.primals[x2]
        if first.shape != question.primals["x"].shape or second.shape != question.primals["x2"].shape:
            return {}
        return question.altered(x=first, x2=second)

    return gradients


BILINEAR_MUTANTS = (
    Mutant("inputs-exchanged", "the inputs are taken for one another", _bilinear("x2", "x")),
    Mutant("first-input-twice", "the first input is taken for the second", _bilinear("x", "x")),
    Mutant(
        "inputs-of-weight-transposed",
        "the axes of the inputs are exchanged in the weight",
        lambda q: (
            {name: q.altered(weight=q.primals["weight"].swapaxes(1, 2).copy())[name] for name in ("x", "x2")}
            if q.config.in1_features == q.config.in2_features
            else {}
        ),
    ),
    *bias_mutants(-1),
)
