"""Where an error lives, for the errors that nothing explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradcheck.diagnosis.exhibit import Exhibit
from gradcheck.subject import Array

#: A set of entries is where the error lives if it holds (and is held by) nearly all that is wrong.
_FITS = 0.95
_EVERYWHERE = "in every entry"
#: A factor is worth telling if it leaves no more than this share of the gradient.
_NEAR = 0.5


def describe(primal: str, exhibits: Sequence[Exhibit]) -> str:
    """Return where the gradient of one primal is wrong, and which factor comes nearest.

    Parameters
    ----------
    primal : str
    exhibits : sequence of Exhibit
        The failing case first.
    """
    wrong = [one for one in exhibits if primal in one.wrong and one.answers[primal].shape == one.right[primal].shape]
    if wrong:  # a place has a name among gradients of as many axes
        rank = _largest(primal, wrong).right[primal].ndim
        wrong = [one for one in wrong if one.right[primal].ndim == rank]
    told = [_place(primal, wrong), _factor(primal, wrong), _company(primal, exhibits)] if wrong else []
    return "; ".join(clause for clause in told if clause)


def _largest(primal: str, exhibits: Sequence[Exhibit]) -> Exhibit:
    return max(exhibits, key=lambda one: one.right[primal].size)


def _place(primal: str, exhibits: Sequence[Exhibit]) -> str:
    """Return the smallest named set of entries that holds the error."""
    largest = _largest(primal, exhibits)
    if largest.right[primal].size < 2:
        return ""
    for name, members in _sets(largest, primal):
        if members(largest).all() and name != _EVERYWHERE:
            continue
        if _score(primal, exhibits, members) >= _FITS:
            return f"the error lies {name}{_value_there(primal, exhibits, members)}"
    return "the error lies in no part of it that has a name"


def _sets(exhibit: Exhibit, primal: str) -> Iterator[tuple[str, Callable[[Exhibit], Array]]]:
    """Yield sets of entries with their names, the narrowest first."""
    rank = exhibit.right[primal].ndim
    for axis in range(rank):
        yield f"in the first entry along axis {axis}", _ends(primal, (axis,), first=True)
        yield f"in the last entry along axis {axis}", _ends(primal, (axis,), last=True)
        yield f"in the first and the last entry along axis {axis}", _ends(primal, (axis,), first=True, last=True)
    if rank > 2:
        yield "along the border of each map", _ends(primal, tuple(range(2, rank)), first=True, last=True)
    yield f"where `{primal}` is zero", lambda e: e.question.primals[primal] == 0
    yield "where the right gradient is zero", lambda e: e.right[primal] == 0
    yield f"where `{primal}` is negative", lambda e: e.question.primals[primal] < 0
    yield f"where `{primal}` is positive", lambda e: e.question.primals[primal] > 0
    for axis in range(rank):
        yield f"in all but the first entry along axis {axis}", _but(_ends(primal, (axis,), first=True))
        yield f"in all but the last entry along axis {axis}", _but(_ends(primal, (axis,), last=True))
    yield _EVERYWHERE, lambda e: np.ones(e.right[primal].shape, bool)


def _ends(primal: str, axes: tuple[int, ...], *, first: bool = False, last: bool = False) -> Callable[[Exhibit], Array]:
    def members(exhibit: Exhibit) -> Array:
        chosen = np.zeros(exhibit.right[primal].shape, bool)
        for axis in axes:
            along = np.moveaxis(chosen, axis, 0)
            if first:
                along[0] = True
            if last:
                along[-1] = True
        return chosen

    return members


def _but(members: Callable[[Exhibit], Array]) -> Callable[[Exhibit], Array]:
    return lambda exhibit: np.logical_not(members(exhibit))


def _score(primal: str, exhibits: Sequence[Exhibit], members: Callable[[Exhibit], Array]) -> float:
    """Return the F1 score of a set against all entries that are wrong."""
    hits = named = wrong = 0
    for one in exhibits:
        error, chosen = _wrong_entries(one, primal), members(one)
        hits += int((error & chosen).sum())
        named += int((chosen & ~_unmoved(one, primal)).sum())
        wrong += int(error.sum())
    return 2 * hits / (named + wrong) if wrong else 0.0


def _wrong_entries(exhibit: Exhibit, primal: str) -> Array:
    answer, right = exhibit.answers[primal], exhibit.right[primal]
    known = np.isfinite(right)
    largest = np.abs(right[known]).max(initial=0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(known & ~(np.abs(answer - right) <= 1e-5 * largest))


def _unmoved(exhibit: Exhibit, primal: str) -> Array:
    """Return the entries that are right because they are zero, as those of a dead unit: they tell nothing."""
    return np.asarray((exhibit.right[primal] == 0) & (exhibit.answers[primal] == 0))


def _value_there(primal: str, exhibits: Sequence[Exhibit], members: Callable[[Exhibit], Array]) -> str:
    values = np.concatenate([one.answers[primal][members(one) & _wrong_entries(one, primal)] for one in exhibits])
    if not np.isfinite(values).any():
        return ", which is not finite there"
    if not values.any():
        return ", which is zero there"
    return ""


def _factor(primal: str, exhibits: Sequence[Exhibit]) -> str:
    """Return the factor that comes nearest in the largest case, and what it leaves."""
    exhibit = _largest(primal, exhibits)
    answer, right = exhibit.answers[primal], exhibit.right[primal]
    known = np.isfinite(answer) & np.isfinite(right)
    energy = float(np.sum(right[known] ** 2))
    if not energy or known.sum() < 2:
        return ""
    factor = float(np.sum(answer[known] * right[known])) / energy
    left = float(np.sqrt(np.sum((answer[known] - factor * right[known]) ** 2) / energy))
    return f"{factor:.3g} times the right gradient comes nearest and leaves {left:.1%} of it" if left <= _NEAR else ""


def _company(primal: str, exhibits: Sequence[Exhibit]) -> str:
    """Return which other gradients are right."""
    others = [name for name in exhibits[0].right if name != primal]
    right = [name for name in others if not any(name in one.wrong for one in exhibits)]
    if not others or not right:
        return ""
    return (
        f"the gradient of {' and '.join(f'`{name}`' for name in right)} is right"
        if len(right) < 4
        else ("all other gradients are right" if len(right) == len(others) else "")
    )
