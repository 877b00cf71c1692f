"""What every affine layer here computes; a fault is planted by overriding one of the three gradients."""

from __future__ import annotations

import numpy as np

IN, OUT, BATCH = 3, 4, 5


class Affine:
    """``y = x W + b``, W of shape (in, out)."""

    def weight_gradient(self, x, dy):
        return x.T @ dy

    def bias_gradient(self, dy):
        return dy.sum(axis=0)

    def input_gradient(self, w, dy):
        return dy @ w.T


class BiasMean:
    """The bias gradient is a mean over the batch, and not a sum."""

    def bias_gradient(self, dy):
        return dy.mean(axis=0)


class WeightSign:
    """The weight gradient has the wrong sign."""

    def weight_gradient(self, x, dy):
        return -x.T @ dy


class InputScaled:
    """The gradient of the input is a little too large."""

    def input_gradient(self, w, dy):
        return 1.001 * dy @ w.T


FAULTS = {"bias": BiasMean, "weight": WeightSign, "x": InputScaled}


def faulty(layer: type, primal: str) -> type:
    """Return the class of a layer whose gradient of a primal is wrong."""
    return type(layer.__name__, (FAULTS[primal], layer), {})


def primals(rng=None) -> dict[str, np.ndarray]:
    """Return an input, and parameters in the order of axes of the kinds: the weight is (out, in)."""
    rng = rng or np.random.default_rng(7)
    return {
        "x": rng.normal(size=(BATCH, IN)),
        "weight": rng.normal(size=(OUT, IN)),
        "bias": rng.normal(size=OUT),
    }
