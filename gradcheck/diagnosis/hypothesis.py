"""What an explanation is: a name, a sentence, and the gradient that it predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.diagnosis.arrays import nearest_factor
from gradcheck.diagnosis.observation import Observation
from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import Mutant
from gradcheck.subject import Array

#: From the most specific to the least.
OPERAND, CONSTANT, ORIENTATION, INDEX_SET, PATTERN, NUMBER = range(1, 7)
#: How specific the generic mutants are.
_RANKS = {
    "scale": CONSTANT,
    "zero": CONSTANT,
    "exchanged": OPERAND,
    "upstream-ignored": OPERAND,
    "upstream-squared": OPERAND,
    "upstream-sign": OPERAND,
    "transposed": ORIENTATION,
    "transposed-last": ORIENTATION,
    "flipped": ORIENTATION,
    "flipped-first": ORIENTATION,
    "rolled": ORIENTATION,
    "rolled-first": ORIENTATION,
}

Predict = Callable[[Observation, str], Array | None]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One explanation of the gradient of one primal.

    Attributes
    ----------
    slug : str
        Stable name: ``strides-swapped``, ``scale:1/N``.
    rank : int
        How specific it is: 0 for the mutants of a kind.
    sentence : callable
        ``sentence(observation, primal)``: what is wrong, with the parameters of that case.
    predict : callable
        ``predict(observation, primal)``: the gradient that it leads to; None where it leads to the right one.
    """

    slug: str
    rank: int
    sentence: Callable[[Observation, str], str]
    predict: Predict

    def prediction(self, observation: Observation, primal: str) -> Array:
        """Return the gradient that it leads to."""
        predicted = self.predict(observation, primal)
        return observation.right[primal] if predicted is None else predicted

    def fits(self, observation: Observation, primal: str) -> bool:
        """Whether the layer answered as predicted."""
        return observation.same(observation.answers[primal], self.prediction(observation, primal), primal)

    def tells(self, observation: Observation, primal: str) -> bool:
        """Whether the prediction differs from what is right."""
        return observation.apart(self.prediction(observation, primal), observation.right[primal], primal)


def by_axis(slug: str, observation: Observation, primal: str) -> str:
    """Return the slug with an axis that says the same of one gradient as a slug without: ``flipped:1``, ``flipped``."""
    rank, upstream = observation.right[primal].ndim, observation.question.cotangent
    last = rank - 1
    of_upstream = 0 if isinstance(upstream, tuple) else upstream.ndim - 1
    same = {
        "flipped": f"flipped:{last}",
        "flipped-first": "flipped:0",
        "rolled": f"rolled:{last}:+1",
        "rolled-first": "rolled:0:+1",
        "transposed": ",".join(map(str, ("transposed:1", 0, *range(2, rank)))),
        "transposed-last": "transposed:" + ",".join(map(str, (*range(rank - 2), rank - 1, rank - 2))),
        "last-row-dropped": "gradient-axis-0:last-missing",
        "last-column-dropped": f"gradient-axis-{last}:last-missing",
        "sample-left-out": "upstream-axis-0:first-missing",
        "last-sample-left-out": "upstream-axis-0:last-missing",
        "last-sample-alone": "upstream-axis-0:last-alone",
        "half-batch": "upstream-axis-0:second-half-missing",
        "last-output-left-out": f"upstream-axis-{of_upstream}:last-missing",
    }
    return same.get(slug, slug)


def plainly(sentence: str) -> Callable[[Observation, str], str]:
    """Return a sentence without parameters."""
    return lambda *_: sentence


def turned(slug: str, rank: int, sentence: str, turn: Callable[[Array], Array]) -> Hypothesis:
    """Return that something was done to the right gradient."""

    def predict(observation: Observation, primal: str) -> Array | None:
        try:
            with np.errstate(all="ignore"):
                return np.asarray(turn(observation.right[primal]))
        except (ValueError, IndexError):  # fewer axes than where it was read off
            return None

    return Hypothesis(slug, rank, plainly(sentence), predict)


def sent_back(slug: str, rank: int, sentence: str, turn: Callable[[Any], Any]) -> Hypothesis:
    """Return that something was done to the upstream gradient."""

    def predict(observation: Observation, primal: str) -> Array | None:
        try:
            turned_upstream = turn(observation.question.cotangent)
        except (ValueError, IndexError):  # fewer axes than where it was read off
            return None
        return observation.altered(primal, turned_upstream)

    return Hypothesis(slug, rank, plainly(sentence), predict)


def catalogue(mutants: Iterable[Mutant]) -> Iterator[Hypothesis]:
    """Yield the mutants of a kind, and those that any layer can make, as hypotheses."""
    for mutant in mutants:
        yield _of(mutant, 0)
    for mutant in GENERIC:
        yield _of(mutant, _RANKS.get(mutant.slug.split(":")[0], INDEX_SET))


def _of(mutant: Mutant, rank: int) -> Hypothesis:
    def sentence(observation: Observation, primal: str) -> str:
        return mutant.sentence + _parameters(mutant, observation, primal)

    return Hypothesis(
        mutant.slug, rank, sentence, lambda observation, primal: observation.predicted(mutant).get(primal)
    )


def _parameters(mutant: Mutant, observation: Observation, primal: str) -> str:
    """Return what a mutant used and should have used, or the factor that it comes to; nothing where it has neither."""
    used = mutant.parameters(observation.question)
    if used:
        return f": {used}"
    factor = constant_ratio(observation.predicted(mutant)[primal], observation, primal)
    return "" if factor is None else f" (a factor of {factor:.4g} here)"


def constant_ratio(gradient: Array, observation: Observation, primal: str) -> float | None:
    """Return the number by which every entry of a gradient differs from the right one; None if there is none."""
    right = observation.right[primal]
    known = np.isfinite(right)
    if gradient.shape != right.shape or not np.isfinite(gradient[known]).all():
        return None
    ratio = nearest_factor(gradient[known], right[known])
    if ratio is None or right[known].size < 2:
        return None
    return ratio if observation.same(gradient, ratio * right, primal) else None
