"""A second method: does a vjp agree with differences in extended precision, and with itself there?"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck import Subject


def largest_disagreement(subject: Subject, seed: int = 0) -> float:
    """Return how far the gradients are from differences, entry by entry, relative to the largest of their primal.

    Forward and differences are in extended precision, or in float64 where a factorisation has nothing better; steps
    are proportional to the entries, of two sizes, and extrapolated. Meaningful where the function is smooth.
    """
    primals, outputs, cotangent, gradients = _extended(subject, seed)
    return max(
        _relative(gradients[name], _differences(subject, primals, name, cotangent), primals[name], outputs * cotangent)
        for name in primals
    )


def disagreement_nearby(subject: Subject, seed: int = 0) -> float:
    """Return the least of `largest_disagreement` here and at two points nearby, where the gradient must be the same.

    At ties and steps differences say nothing, and the gradient must be that of smooth points nearby (a member of
    Clarke's generalised gradient): entries move apart in the order of their places, or in the opposite one.
    """
    found = []
    gradients = _extended(subject, seed)[3]
    for shift in (0, 1e-3, -1e-3):
        ramp = np.cumsum(np.ones(sum(array.size for array in subject.primals.values()))) * shift
        parts = np.split(ramp, np.cumsum([array.size for array in subject.primals.values()])[:-1])
        moved = subject.with_primals(
            {
                name: array.astype(np.float64) + part.reshape(array.shape)
                for (name, array), part in zip(subject.primals.items(), parts, strict=True)
            }
        )
        there = _extended(moved, seed)[3]
        gap = max(float(np.abs(there[name] - gradients[name]).max()) for name in gradients)
        scale = max(float(np.abs(gradient).max()) for gradient in gradients.values()) or 1.0
        found.append(max(gap / scale, largest_disagreement(moved, seed)))
    return min(found)


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


def _differences(subject: Subject, primals: dict[str, Any], name: str, cotangent: Any) -> Any:
    gradient = np.zeros_like(primals[name])
    relative_step = 1e-4 if cotangent.dtype == np.longdouble else 1e-3
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
