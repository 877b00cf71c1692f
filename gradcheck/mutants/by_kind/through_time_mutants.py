"""The backward pass of a recurrent layer, written out, with all places at which it can slip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gradcheck.mutants.mutant import Question
from gradcheck.subject import Array, Arrays
from reference_layers import GRU, LSTM, RNN
from reference_layers.activations import sigmoid, sigmoid_slope, tanh_slope
from reference_layers.recurrent import Track, Walk

Layer: TypeAlias = RNN | LSTM | GRU
State: TypeAlias = tuple[Array, ...]
#: The gradients of a cell's two products, and that of the state before on all ways but through the second.
_Back: TypeAlias = tuple[Array, Array, State]


class Step(NamedTuple):
    """One time step of one track: what the cell kept of it, and h before and after it."""

    kept: Any
    before: Array
    after: Array


# The formulas of the cells. In each a factor stands at one place alone, so that another factor is one mistake.


class PlainFactors(NamedTuple):
    """The factor of a plain cell's backward pass."""

    slope: Array

    @classmethod
    def of(cls, layer: RNN, step: Step) -> PlainFactors:
        """Return the right one."""
        return cls(_slope_at(layer, step.kept))

    def back(self, grad_state: State) -> _Back:
        """Return the gradients of both products, and of h beside them."""
        grad = grad_state[0] * self.slope
        return grad, grad, (np.zeros_like(grad),)


class LSTMFactors(NamedTuple):
    """The factors of an LSTM's backward pass, called after the values that they are."""

    o: Array
    c_slope: Array
    f: Array
    g: Array
    i_slope: Array
    c: Array
    f_slope: Array
    i: Array
    g_slope: Array
    tanh_c: Array
    o_slope: Array

    @classmethod
    def of(cls, layer: LSTM, step: Step) -> LSTMFactors:  # noqa: ARG003 - all layers have this signature
        """Return the right ones."""
        s, c, after = step.kept
        s_i, s_f, s_g, s_o = np.split(s, 4, axis=-1)
        return cls(
            *(sigmoid(s_o), tanh_slope(after), sigmoid(s_f), np.tanh(s_g), sigmoid_slope(s_i)),
            *(c, sigmoid_slope(s_f), sigmoid(s_i), tanh_slope(s_g), np.tanh(after), sigmoid_slope(s_o)),
        )

    def back(self, grad_state: State) -> _Back:
        """Return the gradients of both products, and of h and c beside them."""
        grad_h, grad_c = grad_state
        grad_c = grad_c + grad_h * self.o * self.c_slope
        gates = (
            grad_c * self.g * self.i_slope,
            grad_c * self.c * self.f_slope,
            grad_c * self.i * self.g_slope,
            grad_h * self.tanh_c * self.o_slope,
        )
        grad = np.concatenate(gates, axis=-1)
        return grad, grad, (np.zeros_like(grad_h), grad_c * self.f)


class GRUFactors(NamedTuple):
    """The factors of a GRU's backward pass: the shares of h and n in the next h, and what the gates are made of."""

    share_of_h: Array
    share_of_n: Array
    n_slope: Array
    b_n: Array
    r_slope: Array
    h_less_n: Array
    z_slope: Array
    by_x: Array
    by_h: Array

    @classmethod
    def of(cls, layer: GRU, step: Step) -> GRUFactors:  # noqa: ARG003 - all layers have this signature
        """Return the right ones."""
        s, s_n, b_n, h = step.kept
        s_r, s_z, _ = np.split(s, 3, axis=-1)
        return cls(
            *(sigmoid(s_z), sigmoid(-s_z), tanh_slope(s_n), b_n, sigmoid_slope(s_r)),
            *(h - np.tanh(s_n), sigmoid_slope(s_z), np.ones_like(s_r), sigmoid(s_r)),
        )

    def back(self, grad_state: State) -> _Back:
        """Return the gradients of both products, and of h beside them."""
        (grad,) = grad_state
        grad_n = grad * self.share_of_n * self.n_slope
        gates = grad_n * self.b_n * self.r_slope, grad * self.h_less_n * self.z_slope
        by_x, by_h = (np.concatenate([*gates, grad_n * factor], axis=-1) for factor in (self.by_x, self.by_h))
        return by_x, by_h, (grad * self.share_of_h,)


_FACTORS: dict[type[Layer], Any] = {RNN: PlainFactors, LSTM: LSTMFactors, GRU: GRUFactors}


def _slope_at(layer: RNN, s: Array) -> Array:
    return np.asarray(tanh_slope(s) if layer.nonlinearity == "tanh" else s > 0)


# The walk


class Sums(NamedTuple):
    """What the gradients of one track's parameters are summed of, by its time steps.

    Attributes
    ----------
    a, b : ndarray of shape (T, N, gates·hidden_size)
        The gradients of the products with the input and with h.
    x, before, after : ndarray of shape (T, N, …)
        The input, and h before and after each step.
    """

    a: Array
    b: Array
    x: Array
    before: Array
    after: Array


def _right_sums(sums: Sums) -> dict[str, Array]:
    return {
        "weight_ih": outer(sums.a, sums.x),
        "weight_hh": outer(sums.b, sums.before),
        "bias_ih": sums.a.sum(axis=(0, 1)),
        "bias_hh": sums.b.sum(axis=(0, 1)),
    }


def outer(left: Array, right: Array) -> Array:
    return np.asarray(np.einsum("tni,tnj->ij", left, right))


def _sum_of(gradients: Sequence[Array]) -> Array:
    return np.asarray(np.sum(gradients, axis=0))


@dataclass(frozen=True)
class Slips:
    """What a walk back does at each place where it can slip; what stands here is right.

    Attributes
    ----------
    factors : callable
        ``factors(those of the cell, step)`` returns those that are used.
    handed_on : callable
        ``handed_on(direct, product)`` returns the gradient of the state before a step, of that beside the product with
        the weight and of that through it.
    truncated : bool
        Whether a step hands on only what came to it from above.
    weights : callable
        ``weights(question)`` returns the parameters that are used.
    parts : callable
        ``parts(gradients)`` returns the upstream gradient of every direction.
    taken, restored : callable
        ``taken(track, steps)`` returns upstream gradients in the order of the track's steps, `restored` the gradients
        of inputs in that of time.
    sums : callable
        ``sums(sums)`` returns those gradients of parameters that are not summed as they should be, without the end of
        their names.
    joined : callable
        ``joined(gradients)`` returns the gradient of a layer's input, of those of its directions.
    below : callable
        ``below(gradient)`` returns what a layer passes on to the one before it.
    """

    factors: Callable[[Any, Step], Any] = lambda factors, step: factors  # noqa: ARG005
    handed_on: Callable[[State, Array], State] = lambda direct, product: (direct[0] + product, *direct[1:])
    truncated: bool = False
    weights: Callable[[Question], Arrays] = lambda question: question.primals
    parts: Callable[[list[Array]], Sequence[Array]] = lambda gradients: gradients
    taken: Callable[[Track, Array], Array] = Track.in_order
    restored: Callable[[Track, Array], Array] = Track.in_order
    sums: Callable[[Sums], Arrays] = lambda sums: {}  # noqa: ARG005
    joined: Callable[[Sequence[Array]], Array] = _sum_of
    below: Callable[[Array], Array] = lambda gradient: gradient


def walked(of: type[Layer], slips: Slips | None = None) -> Callable[[Question], Arrays]:
    """Return what walks back through layers, directions and time steps, and slips; without slips it is right."""
    slip = slips or Slips()

    def gradients(question: Question) -> Arrays:
        layer = of(**question.config.options)
        names, weights = ("x", *layer.cell.states), slip.weights(question)
        (_, *final), walks = layer.forward(dict(question.primals), tuple(question.primals[name] for name in names))
        above, *grad_final = question.cotangent
        steps = time_first(question, above)
        initial: list[State] = [()] * len(walks)
        found: dict[str, Array] = {}
        for number in reversed(range(layer.num_layers)):
            below = []
            parts = slip.parts(np.split(steps, layer.directions, axis=-1))
            for track, part in zip(_tracks(layer, number), parts, strict=True):
                end = (array[track.place] for array in (*final[:1], *grad_final))
                sums, initial[track.place] = _walked_back(
                    layer, slip, walks[track.place], weights[f"weight_hh{track.suffix}"], slip.taken(track, part), *end
                )
                below.append(slip.restored(track, sums.a @ weights[f"weight_ih{track.suffix}"]))
                own = {**_right_sums(sums), **slip.sums(sums)}
                found |= {name: array for part, array in own.items() if (name := part + track.suffix) in weights}
            joined = slip.joined(below)
            steps = slip.below(joined) if number else joined
        inputs = (time_first(question, steps), *map(np.stack, zip(*initial, strict=True)))
        return dict(zip(names, inputs, strict=True)) | found

    return gradients


def _walked_back(
    layer: Layer, slip: Slips, walk: Walk, weight: Array, above: Array, last: Array, *grad_state: Array
) -> tuple[Sums, State]:
    """Return what one track's parameters are summed of, and the gradient of its initial state."""
    after = np.concatenate([walk.hidden[1:], last[np.newaxis]])
    from_x, from_h, state = [], [], grad_state
    for taken, (step, upstream) in enumerate(zip(_backwards(walk, after), reversed(above), strict=True)):
        factors = slip.factors(_FACTORS[type(layer)].of(layer, step), step)
        grad_a, grad_b, direct = factors.back((state[0] + upstream, *state[1:]))
        from_x.append(grad_a)
        from_h.append(grad_b)
        if slip.truncated and taken:  # at the last step all comes from above, from the final state too
            _, grad_b, direct = factors.back((upstream, *map(np.zeros_like, state[1:])))
        state = slip.handed_on(direct, grad_b @ weight)
    return Sums(np.stack(from_x[::-1]), np.stack(from_h[::-1]), walk.x, walk.hidden, after), state


def _backwards(walk: Walk, after: Array) -> Iterator[Step]:
    return map(Step, reversed(walk.kept), walk.hidden[::-1], after[::-1])


def _tracks(layer: Layer, number: int) -> Iterator[Track]:
    for direction, ending in enumerate(("", "_reverse")[: layer.directions]):
        yield Track(number * layer.directions + direction, f"_l{number}{ending}", reverse=direction == 1)


def time_first(question: Question, steps: Array) -> Array:
    """Return time steps on axis 0 where the batch is, or the batch where they are."""
    return steps.swapaxes(0, 1) if question.config.batch_first else steps
