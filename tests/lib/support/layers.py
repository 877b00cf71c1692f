"""Layers as plain ``vjp`` functions, each with the planted faults that tests ask of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import gradcheck


def subject(vjp: Callable, *, traits=(), forward=None, name: str = "layer", **primals) -> gradcheck.Subject:
    """Return a subject of `vjp` at the given primals."""
    return gradcheck.Subject(name, primals, vjp, forward, frozenset(traits))


def affine(primals):
    """Return ``x wᵀ + b``."""
    x, w, b = primals["x"], primals["w"], primals["b"]
    return x @ w.T + b, lambda g: {"x": g @ w, "w": g.T @ x, "b": g.sum(0)}


def tanh(primals):
    """Return ``tanh(x)``."""
    y = np.tanh(primals["x"])
    return y, lambda g: {"x": g * (1 - y * y)}


def relu(at_zero: float = 0.0):
    """Return a ReLU whose derivative at zero is `at_zero`."""

    def vjp(primals):
        x = primals["x"]
        slope = np.where(x == 0, at_zero, x > 0).astype(x.dtype)
        return np.maximum(x, 0), lambda g: {"x": g * slope}

    return vjp


def sqrt_abs(primals):
    """Return ``√|x|``, with gradient 0 at its cusp."""
    x = primals["x"]
    y = np.sqrt(np.abs(x))
    slope = np.where(x == 0, 0, np.sign(x) / (2 * np.where(x == 0, 1, y))).astype(x.dtype)
    return y, lambda g: {"x": g * slope}


def max_pool(ties: str = "first", kernel: int = 2, stride: int = 1):
    """Return a max pooling that gives the gradient of tied maxima to the ``"first"``, the ``"last"``, an even
    ``"split"`` or ``"all"`` of them; ``"all"`` is wrong."""

    def vjp(primals):
        x = primals["x"]
        windows = sliding_window_view(x, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride]
        flat = windows.reshape(*windows.shape[:4], -1)
        y = flat.max(-1)
        hit = flat == y[..., None]
        if ties == "first":
            share = hit & (np.cumsum(hit, -1) == 1)
        elif ties == "last":
            share = hit & (np.cumsum(hit[..., ::-1], -1)[..., ::-1] == 1)
        else:
            share = hit / hit.sum(-1, keepdims=True) if ties == "split" else hit

        def pullback(g):
            gradient = np.zeros_like(x)
            n, c, row, column = np.indices(y.shape)
            for tap in range(kernel * kernel):
                at = (n, c, row * stride + tap // kernel, column * stride + tap % kernel)
                np.add.at(gradient, at, (g * share[..., tap]).astype(x.dtype))
            return {"x": gradient}

        return y, pullback

    return vjp


def softmax_cross_entropy(primals):
    """Return the mean cross-entropy of softmax rows with targets 0, 1, 2, …"""
    z = primals["x"]
    n = z.shape[0]
    targets = np.arange(n) % z.shape[1]
    shifted = z - z.max(1, keepdims=True)
    exponentials = np.exp(shifted)
    loss = np.log(exponentials.sum(1)) - shifted[np.arange(n), targets]

    def pullback(g):
        gradient = exponentials / exponentials.sum(1, keepdims=True)
        gradient[np.arange(n), targets] -= 1
        return {"x": (gradient * (g / n)).astype(z.dtype)}

    return np.asarray(loss.mean(), dtype=z.dtype), pullback


def batch_norm(primals):
    """Return the batch-normalised x, scaled and shifted (training mode)."""
    x, gamma, beta = primals["x"], primals["gamma"], primals["beta"]
    inverse = 1 / np.sqrt(x.var(0) + x.dtype.type(1e-5))
    normal = (x - x.mean(0)) * inverse

    def pullback(g):
        scaled = g * gamma
        gradient = inverse * (scaled - scaled.mean(0) - normal * (scaled * normal).mean(0))
        return {"x": gradient, "gamma": (g * normal).sum(0), "beta": g.sum(0)}

    return normal * gamma + beta, pullback


def in_dtype(vjp: Callable, dtype: str) -> Callable:
    """Return the layer computing in `dtype` whatever it is given, as a kernel without float64 does."""

    def narrow(primals):
        outputs, pullback = vjp({name: array.astype(dtype) for name, array in primals.items()})
        return outputs, pullback

    return narrow


def spoiled(vjp: Callable, spoil: Callable) -> Callable:
    """Return the layer with ``spoil(gradients)`` in place of its gradients."""

    def wrong(primals):
        outputs, pullback = vjp(primals)
        return outputs, lambda g: spoil(pullback(g))

    return wrong


def scaled_entry(name: str, position: int, factor: float) -> Callable:
    """Return a fault that multiplies one entry of one gradient."""

    def spoil(gradients):
        gradient = np.array(gradients[name])
        gradient.flat[position] *= factor
        return {**gradients, name: gradient}

    return spoil
