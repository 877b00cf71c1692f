"""Elementwise nonlinearities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Literal, NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, require_shape


@dataclass(frozen=True)
class ReLU:
    """``max(x, 0)``.

    Parameters
    ----------
    at_zero : float
        The derivative at exactly 0, from 0 to 1. The five-layer network's article takes 0, the lecture slides 1; both
        are subgradients, and central differences give 1/2.

    Examples
    --------
    >>> layer = ReLU()
    >>> y, cache = layer.forward({}, np.array([-1.0, 0.0, 2.0]))
    >>> y.tolist(), layer.backward({}, cache, np.ones(3))[0].tolist()
    ([0.0, 0.0, 2.0], [0.0, 0.0, 1.0])
    """

    at_zero: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.at_zero, Real) or not 0.0 <= self.at_zero <= 1.0:
            raise ValueError(f"expected at_zero to be a subgradient, 0 to 1, got at_zero={self.at_zero!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the output and the derivative."""
        y = np.asarray(np.maximum(x, 0))  # of a 0-dimensional array NumPy makes a scalar
        slope = np.asarray(x > 0, dtype=x.dtype)
        if self.at_zero:
            slope[x == 0] = self.at_zero
        return y, slope

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.shape)
        return np.asarray(grad_output * cache), {}


class Slope(NamedTuple):
    """What the backward pass of an elementwise layer needs: its derivative, entry by entry."""

    slope: Array


class _Elementwise:
    """A function of each entry by itself: ``dx = g ∘ f'(x)``."""

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, Slope]:  # noqa: ARG002
        """Return ``f(x)`` and ``f'(x)``."""
        y, slope = self._value_and_slope(x)
        return np.asarray(y, dtype=x.dtype), Slope(np.asarray(slope, dtype=x.dtype))

    def backward(self, params: Params, cache: Slope, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.slope.shape)
        return np.asarray(grad_output * cache.slope), {}

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        raise NotImplementedError


@dataclass(frozen=True)
class LeakyReLU(_Elementwise):
    """``x`` where x > 0, else ``negative_slope·x``.

    Parameters
    ----------
    negative_slope : float
        Of either sign. It is the derivative at 0 too.

    Examples
    --------
    >>> layer = LeakyReLU(0.1)
    >>> y, cache = layer.forward({}, np.array([-2.0, 0.0, 3.0]))
    >>> y.tolist(), layer.backward({}, cache, np.ones(3))[0].tolist()
    ([-0.2, 0.0, 3.0], [0.1, 0.1, 1.0])
    """

    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        _require_finite(negative_slope=self.negative_slope)

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        slope = np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))
        return x * slope, slope


@dataclass(frozen=True)
class ELU(_Elementwise):
    """``x`` where x > 0, else ``alpha·(eˣ - 1)``, with derivative ``alpha·eˣ`` there, at 0 too.

    Parameters
    ----------
    alpha : float

    Examples
    --------
    >>> ELU(2.0).forward({}, np.array([-1.0, 0.0, 1.0]))[0].round(6).tolist()
    [-1.264241, 0.0, 1.0]
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        _require_finite(alpha=self.alpha)

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        below = np.minimum(x, 0)
        return np.where(x > 0, x, self.alpha * np.expm1(below)), np.where(x > 0, 1, self.alpha * np.exp(below))


@dataclass(frozen=True)
class Sigmoid(_Elementwise):
    """``1/(1 + e⁻ˣ)``, with derivative ``y·(1 - y)``.

    Both are formed from ``e^-|x|``, so that nothing overflows and no digits of ``1 - y`` are lost near y = 1.

    Examples
    --------
    >>> layer = Sigmoid()
    >>> y, cache = layer.forward({}, np.array([0.0, -800.0]))
    >>> y.tolist(), layer.backward({}, cache, np.ones(2))[0].tolist()
    ([0.5, 0.0], [0.25, 0.0])
    """

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        return sigmoid(x), sigmoid(x) * sigmoid(-x)


@dataclass(frozen=True)
class Tanh(_Elementwise):
    """``tanh x``, with derivative ``1 - y²``, formed from ``e^-2|x|`` without loss of digits.

    Examples
    --------
    >>> layer = Tanh()
    >>> y, cache = layer.forward({}, np.array([0.0, 30.0]))
    >>> y.tolist(), layer.backward({}, cache, np.ones(2))[0][1] > 0
    ([0.0, 1.0], np.True_)
    """

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        return np.tanh(x), 4 * sigmoid(2 * x) * sigmoid(-2 * x)


@dataclass(frozen=True)
class Softplus(_Elementwise):
    """``log(1 + eˣ)``, with derivative ``1/(1 + e⁻ˣ)``.

    Examples
    --------
    >>> Softplus().forward({}, np.array([0.0, 1000.0, -1000.0]))[0].round(6).tolist()
    [0.693147, 1000.0, 0.0]
    """

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), sigmoid(x)


@dataclass(frozen=True)
class SiLU(_Elementwise):
    """``x·s`` with ``s = 1/(1 + e⁻ˣ)``, and derivative ``s·(1 + x·(1 - s))``.

    Examples
    --------
    >>> SiLU().forward({}, np.array([0.0, 1.0]))[0].round(6).tolist()
    [0.0, 0.731059]
    """

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        s = sigmoid(x)
        return x * s, s * (1 + x * sigmoid(-x))


@dataclass(frozen=True)
class GELU(_Elementwise):
    """``x·Φ(x)``, Φ the distribution function of N(0, 1), with derivative ``Φ(x) + x·φ(x)``.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        ``"tanh"``: ``x/2·(1 + tanh u)`` with ``u = √(2/π)·(x + 0.044715·x³)``, a function of its own with a
        derivative of its own, ``(1 + tanh u)/2 + x/2·(1 - tanh² u)·u'``.

    Notes
    -----
    The two forms differ by up to 4.7e-4, and their derivatives by up to 8.7e-4.

    References
    ----------
    Hendrycks and Gimpel, *Gaussian error linear units*, 2016.

    Examples
    --------
    >>> x = np.array([-1.0, 0.0, 2.0])
    >>> GELU().forward({}, x)[0].round(6).tolist(), GELU("tanh").forward({}, x)[0].round(6).tolist()
    ([-0.158655, 0.0, 1.9545], [-0.158808, 0.0, 1.954598])
    """

    approximate: Literal["none", "tanh"] = "none"

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise ValueError(f"expected approximate to be 'none' or 'tanh', got approximate={self.approximate!r}")

    def _value_and_slope(self, x: Array) -> tuple[Array, Array]:
        if self.approximate == "tanh":
            root = math.sqrt(2 / math.pi)
            u, du = root * (x + 0.044715 * x**3), root * (1 + 3 * 0.044715 * x**2)
            half = sigmoid(2 * u)  # (1 + tanh u)/2
            return x * half, half + 2 * x * half * sigmoid(-2 * u) * du
        below = np.asarray(_erfc(-x / math.sqrt(2)), dtype=x.dtype) / 2
        density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return x * below, below + x * density


def sigmoid(x: Array) -> Array:
    """Return ``1/(1 + e⁻ˣ)``, without overflow and with all its digits at either end.

    Examples
    --------
    >>> sigmoid(np.array([-2.0, 0.0, 2.0])).round(6).tolist()
    [0.119203, 0.5, 0.880797]
    """
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small), dtype=x.dtype)


#: NumPy has no error function; that of Python is exact to a rounding, and called entry by entry.
_erfc = np.frompyfunc(math.erfc, 1, 1)


def _require_finite(**values: float) -> None:
    for name, value in values.items():
        if not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f"expected {name} to be a finite number, got {name}={value!r}")
