"""Where an error lives, for the errors that nothing explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradcheck.diagnosis.arrays import nearest_factor
from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array

#: A set of entries is where the error lives if it holds (and is held by) nearly all that is wrong.
_FITS = 0.95
_EVERYWHERE = "in every entry"
#: A factor is worth telling if it leaves no more than this share of the gradient, and of what it makes of it.
_NEAR = 0.5
#: So many indices of wrong entries are told.
_TOLD = 4
#: What is left over of a pattern, as a share of the largest entry.
_LEFT = 1e-4


def describe(primal: str, observations: Sequence[Observation]) -> str:
    """Return where the gradient of one primal is wrong, and which factor comes nearest.

    Parameters
    ----------
    primal : str
    observations : sequence of Observation
        The failing case first.
    """
    wrong = [one for one in observations if primal in one.wrong and _is_like(one, observations[0], primal)]
    told = [_place(primal, wrong), _pattern(primal, wrong), _factor(primal, wrong)] if wrong else []
    told.append(_company(primal, observations))
    return "; ".join(clause for clause in told if clause)


def _is_like(observation: Observation, first: Observation, primal: str) -> bool:
    """Whether a gradient has its shape, and as many axes as in the failing case."""
    shape = observation.right[primal].shape
    return observation.answers[primal].shape == shape and len(shape) == first.right[primal].ndim


def _place(primal: str, observations: Sequence[Observation]) -> str:
    """Return the smallest named set of entries that holds the error."""
    largest = max(observations, key=lambda one: one.right[primal].size)
    if largest.right[primal].size < 2:
        return ""
    for name, members in _sets(largest, primal):
        if members(largest).all() and name != _EVERYWHERE:
            continue
        if _score(primal, observations, members) >= _FITS:
            return f"the error lies {name}{_value_there(primal, observations, members)}"
    return _indices(primal, observations[0])


def _indices(primal: str, observation: Observation) -> str:
    """Return where the error lies in one case: at some indices along one axis, or else at which entries."""
    error = _wrong_entries(observation, primal)
    moved = error | _unmoved(observation, primal) | ~np.isfinite(observation.right[primal])
    if moved.all():
        return f"the error lies {_EVERYWHERE} here"
    for axis in range(error.ndim):
        others = tuple(k for k in range(error.ndim) if k != axis)
        along = error.any(axis=others)
        if not along.all() and np.compress(along, moved, axis).all():
            return f"the error lies at {_listed(np.flatnonzero(along))} of {along.size} along axis {axis}"
    places = ["[" + ", ".join(map(str, index)) + "]" for index in np.argwhere(error)[:_TOLD].tolist()]
    more = ", …" if error.sum() > _TOLD else ""
    return f"the error lies in {int(error.sum())} of {error.size} entries: {', '.join(places)}{more}"


def _listed(indices: Array) -> str:
    """Return indices as a range where they are one, the first few of them otherwise."""
    first, last = int(indices[0]), int(indices[-1])
    if indices.size == 1:
        return f"index {first}"
    if last - first + 1 == indices.size:
        return f"the indices {first} to {last}"
    return f"the indices {', '.join(map(str, indices[:_TOLD].tolist()))}{', …' if indices.size > _TOLD else ''}"


def _pattern(primal: str, observations: Sequence[Observation]) -> str:
    """Return along which axis the error, or the factor, is the same in every case."""
    if not any(one.answers[primal].any() for one in observations):
        return ""
    rank = observations[0].right[primal].ndim
    for axis in range(rank if rank > 1 else 0):
        if all(_is_same_along(one, primal, axis, _ratio) for one in observations):
            return f"what it is multiplied by is the same along axis {axis}"
        if all(_is_same_along(one, primal, axis, _difference) for one in observations):
            return f"what is added to it is the same along axis {axis}"
    return ""


def _is_same_along(
    observation: Observation, primal: str, axis: int, term: Callable[[Array, Array, int], Array]
) -> bool:
    """Whether a term that has one entry along an axis makes the answer of the right gradient."""
    answer, right = observation.answers[primal], observation.right[primal]
    if right.ndim <= axis or right.shape[axis] < 3 or not (np.isfinite(answer) & np.isfinite(right)).all():
        return False
    left = np.abs(answer - term(answer, right, axis))
    return bool(left.max() <= _LEFT * np.abs(answer).max())


def _ratio(answer: Array, right: Array, axis: int) -> Array:
    energy = np.sum(right**2, axis=axis, keepdims=True)
    ratio = np.sum(answer * right, axis=axis, keepdims=True) / np.where(energy == 0, 1.0, energy)
    return np.asarray(ratio * right)


def _difference(answer: Array, right: Array, axis: int) -> Array:
    return np.asarray(right + np.mean(answer - right, axis=axis, keepdims=True))


def _sets(observation: Observation, primal: str) -> Iterator[tuple[str, Callable[[Observation], Array]]]:
    """Yield sets of entries with their names, the narrowest first."""
    rank = observation.right[primal].ndim
    for axis in range(rank):
        yield f"in the first entry along axis {axis}", _ends(primal, (axis,), first=True)
        yield f"in the last entry along axis {axis}", _ends(primal, (axis,), last=True)
        yield f"in the first and the last entry along axis {axis}", _ends(primal, (axis,), first=True, last=True)
    if rank > 2:
        yield "along the border of each map", _ends(primal, tuple(range(2, rank)), first=True, last=True)
    yield f"where `{primal}` is zero", lambda e: e.question.primals[primal] == 0
    yield "where the right gradient is zero", lambda e: e.right[primal] == 0
    yield "where the right gradient is negative", lambda e: e.right[primal] < 0
    yield "where the right gradient is positive", lambda e: e.right[primal] > 0
    yield f"where `{primal}` is negative", lambda e: e.question.primals[primal] < 0
    yield f"where `{primal}` is positive", lambda e: e.question.primals[primal] > 0
    for axis in range(rank):
        yield f"in all but the first entry along axis {axis}", _but(_ends(primal, (axis,), first=True))
        yield f"in all but the last entry along axis {axis}", _but(_ends(primal, (axis,), last=True))
    yield _EVERYWHERE, lambda e: np.ones(e.right[primal].shape, bool)


def _ends(
    primal: str, axes: tuple[int, ...], *, first: bool = False, last: bool = False
) -> Callable[[Observation], Array]:
    def members(observation: Observation) -> Array:
        chosen = np.zeros(observation.right[primal].shape, bool)
        for axis in axes:
            along = np.moveaxis(chosen, axis, 0)
            if first:
                along[0] = True
            if last:
                along[-1] = True
        return chosen

    return members


def _but(members: Callable[[Observation], Array]) -> Callable[[Observation], Array]:
    return lambda observation: np.logical_not(members(observation))


def _score(primal: str, observations: Sequence[Observation], members: Callable[[Observation], Array]) -> float:
    """Return the F1 score of a set against all entries that are wrong; 0 where an entry beside it is wrong."""
    hits = named = wrong = 0
    for one in observations:
        error, chosen = _wrong_entries(one, primal), members(one)
        hits += int((error & chosen).sum())
        named += int((chosen & ~_unmoved(one, primal)).sum())
        wrong += int(error.sum())
    return 2 * hits / (named + wrong) if hits == wrong > 0 else 0.0


def _wrong_entries(observation: Observation, primal: str) -> Array:
    return observation.differing(observation.answers[primal], observation.right[primal])


def _unmoved(observation: Observation, primal: str) -> Array:
    """Return the entries that are right because they are zero, as those of a dead unit: they tell nothing."""
    return np.asarray((observation.right[primal] == 0) & (observation.answers[primal] == 0))


def _value_there(primal: str, observations: Sequence[Observation], members: Callable[[Observation], Array]) -> str:
    values = np.concatenate([one.answers[primal][members(one) & _wrong_entries(one, primal)] for one in observations])
    if not np.isfinite(values).any():
        return ", which is not finite there"
    if not values.any():
        return ", which is zero there"
    return ""


def _factor(primal: str, observations: Sequence[Observation]) -> str:
    """Return the factor that comes nearest in the largest case, and what it leaves."""
    observation = max(observations, key=lambda one: one.right[primal].size)
    answer, right = observation.answers[primal], observation.right[primal]
    known = np.isfinite(answer) & np.isfinite(right)
    answer, right = answer[known], right[known]
    factor = nearest_factor(answer, right)
    if factor is None or right.size < 2 or not answer.any():
        return ""
    left = float(np.sqrt(np.sum((answer - factor * right) ** 2) / np.sum(right**2)))
    if left > _NEAR * min(1.0, abs(factor)):
        return ""
    share = f"{left:.1%}" if left >= 1e-3 else f"{left:.1g}"
    if abs(factor - 1) < _LEFT:
        return f"what is wrong comes to {share} of the gradient"
    return f"{factor:.3g} times the right gradient comes nearest and leaves {share} of it"


def _company(primal: str, observations: Sequence[Observation]) -> str:
    """Return which other gradients are right."""
    others = [name for name in observations[0].right if name != primal]
    right = [name for name in others if not any(name in one.wrong for one in observations)]
    if not others or not right:
        return ""
    return (
        f"the gradient of {' and '.join(f'`{name}`' for name in right)} is right"
        if len(right) < 4
        else ("all other gradients are right" if len(right) == len(others) else "")
    )
