"""The same layers by their definitions, one loop per index: slow, and hard to get wrong. For tests."""

from __future__ import annotations

import itertools
import math

import numpy as np

from reference_layers.layer import Array
from reference_layers.windows import Sides


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: tuple[int, int],
    around: Sides,
    dilation: tuple[int, int],
    groups: int,
) -> Array:
    """Return the convolution of `x` by its definition."""
    n, _, height, width = x.shape
    out_channels, depth, kh, kw = weight.shape
    rows = (height + around[0] + around[1] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (width + around[2] + around[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, out_channels, rows, columns))
    for m, o, i, j in np.ndindex(*y.shape):
        first = o // (out_channels // groups) * depth
        total = 0.0 if bias is None else float(bias[o])
        for c, a, b in itertools.product(range(depth), range(kh), range(kw)):
            row, column = i * stride[0] + a * dilation[0] - around[0], j * stride[1] + b * dilation[1] - around[2]
            if 0 <= row < height and 0 <= column < width:
                total += float(weight[o, c, a, b]) * float(x[m, first + c, row, column])
        y[m, o, i, j] = total
    return y


def pool2d(x: Array, kernel: tuple[int, int], stride: tuple[int, int], around: Sides, mean: bool) -> Array:
    """Return the maximum of each window, or its mean with the border counted as zeros."""
    n, channels, height, width = x.shape
    rows = (height + around[0] + around[1] - kernel[0]) // stride[0] + 1
    columns = (width + around[2] + around[3] - kernel[1]) // stride[1] + 1
    y = np.zeros((n, channels, rows, columns))
    for m, c, i, j in np.ndindex(*y.shape):
        inside = []
        for a, b in itertools.product(range(kernel[0]), range(kernel[1])):
            row, column = i * stride[0] + a - around[0], j * stride[1] + b - around[2]
            if 0 <= row < height and 0 <= column < width:
                inside.append(float(x[m, c, row, column]))
        y[m, c, i, j] = sum(inside) / (kernel[0] * kernel[1]) if mean else max(inside)
    return y


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
