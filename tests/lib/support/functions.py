"""Layers as pairs of functions, in the ways people write them."""

from __future__ import annotations

import numpy as np


def affine(x, weight, bias=None):
    """Return ``x weightᵀ + bias``."""
    return x @ weight.T if bias is None else x @ weight.T + bias


def affine_backward(x, weight, bias, dy):
    """Take the forward's inputs again."""
    return dy @ weight, dy.T @ x, None if bias is None else dy.sum(0)


def affine_with_cache(x, w, b):
    return affine(x, w, b), (x, w)


def affine_from_cache(dout, cache):
    x, w = cache
    return dout @ w, [dout.T @ x, dout.sum(0)]


def weight_first(g, cache):
    """Return ``(dW, db, dX)``."""
    x, w = cache
    return g.T @ x, g.sum(0), g @ w


def by_key(dout, cache):
    x, w = cache
    return dout @ w, {"dW": dout.T @ x, "db": dout.sum(0)}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_backward(dy, y):
    """Take the output."""
    return dy * y * (1 - y)


def scale_and_shift(x, gamma, beta):
    return x * gamma + beta, (x, gamma)


def scale_and_shift_backward(dout, cache):
    x, gamma = cache
    return dout * gamma, (dout * x).sum(0), dout.sum(0)


def cell(x, h, w):
    """Return two outputs and a cache."""
    s = np.tanh(x @ w + h)
    return s, x * s[:, :1], (x, w, s)


def cell_backward(dnext_h, dout, cache):
    """Take a cotangent for each output."""
    x, w, s = cache
    ds = dnext_h.copy()
    ds[:, 0] += (dout * x).sum(1)
    da = ds * (1 - s * s)
    return da @ w.T + dout * s[:, :1], da, x.T @ da


class Softplus:
    """The context form, without decorators' help of a framework."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        ctx.slope = sigmoid(x * weight)
        return np.logaddexp(0, x * weight)

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        return dy * ctx.slope * weight, (dy * ctx.slope * x).sum(0)
