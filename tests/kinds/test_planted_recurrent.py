"""Faults that real backward passes of recurrent layers had, planted into the reference layers: all must be found."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest

import gradcheck
from gradcheck.adapters.reference import from_reference
from gradcheck.kinds import KINDS
from reference_layers import GRU, LSTM, RNN
from reference_layers.activations import sigmoid, sigmoid_slope, tanh_slope
from reference_layers.recurrent_cells import GRUCell, LSTMCell, PlainCell

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def is_found(name, build):
    """Whether a corner of the kind, with ordinary values, fails."""
    suite = gradcheck.suite(name, build)
    cases = (suite.case(asdict(config), "normal", seed) for seed, config in enumerate(KINDS[name].corners))
    return any(gradcheck.check(suite.subject(case)).verdict == "failed" for case in cases)


def building(layer_class):
    """Return what builds subjects of a layer."""

    def build(config, primals):
        layer = layer_class(**config.options)
        return from_reference(layer, primals, input_name=("x", *layer.cell.states))

    return build


# Faults in the walk back over time, directions and layers.

WALKS = (
    "none",
    "the gradient of h does not go back in time",
    "the gradient is cut off after one step",
    "only the output of the last step",
    "the outputs of all but the last state",
    "weight_hh with h after the step",
    "weight_hh without h0",
    "bias_hh of the last step",
    "bias_ih without the first step",
    "weight_ih with the steps in the order of time",
    "the outputs' gradients are not reversed",
    "the inputs' gradients are not reversed back",
    "one direction missing below the second layer",
    "the gradient of h0 is zero",
)


def walk_of(fault):
    """Return the layers' walk back over one direction, with a fault."""

    def walk_back(self, params, track, cache, grad_hidden, grad_state):
        walk = cache[track.place]
        weight = params[f"weight_hh{track.suffix}"]
        if fault == "the weight is not transposed":  # of a plain layer: those of several gates are not square
            weight = weight.T
        from_x, from_h, last = [], [], len(walk.kept) - 1
        above = grad_hidden if fault == "the outputs' gradients are not reversed" else track.in_order(grad_hidden)
        for t in range(last, -1, -1):
            grad_h, *others = grad_state
            if fault == "the gradient of h does not go back in time" and t < last:
                grad_h = 0 * grad_h
            if fault == "the gradient is cut off after one step" and t == last - 2:
                grad_h = 0 * grad_h
            if fault == "the outputs of all but the last state" and t == last:
                grad_h = 0 * grad_h
            of_output = 0 if fault == "only the output of the last step" and t < last else above[t]
            grad_a, grad_b, direct = self.cell.step_backward(walk.kept[t], (grad_h + of_output, *others))
            grad_state = (direct[0] + grad_b @ weight, *direct[1:])
            from_x.insert(0, grad_a)
            from_h.insert(0, grad_b)
        if fault == "the gradient of h0 is zero":
            grad_state = (0 * grad_state[0], *grad_state[1:])
        a, b = np.stack(from_x), np.stack(from_h)
        x, hidden = walk.x, walk.hidden
        if fault == "weight_ih with the steps in the order of time":
            x = track.in_order(x)
        if fault == "weight_hh with h after the step":
            hidden = np.append(hidden[1:], hidden[-1:], axis=0)
        if fault == "weight_hh without h0":
            hidden = np.append(0 * hidden[:1], hidden[1:], axis=0)
        gradients = {"weight_ih": np.einsum("tng,tnf->gf", a, x), "weight_hh": np.einsum("tng,tnh->gh", b, hidden)}
        if self.bias:
            gradients["bias_ih"] = a[1 if fault == "bias_ih without the first step" else 0 :].sum(axis=(0, 1))
            gradients["bias_hh"] = b[last if fault == "bias_hh of the last step" else 0 :].sum(axis=(0, 1))
        grad_x = a @ params[f"weight_ih{track.suffix}"]
        if fault != "the inputs' gradients are not reversed back":
            grad_x = track.in_order(grad_x)
        if fault == "one direction missing below the second layer" and track.reverse and track.suffix[2] == "1":
            grad_x = 0 * grad_x
        return grad_x, grad_state, {f"{key}{track.suffix}": array for key, array in gradients.items()}

    return walk_back


#: All layers walk through time in the same way; the plainest of them is the quickest.
WALKERS = [name if name == "rnn" else pytest.param(name, marks=pytest.mark.slow) for name in LAYERS]


@pytest.mark.parametrize("fault", WALKS)
@pytest.mark.parametrize("name", WALKERS)
def test_the_corners_find_a_fault_in_the_walk(name, fault):
    layer_class = type("Faulty", (LAYERS[name],), {"_walk_back": walk_of(fault)})
    assert is_found(name, building(layer_class)) == (fault != "none")


def test_the_corners_find_a_weight_that_is_not_transposed():
    layer_class = type("Faulty", (RNN,), {"_walk_back": walk_of("the weight is not transposed")})
    assert is_found("rnn", building(layer_class))


# Faults in a cell: a changed step_backward(kept, gradient of the next state).


def plain_slope_of_the_value(self, kept, grad_state):
    return super(type(self), self).step_backward(np.tanh(kept), grad_state)


def plain_slope_missing(self, kept, grad_state):
    return grad_state[0], grad_state[0], (0 * grad_state[0],)


def plain_tanh_slope_of_relu(self, kept, grad_state):
    return super(type(self), replace(self, nonlinearity="tanh")).step_backward(kept, grad_state)


#: The gradients in one step of an LSTM: of c' by h', of the four gates, and of c.
LSTM_TERMS = {
    "by_h": lambda v: v.grad_h * sigmoid(v.s_o) * tanh_slope(v.after),
    "i": lambda v: v.total * np.tanh(v.s_g) * sigmoid_slope(v.s_i),
    "f": lambda v: v.total * v.c * sigmoid_slope(v.s_f),
    "g": lambda v: v.total * sigmoid(v.s_i) * tanh_slope(v.s_g),
    "o": lambda v: v.grad_h * np.tanh(v.after) * sigmoid_slope(v.s_o),
    "of_c": lambda v: v.total * sigmoid(v.s_f),
}


def lstm_of(**changed):
    """Return the backward of an LSTM's step, with some of its terms changed."""
    terms = LSTM_TERMS | changed

    def step_backward(self, kept, grad_state):
        s, c, after = kept
        grad_h, grad_c = grad_state
        s_i, s_f, s_g, s_o = np.split(s, 4, axis=-1)
        v = SimpleNamespace(s_i=s_i, s_f=s_f, s_g=s_g, s_o=s_o, c=c, after=after, grad_h=grad_h)
        v.total = grad_c + terms["by_h"](v)
        grad = np.concatenate([terms[gate](v) for gate in "ifgo"], axis=-1)
        return grad, grad, (0 * grad_h, terms["of_c"](v))

    return step_backward


def input_and_forget_gate_exchanged(self, kept, grad_state):
    grad, _, direct = super(type(self), self).step_backward(kept, grad_state)
    i, f, g, o = np.split(grad, 4, axis=-1)
    wrong = np.concatenate([f, i, g, o], axis=-1)
    return wrong, wrong, direct


def gru_of(reset="on the product", update="h − n", direct="z", b_n="r"):
    """Return the backward of a GRU's step, with one of its terms changed."""

    def step_backward(self, kept, grad_state):
        s, s_n, product, h = kept
        (g,) = grad_state
        s_r, s_z, _ = np.split(s, 3, axis=-1)
        r, z, n = sigmoid(s_r), sigmoid(s_z), np.tanh(s_n)
        grad_n = g * (z if update == "z exchanged" else 1 - z) * tanh_slope(s_n)
        of_r = {"on the product": product, "on h": h, "missing": 0 * h}[reset]
        of_z = n - h if update == "n − h" else h - n
        both = [grad_n * of_r * sigmoid_slope(s_r), g * of_z * sigmoid_slope(s_z)]
        grad_a = np.concatenate([*both, grad_n], axis=-1)
        grad_b = np.concatenate([*both, grad_n * (r if b_n == "r" else 1)], axis=-1)
        return grad_a, grad_b, (g * {"z": z, "1 − z": 1 - z, "missing": 0}[direct],)

    return step_backward


CELLS = {
    "rnn": {
        "slope at tanh's value": plain_slope_of_the_value,
        "slope missing": plain_slope_missing,
        "slope of tanh for relu": plain_tanh_slope_of_relu,
    },
    "lstm": {
        "none": lstm_of(),
        "i and f exchanged": input_and_forget_gate_exchanged,
        "f with c after the step": lstm_of(f=lambda v: v.total * v.after * sigmoid_slope(v.s_f)),
        "i with the slope of f": lstm_of(i=lambda v: v.total * np.tanh(v.s_g) * sigmoid_slope(v.s_f)),
        "g with the slope of a gate": lstm_of(g=lambda v: v.total * sigmoid(v.s_i) * sigmoid_slope(v.s_g)),
        "o with c itself": lstm_of(o=lambda v: v.grad_h * v.after * sigmoid_slope(v.s_o)),
        "tanh of c not differentiated": lstm_of(by_h=lambda v: v.grad_h * sigmoid(v.s_o)),
        "no gradient of c by h": lstm_of(by_h=lambda v: 0 * v.grad_h),
        "c does not go back in time": lstm_of(of_c=lambda v: 0 * v.total),
        "c goes back past f": lstm_of(of_c=lambda v: v.total),
    },
    "gru": {
        "none": gru_of(),
        "r on h": gru_of(reset="on h"),
        "r missing": gru_of(reset="missing"),
        "sign of z": gru_of(update="n − h"),
        "z for 1 − z": gru_of(update="z exchanged"),
        "1 − z for z": gru_of(direct="1 − z"),
        "h not carried by z": gru_of(direct="missing"),
        "no r in the product": gru_of(b_n="1"),
    },
}
CELL_CLASSES = {"rnn": PlainCell, "lstm": LSTMCell, "gru": GRUCell}


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in CELLS.items() for fault in faults])
def test_the_corners_find_a_fault_in_a_cell(name, fault):
    cell_class = type("FaultyCell", (CELL_CLASSES[name],), {"step_backward": CELLS[name][fault]})

    def cell(self):
        return cell_class(self.nonlinearity) if name == "rnn" else cell_class()

    layer_class = type("Faulty", (LAYERS[name],), {"cell": property(cell)})
    assert is_found(name, building(layer_class)) == (fault != "none")


# Faults in what goes in and comes out.


def without_cotangent(k):
    """Return a pull back that ignores the cotangent of output k."""
    return lambda pull, g: pull(tuple(0 * array if place == k else array for place, array in enumerate(g)))


def bias_hh_is_bias_ih(due):
    return due | {name: due[name.replace("hh", "ih")] for name in due if name.startswith("bias_hh")}


def bias_counted_twice(due):
    return due | {name: 2 * array for name, array in due.items() if name.startswith("bias_hh")}


def states_in_the_order_of_the_walk_back(due):
    return due | {"h0": due["h0"][::-1]}


def time_reversed(due):
    return due | {"x": due["x"][::-1]}


def mean_over_the_batch(due):
    return {
        name: array / due["h0"].shape[1] if name.startswith(("weight", "bias")) else array
        for name, array in due.items()
    }


def directions_exchanged(due):
    def other(name):
        return name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"

    return {name: due.get(other(name), array) for name, array in due.items()}


def c0_without_gradient(due):
    return due | {"c0": 0 * due["c0"]}


EVERYWHERE = (
    bias_counted_twice,
    states_in_the_order_of_the_walk_back,
    time_reversed,
    mean_over_the_batch,
    directions_exchanged,
)
RESULTS = {"rnn": EVERYWHERE, "lstm": (*EVERYWHERE, c0_without_gradient), "gru": (*EVERYWHERE, bias_hh_is_bias_ih)}


def pulling_back(name, pull_back):
    """Return what builds subjects of the kind whose gradients are ``pull_back(pullback, g)``."""

    def build(config, primals):
        right = KINDS[name].build(config, primals)

        def vjp(arrays):
            outputs, pullback = right.vjp(arrays)
            return outputs, lambda g: pull_back(pullback, g)

        return gradcheck.Subject(name, primals, vjp, right.forward)

    return build


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, faults in RESULTS.items() for fault in faults])
def test_the_corners_find_a_fault_in_the_gradients(name, fault):
    assert is_found(name, pulling_back(name, lambda pullback, g: fault(pullback(g))))


@pytest.mark.parametrize(("name", "output"), [("rnn", 0), ("rnn", 1), ("lstm", 1), ("lstm", 2), ("gru", 1)])
def test_the_corners_find_a_cotangent_that_is_ignored(name, output):
    assert is_found(name, pulling_back(name, without_cotangent(output)))
