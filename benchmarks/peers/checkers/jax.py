"""``jax.test_util.check_grads``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from peers.function import Array, Function, Pullback
from peers.peer import Check, Peer, Rejected


@contextmanager
def _bits(dtype: np.dtype[Any]) -> Iterator[None]:
    """Let JAX compute with 64 bits where the point has them; callbacks run in threads, so the setting is global."""
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", dtype == np.float64)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def _guarded(host: Callable[..., Any], like: tuple[Any, ...], errors: list[Exception]) -> Callable[..., Any]:
    """Keep what is raised on the host, which JAX would raise once more when the interpreter ends; return zeros."""

    def guarded(*values: Any) -> Any:
        try:
            return host(*values)
        except Exception as error:  # raised again when the check is over
            errors.append(error)
            return tuple(np.zeros(one.shape, one.dtype) for one in like)

    return guarded


def _prepare(function: Function) -> Check:
    import jax
    from jax.test_util import check_grads

    arrays = function.arrays()
    pullbacks: list[Pullback] = []  # the caches are no arrays of JAX, and stay here
    errors: list[Exception] = []
    output_like = jax.ShapeDtypeStruct(function.shape, function.dtype)
    token_like = jax.ShapeDtypeStruct((), np.int32)
    gradients_like = tuple(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays)

    def forward(*point: Any) -> tuple[Array, Array]:
        output, pullback = function.call(*map(np.asarray, point))
        pullbacks.append(pullback)
        return output, np.asarray(len(pullbacks) - 1, np.int32)

    def backward(token: Any, cotangent: Any) -> tuple[Array, ...]:
        gradients = pullbacks[int(token)](np.asarray(cotangent))
        for gradient, like in zip(gradients, gradients_like, strict=True):
            if gradient.shape != like.shape:
                raise ValueError(f"expected a gradient of shape {like.shape}, got {gradient.shape}")
        return gradients

    # Each is made once: JAX compiles a callback that it has not seen.
    forward_like = (output_like, token_like)
    forwards = _guarded(forward, forward_like, errors)
    backwards = _guarded(backward, gradients_like, errors)

    @jax.custom_vjp
    def layer(*point: Any) -> Any:
        return jax.pure_callback(forwards, forward_like, *point)[0]

    layer.defvjp(
        lambda *point: jax.pure_callback(forwards, forward_like, *point),
        lambda token, cotangent: jax.pure_callback(backwards, gradients_like, token, cotangent),
    )

    def check() -> None:
        pullbacks.clear()
        errors.clear()
        words = None
        with _bits(arrays[0].dtype):
            try:
                check_grads(layer, arrays, order=1, modes=("rev",))
            except AssertionError as error:
                words = str(error)
        if errors:
            raise errors[0]
        if words is not None:
            raise Rejected(words)

    return check


JAX: tuple[Peer, ...] = (
    Peer(
        "jax check_grads",
        "jax",
        "as it is, a `custom_vjp` around `pure_callback`; `order=1, modes=('rev',)`, 64 bits enabled for float64",
        _prepare,
    ),
)
