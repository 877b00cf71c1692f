"""``scipy.optimize.check_grad``, for every entry and along one random direction."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from peers.function import Array, Function
from peers.peer import Check, Peer, Rejected

#: check_grad returns the norm of an error and leaves the judgement to its caller.
TOLERANCE = 1e-5


def _check(direction: Literal["all", "random"]) -> Any:
    def prepare(function: Function) -> Check:
        from scipy.optimize import check_grad

        arrays, weights = function.arrays(), function.weights()
        ends = np.cumsum([array.size for array in arrays])[:-1]
        found: list[Array] = []

        def point(flat: Array) -> list[Array]:
            parts = zip(np.split(flat, ends), arrays, strict=True)
            return [part.reshape(array.shape) for part, array in parts]

        def objective(flat: Array) -> float:
            return float((function.call(*point(flat))[0] * weights).sum())

        def gradient(flat: Array) -> Array:
            gradients = function.call(*point(flat))[1](weights)
            found[:] = [np.concatenate([one.ravel() for one in gradients])]
            return found[0]

        flat = np.concatenate([array.ravel() for array in arrays])

        def check() -> None:
            error = check_grad(objective, gradient, flat, direction=direction, rng=np.random.default_rng(2))
            scale = max(1.0, float(np.linalg.norm(found[0])))
            if not error <= TOLERANCE * scale:
                raise Rejected(f"error {error:.3g} beside a gradient of norm {scale:.3g}")

        return check

    return prepare


_OFFERED = f"Σ gᵢyᵢ of one vector, g drawn once; accepted if the error ≤ {TOLERANCE:g}·max(1, ‖gradient‖₂)"
SCIPY: tuple[Peer, ...] = (
    Peer(
        "scipy check_grad, all",
        "scipy",
        _OFFERED,
        _check("all"),
        calls=lambda inputs, outputs: inputs + 3,  # noqa: ARG005
    ),
    Peer("scipy check_grad, random", "scipy", f"{_OFFERED}; `direction='random'`", _check("random")),
)
