"""The same layers by their definitions, one loop per index: slow, and hard to get wrong. For tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reference_layers.layer import Array
from reference_layers.windows import Sides, Sizes


def conv(
    x: Array, weight: Array, bias: Array | None, stride: Sizes, around: Sides, dilation: Sizes, groups: int
) -> Array:
    """Return the convolution (cross-correlation) of `x` by its definition, over any number of axes of space."""
    size, kernel = x.shape[2:], weight.shape[2:]
    places = [
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, d, before, after in zip(size, kernel, stride, dilation, around[::2], around[1::2], strict=True)
    ]
    y = np.zeros((x.shape[0], weight.shape[0], *places))
    for m, o, *place in np.ndindex(*y.shape):
        first = o // (weight.shape[0] // groups) * weight.shape[1]
        total = 0.0 if bias is None else float(bias[o])
        for c, *tap in np.ndindex(*weight.shape[1:]):
            entry = _entry(place, tap, stride, around, dilation)
            if _is_inside(entry, size):
                total += float(weight[o, c, *tap]) * float(x[m, first + c, *entry])
        y[m, o, *place] = total
    return y


def pool(
    x: Array,
    kernel: Sizes,
    stride: Sizes,
    around: Sides,
    mean: bool,
    *,
    dilation: Sizes | None = None,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Return the maximum of each window, or its mean, over any number of axes of space."""
    size, spread = x.shape[2:], dilation or (1,) * len(kernel)
    axes = zip(size, kernel, stride, spread, around[::2], around[1::2], strict=True)
    places = [_number_of_windows(n, k, s, d, ends, ceil_mode) for n, k, s, d, *ends in axes]
    y = np.zeros((*x.shape[:2], *places))
    padded = [n + before + after for n, before, after in zip(size, around[::2], around[1::2], strict=True)]
    for m, c, *place in np.ndindex(*y.shape):
        inside, counted = [], 0
        for tap in np.ndindex(*kernel):
            entry = _entry(place, tap, stride, around, spread)
            if _is_inside(entry, size):
                inside.append(float(x[m, c, *entry]))
            if _is_inside(entry, size) or (
                count_include_pad and _is_inside([e + b for e, b in zip(entry, around[::2], strict=True)], padded)
            ):
                counted += 1
        y[m, c, *place] = sum(inside) / counted if mean else max(inside)
    return y


def _number_of_windows(n: int, k: int, s: int, d: int, ends: Sequence[int], ceil_mode: bool) -> int:
    """Count windows that fit; with ceil mode one that does not, if it starts before the end of the input."""
    number, reach = 0, d * (k - 1) + 1
    while number * s + reach <= n + sum(ends):
        number += 1
    is_left = (number - 1) * s + reach < n + sum(ends)
    return number + (ceil_mode and is_left and number * s < n + ends[0])


def _entry(place: Sequence[int], tap: Sequence[int], stride: Sizes, around: Sides, dilation: Sizes) -> tuple[int, ...]:
    """Return which entry of the input a tap of a window meets."""
    axes = zip(place, tap, stride, dilation, around[::2], strict=True)
    return tuple(i * s + a * d - before for i, a, s, d, before in axes)


def _is_inside(entry: Sequence[int], size: Sequence[int]) -> bool:
    return all(0 <= e < n for e, n in zip(entry, size, strict=True))


def affine(x: Array, weight: Array, bias: Array) -> Array:
    """Return ``x wᵀ + b`` for one or more rows."""
    y = np.zeros((x.shape[0], weight.shape[0]))
    for n, o in np.ndindex(*y.shape):
        y[n, o] = float(bias[o]) + sum(float(weight[o, i]) * float(x[n, i]) for i in range(x.shape[1]))
    return y


def softmax_cross_entropy(logits: Array, targets: Array) -> Array:
    """Return the loss of each row."""
    losses = np.zeros(len(targets))
    for n, target in enumerate(targets):
        exponentials = [math.exp(float(z)) for z in logits[n]]
        losses[n] = -math.log(exponentials[target] / sum(exponentials))
    return losses
