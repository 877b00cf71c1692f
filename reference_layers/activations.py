"""Elementwise nonlinearities, and the softmax."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, is_int, require_number, require_shape

#: Beyond ±40 the gates of a GELU are 0 or 1 and their densities 0, even in float64; up to there no power overflows,
#: even in float16.
_SATURATED = 40.0
_erfc = np.frompyfunc(math.erfc, 1, 1)


class _Elementwise:
    """A nonlinearity of single entries: its forward keeps the derivative, and its backward multiplies by it."""

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the output and the derivative."""
        y, slope = self._value_and_slope(x)
        # Of a 0-dimensional array NumPy makes a scalar.
        return np.asarray(y, dtype=x.dtype), np.asarray(slope, dtype=x.dtype)

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.shape)
        return np.asarray(grad_output * cache), {}

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class ReLU(_Elementwise):
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

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        slope = np.asarray(x > 0, dtype=x.dtype)
        if self.at_zero:
            slope[x == 0] = self.at_zero
        return np.maximum(x, 0), slope


@dataclass(frozen=True)
class LeakyReLU(_Elementwise):
    """``x`` where x > 0, else ``negative_slope · x``.

    Parameters
    ----------
    negative_slope : float
        Any finite number: 0 makes a ReLU, 1 the identity, and with a negative one the sign of the output does not
        tell that of the input.

    Notes
    -----
    ``∂/∂x = g`` where x > 0, else ``negative_slope · g``; at exactly 0 the slope is that of the left side.

    References
    ----------
    Maas, Hannun and Ng, *Rectifier nonlinearities improve neural network acoustic models*, 2013.

    Examples
    --------
    >>> layer = LeakyReLU(-0.5)
    >>> y, cache = layer.forward({}, np.array([-2.0, 0.0, 2.0]))
    >>> y.tolist(), layer.backward({}, cache, np.ones(3))[0].tolist()
    ([1.0, -0.0, 2.0], [-0.5, -0.5, 1.0])
    """

    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        require_number(negative_slope=self.negative_slope)

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        return np.where(x > 0, x, self.negative_slope * x), np.where(x > 0, 1.0, self.negative_slope)


@dataclass(frozen=True)
class ELU(_Elementwise):
    """``x`` where x > 0, else ``alpha · (exp x − 1)``.

    Parameters
    ----------
    alpha : float
        Any finite number. Only at 1 is there no kink at 0.

    Notes
    -----
    ``∂/∂x = g`` where x > 0, else ``alpha · exp(x) · g``; at exactly 0 the slope is that of the left side, alpha.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, *Fast and accurate deep network learning by exponential linear units*, 2015.

    Examples
    --------
    >>> layer = ELU(2.0)
    >>> y, cache = layer.forward({}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(4).tolist(), layer.backward({}, cache, np.ones(3))[0].round(4).tolist()
    ([-1.2642, 0.0, 2.0], [0.7358, 2.0, 1.0])
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        require_number(alpha=self.alpha)

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        below = np.minimum(x, 0)  # the exponential of what is above is not wanted, and may overflow
        return np.where(x > 0, x, self.alpha * np.expm1(below)), np.where(x > 0, 1.0, self.alpha * np.exp(below))


@dataclass(frozen=True)
class Sigmoid(_Elementwise):
    """``σ(x) = 1 / (1 + exp(−x))``.

    Notes
    -----
    ``∂/∂x = g σ(x) σ(−x)``. Both are formed from ``exp(−|x|)``, which cannot overflow; ``1 − σ`` would round to 0 for
    large x.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> layer = Sigmoid()
    >>> y, cache = layer.forward({}, np.array([-1000.0, 0.0, np.log(3.0)]))
    >>> y.round(4).tolist(), layer.backward({}, cache, np.ones(3))[0].round(4).tolist()
    ([0.0, 0.5, 0.75], [0.0, 0.25, 0.1875])
    """

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        return sigmoid(x), sigmoid_slope(x)


@dataclass(frozen=True)
class Tanh(_Elementwise):
    """``tanh x``.

    Notes
    -----
    ``∂/∂x = g / cosh² x``, formed from ``exp(−|x|)``; ``1 − tanh² x`` is the same, but loses its digits where tanh is
    near ±1.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> layer = Tanh()
    >>> y, cache = layer.forward({}, np.array([0.0, np.log(2.0)]))
    >>> y.round(4).tolist(), layer.backward({}, cache, np.ones(2))[0].round(4).tolist()
    ([0.0, 0.6], [1.0, 0.64])
    """

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        return np.tanh(x), tanh_slope(x)


@dataclass(frozen=True)
class Softplus(_Elementwise):
    """``log(1 + exp x)``, computed so that it cannot overflow.

    Notes
    -----
    ``∂/∂x = g σ(x)``.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> layer = Softplus()
    >>> y, cache = layer.forward({}, np.array([-1000.0, 0.0, 1000.0]))
    >>> y.round(4).tolist(), layer.backward({}, cache, np.ones(3))[0].tolist()
    ([0.0, 0.6931, 1000.0], [0.0, 0.5, 1.0])
    """

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        return softplus(x), sigmoid(x)


@dataclass(frozen=True)
class SiLU(_Elementwise):
    """``x σ(x)``, also called swish.

    Notes
    -----
    ``∂/∂x = g σ(x) (1 + x σ(−x))``.

    References
    ----------
    Hendrycks and Gimpel, *Gaussian error linear units*, 2016; the derivative by the product rule.

    Examples
    --------
    >>> layer = SiLU()
    >>> y, cache = layer.forward({}, np.array([-1000.0, 0.0, np.log(3.0)]))
    >>> y.round(4).tolist(), layer.backward({}, cache, np.ones(3))[0].round(4).tolist()
    ([-0.0, 0.0, 0.824], [0.0, 0.5, 0.956])
    """

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        return x * sigmoid(x), sigmoid(x) + x * sigmoid_slope(x)


@dataclass(frozen=True)
class GELU(_Elementwise):
    """``x Φ(x)``, with Φ the normal distribution function.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "tanh" puts ``½ (1 + tanh u)`` with ``u = √(2/π) (x + 0.044715 x³)`` in the place of Φ; the derivative is then
        that of the approximation.

    Notes
    -----
    ``∂/∂x = g (Φ + x Φ′)``, with ``Φ′ = exp(−x²/2) / √(2π)``, or ``2u′ σ(2u) σ(−2u)`` for "tanh".

    NumPy has no error function: `math.erfc` is asked entry by entry, about 0.1 µs each, and its result rounded to the
    dtype of x.

    References
    ----------
    Hendrycks and Gimpel, *Gaussian error linear units*, 2016; the derivatives by the product rule.

    Examples
    --------
    >>> for layer in (GELU(), GELU("tanh")):
    ...     y, cache = layer.forward({}, np.array([-1.0, 0.0, 1.0]))
    ...     y.round(4).tolist(), layer.backward({}, cache, np.ones(3))[0].round(4).tolist()
    ([-0.1587, 0.0, 0.8413], [-0.0833, 0.5, 1.0833])
    ([-0.1588, 0.0, 0.8412], [-0.083, 0.5, 1.083])
    """

    approximate: Literal["none", "tanh"] = "none"

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise ValueError(f"expected approximate to be 'none' or 'tanh', got approximate={self.approximate!r}")

    def _value_and_slope(self, x: Array) -> tuple[Any, Any]:
        bounded = np.clip(x, -_SATURATED, _SATURATED)
        share, density = (_normal if self.approximate == "none" else _nearly_normal)(bounded)
        return x * share, share + bounded * density


@dataclass(frozen=True)
class _AlongAxis:
    """Layers that join the entries of one axis.

    Parameters
    ----------
    axis : int
        Negative ones count from the last.
    """

    axis: int = -1

    def __post_init__(self) -> None:
        if not is_int(self.axis):
            raise ValueError(f"expected axis to be an int, got axis={self.axis!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def _require_entries(self, x: Array) -> None:
        if not -x.ndim <= self.axis < x.ndim or x.shape[self.axis] == 0:
            raise ShapeError(f"expected x to have entries along axis={self.axis}, got shape={x.shape}")


@dataclass(frozen=True)
class Softmax(_AlongAxis):
    """Probabilities along an axis: ``y_i = exp x_i / Σ_j exp x_j``.

    Parameters
    ----------
    axis : int
        Negative ones count from the last.

    Notes
    -----
    ``∂/∂x_i = y_i (g_i − Σ_j g_j y_j)``. The largest entry is taken off before `exp`, which changes nothing and cannot
    overflow. Entries of −inf, masked ones, get probability and gradient 0 as long as one of their neighbours is finite.

    References
    ----------
    Derived here from ``∂y_j/∂x_i = y_j (δ_ij − y_i)``.

    Examples
    --------
    >>> layer = Softmax()
    >>> y, cache = layer.forward({}, np.log([[1.0, 3.0]]))
    >>> y.round(4).tolist(), layer.backward({}, cache, np.array([[1.0, 0.0]]))[0].round(4).tolist()
    ([[0.25, 0.75]], [[0.1875, -0.1875]])
    """

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the probabilities, and a copy of them for `backward`.

        Raises
        ------
        ShapeError
            If `x` has no such axis, or no entries along it.
        """
        self._require_entries(x)
        y = softmax(x, self.axis)
        return y, y.copy()

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.shape)
        mean = (grad_output * cache).sum(axis=self.axis, keepdims=True)
        return cache * (grad_output - mean), {}


@dataclass(frozen=True)
class LogSoftmax(_AlongAxis):
    """Logarithms of the softmax along an axis: ``y_i = x_i − log Σ_j exp x_j``.

    Parameters
    ----------
    axis : int
        Negative ones count from the last.

    Notes
    -----
    ``∂/∂x_i = g_i − softmax(x)_i Σ_j g_j``. The largest entry is taken off before `exp`, and no logarithm of a
    probability is formed, which may have rounded to 0.

    References
    ----------
    Derived here from ``∂y_j/∂x_i = δ_ij − softmax(x)_i``.

    Examples
    --------
    >>> layer = LogSoftmax()
    >>> y, cache = layer.forward({}, np.array([[0.0, 1000.0]]))
    >>> y.tolist(), layer.backward({}, cache, np.array([[1.0, 0.0]]))[0].tolist()
    ([[-1000.0, 0.0]], [[1.0, -1.0]])
    """

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the logarithms, and the probabilities for `backward`.

        Raises
        ------
        ShapeError
            If `x` has no such axis, or no entries along it.
        """
        self._require_entries(x)
        return log_softmax(x, self.axis), softmax(x, self.axis)

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.shape)
        return grad_output - cache * grad_output.sum(axis=self.axis, keepdims=True), {}


def softmax(logits: Array, axis: int = -1) -> Array:
    """Return probabilities along an axis: ``exp z_i / Σ_j exp z_j``.

    Examples
    --------
    >>> softmax(np.array([1.0, 2.0, 4.0])).round(6).tolist()
    [0.04201, 0.114195, 0.843795]
    """
    exponentials = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=axis, keepdims=True))


def log_softmax(logits: Array, axis: int = -1) -> Array:
    """Return the logarithms of the softmax along an axis: ``z_i − log Σ_j exp z_j``.

    Examples
    --------
    >>> log_softmax(np.array([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    shifted = logits - logits.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(−x))``, accurate at both ends.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    exponential = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, exponential, 1.0).astype(x.dtype) / (1 + exponential))


def softplus(x: Array) -> Array:
    """Return ``log(1 + exp x)``, accurate at both ends.

    Examples
    --------
    >>> softplus(np.array([-1000.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    return np.asarray(np.logaddexp(x, x.dtype.type(0)))


def sigmoid_slope(x: Array) -> Any:
    """Return ``σ(x) σ(−x)``, the derivative of `sigmoid`, accurate at both ends.

    Examples
    --------
    >>> sigmoid_slope(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.25, 0.0]
    """
    exponential = np.exp(-np.abs(x))
    return exponential / (1 + exponential) ** 2


def tanh_slope(x: Array) -> Any:
    """Return ``1 / cosh² x``, the derivative of tanh, accurate at both ends.

    Examples
    --------
    >>> tanh_slope(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    exponential = np.exp(-np.abs(x))
    return (2 * exponential / (1 + exponential**2)) ** 2


def _normal(x: Array) -> tuple[Any, Any]:
    """Return the normal distribution function and its density."""
    share = np.asarray(_erfc(x * -math.sqrt(0.5)), dtype=x.dtype) / 2
    return share, np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _nearly_normal(x: Array) -> tuple[Any, Any]:
    """Return ``½ (1 + tanh u) = σ(2u)`` of the approximation, and its derivative."""
    factor, cubic = math.sqrt(2 / math.pi), 0.044715
    twice = 2 * factor * x * (1 + cubic * x * x)
    return sigmoid(np.asarray(twice)), sigmoid_slope(twice) * (2 * factor * (1 + 3 * cubic * x * x))
