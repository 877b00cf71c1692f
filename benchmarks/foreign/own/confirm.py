"""A second method: does a vjp agree with differences in extended precision, and with itself there?"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck import Subject

#: Steps of differences, relative to the entries: the first sees past rounding, the second not as far as a jump.
STEPS = (1e-4, 1e-8)
#: What moves entries apart, much farther than the second step.
SHIFT = 1e-6


def largest_disagreement(subject: Subject, seed: int = 0, step: float = STEPS[0]) -> float:
    """Return how far the gradients are from differences, entry by entry, relative to the largest of their primal.

    Forward and differences are in extended precision, or in float64 where a factorisation has nothing better; steps
    are proportional to the entries, of two sizes, and extrapolated. Meaningful where the function is smooth.
    """
    primals, outputs, cotangent, gradients = _extended(subject, seed)
    weighted = outputs * cotangent
    return max(
        _relative(gradient, _differences(subject, primals, name, cotangent, step), primals[name], weighted)
        for name, gradient in gradients.items()
    )


def disagreement_nearby(subject: Subject, seed: int = 0) -> float:
    """Return the least of `largest_disagreement` here and at two points nearby, where the gradient must be the same.

    At ties and jumps differences say nothing, and the gradient must be that of smooth points nearby (a member of
    Clarke's generalised gradient): entries move apart in the order of their places, or in the opposite one.
    """
    gradients = _extended(subject, seed)[3]
    scale = max(float(np.abs(gradient).max()) for gradient in gradients.values()) or 1.0
    found = [largest_disagreement(subject, seed, step) for step in STEPS]
    for shift in (SHIFT, -SHIFT):
        moved = subject.with_primals(_moved_apart(subject, shift))
        there = _extended(moved, seed)[3]
        gap = max(float(np.abs(there[name] - gradients[name]).max()) for name in gradients)
        found.append(max(gap / scale, largest_disagreement(moved, seed, STEPS[1])))
    return min(found)


def _moved_apart(subject: Subject, shift: float) -> dict[str, Any]:
    places = iter(range(1, 1 + sum(array.size for array in subject.primals.values())))
    return {
        name: array.astype(np.float64) + np.reshape([shift * next(places) for _ in range(array.size)], array.shape)
        for name, array in subject.primals.items()
    }


def largest_rounding(subject: Subject, seed: int = 0) -> float:
    """Return how far the gradients are from those in extended precision at the same point, relative as above."""
    primals, outputs, cotangent, better = _extended(subject, seed)
    given_outputs, pullback = subject.vjp(subject.primals)
    given = pullback(cotangent.astype(given_outputs.dtype))
    return max(_relative(given[name], better[name], primals[name], outputs * cotangent) for name in given)


def _extended(subject: Subject, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return primals, outputs, a cotangent and gradients in extended precision."""
    for dtype in (np.longdouble, np.float64):  # LAPACK has no extended precision
        primals = {name: array.astype(dtype) for name, array in subject.primals.items()}
        try:
            outputs, pullback = subject.vjp(primals)
        except TypeError:
            continue
        cotangent = np.random.default_rng(seed).standard_normal(outputs.shape).astype(np.float32).astype(dtype)
        return primals, outputs, cotangent, pullback(cotangent)
    raise TypeError(f"expected {subject.name} to run in float64")


def _differences(subject: Subject, primals: dict[str, Any], name: str, cotangent: Any, relative_step: float) -> Any:
    gradient = np.zeros_like(primals[name])
    if cotangent.dtype == np.float64:
        relative_step = max(10 * relative_step, 1e-5)
    for place in np.ndindex(gradient.shape):
        scale = abs(primals[name][place]) or gradient.dtype.type(1)
        slopes = []
        for step in (relative_step * scale, relative_step * scale / 2):
            ends = []
            for direction in (1, -1):
                moved = primals[name].copy()
                moved[place] += direction * step
                ends.append(subject.vjp({**primals, name: moved})[0])
            slopes.append((cotangent * (ends[0] - ends[1])).sum() / (2 * step))
        gradient[place] = (4 * slopes[1] - slopes[0]) / 3
    return gradient


def _relative(gradient: Any, other: Any, primal: Any, weighted_outputs: Any) -> float:
    """Return the largest difference, relative to the gradient, or to a thousandth of its scale where it vanishes."""
    natural = np.abs(weighted_outputs).max() / (np.abs(primal).max() or 1)
    scale = max(np.abs(other).max(), 1e-3 * natural) or 1.0
    return float(np.abs(gradient.astype(np.longdouble) - other).max() / scale)
