"""A linear layer with state, as people write them: caches per forward, gradients added to arrays of its own."""

from __future__ import annotations

import numpy as np

import gradcheck


class Linear:
    """``y = x wᵀ + b``: `backward` returns the gradient of x and adds those of w and b to `dw` and `db`."""

    def __init__(self, features_in: int, features_out: int) -> None:
        self.dw, self.db = np.zeros((features_out, features_in)), np.zeros(features_out)
        self.cache: dict[int, tuple] = {}
        self.calls = 0

    def forward(self, x, w, b):
        """Return the output and the token of this call."""
        self.calls += 1
        self.remember(self.calls, x, w)
        return x @ w.T + b, self.calls

    def backward(self, token, g):
        """Return the gradient of x."""
        x, w = self.recall(token)
        self.add(self.gradient_of_w(x, g), self.gradient_of_b(g))
        return self.gradient_of_x(w, g)

    def remember(self, token, x, w):
        self.cache[token] = x, w

    def recall(self, token):
        return self.cache[token]

    def gradient_of_x(self, w, g):
        return g @ w

    def gradient_of_w(self, x, g):
        return g.T @ x

    def gradient_of_b(self, g):
        return g.sum(0)

    def add(self, dw, db):
        self.dw += dw
        self.db += db


def subject(layer, primals, *traits, name="layer") -> gradcheck.Subject:
    """Return the layer as a subject; its arrays are handed out as they are."""

    def vjp(arrays):
        y, token = layer.forward(arrays["x"], arrays["w"], arrays["b"])

        def pullback(g):
            dx = layer.backward(token, g)
            return {"x": dx, "w": layer.dw, "b": layer.db}

        return y, pullback

    return gradcheck.Subject(name, primals, vjp, traits=traits)
