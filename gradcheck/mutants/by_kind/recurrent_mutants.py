"""What backward passes of recurrent layers get wrong: slips that were seen in real code, and what looks like them.

A slip that can be made at every gate, weight or direction alike stands here once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradcheck.mutants.by_kind.through_time_mutants import (
    Layer,
    PlainFactors,
    Slips,
    State,
    Step,
    outer,
    time_first,
    walked,
)
from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays
from reference_layers import GRU, LSTM, RNN
from reference_layers.recurrent import Track

# At places of the walk

_HH = "weight_hh"


def _nothing(direct: State, product: Array) -> State:
    return tuple(map(np.zeros_like, (product, *direct[1:])))


def _as_they_are(track: Track, steps: Array) -> Array:  # noqa: ARG001 - every order has this signature
    return steps


def _recurrent_transposed(question: Question) -> Arrays:
    """Return the parameters with the axes of every gate's weight_hh exchanged."""

    def transposed(weight: Array) -> Array:
        gates = weight.reshape(-1, question.config.hidden_size, weight.shape[1])
        return gates.swapaxes(1, 2).reshape(weight.shape)

    return {name: transposed(array) if name.startswith(_HH) else array for name, array in question.primals.items()}


def _in_layer_0(name: str) -> str:
    """Return what the parameter is called in layer 0."""
    return re.sub(r"_l\d+", "_l0", name)


def _in_other_direction(name: str) -> str:
    return name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"


#: Those of all cells.
_WALKS: tuple[tuple[str, str, Slips], ...] = (
    ("state-not-handed-back", "no gradient goes back from a time step to the one before", Slips(handed_on=_nothing)),
    ("truncated-after-one-step", "the gradient goes back over one time step and no further", Slips(truncated=True)),
    (
        "recurrent-weight-not-transposed",
        "weight_hh is not transposed where the gradient goes back in time",
        Slips(weights=_recurrent_transposed),
    ),
    (
        "weight-hh-from-current-state",
        "the gradient of weight_hh is made of h after the step, not before it",
        Slips(sums=lambda s: {_HH: outer(s.b, s.after)}),
    ),
    (
        "weight-hh-without-first-step",
        "the first time step, with h0, is missing in the gradient of weight_hh",
        Slips(sums=lambda s: {_HH: outer(s.b[1:], s.before[1:])}),
    ),
    (
        "weight-ih-last-step-only",
        "the gradient of weight_ih is that of the last time step alone",
        Slips(sums=lambda s: {"weight_ih": outer(s.a[-1:], s.x[-1:])}),
    ),
    (
        "weight-ih-steps-reversed",
        "the gradient of weight_ih pairs the time steps in reverse",
        Slips(sums=lambda s: {"weight_ih": outer(s.a, s.x[::-1])}),
    ),
    (
        "biases-last-step-only",
        "the gradients of bias_ih and bias_hh are those of the last time step alone",
        Slips(sums=lambda s: {"bias_ih": s.a[-1].sum(axis=0), "bias_hh": s.b[-1].sum(axis=0)}),
    ),
    # Directions
    (
        "forward-direction-alone",
        "of a layer's two directions only the first adds to the gradient of its input",
        Slips(joined=lambda gradients: gradients[0]),
    ),
    (
        "reverse-direction-overwrites",
        "the second direction overwrites the gradient of the input instead of adding to it",
        Slips(joined=lambda gradients: gradients[-1]),
    ),
    (
        "upstream-of-directions-exchanged",
        "each direction receives the upstream gradient of the other",
        Slips(parts=lambda gradients: gradients[::-1]),
    ),
    (
        "reverse-upstream-in-order-of-time",
        "the second direction takes its upstream gradient in the order of time, not from the end",
        Slips(taken=_as_they_are),
    ),
    (
        "reverse-input-gradient-not-restored",
        "the second direction leaves the gradient of the input in the reverse order",
        Slips(restored=_as_they_are),
    ),
    # Layers
    (
        "layers-below-not-reached",
        "a layer passes no gradient on to the one before it",
        Slips(below=np.zeros_like),
    ),
)


# Other questions and answers


def _asked(change: Callable[[Question, list[Array]], None]) -> Callable[[Question], Arrays]:
    """Return what changes the upstream gradients of the output, by time, and of the states before they are used."""

    def gradients(question: Question) -> Arrays:
        upstream = [np.array(array) for array in question.cotangent]
        upstream[0] = time_first(question, upstream[0])
        change(question, upstream)
        upstream[0] = time_first(question, upstream[0])
        return question.altered(cotangent=tuple(upstream))

    return gradients


def _dropped(place: int, *index: Any) -> Callable[[Question], Arrays]:
    """Return what takes a part of one of the upstream gradients as zero."""

    def drop(_: Question, upstream: list[Array]) -> None:
        upstream[place][index] = 0

    return _asked(drop)


def _final_states_exchanged(_: Question, upstream: list[Array]) -> None:
    upstream[1:] = upstream[:0:-1]


def _axes_not_exchanged(question: Question) -> Arrays:
    """Take time steps for samples in the upstream gradient, where there are as many."""
    first, *states = question.cotangent
    if not question.config.batch_first or question.config.batch != question.config.steps:
        return {}
    return question.altered(cotangent=(first.swapaxes(0, 1).copy(), *states))


def _steps_reversed(question: Question) -> Arrays:
    gradient = time_first(question, question.gradients["x"])[::-1]
    return {"x": time_first(question, gradient)}


def _initial_states(change: Callable[[Array], Array]) -> Callable[[Question], Arrays]:
    return lambda q: {name: change(q.gradients[name]) for name in ("h0", "c0") if name in q.gradients}


def _parameters(change: Callable[[Question, str], Array | None]) -> Callable[[Question], Arrays]:
    """Return what changes the gradients of parameters one by one; None leaves one as it is."""

    def gradients(question: Question) -> Arrays:
        changed = {name: change(question, name) for name in question.gradients if "_l" in name}
        return {name: array for name, array in changed.items() if array is not None}

    return gradients


def _biases_added(question: Question, name: str) -> Array | None:
    """Give each bias the gradients of both."""
    if not name.startswith("bias"):
        return None
    other = name.replace("_ih_", "_hh_") if "_ih_" in name else name.replace("_hh_", "_ih_")
    return np.asarray(question.gradients[name] + question.gradients[other])


def _recurrent_bias_as_input_bias(question: Question, name: str) -> Array | None:
    return question.gradients[name.replace("_hh_", "_ih_")] if name.startswith("bias_hh") else None


def _gradient_of_first_layer(question: Question, name: str) -> Array | None:
    """Return that of layer 0 where it fits."""
    first = question.gradients[_in_layer_0(name)]
    return first if first.shape == question.gradients[name].shape else None


def _gradient_of_other_direction(question: Question, name: str) -> Array | None:
    return question.gradients.get(_in_other_direction(name))


def _gates_in_order(*order: int) -> Callable[[Question], Arrays]:
    """Return what puts the gates' rows down in another order."""

    def change(question: Question, name: str) -> Array:
        gradient = question.gradients[name]
        gates = gradient.reshape(len(order), -1, *gradient.shape[1:])
        return gates[list(order)].reshape(gradient.shape)

    return _parameters(change)


#: Those of all cells as well.
_OTHERS = (
    Mutant(
        "last-output-only",
        "only the last time step of the output's upstream gradient is used",
        _dropped(0, slice(None, -1)),
    ),
    Mutant("outputs-left-out", "the upstream gradient of the output is left out", _dropped(0)),
    Mutant("final-state-left-out", "the upstream gradient of h_n is left out", _dropped(1)),
    Mutant(
        "upstream-batch-taken-for-time",
        "with batch_first the axes of the upstream gradient are not exchanged",
        _axes_not_exchanged,
    ),
    Mutant("input-gradient-reversed-in-time", "the gradient of x has its time steps in reverse", _steps_reversed),
    Mutant("initial-state-not-reached", "no gradient goes back to the initial state", _initial_states(np.zeros_like)),
    Mutant(
        "initial-states-reversed",
        "the gradients of the initial state have their layers in reverse",
        _initial_states(lambda gradient: gradient[::-1]),
    ),
    Mutant(
        "biases-counted-twice", "each of bias_ih and bias_hh gets the gradients of both", _parameters(_biases_added)
    ),
    Mutant(
        "first-layer-for-all",
        "the parameters of every layer get the gradients of the first layer's",
        _parameters(_gradient_of_first_layer),
    ),
    Mutant(
        "directions-exchanged",
        "the parameters of each direction get the gradients of the other's",
        _parameters(_gradient_of_other_direction),
    ),
)


def _walk_mutants(of: type[Layer], *rows: tuple[str, str, Slips]) -> Iterator[Mutant]:
    return (Mutant(slug, sentence, walked(of, slips)) for slug, sentence, slips in rows)


def _factor_mutants(of: type[Layer], *rows: tuple[str, str, Callable[[Any, Step], dict[str, Any]]]) -> Iterator[Mutant]:
    """Return the mistakes of other factors in the formula of a cell."""

    def with_factors(other: Callable[[Any, Step], dict[str, Any]]) -> Slips:
        return Slips(factors=lambda factors, step: factors._replace(**other(factors, step)))

    return _walk_mutants(of, *((slug, sentence, with_factors(other)) for slug, sentence, other in rows))


# The plain layer


def _slope_from(h: Callable[[Step], Array]) -> Callable[[PlainFactors, Step], PlainFactors]:
    """Return what makes the derivative of a value of h: ``1 − h²``, or whether it is positive."""

    def factors(right: PlainFactors, step: Step) -> PlainFactors:
        is_relu = right.slope.dtype == bool
        return PlainFactors(np.asarray(h(step) > 0 if is_relu else 1 - h(step) ** 2))

    return factors


RNN_MUTANTS = (
    *_walk_mutants(
        RNN,
        *_WALKS,
        (
            "slope-from-state-before",
            "the derivative of the nonlinearity is made of h before the step, not after it",
            Slips(factors=_slope_from(lambda step: step.before)),
        ),
        (
            "slope-formula-on-argument",
            "the derivative 1 − h² is fed the argument of tanh, not its value",
            Slips(factors=_slope_from(lambda step: step.kept)),
        ),
    ),
    *_factor_mutants(
        RNN,
        (
            "slope-missing",
            "the derivative of the nonlinearity is left out",
            lambda f, _: {"slope": np.ones(f.slope.shape)},
        ),
    ),
    *_OTHERS,
)


# Gates

LSTM_MUTANTS = (
    *_walk_mutants(
        LSTM,
        *_WALKS,
        (
            "product-with-weight-left-out",
            "no gradient goes back in time through the product of h with weight_hh",
            Slips(handed_on=lambda direct, _: direct),
        ),
        (
            "cell-state-not-handed-back",
            "no gradient goes back in time through the cell state c",
            Slips(handed_on=lambda _, product: (product, np.zeros_like(product))),
        ),
    ),
    *_factor_mutants(
        LSTM,
        ("forget-gate-not-applied", "the gradient of c goes back without the factor f", lambda _, __: {"f": 1.0}),
        ("input-for-forget-gate", "the gradient of c goes back with the factor i, not f", lambda f, _: {"f": f.i}),
        (
            "forget-gate-from-current-cell",
            "the gradient of f is made of c after the step",
            lambda _, s: {"c": s.kept.after},
        ),
        (
            "output-gate-from-cell",
            "the gradient of o is made of c, not of tanh c",
            lambda _, s: {"tanh_c": s.kept.after},
        ),
        (
            "cell-slope-missing",
            "the gradient of h goes to c without the derivative of tanh",
            lambda _, __: {"c_slope": 1.0},
        ),
        ("hidden-to-cell-left-out", "no gradient goes from h to c", lambda _, __: {"c_slope": 0.0}),
        (
            "sigmoid-slopes-missing",
            "the derivatives of the sigmoids of i, f and o are left out",
            lambda _, __: {"i_slope": 1.0, "f_slope": 1.0, "o_slope": 1.0},
        ),
        (
            "candidate-slope-of-sigmoid",
            "the derivative of g is g(1 − g), as of a sigmoid",
            lambda f, _: {"g_slope": f.g * (1 - f.g)},
        ),
    ),
    *_OTHERS,
    Mutant("final-cell-left-out", "the upstream gradient of c_n is left out", _dropped(2)),
    Mutant(
        "final-states-exchanged",
        "the upstream gradients of h_n and c_n are exchanged",
        _asked(_final_states_exchanged),
    ),
    Mutant(
        "gates-ordered-ifog",
        "the gradients of the parameters have their gates in the order i, f, o, g",
        _gates_in_order(0, 1, 3, 2),
    ),
    Mutant(
        "gates-ordered-figo",
        "the gradients of the parameters have their gates in the order f, i, g, o",
        _gates_in_order(1, 0, 2, 3),
    ),
    Mutant(
        "gates-ordered-igfo",
        "the gradients of the parameters have their gates in the order i, g, f, o",
        _gates_in_order(0, 2, 1, 3),
    ),
)

GRU_MUTANTS = (
    *_walk_mutants(
        GRU,
        *_WALKS,
        (
            "direct-path-left-out",
            "no gradient goes back in time through z h",
            Slips(handed_on=lambda _, product: (product,)),
        ),
    ),
    *_factor_mutants(
        GRU,
        (
            "reset-gate-not-applied",
            "the product of h with weight_hh gets its gradient without the factor r",
            lambda f, _: {"by_h": f.by_x},
        ),
        (
            "reset-gate-on-input",
            "the factor r stands at the product with x, not at that with h",
            lambda f, _: {"by_x": f.by_h, "by_h": f.by_x},
        ),
        ("reset-gate-no-gradient", "the gate r gets no gradient", lambda f, _: {"b_n": 0.0 * f.b_n}),
        (
            "reset-gate-from-state",
            "the gradient of r is made of h, not of its product with weight_hh",
            lambda _, s: {"b_n": s.before},
        ),
        (
            "shares-exchanged",
            "z and 1 − z are exchanged",
            lambda f, _: {"share_of_h": f.share_of_n, "share_of_n": f.share_of_h},
        ),
        (
            "update-gate-negated",
            "the gradient of z is made of n − h, not of h − n",
            lambda f, _: {"h_less_n": -f.h_less_n},
        ),
        (
            "sigmoid-slopes-missing",
            "the derivatives of the sigmoids of r and z are left out",
            lambda _, __: {"r_slope": 1.0, "z_slope": 1.0},
        ),
    ),
    *_OTHERS,
    Mutant(
        "recurrent-bias-as-input-bias",
        "bias_hh gets the gradient of bias_ih, where r is no factor",
        _parameters(_recurrent_bias_as_input_bias),
    ),
    Mutant(
        "gates-ordered-zrn",
        "the gradients of the parameters have their gates in the order z, r, n",
        _gates_in_order(1, 0, 2),
    ),
)
