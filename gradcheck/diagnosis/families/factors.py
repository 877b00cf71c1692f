"""Gradients that are multiplied: by a number that has a name, by another array along an axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gradcheck.diagnosis.arrays import array_called, arrays_called, called, ratio_of, slug_of
from gradcheck.diagnosis.constants import named_constants
from gradcheck.diagnosis.hypothesis import CONSTANT, NUMBER, PATTERN, Hypothesis, catalogue, constant_ratio, plainly
from gradcheck.diagnosis.observation import Observation
from gradcheck.mutants.mutant import Mutant
from gradcheck.subject import Array

_Number = Callable[[Observation, str], float | None]
#: A number is recognised to this relative error.
_CLOSE = 1e-5
_TIMES = "multiplied by {} once too often"
_OVER = "divided by {} once too often, or lacks it as a factor"


def constants(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield the names of the number by which the whole gradient is multiplied, and the number itself."""
    ratio = constant_ratio(observation.answers[primal], observation, primal)
    if ratio is None:
        return
    for name in _names(observation, primal, ratio):
        told = f"the gradient is multiplied by {name} (a factor of {ratio:.4g} here)"
        yield Hypothesis(f"scale:{name}", CONSTANT, plainly(told), _times(partial(_constant, name=name)))
    told = f"the gradient is {ratio:.6g} times the right one"
    yield Hypothesis(f"scale:{ratio:.4g}", NUMBER, plainly(told), _times(partial(_same_number, number=ratio)))


def other_arrays(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield that the gradient is multiplied or divided, entry by entry, by an array once too often."""
    for name in arrays_called(observation):
        for power, words, prefix in ((1, _TIMES, "times"), (-1, _OVER, "over")):
            predict = partial(_scaled_by, name=name, power=power)
            predicted = predict(observation, primal)
            if predicted is not None and np.isfinite(predicted).any():
                told = f"the gradient is {words.format(called(name))}"
                yield Hypothesis(f"{prefix}-{slug_of(name)}", PATTERN, plainly(told), predict)


def combinations(observation: Observation, primal: str, mutants: tuple[Mutant, ...]) -> Iterator[Hypothesis]:
    """Yield every mutant of a catalogue together with the factor that is left over after it."""
    for one in catalogue(mutants):
        ratio = ratio_of(observation.answers[primal], one.prediction(observation, primal))
        if ratio is None or abs(ratio - 1) < _CLOSE or not one.tells(observation, primal):
            continue
        for name in _names(observation, primal, ratio):
            yield _multiplied(one, name, partial(_constant, name=name))
        yield _multiplied(one, f"{ratio:.4g}", partial(_same_number, number=ratio))


def _names(observation: Observation, primal: str, number: float) -> list[str]:
    values = named_constants(observation, primal).items()
    return [name for name, value in values if np.isclose(value, number, rtol=_CLOSE, atol=0)]


def _multiplied(one: Hypothesis, name: str, number: _Number) -> Hypothesis:
    def predict(observation: Observation, primal: str) -> Array | None:
        factor = number(observation, primal)
        return None if factor is None else factor * one.prediction(observation, primal)

    def sentence(observation: Observation, primal: str) -> str:
        return f"{one.sentence(observation, primal)}; and it is multiplied by {name}"

    return Hypothesis(f"{one.slug}+scale:{name}", one.rank, sentence, predict)


def _constant(observation: Observation, primal: str, name: str) -> float | None:
    return named_constants(observation, primal).get(name)


def _same_number(observation: Observation, primal: str, number: float) -> float:  # noqa: ARG001 - the same in every case
    return number


def _times(number: _Number) -> Callable[[Observation, str], Array | None]:
    def predict(observation: Observation, primal: str) -> Array | None:
        factor = number(observation, primal)
        return None if factor is None else np.asarray(factor * observation.right[primal])

    return predict


def _scaled_by(observation: Observation, primal: str, name: str, power: int) -> Array | None:
    factor = _along(array_called(observation, name), observation.right[primal])
    with np.errstate(all="ignore"):
        return None if factor is None else np.asarray(observation.right[primal] * factor**power)


def _along(factor: Array | None, gradient: Array) -> Array | None:
    """Return an array so that it multiplies a gradient: of its shape, or along the one axis that is as long."""
    if factor is None or factor.shape == gradient.shape:
        return factor
    axes = [axis for axis, size in enumerate(gradient.shape) if size == factor.size]
    if factor.ndim != 1 or len(axes) != 1:
        return None
    return factor.reshape([-1 if axis == axes[0] else 1 for axis in range(gradient.ndim)])
