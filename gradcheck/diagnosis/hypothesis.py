"""What an explanation is: a name, a sentence, and the gradient that it predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.diagnosis.arrays import nearest_factor
from gradcheck.diagnosis.exhibit import Exhibit
from gradcheck.faults.generic import GENERIC
from gradcheck.faults.mistake import Mistake
from gradcheck.subject import Array

#: From the most specific to the least.
OPERAND, CONSTANT, ORIENTATION, INDEX_SET, PATTERN, NUMBER = range(1, 7)
#: How specific the generic mistakes are.
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

Predict = Callable[[Exhibit, str], Array | None]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One explanation of the gradient of one primal.

    Attributes
    ----------
    slug : str
        Stable name: ``strides-swapped``, ``scale:1/N``.
    rank : int
        How specific it is: 0 for the mistakes of a kind.
    sentence : callable
        ``sentence(exhibit, primal)``: what is wrong, with the parameters of that case.
    predict : callable
        ``predict(exhibit, primal)``: the gradient that it leads to; None where it leads to the right one.
    """

    slug: str
    rank: int
    sentence: Callable[[Exhibit, str], str]
    predict: Predict

    def prediction(self, exhibit: Exhibit, primal: str) -> Array:
        """Return the gradient that it leads to."""
        predicted = self.predict(exhibit, primal)
        return exhibit.right[primal] if predicted is None else predicted

    def fits(self, exhibit: Exhibit, primal: str) -> bool:
        """Whether the layer answered as predicted."""
        return exhibit.same(exhibit.answers[primal], self.prediction(exhibit, primal), primal)

    def tells(self, exhibit: Exhibit, primal: str) -> bool:
        """Whether the prediction differs from what is right."""
        return exhibit.apart(self.prediction(exhibit, primal), exhibit.right[primal], primal)


def by_axis(slug: str, exhibit: Exhibit, primal: str) -> str:
    """Return the slug with an axis that says the same of one gradient as a slug without: ``flipped:1``, ``flipped``."""
    rank, upstream = exhibit.right[primal].ndim, exhibit.question.cotangent
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


def plainly(sentence: str) -> Callable[[Exhibit, str], str]:
    """Return a sentence without parameters."""
    return lambda *_: sentence


def turned(slug: str, rank: int, sentence: str, turn: Callable[[Array], Array]) -> Hypothesis:
    """Return that something was done to the right gradient."""

    def predict(exhibit: Exhibit, primal: str) -> Array | None:
        try:
            with np.errstate(all="ignore"):
                return np.asarray(turn(exhibit.right[primal]))
        except (ValueError, IndexError):  # fewer axes than where it was read off
            return None

    return Hypothesis(slug, rank, plainly(sentence), predict)


def sent_back(slug: str, rank: int, sentence: str, turn: Callable[[Any], Any]) -> Hypothesis:
    """Return that something was done to the upstream gradient."""

    def predict(exhibit: Exhibit, primal: str) -> Array | None:
        try:
            turned_upstream = turn(exhibit.question.cotangent)
        except (ValueError, IndexError):  # fewer axes than where it was read off
            return None
        return exhibit.altered(primal, turned_upstream)

    return Hypothesis(slug, rank, plainly(sentence), predict)


def catalogue(mistakes: Iterable[Mistake]) -> Iterator[Hypothesis]:
    """Yield the mistakes of a kind, and those that any layer can make, as hypotheses."""
    for mistake in mistakes:
        yield _of(mistake, 0)
    for mistake in GENERIC:
        yield _of(mistake, _RANKS.get(mistake.slug.split(":")[0], INDEX_SET))


def _of(mistake: Mistake, rank: int) -> Hypothesis:
    def sentence(exhibit: Exhibit, primal: str) -> str:
        return mistake.sentence + _parameters(mistake, exhibit, primal)

    return Hypothesis(mistake.slug, rank, sentence, lambda exhibit, primal: exhibit.predicted(mistake).get(primal))


def _parameters(mistake: Mistake, exhibit: Exhibit, primal: str) -> str:
    """Return what a mistake used and should have used, or the factor that it comes to; nothing where it has neither."""
    used = mistake.parameters(exhibit.question)
    if used:
        return f": {used}"
    factor = constant_ratio(exhibit.predicted(mistake)[primal], exhibit, primal)
    return "" if factor is None else f" (a factor of {factor:.4g} here)"


def constant_ratio(gradient: Array, exhibit: Exhibit, primal: str) -> float | None:
    """Return the number by which every entry of a gradient differs from the right one; None if there is none."""
    right = exhibit.right[primal]
    known = np.isfinite(right)
    if gradient.shape != right.shape or not np.isfinite(gradient[known]).all():
        return None
    ratio = nearest_factor(gradient[known], right[known])
    if ratio is None or right[known].size < 2:
        return None
    return ratio if exhibit.same(gradient, ratio * right, primal) else None
