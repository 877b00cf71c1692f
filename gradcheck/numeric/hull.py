"""The convex hull of a few vectors: how far another one lies from it, and in which direction."""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.space import Vector, norm

#: Iterations of the search for the nearest point; each brings one vertex in, and may take others out.
_ITERATIONS = 200


def nearest_in_hull(vertices: Vector, target: Vector) -> Vector:
    """Return the point of the convex hull of `vertices` that is nearest to `target`.

    Parameters
    ----------
    vertices : ndarray of shape (k, n)
        One vector a row, at least one.
    target : ndarray of shape (n,)

    Notes
    -----
    The min-norm-point algorithm on the vertices less the target: a corral of affinely independent vertices grows by the
    vertex that reaches farthest towards the target, and loses those whose weight would become negative.

    References
    ----------
    P. Wolfe, Finding the nearest point in a polytope, Mathematical Programming 11 (1976).

    Examples
    --------
    >>> nearest_in_hull(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0])).round(9).tolist()
    [0.5, 0.5]
    >>> nearest_in_hull(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]), np.array([0.5, 0.5])).round(9).tolist()
    [0.5, 0.5]
    """
    moved = vertices - target
    size = float(np.abs(moved).max(initial=0.0))
    if size == 0.0:
        return target.copy()
    moved = moved / size
    first = int(np.argmin(np.einsum("ij,ij->i", moved, moved)))
    corral, weights = [first], np.ones(1)
    for _ in range(_ITERATIONS):
        point = weights @ moved[corral]
        reach = moved @ point
        entering = int(np.argmin(reach))
        if reach[entering] >= float(point @ point) - 1e-12 or entering in corral:
            break
        corral, weights = _balanced(moved, [*corral, entering], np.append(weights, 0.0))
    return np.asarray(target + size * (weights @ moved[corral]))


def distance_to_hull(vertices: Vector, target: Vector) -> float:
    """Return the Euclidean distance of `target` from the convex hull of `vertices`.

    Examples
    --------
    >>> distance_to_hull(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.25, 0.75]))
    0.0
    """
    found = norm(nearest_in_hull(vertices, target) - target)
    return 0.0 if found <= 1e-9 * float(np.abs(vertices - target).max(initial=0.0)) else found


def _balanced(moved: Vector, corral: list[int], weights: Vector) -> tuple[list[int], Vector]:
    """Return the part of a corral whose hull holds the point of its affine hull that is nearest to the origin."""
    while True:
        wished = _affine_weights(moved[corral])
        if (wished > 1e-12).all():
            return corral, wished
        # Go towards it as far as all weights stay positive, and leave the vertices that end there.
        falling = wished < weights
        steps = np.full(weights.size, np.inf)
        steps[falling] = weights[falling] / (weights[falling] - wished[falling])
        steps[wished > 1e-12] = np.inf
        step = float(min(1.0, steps.min(initial=1.0)))
        weights = weights + step * (wished - weights)
        kept = weights > 1e-12
        if kept.all():
            return corral, weights
        corral = [vertex for vertex, stays in zip(corral, kept, strict=True) if stays]
        weights = weights[kept] / weights[kept].sum()


def _affine_weights(vertices: Vector) -> Vector:
    """Return the weights, with sum one, of the point of the affine hull that is nearest to the origin."""
    count = len(vertices)
    system = np.ones((count + 1, count + 1))
    system[0, 0] = 0.0
    system[1:, 1:] = vertices @ vertices.T
    due = np.zeros(count + 1)
    due[0] = 1.0
    return np.asarray(np.linalg.lstsq(system, due, rcond=None)[0][1:])
