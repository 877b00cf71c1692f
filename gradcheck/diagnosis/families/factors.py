"""Gradients that are multiplied: by a number that has a name, by another array along an axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gradcheck.diagnosis.arrays import array_called, arrays_called, called, ratio_of, slug_of
from gradcheck.diagnosis.constants import named_constants
from gradcheck.diagnosis.exhibit import Exhibit
from gradcheck.diagnosis.hypothesis import CONSTANT, NUMBER, PATTERN, Hypothesis, catalogue, constant_ratio, plainly
from gradcheck.faults.mistake import Mistake
from gradcheck.subject import Array

_Number = Callable[[Exhibit, str], float | None]
#: A number is recognised to this relative error.
_CLOSE = 1e-5
_TIMES = "multiplied by {} once too often"
_OVER = "divided by {} once too often, or lacks it as a factor"


def constants(exhibit: Exhibit, primal: str) -> Iterator[Hypothesis]:
    """Yield the names of the number by which the whole gradient is multiplied, and the number itself."""
    ratio = constant_ratio(exhibit.answers[primal], exhibit, primal)
    if ratio is None:
        return
    for name in _names(exhibit, primal, ratio):
        told = f"the gradient is multiplied by {name} (a factor of {ratio:.4g} here)"
        yield Hypothesis(f"scale:{name}", CONSTANT, plainly(told), _times(partial(_constant, name=name)))
    told = f"the gradient is {ratio:.6g} times the right one"
    yield Hypothesis(f"scale:{ratio:.4g}", NUMBER, plainly(told), _times(partial(_same_number, number=ratio)))


def other_arrays(exhibit: Exhibit, primal: str) -> Iterator[Hypothesis]:
    """Yield that the gradient is multiplied or divided, entry by entry, by an array once too often."""
    for name in arrays_called(exhibit):
        for power, words, prefix in ((1, _TIMES, "times"), (-1, _OVER, "over")):
            predict = partial(_scaled_by, name=name, power=power)
            predicted = predict(exhibit, primal)
            if predicted is not None and np.isfinite(predicted).any():
                told = f"the gradient is {words.format(called(name))}"
                yield Hypothesis(f"{prefix}-{slug_of(name)}", PATTERN, plainly(told), predict)


def combinations(exhibit: Exhibit, primal: str, mistakes: tuple[Mistake, ...]) -> Iterator[Hypothesis]:
    """Yield every mistake of a catalogue together with the factor that is left over after it."""
    for one in catalogue(mistakes):
        ratio = ratio_of(exhibit.answers[primal], one.prediction(exhibit, primal))
        if ratio is None or abs(ratio - 1) < _CLOSE or not one.tells(exhibit, primal):
            continue
        for name in _names(exhibit, primal, ratio):
            yield _multiplied(one, name, partial(_constant, name=name))
        yield _multiplied(one, f"{ratio:.4g}", partial(_same_number, number=ratio))


def _names(exhibit: Exhibit, primal: str, number: float) -> list[str]:
    values = named_constants(exhibit, primal).items()
    return [name for name, value in values if np.isclose(value, number, rtol=_CLOSE, atol=0)]


def _multiplied(one: Hypothesis, name: str, number: _Number) -> Hypothesis:
    def predict(exhibit: Exhibit, primal: str) -> Array | None:
        factor = number(exhibit, primal)
        return None if factor is None else factor * one.prediction(exhibit, primal)

    def sentence(exhibit: Exhibit, primal: str) -> str:
        return f"{one.sentence(exhibit, primal)}; and it is multiplied by {name}"

    return Hypothesis(f"{one.slug}+scale:{name}", one.rank, sentence, predict)


def _constant(exhibit: Exhibit, primal: str, name: str) -> float | None:
    return named_constants(exhibit, primal).get(name)


def _same_number(exhibit: Exhibit, primal: str, number: float) -> float:  # noqa: ARG001 - the same in every case
    return number


def _times(number: _Number) -> Callable[[Exhibit, str], Array | None]:
    def predict(exhibit: Exhibit, primal: str) -> Array | None:
        factor = number(exhibit, primal)
        return None if factor is None else np.asarray(factor * exhibit.right[primal])

    return predict


def _scaled_by(exhibit: Exhibit, primal: str, name: str, power: int) -> Array | None:
    factor = _along(array_called(exhibit, name), exhibit.right[primal])
    with np.errstate(all="ignore"):
        return None if factor is None else np.asarray(exhibit.right[primal] * factor**power)


def _along(factor: Array | None, gradient: Array) -> Array | None:
    """Return an array so that it multiplies a gradient: of its shape, or along the one axis that is as long."""
    if factor is None or factor.shape == gradient.shape:
        return factor
    axes = [axis for axis, size in enumerate(gradient.shape) if size == factor.size]
    if factor.ndim != 1 or len(axes) != 1:
        return None
    return factor.reshape([-1 if axis == axes[0] else 1 for axis in range(gradient.ndim)])
