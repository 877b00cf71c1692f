"""The point of a convex hull that is nearest to another: known answers, and what makes it the nearest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradcheck.numeric.hull import distance_to_hull, nearest_in_hull

ENTRIES = st.integers(-3, 3).map(float) | st.floats(-3, 3, width=16)


@st.composite
def hulls(draw):
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 6)))
    return draw(hnp.arrays(np.float64, shape, elements=ENTRIES)), draw(
        hnp.arrays(np.float64, shape[1], elements=ENTRIES)
    )


@given(hulls())
def test_no_vertex_lies_beyond_the_nearest_point(hull):
    """A point q of a convex set is nearest to x where ⟨x - q, v - q⟩ ≤ 0 for all its points v (projection theorem)."""
    vertices, target = hull
    nearest = nearest_in_hull(vertices, target)
    assert ((vertices - nearest) @ (target - nearest)).max() <= 1e-6


@given(hulls(), st.integers(0, 2**32 - 1))
def test_a_mean_of_the_vertices_lies_inside(hull, seed):
    vertices, _ = hull
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(vertices)))
    assert distance_to_hull(vertices, weights @ vertices) <= 1e-6


@pytest.mark.parametrize(
    ("vertices", "target", "distance"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0], np.sqrt(0.5)),  # every tied maximum gets everything
        ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], np.sqrt(0.5)),  # nobody gets anything
        ([[0.0], [1.0]], [0.5], 0.0),
        ([[0.0], [1.0]], [-0.5], 0.5),
        ([[2.0, 2.0]], [2.0, 2.0], 0.0),
        (np.eye(8), np.full(8, 1 / 8), 0.0),
        (np.eye(8), np.full(8, 1.0), np.sqrt(8) * 7 / 8),
    ],
)
def test_known_distances(vertices, target, distance):
    assert distance_to_hull(np.array(vertices), np.array(target)) == pytest.approx(distance, abs=1e-9)
