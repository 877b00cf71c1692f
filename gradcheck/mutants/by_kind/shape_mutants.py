"""What backward passes get wrong that arrange entries anew, or undo broadcasting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays

_Reduce = Callable[[Array, tuple[int, ...]], Array]


def _reordered(question: Question) -> Arrays:
    return {"x": np.asarray(question.cotangent).reshape(question.primals["x"].shape, order="F")}


def _transposed_before(question: Question) -> Arrays:
    return {"x": np.asarray(question.cotangent).T.reshape(question.primals["x"].shape)}


def _samples_reversed(question: Question) -> Arrays:
    return {"x": question.gradients["x"][::-1]}


RESHAPE_MUTANTS = (
    Mutant("column-order", "entries are put back in the order of columns", _reordered),
    Mutant("transposed-before", "the upstream gradient is transposed before it is reshaped", _transposed_before),
    Mutant("samples-reversed", "entries along the first axis come back in reverse", _samples_reversed),
)


# Joining


def _split(question: Question, names: tuple[str, ...]) -> Arrays:
    """Give the parts of the upstream gradient to the inputs in that order, each as long as the input is."""
    axis = question.config.axis % np.ndim(question.cotangent)
    sizes = [question.primals[name].shape[axis] for name in names]
    parts = np.split(question.cotangent, np.cumsum(sizes)[:-1], axis=axis)
    return {name: np.asarray(part) for name, part in zip(names, parts, strict=True)}


def _sizes_reversed(question: Question) -> Arrays:
    return _split(question, tuple(question.primals)[::-1])


def _order_rolled(question: Question) -> Arrays:
    names = tuple(question.primals)
    return _split(question, (*names[1:], names[0]))


def _sizes_exchanged(question: Question) -> Arrays:
    """Cut the upstream gradient as if the inputs' sizes came in reverse."""
    axis = question.config.axis % np.ndim(question.cotangent)
    parts = np.split(question.cotangent, np.cumsum(question.config.sizes[::-1])[:-1], axis=axis)
    return dict(zip(question.primals, parts, strict=True))


def _first_part_for_all(question: Question) -> Arrays:
    """Take every part from the beginning."""
    axis = question.config.axis % np.ndim(question.cotangent)
    return {
        name: np.take(question.cotangent, np.arange(array.shape[axis]), axis=axis)
        for name, array in question.primals.items()
    }


CONCAT_MUTANTS = (
    Mutant("parts-reversed", "the parts go to the inputs in reverse", _sizes_reversed),
    Mutant("parts-rolled", "every input receives the part of the next", _order_rolled),
    Mutant("sizes-exchanged", "the upstream gradient is cut as if the sizes came in reverse", _sizes_exchanged),
    Mutant("offset-missing", "every part is taken from the beginning", _first_part_for_all),
)


# Broadcasting


def _unsummed(question: Question) -> Arrays:
    """Return the gradients by the operands before what was broadcast is summed."""
    if question.config.twice:
        return {}
    y, g = question.outputs, np.asarray(question.cotangent)
    x, x2 = (np.broadcast_to(question.primals[name], y.shape) for name in ("x", "x2"))
    is_product = np.array_equal(np.broadcast_to(x * x2, y.shape), y) and not np.array_equal(x + x2, y)
    return {"x": g * x2, "x2": g * x} if is_product else {"x": g, "x2": g}


def _reduced(reduce: _Reduce) -> Callable[[Question], Arrays]:
    """Return the mistake to undo broadcasting in another way than by a sum."""

    def gradients(question: Question) -> Arrays:
        found = {}
        for name, whole in _unsummed(question).items():
            due = question.primals[name].shape
            added = whole.ndim - len(due)
            axes = tuple(k for k in range(whole.ndim) if k < added or due[k - added] == 1 < whole.shape[k])
            if axes:
                value = reduce(whole, axes)
                found[name] = value.reshape(due) if value.size == np.prod(due, dtype=int) else value
        return found

    return gradients


def _added_axes_alone(whole: Array, axes: tuple[int, ...]) -> Array:
    leading = tuple(axis for position, axis in enumerate(axes) if axis == position)
    return np.asarray(whole.sum(axis=leading))


def _first_entry(whole: Array, axes: tuple[int, ...]) -> Array:
    return whole[tuple(0 if k in axes else slice(None) for k in range(whole.ndim))]


def _mean(whole: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(whole.mean(axis=axes))


def _largest(whole: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(whole.max(axis=axes))


_BROADCAST = (
    Mutant("not-summed", "what was broadcast is not summed", _reduced(lambda whole, _: whole)),
    Mutant("added-axes-alone", "leading axes alone are summed, not those of size 1", _reduced(_added_axes_alone)),
    Mutant(
        "mean-for-sum",
        "what was broadcast is averaged",
        _reduced(_mean),
    ),
    Mutant("first-entry-only", "of what was broadcast the first entry alone is taken", _reduced(_first_entry)),
    Mutant(
        "largest-for-sum",
        "of what was broadcast the largest is taken",
        _reduced(_largest),
    ),
)


def _one_use(question: Question) -> Arrays:
    return {"x": question.gradients["x"] / 2} if question.config.twice else {}


def _quotient(fill: float) -> Callable[[Question], Arrays]:
    """Return the mistake to divide the output by an operand for the other one, 0/0 giving `fill`."""

    def gradients(question: Question) -> Arrays:
        found = {}
        for name in () if question.config.twice else ("x", "x2"):
            own = np.broadcast_to(question.primals[name], np.shape(question.outputs))
            other = np.divide(question.outputs, own, out=np.full(own.shape, fill), where=own != 0)
            found[name] = _summed_to(question.primals[name].shape, question.cotangent * other)
        return found

    return gradients


def _summed_to(shape: tuple[int, ...], whole: Array) -> Array:
    """Undo broadcasting."""
    added = whole.ndim - len(shape)
    axes = tuple(k for k in range(whole.ndim) if k < added or shape[k - added] == 1)
    return np.asarray(whole.sum(axis=axes)).reshape(shape)


def _own_operand(question: Question) -> Arrays:
    if question.config.twice or question.config.shape != question.config.shape2:
        return {}
    return {name: question.cotangent * question.primals[name] for name in ("x", "x2")}


_OTHER_TWICE = Mutant("one-use-dropped", "of two uses of the same array one is left out", _one_use)

ADD_MUTANTS = (*_BROADCAST, _OTHER_TWICE)
MULTIPLY_MUTANTS = (
    *_BROADCAST,
    _OTHER_TWICE,
    Mutant("output-over-input", "the output is divided by the operand, which is NaN at 0", _quotient(np.nan)),
    Mutant("output-over-input-or-0", "the output is divided by the operand, and 0 where that is 0", _quotient(0.0)),
    Mutant("own-operand", "each gradient is made of the operand itself, not the other", _own_operand),
)
