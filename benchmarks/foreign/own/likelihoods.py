"""Log-likelihoods and their scores. Γ functions are computed by recurrence and Stirling's series, in any dtype."""

from __future__ import annotations

import math

import numpy as np

from own.drawing import count, function, positive, real, unit
from own.elementwise import sigmoid
from own.reductions import log_sum_exp_of, softmax

#: Bₖ of Stirling's series, k = 2, 4, …
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
SHIFT = 12


def log_gamma(x):
    """Return log Γ(x) for x > 0."""
    z = x + SHIFT
    tail = sum(b / (2 * k * (2 * k - 1)) * z ** (1 - 2 * k) for k, b in enumerate(BERNOULLI, 1))
    return (z - 0.5) * np.log(z) - z + math.log(2 * math.pi) / 2 + tail - sum(np.log(x + k) for k in range(SHIFT))


def digamma(x):
    """Return the derivative of log Γ for x > 0."""
    z = x + SHIFT
    tail = sum(b / (2 * k) * z ** (-2 * k) for k, b in enumerate(BERNOULLI, 1))
    return np.log(z) - 1 / (2 * z) - tail - sum(1 / (x + k) for k in range(SHIFT))


@function(mean=positive("m n", least=1e-2, limit=1e3), size=positive("n", least=0.1, limit=30), k=count("m n"))
def negative_binomial(mean, size, k):
    k = k.astype(mean.dtype)
    total = mean + size
    y = log_gamma(k + size) - log_gamma(size) - log_gamma(k + 1)
    y = y + size * np.log(size / total) + k * np.log(mean / total)

    def pullback(g):
        steps = sum(np.where(j < k, 1 / (size + j), 0) for j in range(10))  # ψ(k + r) − ψ(r)
        by_size = steps + np.log(size / total) + (mean - k) / total
        return {
            "mean": g * (k - mean) * size / (mean * total),
            "size": (g * by_size).sum(axis=0).astype(mean.dtype),
        }

    return y, pullback


@function(
    x=unit("m n", margin=1e-2),
    a=positive("n", least=0.1, limit=10),
    b=positive("n", least=0.1, limit=10),
    accumulates_in="float64",
)
def beta_density(x, a, b):
    y = (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) + log_gamma(a + b) - log_gamma(a) - log_gamma(b)

    def pullback(g):
        both = digamma(a + b)
        return {
            "x": g * ((a - 1) / x - (b - 1) / (1 - x)),
            "a": (g * (np.log(x) + both - digamma(a))).sum(axis=0),
            "b": (g * (np.log1p(-x) + both - digamma(b))).sum(axis=0),
        }

    return y, pullback


ANGLES = np.cos((np.arange(80) + 0.5) * math.pi / 80)


def log_bessel(kappa):
    """Return log I₀(κ) and I₁(κ)/I₀(κ), by the midpoint rule, whose error is far below rounding up to κ = 30."""
    powers = np.exp(kappa[..., None] * (ANGLES.astype(kappa.dtype) - 1))
    mean = powers.mean(axis=-1)
    return np.log(mean) + kappa, (powers * ANGLES.astype(kappa.dtype)).mean(axis=-1) / mean


@function(x=real("m n"), centre=real("n"), kappa=positive("n", least=1e-2, limit=30), accumulates_in="float64")
def von_mises(x, centre, kappa):
    log_i0, quotient = log_bessel(kappa)
    gap = x - centre

    def pullback(g):
        flow = g * kappa * np.sin(gap)
        return {"x": -flow, "centre": flow.sum(axis=0), "kappa": (g * (np.cos(gap) - quotient)).sum(axis=0)}

    return kappa * np.cos(gap) - math.log(2 * math.pi) - log_i0, pullback


@function(x=real("m n"), centre=real("n"), degrees=positive("n", least=0.5, limit=30), accumulates_in="float64")
def student_t(x, centre, degrees):
    gap = x - centre
    share = gap * gap / degrees
    half = (degrees + 1) / 2
    y = log_gamma(half) - log_gamma(degrees / 2) - np.log(degrees * math.pi) / 2 - half * np.log1p(share)

    def pullback(g):
        by_x = -g * 2 * half * gap / (degrees + gap * gap)
        by_degrees = digamma(half) - digamma(degrees / 2) - 1 / degrees - np.log1p(share)
        by_degrees = by_degrees + 2 * half * share / (degrees * (1 + share))
        return {"x": by_x, "centre": -by_x.sum(axis=0), "degrees": (g * by_degrees / 2).sum(axis=0)}

    return y, pullback


@function(x=positive("m n", least=1e-2), shape=positive("n", least=0.1, limit=30), rate=positive("n", least=1e-2))
def gamma_density(x, shape, rate):
    y = shape * np.log(rate) - log_gamma(shape) + (shape - 1) * np.log(x) - rate * x
    return y, lambda g: {
        "x": g * ((shape - 1) / x - rate),
        "shape": (g * (np.log(rate) + np.log(x) - digamma(shape))).sum(axis=0),
        "rate": (g * (shape / rate - x)).sum(axis=0),
    }


@function(
    x=positive("m n", least=1e-2, limit=30),
    shape=positive("n", least=0.1, limit=4),
    scale=positive("n", least=0.3),
    accumulates_in="float64",
)
def weibull_density(x, shape, scale):
    log_ratio = np.log(x / scale)
    powers = np.exp(shape * log_ratio)
    y = np.log(shape / scale) + (shape - 1) * log_ratio - powers
    return y, lambda g: {
        "x": g * (shape - 1 - shape * powers) / x,
        "shape": (g * (1 / shape + log_ratio * (1 - powers))).sum(axis=0),
        "scale": (g * shape * (powers - 1) / scale).sum(axis=0),
    }


@function(x=real("m n"), mean=real("n"), log_variance=real("n", limit=10))
def gaussian_density(x, mean, log_variance):
    precision = np.exp(-log_variance)
    gap = x - mean
    y = -(log_variance + gap * gap * precision) / 2

    def pullback(g):
        by_x = -g * gap * precision
        by_variance = (g * (gap * gap * precision - 1) / 2).sum(axis=0)
        return {"x": by_x, "mean": -by_x.sum(axis=0), "log_variance": by_variance}

    return y, pullback


@function(x=real("m n"), centre=real("n"), scale=positive("n", least=0.1))
def laplace_density(x, centre, scale):
    gap = x - centre

    def pullback(g):
        by_x = -g * np.sign(gap) / scale
        return {"x": by_x, "centre": -by_x.sum(axis=0), "scale": (g * (np.abs(gap) / scale - 1) / scale).sum(axis=0)}

    return -np.log(2 * scale) - np.abs(gap) / scale, pullback


@function(log_rate=real("m n", limit=20), k=count("m n"))
def poisson_density(log_rate, k):
    rate = np.exp(log_rate)
    return k.astype(rate.dtype) * log_rate - rate, lambda g: {"log_rate": g * (k.astype(rate.dtype) - rate)}


@function(x=real("m n"), scale=positive("n", least=0.1), accumulates_in="float64")
def cauchy_density(x, scale):
    ratio = x / scale
    square = ratio * ratio
    return -np.log1p(square) - np.log(scale), lambda g: {
        "x": -g * 2 * ratio / (1 + square) / scale,
        "scale": (g * (square - 1) / (1 + square) / scale).sum(axis=0),
    }


@function(p=positive("m N", least=1e-2), concentration=positive("N", least=0.1, limit=10), accumulates_in="float64")
def dirichlet_density(p, concentration):
    """Log-density, up to its constant of normalisation over p, of p divided by its sum."""
    total = p.sum(axis=1, keepdims=True)
    log_p = np.log(p / total)
    a = concentration
    constant = log_gamma(a.sum()) - log_gamma(a).sum()

    def pullback(g):
        by_a = (g[:, None] * (log_p + digamma(a.sum()) - digamma(a))).sum(axis=0)
        return {"p": g[:, None] * ((a - 1) / p - (a - 1).sum() / total), "concentration": by_a}

    return constant + ((a - 1) * log_p).sum(axis=1), pullback


@function(x=real("m"), centre=real("k"), logit=real("k", limit=20), accumulates_in="float64")
def gaussian_mixture(x, centre, logit):
    gap = x[:, None] - centre
    half_square = gap * gap / 2
    joint = logit - log_sum_exp_of(logit) - half_square
    prior, share = softmax(logit), softmax(joint)

    def pullback(g):
        pull = g[:, None] * share * gap
        growth = np.expm1(-np.minimum(half_square, 1))
        mean = (prior * growth).sum(axis=1, keepdims=True)
        near = half_square.max(axis=1, keepdims=True) < 1  # there share − prior would cancel
        change = np.where(near, prior * (growth - mean) / (1 + mean), share - prior)
        return {
            "x": -pull.sum(axis=1),
            "centre": pull.sum(axis=0),
            "logit": (g[:, None] * change).sum(axis=0),
        }

    return log_sum_exp_of(joint), pullback


@function(score=real("n", limit=30), accumulates_in="float64")
def cox_partial_likelihood(score):
    """Log of the chance that events come in the order of the entries, each risk set being the rest."""
    risk = np.logaddexp.accumulate(score[::-1])[::-1]

    def pullback(g):
        # of every entry the share in its own risk set, 1 − σ, stands first, without its cancellation
        gradient = np.append(sigmoid(risk[1:] - score[:-1]), np.zeros(1, score.dtype))
        earlier = np.triu(np.exp(np.minimum(score - risk[:, None], 0)), 1)
        return {"score": g * (gradient - earlier.sum(axis=0))}

    return (score - risk).sum(), pullback


@function(score=real("m n"), k=count("m n"))
def binomial_of_nine(score, k):
    k = k.astype(score.dtype)
    y = -k * np.logaddexp(0, -score) - (9 - k) * np.logaddexp(0, score)
    return y.astype(score.dtype), lambda g: {"score": g * (k * sigmoid(-score) - (9 - k) * sigmoid(score))}
