"""The loop that people write: every entry moved by ε both ways, then ``allclose``."""

from __future__ import annotations

import numpy as np

from peers.function import Function
from peers.peer import Check, Peer, Rejected

EPSILON, RTOL, ATOL = 1e-6, 1e-3, 1e-5


def _prepare(function: Function) -> Check:
    weights = function.weights()

    def check() -> None:
        arrays = function.arrays()
        _, pullback = function.call(*arrays)
        analytic = pullback(weights)
        for array, gradient in zip(arrays, analytic, strict=True):
            numeric = np.empty_like(array)
            for index in np.ndindex(array.shape):
                kept = array[index]
                array[index] = kept + EPSILON
                above = (function.call(*arrays)[0] * weights).sum()
                array[index] = kept - EPSILON
                below = (function.call(*arrays)[0] * weights).sum()
                array[index] = kept
                numeric[index] = (above - below) / (2 * EPSILON)
            if not np.allclose(gradient, numeric, RTOL, ATOL):
                raise Rejected("analytic and numeric gradients differ")

    return check


PLAIN_LOOP: tuple[Peer, ...] = (
    Peer(
        "plain loop",
        None,
        f"Σ gᵢyᵢ, g drawn once; central differences with ε = {EPSILON:g}, rtol {RTOL:g}, atol {ATOL:g}",
        _prepare,
        calls=lambda inputs, outputs: 2 * inputs + 2,  # noqa: ARG005
    ),
)
