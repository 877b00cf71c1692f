"""Recurrent layers: one walk over layers, directions and time steps, and a cell that tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, require_flag, require_positive, require_shape
from reference_layers.recurrent_cells import Cell, GRUCell, LSTMCell, PlainCell, State


class Track(NamedTuple):
    """One direction of one layer: its place in h0, the end of its parameters' names, its direction in time."""

    place: int
    suffix: str
    reverse: bool

    def in_order(self, steps: Array) -> Array:
        """Return time steps in the order in which this direction takes them, or such steps in that of time."""
        return steps[::-1] if self.reverse else steps


class Walk(NamedTuple):
    """What one track keeps for its backward pass, by time steps in the order in which it took them.

    Attributes
    ----------
    x : ndarray of shape (T, N, features)
        Inputs.
    hidden : ndarray of shape (T, N, hidden_size)
        h before every step.
    kept : list
        What the cell kept.
    """

    x: Array
    hidden: Array
    kept: list[Any]


@dataclass(frozen=True)
class _Recurrent:
    """What all recurrent layers share: everything but the cell."""

    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    bidirectional: bool = False

    def __post_init__(self) -> None:
        require_positive(input_size=self.input_size, hidden_size=self.hidden_size, num_layers=self.num_layers)
        require_flag(bias=self.bias, batch_first=self.batch_first, bidirectional=self.bidirectional)

    @property
    def directions(self) -> int:
        """How many directions in time there are."""
        return 2 if self.bidirectional else 1

    @property
    def cell(self) -> Cell:
        """One step in time."""
        raise NotImplementedError

    @property
    def param_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every parameter."""
        rows = self.cell.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            features = self.directions * self.hidden_size if layer else self.input_size
            for track in self._tracks(layer):
                shapes |= {f"weight_ih{track.suffix}": (rows, features)}
                shapes |= {f"weight_hh{track.suffix}": (rows, self.hidden_size)}
                shapes |= {f"bias_{by}{track.suffix}": (rows,) for by in ("ih", "hh") if self.bias}
        return shapes

    def init(self, rng: np.random.Generator) -> Params:
        """Return parameters between ±1/√hidden_size."""
        bound = 1 / np.sqrt(self.hidden_size)
        return {name: rng.uniform(-bound, bound, shape) for name, shape in self.param_shapes.items()}

    def forward(self, params: Params, x: tuple[Array, ...]) -> tuple[tuple[Array, ...], list[Walk]]:
        """Return the output and the states after the last step, and what every direction of every layer keeps.

        Raises
        ------
        ShapeError
            If an input or a parameter does not have the shape above, or there is no time step.
        """
        self._require("x", ("x", *self.cell.states), x, *self._leading("T", "N"), self.input_size)
        first, *initial = x
        if self._swapped(first).shape[0] == 0:
            raise ShapeError(f"expected x of at least 1 time step, got shape={first.shape}")
        for name, shape in self.param_shapes.items():
            require_shape(name, params[name], shape)
        steps, walks, finals = self._swapped(first), [], []
        for layer in range(self.num_layers):
            outputs = []
            for track in self._tracks(layer):
                state = tuple(array[track.place] for array in initial)
                hidden, final, walk = self._walk(params, track, steps, state)
                outputs.append(hidden)
                finals.append(final)
                walks.append(walk)
            steps = np.concatenate(outputs, axis=-1)
        return (self._swapped(steps), *map(np.stack, zip(*finals, strict=True))), walks

    def backward(
        self, params: Params, cache: list[Walk], grad_output: tuple[Array, ...]
    ) -> tuple[tuple[Array, ...], Params]:
        """Return the gradients of all inputs, and those of the parameters by name."""
        names = ("grad_output", *(f"grad_{name[0]}_n" for name in self.cell.states))
        features = self.directions * self.hidden_size
        self._require("grad_output", names, grad_output, *self._leading(*cache[0].x.shape[:2]), features)
        above, *final = grad_output
        gradients: Params = {}
        grad_steps = self._swapped(above)
        grad_initial: list[State] = [()] * len(cache)
        for layer in reversed(range(self.num_layers)):
            parts = np.split(grad_steps, self.directions, axis=-1)
            below = []
            for track, part in zip(self._tracks(layer), parts, strict=True):
                state = tuple(array[track.place] for array in final)
                grad_x, grad_initial[track.place], own = self._walk_back(params, track, cache, part, state)
                below.append(grad_x)
                gradients |= own
            grad_steps = np.sum(below, axis=0)
        return (self._swapped(grad_steps), *map(np.stack, zip(*grad_initial, strict=True))), gradients

    def _walk(self, params: Params, track: Track, steps: Array, state: State) -> tuple[Array, State, Walk]:
        """Return h after every step in the order of time, the state after the last one taken, and what to keep."""
        x, weight = track.in_order(steps), params[f"weight_hh{track.suffix}"]
        from_x = x @ params[f"weight_ih{track.suffix}"].T
        if self.bias:
            from_x += params[f"bias_ih{track.suffix}"]
        hidden, kept = [state[0]], []
        for a in from_x:
            b = hidden[-1] @ weight.T
            if self.bias:
                b += params[f"bias_hh{track.suffix}"]
            state, step = self.cell.step(a, b, state)
            hidden.append(state[0])
            kept.append(step)
        return track.in_order(np.stack(hidden[1:])), state, Walk(x, np.stack(hidden[:-1]), kept)

    def _walk_back(
        self, params: Params, track: Track, cache: list[Walk], grad_hidden: Array, grad_state: State
    ) -> tuple[Array, State, Params]:
        """Return the gradients of the steps in the order of time, of the initial state and of the parameters."""
        walk, weight = cache[track.place], params[f"weight_hh{track.suffix}"]
        from_x, from_h = [], []
        for step, above in zip(reversed(walk.kept), reversed(track.in_order(grad_hidden)), strict=True):
            grad_h, *others = grad_state
            # h goes two ways: up, as the output of its step, and on to the next step.
            grad_a, grad_b, direct = self.cell.step_backward(step, (grad_h + above, *others))
            grad_state = (direct[0] + grad_b @ weight, *direct[1:])
            from_x.append(grad_a)
            from_h.append(grad_b)
        a, b = np.stack(from_x[::-1]), np.stack(from_h[::-1])
        gradients = {"weight_ih": _outer(a, walk.x), "weight_hh": _outer(b, walk.hidden)}
        if self.bias:
            gradients |= {"bias_ih": a.sum(axis=(0, 1)), "bias_hh": b.sum(axis=(0, 1))}
        grad_x = track.in_order(a @ params[f"weight_ih{track.suffix}"])
        return grad_x, grad_state, {f"{name}{track.suffix}": array for name, array in gradients.items()}

    def _tracks(self, layer: int) -> Iterator[Track]:
        for direction in range(self.directions):
            suffix = f"_l{layer}{'_reverse' if direction else ''}"
            yield Track(layer * self.directions + direction, suffix, reverse=direction == 1)

    def _swapped(self, steps: Array) -> Array:
        """Return the time steps first where the batch is, and the batch where they are."""
        return steps.swapaxes(0, 1) if self.batch_first else steps

    def _leading(self, length: Any, batch: Any) -> tuple[Any, Any]:
        """Return both sizes in the order of the axes."""
        return (batch, length) if self.batch_first else (length, batch)

    def _require(self, what: str, names: tuple[str, ...], arrays: Any, *steps: Any) -> None:
        """Refuse what is not a tuple of so many arrays: time steps of that shape, and states that fit them."""
        if not isinstance(arrays, tuple | list) or len(arrays) != len(names):
            came = f"{len(arrays)} arrays" if isinstance(arrays, tuple | list) else type(arrays).__name__
            raise ValueError(f"expected {what} to be a tuple ({', '.join(names)}), got {came}")
        require_shape(names[0], arrays[0], steps)
        batch = self._swapped(arrays[0]).shape[1]
        for name, array in zip(names[1:], arrays[1:], strict=True):
            require_shape(name, array, (self.num_layers * self.directions, batch, self.hidden_size))


def _outer(left: Array, right: Array) -> Array:
    """Return the sum over time and batch of the outer products of features."""
    return np.asarray(left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1]))


@dataclass(frozen=True)
class RNN(_Recurrent):
    """The plain recurrent layer, ``h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)``.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
        The layers after the first take the outputs of the one before.
    bias : bool
    batch_first : bool
        Whether the batch is axis 0 of x and of the output, and time axis 1; the states keep their axes.
    bidirectional : bool
        Whether every layer has a second direction, from the last time step to the first, with parameters of its own;
        the outputs of both stand one after the other.
    nonlinearity : {"tanh", "relu"}
        The derivative of ``max(…, 0)`` at 0 is 0.

    Notes
    -----
    With L = num_layers, D = 2 if bidirectional else 1, F = input_size (in layers after the first D·H) and
    H = hidden_size: the input is the pair of x (T, N, F) and h0 (L·D, N, H); the output the pair of the last layer's h
    at all time steps, (T, N, D·H), and the last h of every layer and direction, (L·D, N, H). Parameters of layer k:
    weight_ih_lk (H, F), weight_hh_lk (H, H), bias_ih_lk and bias_hh_lk (H,); those of the second direction end in
    ``_reverse``. Back through time, with ``s_t`` the argument of tanh and ``g_t`` the gradient of ``h_t`` from above::

        ∂/∂h_t = g_t + W_hhᵀ ∂/∂s_{t+1},     ∂/∂s_t = (1 − h_t²) ∂/∂h_t,     ∂/∂x_t = W_ihᵀ ∂/∂s_t,
        ∂/∂W_ih = Σ_t ∂/∂s_t x_tᵀ,     ∂/∂W_hh = Σ_t ∂/∂s_t h_{t−1}ᵀ,     ∂/∂b_ih = ∂/∂b_hh = Σ_t ∂/∂s_t

    The gradient of h0 is ``W_hhᵀ ∂/∂s_1``, and to ``∂/∂h_T`` comes the gradient of the last h.

    References
    ----------
    The form of ``torch.nn.RNN``, names and layout of its parameters included. Werbos, Backpropagation through time:
    what it does and how to do it, Proceedings of the IEEE 78, 1990.

    Examples
    --------
    >>> layer = RNN(1, 1, bias=False, nonlinearity="relu")
    >>> params = {"weight_ih_l0": np.array([[2.0]]), "weight_hh_l0": np.array([[3.0]])}
    >>> (output, h_n), cache = layer.forward(params, (np.array([[[1.0]], [[5.0]]]), np.array([[[4.0]]])))
    >>> output.ravel().tolist(), h_n.ravel().tolist()
    ([14.0, 52.0], [52.0])
    >>> (grad_x, grad_h0), _ = layer.backward(params, cache, (np.ones((2, 1, 1)), np.zeros((1, 1, 1))))
    >>> grad_x.ravel().tolist(), grad_h0.ravel().tolist()
    ([8.0, 2.0], [12.0])
    """

    nonlinearity: Literal["tanh", "relu"] = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"expected nonlinearity to be 'tanh' or 'relu', got nonlinearity={self.nonlinearity!r}")

    @property
    def cell(self) -> Cell:
        """One step in time."""
        return PlainCell(self.nonlinearity)


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """The long short-term memory: ``c_t = f c_{t−1} + i g``, and of it the part ``h_t = o tanh c_t`` is seen.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias, batch_first, bidirectional : bool
        All as in `RNN`.

    Notes
    -----
    The gates i, f, g, o stand one after the other in that order in the rows of the parameters (4·hidden_size), and in
    ``s_t = W_ih x_t + b_ih + W_hh h_{t−1} + b_hh``; ``i, f, o = σ(…)`` and ``g = tanh(…)``, each of its part of s_t.
    The input is the triple of x, h0 and c0, the output that of all h of the last layer, the last h and the last c, with
    the shapes of `RNN`. Back through time::

        ∂/∂c_t = f_{t+1} ∂/∂c_{t+1} + o (1 − tanh² c_t) ∂/∂h_t,     ∂/∂s_i = i (1 − i) g ∂/∂c_t,
        ∂/∂s_f = f (1 − f) c_{t−1} ∂/∂c_t,     ∂/∂s_g = (1 − g²) i ∂/∂c_t,     ∂/∂s_o = o (1 − o) tanh c_t ∂/∂h_t

    and from ``∂/∂s_t`` on as in `RNN`.

    References
    ----------
    The form of ``torch.nn.LSTM``. Hochreiter and Schmidhuber, Long short-term memory, Neural Computation 9, 1997; the
    gate f is that of Gers, Schmidhuber and Cummins, Learning to forget, Neural Computation 12, 2000.

    Examples
    --------
    >>> layer, one = LSTM(1, 1, bias=False), np.ones((1, 1, 1))
    >>> params = {"weight_ih_l0": np.zeros((4, 1)), "weight_hh_l0": np.zeros((4, 1))}
    >>> (output, h_n, c_n), cache = layer.forward(params, (one, one, one))
    >>> c_n.item()  # all gates are half open, and there is nothing to be stored
    0.5
    >>> (_, _, grad_c0), _ = layer.backward(params, cache, (0 * one, 0 * one, one))
    >>> grad_c0.item()
    0.5
    """

    @property
    def cell(self) -> Cell:
        """One step in time."""
        return LSTMCell()


@dataclass(frozen=True)
class GRU(_Recurrent):
    """The gated recurrent unit, ``h_t = (1 − z) n + z h_{t−1}``.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias, batch_first, bidirectional : bool
        All as in `RNN`.

    Notes
    -----
    The gates r, z, n stand one after the other in that order in the rows of the parameters (3·hidden_size), and in
    ``a_t = W_ih x_t + b_ih`` and ``b_t = W_hh h_{t−1} + b_hh``; ``r, z = σ(a + b)`` and ``n = tanh(a + r b)``, each of
    its part: r acts on the product with the weight, not on h. Inputs and outputs: see `RNN`. Back through time::

        ∂/∂a_n = (1 − n²)(1 − z) ∂/∂h_t,     ∂/∂b_n = r ∂/∂a_n,     ∂/∂a_r = ∂/∂b_r = r (1 − r) b_n ∂/∂a_n,
        ∂/∂a_z = ∂/∂b_z = z (1 − z)(h_{t−1} − n) ∂/∂h_t,     ∂/∂h_{t−1} = g_{t−1} + z ∂/∂h_t + W_hhᵀ ∂/∂b_t

    and from ``∂/∂a_t``, for W_ih, b_ih and x, and ``∂/∂b_t``, for W_hh and b_hh, on as in `RNN`.

    References
    ----------
    The form of ``torch.nn.GRU``. Cho et al., Learning phrase representations using RNN encoder–decoder,
    arXiv:1406.1078, where z and 1 − z are exchanged and r acts on h.

    Examples
    --------
    >>> layer, one = GRU(1, 1, bias=False), np.ones((1, 1, 1))
    >>> params = {"weight_ih_l0": np.zeros((3, 1)), "weight_hh_l0": np.zeros((3, 1))}
    >>> (output, h_n), cache = layer.forward(params, (one, one))
    >>> output.item(), h_n.item()  # half of what was, and half of tanh 0
    (0.5, 0.5)
    >>> (_, grad_h0), _ = layer.backward(params, cache, (one, 0 * one))
    >>> grad_h0.item()
    0.5
    """

    @property
    def cell(self) -> Cell:
        """One step in time."""
        return GRUCell()
