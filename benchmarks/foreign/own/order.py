"""Functions of the order of entries: sorting, selecting, projecting; with kinks wherever entries tie."""

from __future__ import annotations

import numpy as np

from own.drawing import function, real

ROWS = "m n"


def scattered(g, where, shape):
    """Return zeros with g added at the places `where` along the last axis."""
    gradient = np.zeros(shape, g.dtype)
    rows = np.arange(shape[0])[:, None]
    np.add.at(gradient, (rows, where), g)
    return gradient


def ranking(x):
    """Return the places of the entries in ascending order."""
    return np.argsort(x, axis=-1, kind="stable")


@function(x=real(ROWS))
def sort(x):
    where = ranking(x)
    return np.take_along_axis(x, where, -1), lambda g: {"x": scattered(g, where, x.shape)}


def weighted_order(x, weights):
    """Return the sum of the sorted entries with these weights, and its pullback."""
    where = ranking(x)
    y = (np.take_along_axis(x, where, -1) * weights).sum(axis=-1)
    return y, lambda g: {"x": scattered(g[:, None] * weights, where, x.shape)}


@function(x=real(ROWS))
def median(x):
    n = x.shape[-1]
    weights = np.zeros(n, x.dtype)
    weights[(n - 1) // 2] += 0.5
    weights[n // 2] += 0.5
    return weighted_order(x, weights)


@function(x=real(ROWS))
def quantile(x):
    weights = np.zeros(x.shape[-1], x.dtype)
    whole, rest = divmod(0.3 * (x.shape[-1] - 1), 1)
    weights[int(whole)] += 1 - rest
    if rest:
        weights[int(whole) + 1] += rest
    return weighted_order(x, weights)


@function(x=real(ROWS))
def trimmed_mean(x):
    n = x.shape[-1]
    cut = n // 4
    weights = np.zeros(n, x.dtype)
    weights[cut : n - cut] = 1 / (n - 2 * cut)
    return weighted_order(x, weights)


@function(x=real(ROWS), weight=real("n"))
def ordered_weighted_average(x, weight):
    where = ranking(x)
    ordered = np.take_along_axis(x, where, -1)
    return ordered @ weight, lambda g: {
        "x": scattered(g[:, None] * weight, where, x.shape),
        "weight": g @ ordered,
    }


@function(x=real(ROWS))
def top_k(x):
    where = ranking(-x)[:, :3]
    return np.take_along_axis(x, where, -1), lambda g: {"x": scattered(g, where, x.shape)}


@function(x=real(ROWS))
def value_range(x):
    high, low = x.argmax(axis=-1)[:, None], x.argmin(axis=-1)[:, None]

    def pullback(g):
        return {"x": scattered(g[:, None], high, x.shape) - scattered(g[:, None], low, x.shape)}

    return x.max(axis=-1) - x.min(axis=-1), pullback


@function(x=real(ROWS))
def running_maximum(x):
    y = np.maximum.accumulate(x, axis=-1)
    fresh = np.ones(x.shape, bool)
    fresh[:, 1:] = x[:, 1:] > y[:, :-1]
    where = np.maximum.accumulate(np.where(fresh, np.arange(x.shape[-1]), 0), axis=-1)
    return y, lambda g: {"x": scattered(g, where, x.shape)}


@function(a=real("m k"), b=real("k n"))
def tropical_product(a, b):
    """yᵢⱼ = minₖ (aᵢₖ + bₖⱼ)."""
    sums = a[:, :, None] + b
    where = sums.argmin(axis=1)
    rows, columns = np.indices(where.shape)

    def pullback(g):
        flow = np.zeros_like(sums)
        flow[rows, where, columns] = g
        return {"a": flow.sum(axis=2), "b": flow.sum(axis=0)}

    return sums.min(axis=1), pullback


@function(x=real(ROWS))
def projection_onto_simplex(x):
    descending = -np.sort(-x, axis=-1)
    counts = np.arange(1, x.shape[-1] + 1)
    excess = (np.cumsum(descending - descending[:, :1], axis=-1) - 1) / counts.astype(x.dtype)
    size = (descending - descending[:, :1] > excess).sum(axis=-1, keepdims=True)
    threshold = np.take_along_axis(excess, size - 1, -1)
    y = np.maximum(x - descending[:, :1] - threshold, 0)
    support = (y > 0).astype(x.dtype)

    def pullback(g):
        inside = g * support
        return {"x": inside - support * (inside.sum(axis=-1, keepdims=True) / support.sum(axis=-1, keepdims=True))}

    return y, pullback


def blocks_of_isotonic_regression(x):
    """Return the stretches, as (begin, end), that become one value each where x is made to ascend."""
    blocks = []
    for place in range(x.size):
        blocks.append((place, place + 1))
        while len(blocks) > 1 and x[slice(*blocks[-2])].mean() > x[slice(*blocks[-1])].mean():
            end = blocks.pop()[1]
            blocks[-1] = (blocks[-1][0], end)
    return blocks


@function(x=real("n"))
def isotonic_regression(x):
    blocks = blocks_of_isotonic_regression(x)

    def averaged(v):
        return np.concatenate([np.full(end - begin, v[begin:end].mean()) for begin, end in blocks])

    return averaged(x), lambda g: {"x": averaged(g)}


@function(x=real(ROWS))
def clipped_to_own_mean(x):
    mean = x.mean(axis=-1, keepdims=True)

    def pullback(g):
        above = x > mean
        return {"x": g * ~above + (g * above).sum(axis=-1, keepdims=True) / x.shape[-1]}

    return np.minimum(x, mean), pullback
