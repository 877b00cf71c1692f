"""Functions of one entry at a time: cancelling, periodic, with steps, kinks and borders."""

from __future__ import annotations

import math

import numpy as np

from own.drawing import function, positive, real, unit

MATRIX = "m n"


def series(coefficients, x):
    """Return Σ cₖ xᵏ."""
    total = np.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def sigmoid(x):
    """Return 1/(1 + e⁻ˣ) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


@function(x=real(MATRIX))
def x_minus_tanh(x):
    return x - np.tanh(x), lambda g: {"x": g * np.tanh(x) ** 2}


@function(x=real(MATRIX, limit=30))
def exp_minus_one(x):
    y = np.exp(x)
    return y - 1, lambda g: {"x": g * y}


@function(x=real(MATRIX))
def sqrt_one_plus_square_minus_one(x):
    root = np.sqrt(1 + x * x)
    return root - 1, lambda g: {"x": g * (x / root)}


@function(x=real(MATRIX))
def one_minus_cosine(x):
    return 1 - np.cos(x), lambda g: {"x": g * np.sin(x)}


@function(x=real(MATRIX, limit=30))
def log_cosh(x):
    return np.log(np.cosh(x)), lambda g: {"x": g * np.tanh(x)}


@function(x=real(MATRIX))
def log_one_plus_square(x):
    return np.log(1 + x * x), lambda g: {"x": g * (2 * x / (1 + x * x))}


@function(x=real(MATRIX))
def fraction(x):
    return x % 1, lambda g: {"x": g.copy()}


@function(a=real(MATRIX), b=positive(MATRIX, least=0.1))
def floor_of_ratio_plus(a, b):
    return np.floor(a / b) + a, lambda g: {"a": g.copy(), "b": np.zeros_like(g)}


@function(x=real(MATRIX))
def wrapped_angle(x):
    return (x + math.pi) % (2 * math.pi) - math.pi, lambda g: {"x": g.copy()}


@function(x=real(MATRIX))
def triangle_wave(x):
    rest = x - np.round(x)
    return np.abs(rest), lambda g: {"x": g * np.sign(rest)}


@function(x=real(MATRIX))
def rounded_to_quarters_plus_square(x):
    return np.round(4 * x) / 4 + x * x, lambda g: {"x": g * 2 * x}


@function(x=real(MATRIX))
def soft_threshold(x):
    return np.sign(x) * np.maximum(np.abs(x) - 1, 0), lambda g: {"x": g * (np.abs(x) > 1)}


@function(x=real(MATRIX))
def squareplus(x):
    root = np.sqrt(x * x + 4)
    small = 2 / (root + np.abs(x))  # (root − |x|) / 2 without its cancellation
    y = np.where(x < 0, small, (x + root) / 2)
    return y, lambda g: {"x": g * (y / root)}


@function(x=real(MATRIX))
def sinc(x):
    near = np.abs(x) < 1
    away, inner = np.where(near, 1, x), np.where(near, x, 0)
    coefficients = [(-1) ** k / math.factorial(2 * k + 1) for k in range(12)]
    slopes = [(-1) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(1, 12)]
    y = np.where(near, series(coefficients, inner * inner), np.sin(away) / away)

    def pullback(g):
        slope = np.where(near, inner * series(slopes, inner * inner), (np.cos(away) - np.sin(away) / away) / away)
        return {"x": g * slope}

    return y, pullback


@function(x=real(MATRIX, limit=30))
def exp_minus_one_over_x(x):
    near = np.abs(x) < 1
    away, inner = np.where(near, 1, x), np.where(near, x, 0)
    coefficients = [1 / math.factorial(k + 1) for k in range(22)]
    slopes = [k / math.factorial(k + 1) for k in range(1, 22)]
    y = np.where(near, series(coefficients, inner), np.expm1(away) / away)

    def pullback(g):
        return {"x": g * np.where(near, series(slopes, inner), (np.exp(away) - np.expm1(away) / away) / away)}

    return y, pullback


@function(y=real(MATRIX), x=positive(MATRIX, least=1e-3))
def angle(y, x):
    square = x * x + y * y
    return np.arctan2(y, x), lambda g: {"y": g * (x / square), "x": -g * (y / square)}


@function(x=positive(MATRIX, least=1e-3), y=real(MATRIX))
def hypotenuse(x, y):
    h = np.hypot(x, y)
    return h, lambda g: {"x": g * (x / h), "y": g * (y / h)}


@function(x=real(MATRIX))
def x_times_abs(x):
    return x * np.abs(x), lambda g: {"x": g * 2 * np.abs(x)}


@function(x=positive(MATRIX))
def cube_root(x):
    y = np.cbrt(x)
    return y, lambda g: {"x": g * (y / (3 * x))}


@function(x=positive(MATRIX))
def logarithm(x):
    return np.log(x), lambda g: {"x": g / x}


@function(x=positive(MATRIX))
def x_log_x(x):
    return x * np.log(x), lambda g: {"x": g * (np.log(x) + 1)}


@function(base=positive(MATRIX, least=1e-3, limit=1e3), exponent=real(MATRIX, limit=3))
def power(base, exponent):
    y = base**exponent
    return y, lambda g: {"base": g * exponent * base ** (exponent - 1), "exponent": g * y * np.log(base)}


@function(a=real(MATRIX), b=positive(MATRIX, least=1e-3))
def ratio(a, b):
    y = a / b
    return y, lambda g: {"a": g / b, "b": -g * y / b}


@function(x=unit(MATRIX))
def logit(x):
    return np.log(x / (1 - x)), lambda g: {"x": g / (x * (1 - x))}


@function(a=real(MATRIX), b=real(MATRIX))
def log_add_exp(a, b):
    return np.logaddexp(a, b), lambda g: {"a": g * sigmoid(a - b), "b": g * sigmoid(b - a)}


@function(a=real(MATRIX), b=real("n"))
def maximum_of_two(a, b):
    def pullback(g):
        left = g * (a >= b)
        return {"a": left, "b": (g - left).sum(axis=0)}

    return np.maximum(a, b), pullback


@function(x=real(MATRIX))
def smooth_step(x):
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t), lambda g: {"x": g * 6 * t * (1 - t)}


@function(x=real(MATRIX))
def squared_relu(x):
    positive_part = np.maximum(x, 0)
    return positive_part**2, lambda g: {"x": g * 2 * positive_part}


@function(x=real(MATRIX))
def bell_curve(x):
    y = np.exp(-x * x / 2)
    return y, lambda g: {"x": -g * x * y}


@function(x=real(MATRIX))
def log_sigmoid(x):
    return -np.logaddexp(0, -x).astype(x.dtype), lambda g: {"x": g * sigmoid(-x)}


@function(x=real(MATRIX))
def arcsinh(x):
    return np.arcsinh(x), lambda g: {"x": g / np.sqrt(1 + x * x)}
