"""Layers of windows without a kind, whose backward pass may use other windows than their forward."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

import gradcheck


@dataclass(frozen=True)
class Windows:
    """Stride, dilation and padding (of the beginning and the end) per axis of space."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]

    def but(self, **other):
        """Return the windows with something else."""
        return replace(self, **other)

    def outputs(self, size, kernel):
        """Return how many windows there are along each axis."""
        numbers = zip(size, kernel, self.stride, self.dilation, self.padding, strict=True)
        return tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, d, p in numbers)

    def pairs(self, size, kernel, outputs):
        """Yield (output, tap, input) of all that the windows touch."""
        for place in itertools.product(*map(range, outputs)):
            for tap in itertools.product(*map(range, kernel)):
                numbers = zip(place, tap, self.stride, self.dilation, self.padding, strict=True)
                where = tuple(o * s + k * d - p[0] for o, k, s, d, p in numbers)
                if all(0 <= index < n for index, n in zip(where, size, strict=True)):
                    yield place, tap, where


EVERY = (slice(None), slice(None))


def convolution(shape, kernel, windows, *, used=None, turn=None, channels=3, seed=0):
    """Return a convolution (x, w) of which the gradient of x uses other windows, or a kernel that is turned."""
    used, turn = used or windows, turn or (lambda w: w)
    rng = np.random.default_rng(seed)
    primals = {"x": rng.standard_normal(shape), "w": rng.standard_normal((channels, shape[1], *kernel))}
    outputs = windows.outputs(shape[2:], kernel)

    def vjp(given):
        x, w = given["x"], given["w"]
        y = np.zeros((len(x), len(w), *outputs))
        for place, tap, where in windows.pairs(shape[2:], kernel, outputs):
            y[(*EVERY, *place)] += x[(*EVERY, *where)] @ w[(*EVERY, *tap)].T

        def pullback(g):
            dx, dw, turned = np.zeros_like(x), np.zeros_like(w), turn(w)
            for place, tap, where in windows.pairs(shape[2:], kernel, outputs):
                dw[(*EVERY, *tap)] += g[(*EVERY, *place)].T @ x[(*EVERY, *where)]
            for place, tap, where in used.pairs(shape[2:], turned.shape[2:], outputs):
                dx[(*EVERY, *where)] += g[(*EVERY, *place)] @ turned[(*EVERY, *tap)]
            return {"x": dx, "w": dw}

        return y, pullback

    return gradcheck.Subject("convolution", primals, vjp)


def average_pool(shape, kernel, windows, *, used=None, seed=0):
    """Return an average pool of which the backward pass uses other windows."""
    used = used or windows
    outputs, taps = windows.outputs(shape[2:], kernel), np.prod(kernel)

    def vjp(given):
        x = given["x"]
        y = np.zeros((*shape[:2], *outputs))
        for place, _, where in windows.pairs(shape[2:], kernel, outputs):
            y[(*EVERY, *place)] += x[(*EVERY, *where)] / taps

        def pullback(g):
            dx = np.zeros_like(x)
            for place, _, where in used.pairs(shape[2:], kernel, outputs):
                dx[(*EVERY, *where)] += g[(*EVERY, *place)] / taps
            return {"x": dx}

        return y, pullback

    return gradcheck.Subject("pool", {"x": np.random.default_rng(seed).standard_normal(shape)}, vjp)
