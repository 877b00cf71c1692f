"""Layers of windows without a kind, whose backward pass may use other windows than their forward."""

from __future__ import annotations

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

    def touched(self, size, kernel, outputs):
        """Return which inputs the taps of the windows touch: (taps, outputs, inputs), ones and zeros."""
        touched = np.zeros((*kernel, *outputs, *size))
        for tap in np.ndindex(*kernel):
            for place in np.ndindex(*outputs):
                numbers = zip(place, tap, self.stride, self.dilation, self.padding, strict=True)
                where = tuple(o * s + k * d - p[0] for o, k, s, d, p in numbers)
                if all(0 <= index < n for index, n in zip(where, size, strict=True)):
                    touched[(*tap, *place, *where)] = 1
        return touched.reshape(np.prod(kernel), np.prod(outputs), np.prod(size))


def _flat(array):
    """Return an array with its axes of space made one."""
    return array.reshape(*array.shape[:2], -1)


def convolution(shape, kernel, windows, *, used=None, turn=lambda w: w, channels=3, seed=0):
    """Return a convolution (x, w) of which the gradient of x uses other windows, or a kernel that is turned."""
    rng = np.random.default_rng(seed)
    primals = {"x": rng.standard_normal(shape), "w": rng.standard_normal((channels, shape[1], *kernel))}
    outputs = windows.outputs(shape[2:], kernel)
    forth = windows.touched(shape[2:], kernel, outputs)
    back = (used or windows).touched(shape[2:], kernel, outputs)

    def vjp(given):
        x, w = given["x"], given["w"]
        columns = np.tensordot(_flat(x), forth, (2, 2))  # (N, C, taps, outputs)
        y = np.einsum("nctp,oct->nop", columns, _flat(w)).reshape(len(x), len(w), *outputs)

        def pullback(g):
            spread = np.einsum("nop,oct->nctp", _flat(g), _flat(turn(w)))
            dx = np.tensordot(spread, back, ((2, 3), (0, 1))).reshape(x.shape)
            return {"x": dx, "w": np.einsum("nop,nctp->oct", _flat(g), columns).reshape(w.shape)}

        return y, pullback

    return gradcheck.Subject("convolution", primals, vjp)


def average_pool(shape, kernel, windows, *, used=None, seed=0):
    """Return an average pool of which the backward pass uses other windows."""
    outputs = windows.outputs(shape[2:], kernel)
    forth = windows.touched(shape[2:], kernel, outputs).mean(axis=0)
    back = (used or windows).touched(shape[2:], kernel, outputs).mean(axis=0)

    def vjp(given):
        x = given["x"]
        y = (_flat(x) @ forth.T).reshape(*shape[:2], *outputs)
        return y, lambda g: {"x": (_flat(g) @ back).reshape(shape)}

    return gradcheck.Subject("pool", {"x": np.random.default_rng(seed).standard_normal(shape)}, vjp)
