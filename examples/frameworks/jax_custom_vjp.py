"""A JAX function with a derivative of its own, beside the same function left to JAX.

``gradcheck verify examples/frameworks/jax_custom_vjp.py``
"""

import jax
import jax.numpy as jnp
import numpy as np

from gradcheck import Trait
from gradcheck.adapters import from_jax


def plain_root_mean_square(x, scale):
    """Return x, divided by its root mean square over the last axis, times a scale."""
    return scale * x / jnp.sqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)


@jax.custom_vjp
def root_mean_square(x, scale):
    """Return x, divided by its root mean square over the last axis, times a scale."""
    return plain_root_mean_square(x, scale)


def _forward(x, scale):
    inverse = jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)
    return scale * x * inverse, (x, scale, inverse)


def _backward(residuals, grad):
    x, scale, inverse = residuals
    normal, weighted = x * inverse, grad * scale
    grad_x = inverse * (weighted - normal * jnp.mean(weighted * normal, axis=-1, keepdims=True))
    return grad_x, jnp.sum(grad * normal, axis=0)


root_mean_square.defvjp(_forward, _backward)

rng = np.random.default_rng(0)
primals = {"x": rng.standard_normal((5, 4)), "scale": rng.uniform(0.5, 1.5, 4)}
single = {name: array.astype(np.float32) for name, array in primals.items()}
samples = {Trait("batch-separable", ("x",))}

by_hand = from_jax(root_mean_square, primals, traits=samples, name="root_mean_square (custom_vjp)")
by_hand_float32 = from_jax(root_mean_square, single, traits=samples, name="root_mean_square (custom_vjp, float32)")
by_jax = from_jax(plain_root_mean_square, primals, name="root_mean_square (plain)")
