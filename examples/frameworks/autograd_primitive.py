"""Primitives of HIPS autograd with gradients by ``defvjp``, alone and within a function.

``gradcheck verify examples/frameworks/autograd_primitive.py``
"""

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive

from gradcheck import Trait
from gradcheck.adapters import from_autograd


@primitive
def affine(x, weight, bias):
    """Return ``x weightᵀ + bias``."""
    return x @ weight.T + bias


defvjp(
    affine,
    lambda _y, _x, weight, _bias: lambda g: g @ weight,
    lambda _y, x, _weight, _bias: lambda g: g.T @ x,
    lambda _y, *_: lambda g: g.sum(axis=0),
)


@primitive
def log_sum_exp(x):
    """Return the logarithm of the sum of exponentials over the last axis."""
    top = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0]


defvjp(log_sum_exp, lambda y, x: lambda g: g[..., None] * np.exp(x - y[..., None]))


def classifier(x, weight, bias, target):
    """Return the mean cross-entropy of an affine layer, and its logits."""
    logits = affine(x, weight, bias)
    return anp.mean(log_sum_exp(logits) - logits[anp.arange(len(target)), target]), logits


rng = np.random.default_rng(0)
parameters = {"weight": rng.standard_normal((3, 4)), "bias": rng.standard_normal(3)}
primals = {"x": rng.standard_normal((5, 4)), **parameters}
samples = {Trait("batch-separable", ("x",))}

affine_primitive = from_autograd(affine, primals, traits=samples)
log_sum_exp_primitive = from_autograd(log_sum_exp, {"x": rng.standard_normal((5, 4))}, traits=samples)
whole = from_autograd(classifier, {**primals, "target": np.array([0, 2, 1, 1, 0])})
