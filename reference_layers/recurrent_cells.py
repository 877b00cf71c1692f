"""One time step of each recurrent layer, and its backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np

from reference_layers.activations import sigmoid
from reference_layers.layer import Array

#: What a cell hands from step to step, arrays (N, hidden_size): h first, which is the output, and c in an LSTM.
State: TypeAlias = tuple[Array, ...]


class Cell(Protocol):
    """One step in time, without its weights.

    A cell gets the two matrix products of the step, ``a = W_ih x + b_ih`` and ``b = W_hh h + b_hh``, both of shape
    (N, gates·hidden_size) with the gates one after another, and the state before.

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
        """Return the next state, which is also all that `step_backward` needs."""
        h = np.tanh(a + b) if self.nonlinearity == "tanh" else np.maximum(a + b, 0)
        return (h,), h

    def step_backward(self, kept: Array, grad_state: State) -> tuple[Array, Array, State]:
        """Return ``g (1 − h'²)``, or g where h' is positive, for `a` and for `b`."""
        (g,) = grad_state
        grad = g * (_tanh_slope(kept) if self.nonlinearity == "tanh" else kept > 0)
        return grad, grad, (np.zeros_like(g),)


class LSTMStep(NamedTuple):
    """What one step of an LSTM keeps: the gates, the cell state before, and the tanh of the one after."""

    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    squashed: Array


@dataclass(frozen=True)
class LSTMCell:
    """``c' = f c + i g`` and ``h' = o tanh c'``, where ``i, f, o = σ(a + b)``, ``g = tanh(a + b)``, each its part."""

    gates: ClassVar[int] = 4
    states: ClassVar[tuple[str, ...]] = ("h0", "c0")

    def step(self, a: Array, b: Array, state: State) -> tuple[State, LSTMStep]:
        """Return h' and c', and the gates."""
        _, c = state
        to_i, to_f, to_g, to_o = np.split(a + b, 4, axis=-1)
        i, f, g, o = sigmoid(to_i), sigmoid(to_f), np.tanh(to_g), sigmoid(to_o)
        after = f * c + i * g
        squashed = np.tanh(after)
        return (o * squashed, after), LSTMStep(i, f, g, o, c, squashed)

    def step_backward(self, kept: LSTMStep, grad_state: State) -> tuple[Array, Array, State]:
        """Return the gradients of the four gates, for `a` and for `b`, and that of c, which `f` lets through."""
        i, f, g, o, c, squashed = kept
        grad_h, grad_c = grad_state
        grad_after = grad_c + grad_h * o * _tanh_slope(squashed)
        grad = np.concatenate(
            [
                grad_after * g * _sigmoid_slope(i),
                grad_after * c * _sigmoid_slope(f),
                grad_after * i * _tanh_slope(g),
                grad_h * squashed * _sigmoid_slope(o),
            ],
            axis=-1,
        )
        return grad, grad, (np.zeros_like(grad_h), grad_after * f)


class GRUStep(NamedTuple):
    """What one step of a GRU keeps: the gates, what r lets through, and h before."""

    r: Array
    z: Array
    n: Array
    gated: Array
    h: Array


@dataclass(frozen=True)
class GRUCell:
    """``h' = (1 − z) n + z h``, where ``r, z = σ(a + b)`` and ``n = tanh(a + r b)``, each its part of `a` and `b`."""

    gates: ClassVar[int] = 3
    states: ClassVar[tuple[str, ...]] = ("h0",)

    def step(self, a: Array, b: Array, state: State) -> tuple[State, GRUStep]:
        """Return h', and the gates."""
        (h,) = state
        (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(a, 3, axis=-1), np.split(b, 3, axis=-1)
        r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
        n = np.tanh(a_n + r * b_n)
        return ((1 - z) * n + z * h,), GRUStep(r, z, n, b_n, h)

    def step_backward(self, kept: GRUStep, grad_state: State) -> tuple[Array, Array, State]:
        """Return the gradients of the three gates, which differ for `a` and `b` in the last, and that of h by z."""
        r, z, n, gated, h = kept
        (g,) = grad_state
        grad_n = g * (1 - z) * _tanh_slope(n)
        both = [grad_n * gated * _sigmoid_slope(r), g * (h - n) * _sigmoid_slope(z)]
        return np.concatenate([*both, grad_n], axis=-1), np.concatenate([*both, grad_n * r], axis=-1), (g * z,)


def _sigmoid_slope(y: Array) -> Array:
    """Return the derivative of σ where its value is y."""
    return np.asarray(y * (1 - y))


def _tanh_slope(y: Array) -> Array:
    """Return the derivative of tanh where its value is y."""
    return np.asarray(1 - y * y)
