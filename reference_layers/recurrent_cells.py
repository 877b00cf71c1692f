"""One time step of each recurrent layer, and its backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np

from reference_layers.activations import sigmoid, sigmoid_slope, tanh_slope
from reference_layers.layer import Array

#: What a cell hands from step to step, arrays (N, hidden_size): h first, which is the output, and c in an LSTM.
State: TypeAlias = tuple[Array, ...]


class Cell(Protocol):
    """One step in time, without its weights.

    A cell gets the two matrix products of the step, ``a = W_ih x + b_ih`` and ``b = W_hh h + b_hh``, both of shape
    (N, gates·hidden_size) with the gates one after another, and the state before. For its backward pass it keeps the
    arguments of its gates, not their values: ``y (1 − y)`` and ``1 − y²`` lose their digits where y is near 1.

    Attributes
    ----------
    gates : int
        Rows of the weights for each hidden unit.
    states : tuple of str
        Names of the arrays of the state.
    """

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]]

    def step(self, a: Array, b: Array, state: State) -> tuple[State, Any]:
        """Return the next state, and what `step_backward` needs."""

    def step_backward(self, kept: Any, grad_state: State) -> tuple[Array, Array, State]:
        """Return the gradients of `a`, of `b`, and of the state before on all ways but that through `b`."""


@dataclass(frozen=True)
class PlainCell:
    """``h' = tanh(a + b)``, or ``max(a + b, 0)`` with the derivative 0 at 0."""

    gates: ClassVar[int] = 1
    states: ClassVar[tuple[str, ...]] = ("h0",)
    nonlinearity: str

    def step(self, a: Array, b: Array, state: State) -> tuple[State, Array]:  # noqa: ARG002 - h enters by `b` alone
        """Return h', and ``a + b``."""
        s = a + b
        return (np.tanh(s) if self.nonlinearity == "tanh" else np.maximum(s, 0),), s

    def step_backward(self, kept: Array, grad_state: State) -> tuple[Array, Array, State]:
        """Return ``g / cosh²(a + b)``, or g where ``a + b > 0``, for `a` and for `b`."""
        (g,) = grad_state
        grad = g * (tanh_slope(kept) if self.nonlinearity == "tanh" else kept > 0)
        return grad, grad, (np.zeros_like(g),)


class LSTMStep(NamedTuple):
    """What one step of an LSTM keeps: ``a + b``, and the cell state before and after it."""

    s: Array
    c: Array
    after: Array


@dataclass(frozen=True)
class LSTMCell:
    """``c' = f c + i g`` and ``h' = o tanh c'``, where ``i, f, o = σ(a + b)``, ``g = tanh(a + b)``, each its part."""

    gates: ClassVar[int] = 4
    states: ClassVar[tuple[str, ...]] = ("h0", "c0")

    def step(self, a: Array, b: Array, state: State) -> tuple[State, LSTMStep]:
        """Return h' and c', and what they were made of."""
        _, c = state
        s = a + b
        i, f, g, o = _lstm_gates(s)
        after = f * c + i * g
        return (o * np.tanh(after), after), LSTMStep(s, c, after)

    def step_backward(self, kept: LSTMStep, grad_state: State) -> tuple[Array, Array, State]:
        """Return the gradients of the four gates, for `a` and for `b`, and that of c, which f lets through."""
        s, c, after = kept
        grad_h, grad_c = grad_state
        i, f, g, o = _lstm_gates(s)
        i_slope, f_slope, _, o_slope = _parts(sigmoid_slope(s), 4)
        grad_after = grad_c + grad_h * o * tanh_slope(after)
        parts = [
            grad_after * g * i_slope,
            grad_after * c * f_slope,
            grad_after * i * tanh_slope(_parts(s, 4)[2]),
            grad_h * np.tanh(after) * o_slope,
        ]
        grad = np.concatenate(parts, axis=-1)
        return grad, grad, (np.zeros_like(grad_h), grad_after * f)


class GRUStep(NamedTuple):
    """What one step of a GRU keeps: ``a + b``, the argument of n, the part of `b` that r acts on, and h before."""

    s: Array
    s_n: Array
    b_n: Array
    h: Array


@dataclass(frozen=True)
class GRUCell:
    """``h' = (1 − z) n + z h``, where ``r, z = σ(a + b)`` and ``n = tanh(a + r b)``, each its part of `a` and `b`."""

    gates: ClassVar[int] = 3
    states: ClassVar[tuple[str, ...]] = ("h0",)

    def step(self, a: Array, b: Array, state: State) -> tuple[State, GRUStep]:
        """Return h', and what it was made of."""
        (h,) = state
        s, a_n, b_n = a + b, _parts(a, 3)[2], _parts(b, 3)[2]
        r, z, _ = _parts(sigmoid(s), 3)
        s_n = a_n + r * b_n
        return (_one_minus_z(s) * np.tanh(s_n) + z * h,), GRUStep(s, s_n, b_n, h)

    def step_backward(self, kept: GRUStep, grad_state: State) -> tuple[Array, Array, State]:
        """Return the gradients of the three gates, which differ for `a` and `b` in the last, and that of h by z."""
        s, s_n, b_n, h = kept
        (g,) = grad_state
        r, z, _ = _parts(sigmoid(s), 3)
        r_slope, z_slope, _ = _parts(sigmoid_slope(s), 3)
        grad_n = g * _one_minus_z(s) * tanh_slope(s_n)
        both = [grad_n * b_n * r_slope, g * (h - np.tanh(s_n)) * z_slope]
        return np.concatenate([*both, grad_n], axis=-1), np.concatenate([*both, grad_n * r], axis=-1), (g * z,)


def _lstm_gates(s: Array) -> tuple[Array, Array, Array, Array]:
    """Return i, f, g and o."""
    i, f, _, o = _parts(sigmoid(s), 4)
    return i, f, np.tanh(_parts(s, 4)[2]), o


def _one_minus_z(s: Array) -> Array:
    """Return ``1 − z`` of a GRU, with all its digits where z is near 1."""
    return sigmoid(-_parts(s, 3)[1])


def _parts(s: Array, gates: int) -> list[Array]:
    """Return the part of every gate."""
    size = s.shape[-1] // gates
    return [s[..., k * size : (k + 1) * size] for k in range(gates)]
