"""Functions that reduce the last axis, or the whole array, to a number: norms, means, distances."""

from __future__ import annotations

import numpy as np

from own.drawing import function, positive, real

ROWS = "m n"


def softmax(x):
    """Return the softmax over the last axis."""
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_sum_exp_of(x):
    """Return log Σ eˣ over the last axis."""
    largest = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - largest).sum(axis=-1)) + largest[..., 0]


def over(a, b):
    """Return a/b, and 0 where b is 0."""
    return np.where(b == 0, 0, a / np.where(b == 0, 1, b))


def without_mean(x):
    """Return x − its mean; what all entries have in common goes first, so that little is rounded."""
    gaps = x - x[..., :1]
    return gaps - gaps.mean(axis=-1, keepdims=True)


@function(x=real("m N"))
def standard_deviation(x):
    centred = without_mean(x)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True))
    return deviation[..., 0], lambda g: {"x": g[..., None] * over(centred, deviation * x.shape[-1])}


@function(x=real("m N"))
def variance(x):
    centred = without_mean(x)
    n = x.shape[-1]
    return (centred**2).sum(axis=-1) / (n - 1), lambda g: {"x": g[..., None] * 2 * centred / (n - 1)}


@function(x=real(ROWS))
def log_sum_exp(x):
    return log_sum_exp_of(x), lambda g: {"x": g[..., None] * softmax(x)}


@function(x=real(ROWS))
def soft_minimum(x):
    return -log_sum_exp_of(-x), lambda g: {"x": g[..., None] * softmax(-x)}


@function(x=real(ROWS), weight=positive("n", least=1e-2))
def weighted_log_sum_exp(x, weight):
    largest = x.max(axis=-1, keepdims=True)
    powers = np.exp(x - largest)
    total = (weight * powers).sum(axis=-1, keepdims=True)

    def pullback(g):
        share = g[..., None] * powers / total
        return {"x": share * weight, "weight": share.sum(axis=0)}

    return (np.log(total) + largest)[..., 0], pullback


@function(x=positive(ROWS))
def geometric_mean(x):
    y = np.exp(np.log(x).mean(axis=-1))
    return y, lambda g: {"x": (g * y)[..., None] / (x.shape[-1] * x)}


@function(x=positive(ROWS, least=1e-3))
def harmonic_mean(x):
    y = x.shape[-1] / (1 / x).sum(axis=-1)
    return y, lambda g: {"x": g[..., None] * (y[..., None] / x) ** 2 / x.shape[-1]}


@function(x=real(ROWS))
def l1_norm(x):
    return np.abs(x).sum(), lambda g: {"x": g * np.sign(x)}


@function(x=real(ROWS))
def euclidean_norm(x):
    norm = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return norm[..., 0], lambda g: {"x": g[..., None] * over(x, norm)}


@function(x=real(ROWS))
def cubic_norm(x):
    norm = np.cbrt((np.abs(x) ** 3).sum(axis=-1, keepdims=True))
    return norm[..., 0], lambda g: {"x": g[..., None] * over(x, norm) * over(np.abs(x), norm)}


@function(x=real(ROWS))
def largest_magnitude(x):
    where = np.expand_dims(np.abs(x).argmax(axis=-1), -1)
    chosen = np.take_along_axis(x, where, -1)

    def pullback(g):
        gradient = np.zeros_like(x)
        np.put_along_axis(gradient, where, g[..., None] * np.sign(chosen), -1)
        return {"x": gradient}

    return np.abs(chosen)[..., 0], pullback


@function(a=positive(ROWS, least=1e-3), b=positive(ROWS, least=1e-3), accumulates_in="float64")
def cosine_similarity(a, b):
    length_a = np.sqrt((a * a).sum(axis=-1, keepdims=True))
    length_b = np.sqrt((b * b).sum(axis=-1, keepdims=True))
    u, v = a / length_a, b / length_b
    y = (u * v).sum(axis=-1, keepdims=True)

    def pullback(g):
        across = ((v - u) ** 2).sum(axis=-1, keepdims=True) / 2  # 1 − y without its cancellation
        weight = g[..., None]
        return {"a": weight * (v - u + u * across) / length_a, "b": weight * (u - v + v * across) / length_b}

    return y[..., 0], pullback


@function(x=real(ROWS, limit=30), accumulates_in="float64")
def entropy_of_softmax(x):
    log_p = x - log_sum_exp_of(x)[..., None]
    p = np.exp(log_p)
    entropy = -(p * log_p).sum(axis=-1, keepdims=True)
    return entropy[..., 0], lambda g: {"x": -g[..., None] * p * (log_p + entropy)}


@function(x=real(ROWS, limit=10), shift=real(ROWS, limit=1), accumulates_in="float64")
def divergence_of_near_distributions(x, shift):
    """KL(p ‖ q) of p = softmax(x), q = softmax(x + shift/1000)."""
    delta = shift / 1000
    p = softmax(x)
    log_p = x - log_sum_exp_of(x)[..., None]
    log_q = x + delta - log_sum_exp_of(x + delta)[..., None]

    def pullback(g):
        # log p − log q and e⁻ʳ − 1 + r in terms of delta alone, without the cancellation of the forward
        r = np.log1p((p * np.expm1(delta)).sum(axis=-1, keepdims=True)) - delta
        rest = r * r * (1 / 2 - r * (1 / 6 - r * (1 / 24 - r * (1 / 120 - r / 720))))
        divergence = (p * rest).sum(axis=-1, keepdims=True)
        weight = g[..., None] * p
        return {"x": weight * (rest - divergence), "shift": weight * np.expm1(-r) / 1000}

    return (p * (log_p - log_q)).sum(axis=-1), pullback


@function(x=real("m N"))
def total_variation(x):
    steps = np.sign(np.diff(x, axis=-1))

    def pullback(g):
        gradient = np.zeros_like(x)
        gradient[:, 1:] += g * steps
        gradient[:, :-1] -= g * steps
        return {"x": gradient}

    return np.abs(np.diff(x, axis=-1)).sum(), pullback


@function(x=real("n"))
def mean_absolute_difference(x):
    gaps = x[:, None] - x
    return np.abs(gaps).mean(), lambda g: {"x": g * 2 * np.sign(gaps).sum(axis=1) / x.size**2}


@function(x=real("m d"), y=real("n d"))
def manhattan_distances(x, y):
    signs = np.sign(x[:, None] - y)

    def pullback(g):
        flow = g[..., None] * signs
        return {"x": flow.sum(axis=1), "y": -flow.sum(axis=0)}

    return np.abs(x[:, None] - y).sum(axis=-1), pullback


@function(x=real("m d"), y=real("n d"))
def squared_distances_by_products(x, y):
    def pullback(g):
        flow = 2 * g[..., None] * (x[:, None] - y)
        return {"x": flow.sum(axis=1), "y": -flow.sum(axis=0)}

    return (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1) - 2 * x @ y.T, pullback


@function(x=real("M d"))
def distances_of_pairs(x):
    first, second = np.triu_indices(x.shape[0], 1)
    gaps = x[first] - x[second]
    distances = np.sqrt((gaps * gaps).sum(axis=1))

    def pullback(g):
        flow = over(gaps, distances[:, None]) * g[:, None]
        gradient = np.zeros_like(x)
        np.add.at(gradient, first, flow)
        np.subtract.at(gradient, second, flow)
        return {"x": gradient}

    return distances, pullback


@function(x=real("m d", limit=3), y=real("n d", limit=3))
def gaussian_kernel(x, y):
    gaps = x[:, None] - y
    kernel = np.exp(-(gaps * gaps).sum(axis=-1) / 2)

    def pullback(g):
        flow = -(g * kernel)[..., None] * gaps
        return {"x": flow.sum(axis=1), "y": -flow.sum(axis=0)}

    return kernel, pullback
