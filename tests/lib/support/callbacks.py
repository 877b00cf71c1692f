"""Layers that return a callback, and keep parameters and gradients for themselves."""

from __future__ import annotations

import numpy as np


class Affine:
    """``y = x Wᵀ + b``: the callback returns dX and treats gradients of its own as `keep` says."""

    def __init__(self, features_in, features_out, keep="add"):
        self.W, self.b = np.zeros((features_out, features_in)), np.zeros(features_out)
        self.grads = {}
        self.keep = keep
        if keep != "rebind":
            self.grads = {"W": np.zeros_like(self.W), "b": np.zeros_like(self.b)}

    def __call__(self, x):
        def callback(dy):
            self.put("W", dy.T @ x)
            self.put("b", dy.sum(0))
            return dy @ self.W

        return x @ self.W.T + self.b, callback

    def put(self, key, gradient):
        if self.keep == "add":
            self.grads[key] += gradient
        elif self.keep == "write":
            self.grads[key][...] = gradient
        elif self.keep == "rebind":
            self.grads[key] = self.grads.get(key, 0) + gradient
        else:
            self.grads[key] = gradient


def split_parts(x, weight):
    """Return two outputs; the callback takes a cotangent for each and returns all gradients."""
    half = x.shape[1] // 2

    def callback(dleft, dright):
        return {"x": np.concatenate([dleft * weight, dright], axis=1), "weight": (dleft * x[:, :half]).sum(0)}

    return (x[:, :half] * weight, x[:, half:].copy()), callback
