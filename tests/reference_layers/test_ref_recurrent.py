"""Recurrent layers: one-unit cells by hand, scalar loops by the definition, saturation, empty batches, refusals."""

import cmath
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from reference_layers import GRU, LSTM, RNN, ShapeError

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
every_layer = pytest.mark.parametrize("layer_class", [RNN, LSTM, GRU])
LN2, LN3 = math.log(2), math.log(3)  # tanh of the first is 3/5, σ of ± the second 3/4 and 1/4


def one(value):
    return np.full((1, 1, 1), float(value))


def run_back(layer, params, x, g):
    """Return outputs, gradients of the inputs, and those of the parameters."""
    outputs, cache = layer.forward(params, x)
    return outputs, *layer.backward(params, cache, g)


# By hand.


def test_two_steps_of_a_plain_unit():
    params = {"weight_ih_l0": [[2.0]], "weight_hh_l0": [[3.0]], "bias_ih_l0": [-1.0], "bias_hh_l0": [1.0]}
    params = {name: np.array(array) for name, array in params.items()}
    x = np.array([1.0, 5.0]).reshape(2, 1, 1)
    outputs, (grad_x, grad_h0), gradients = run_back(
        RNN(1, 1, nonlinearity="relu"), params, (x, one(4)), (np.ones((2, 1, 1)), one(1))
    )
    assert outputs[0].ravel().tolist() == [14, 52]  # 2·1 + 3·4, then 2·5 + 3·14
    assert outputs[1].item() == 52
    # The last h counts twice, as an output and as the last state: 2; the one before 1 + 3·2.
    assert grad_x.ravel().tolist() == [14, 4]
    assert grad_h0.item() == 21
    assert {name: array.item() for name, array in gradients.items()} == {
        "weight_ih_l0": 7 * 1 + 2 * 5,
        "weight_hh_l0": 7 * 4 + 2 * 14,
        "bias_ih_l0": 9,
        "bias_hh_l0": 9,
    }


def test_one_step_of_a_tanh_unit():
    params = {"weight_ih_l0": np.array([[LN2]]), "weight_hh_l0": np.array([[2.0]])}
    outputs, (grad_x, grad_h0), gradients = run_back(RNN(1, 1, bias=False), params, (one(1), one(0)), (one(1), one(0)))
    assert [array.item() for array in outputs] == pytest.approx([0.6, 0.6])
    assert (grad_x.item(), grad_h0.item()) == pytest.approx((0.64 * LN2, 1.28))
    assert (gradients["weight_ih_l0"].item(), gradients["weight_hh_l0"].item()) == pytest.approx((0.64, 0))


def test_one_step_of_a_long_short_term_memory():
    c0 = (LN2 - 0.75 * 0.6) / 0.25  # so that c' is log 2
    w = np.array([[LN3], [-LN3], [LN2], [0.0]])  # i = 3/4, f = 1/4, g = 3/5, o = 1/2
    params = {"weight_ih_l0": w, "weight_hh_l0": np.zeros((4, 1))}
    outputs, grads, gradients = run_back(
        LSTM(1, 1, bias=False), params, (one(1), one(2), one(c0)), (one(1), one(0), one(1))
    )
    assert [array.item() for array in outputs] == pytest.approx([0.3, 0.3, LN2])
    after = 1 + 0.5 * 0.64  # the gradient of c', on both its ways
    due = [after * 0.6 * 3 / 16, after * c0 * 3 / 16, after * 0.75 * 0.64, 0.6 / 4]
    assert gradients["weight_ih_l0"].ravel().tolist() == pytest.approx(due)
    assert gradients["weight_hh_l0"].ravel().tolist() == pytest.approx([2 * gate for gate in due])
    assert [array.item() for array in grads] == pytest.approx([np.dot(due, w[:, 0]), 0, 0.25 * after])


def test_one_step_of_a_gated_recurrent_unit():
    params = {  # r = 3/4 and z = 1/4; of b = 0.4 the reset gate lets 0.3 through
        "weight_ih_l0": np.array([[LN3], [-LN3], [LN2 - 0.3]]),
        "weight_hh_l0": np.array([[0.0], [0.0], [4.0]]),
    }
    outputs, (grad_x, grad_h0), gradients = run_back(
        GRU(1, 1, bias=False), params, (one(1), one(0.1)), (one(1), one(0))
    )
    assert [array.item() for array in outputs] == pytest.approx([0.475, 0.475])  # 3/4·0.6 + 1/4·0.1
    r, z, n = 0.48 * 0.4 * 3 / 16, (0.1 - 0.6) * 3 / 16, 0.75 * 0.64
    assert gradients["weight_ih_l0"].ravel().tolist() == pytest.approx([r, z, n])
    assert gradients["weight_hh_l0"].ravel().tolist() == pytest.approx([0.1 * r, 0.1 * z, 0.1 * 0.75 * n])
    assert grad_x.item() == pytest.approx(r * LN3 - z * LN3 + n * (LN2 - 0.3))
    assert grad_h0.item() == pytest.approx(0.25 + 4 * 0.75 * n)


# By the definition, in scalars: complex ones too, whose imaginary part, where tiny, is a derivative without rounding.


def sigmoid(s):
    return 1 / (1 + cmath.exp(-s))


def product(p, by, suffix, vector):
    weight, bias = p[f"weight_{by}{suffix}"], p.get(f"bias_{by}{suffix}")
    sums = [sum(weight[row, k] * value for k, value in enumerate(vector)) for row in range(len(weight))]
    return sums if bias is None else [s + bias[row] for row, s in enumerate(sums)]


def plain_step(c, a, b, h):
    sums = [a[j] + b[j] for j in range(c.hidden_size)]
    return ([cmath.tanh(s) if c.nonlinearity == "tanh" else s if s.real > 0 else 0 for s in sums],)


def lstm_step(c, a, b, h, cell):
    n, new_h, new_cell = c.hidden_size, [], []
    for j in range(n):
        i, f, o = (sigmoid(a[k * n + j] + b[k * n + j]) for k in (0, 1, 3))
        new_cell.append(f * cell[j] + i * cmath.tanh(a[2 * n + j] + b[2 * n + j]))
        new_h.append(o * cmath.tanh(new_cell[j]))
    return new_h, new_cell


def gru_step(c, a, b, h):
    n, new_h = c.hidden_size, []
    for j in range(n):
        r, z = (sigmoid(a[k * n + j] + b[k * n + j]) for k in (0, 1))
        new_h.append((1 - z) * cmath.tanh(a[2 * n + j] + r * b[2 * n + j]) + z * h[j])
    return (new_h,)


STEPS = {"rnn": plain_step, "lstm": lstm_step, "gru": gru_step}


def by_definition(name, c, p):
    """Return all outputs, one sample after the other, from primals of any number type."""
    states = ["h0", "c0"] if name == "lstm" else ["h0"]
    directions = [False, True] if c.bidirectional else [False]
    output = np.zeros((c.steps, c.batch, len(directions) * c.hidden_size), complex)
    finals = [np.zeros(c.state_shape, complex) for _ in states]
    for sample in range(c.batch):
        sequence = [p["x"][sample, t] if c.batch_first else p["x"][t, sample] for t in range(c.steps)]
        for layer in range(c.num_layers):
            above = [[] for _ in range(c.steps)]
            for k, reverse in enumerate(directions):
                place, suffix = layer * len(directions) + k, f"_l{layer}{'_reverse' if reverse else ''}"
                state = tuple(p[s][place, sample] for s in states)
                for t in sorted(range(c.steps), reverse=reverse):
                    a, b = product(p, "ih", suffix, sequence[t]), product(p, "hh", suffix, state[0])
                    state = STEPS[name](c, a, b, *state)
                    above[t] += list(state[0])
                for final, array in zip(finals, state, strict=True):
                    final[place, sample] = array
            sequence = above
        output[:, sample] = sequence
    return (output.swapaxes(0, 1) if c.batch_first else output), *finals


def slopes(name, c, primals, g, step=1e-30):
    """Return the gradient of ``⟨g, outputs⟩``, by one evaluation with an imaginary step for every entry."""
    gradients = {}
    for key, array in primals.items():
        gradients[key] = np.zeros(array.shape)
        for index in np.ndindex(*array.shape):
            moved = array.astype(complex)
            moved[index] += step * 1j
            outputs = by_definition(name, c, {**primals, key: moved})
            gradients[key][index] = sum((a * b).sum() for a, b in zip(g, outputs, strict=True)).imag / step
    return gradients


def tiny_configs(name):
    sizes, flags = st.integers(1, 2), st.booleans()
    more = {"nonlinearity": st.sampled_from(["tanh", "relu"])} if name == "rnn" else {}
    return st.builds(
        KINDS[name].config, batch=sizes, steps=st.integers(1, 3), input_size=sizes, hidden_size=sizes,
        num_layers=sizes, bidirectional=flags, bias=flags, batch_first=flags, **more
    )  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=10)
@given(st.data(), st.integers(0, 9999))
def test_outputs_and_gradients_are_those_of_the_definition(name, data, seed):
    c = data.draw(tiny_configs(name))
    rng = np.random.default_rng(seed)
    primals = KINDS[name].primals(c, rng, "normal")
    outputs, pullback = KINDS[name].build(c, primals).vjp(primals)
    due = by_definition(name, c, primals)
    g = tuple(rng.standard_normal(array.shape) for array in outputs)
    assert len(outputs) == len(due)
    for array, expected in zip(outputs, due, strict=True):
        assert array == pytest.approx(expected.real, abs=1e-12)
    gradients, expected = pullback(g), slopes(name, c, primals, g)
    assert gradients.keys() == expected.keys()
    for key, array in expected.items():
        assert gradients[key] == pytest.approx(array, rel=1e-10, abs=1e-10)


# Numbers, memory, and what is refused.


def example(layer_class, batch=3, dtype=np.float64, scale=1.0, **options):
    """Return a layer, its parameters and inputs of five time steps."""
    layer, rng = layer_class(2, 4, **options), np.random.default_rng(3)
    params = {name: array.astype(dtype) for name, array in layer.init(rng).items()}
    shape = (batch, 5, 2) if layer.batch_first else (5, batch, 2)
    states = (layer.num_layers * layer.directions, batch, 4)
    x = (scale * rng.standard_normal(shape), *(rng.standard_normal(states) for _ in layer.cell.states))
    return layer, params, tuple(array.astype(dtype) for array in x)


@every_layer
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_an_empty_batch_has_zero_gradients(layer_class, dtype):
    layer, params, x = example(layer_class, 0, dtype, num_layers=2, bidirectional=True, batch_first=True)
    outputs, cache = layer.forward(params, x)
    grads, gradients = layer.backward(params, cache, outputs)
    assert [array.shape for array in outputs] == [(0, 5, 8), *((4, 0, 4) for _ in layer.cell.states)]
    assert [array.shape for array in grads] == [array.shape for array in x]
    assert {name: array.shape for name, array in gradients.items()} == layer.param_shapes
    assert not any(array.any() for array in gradients.values())
    assert {array.dtype for array in (*outputs, *grads, *gradients.values())} == {np.dtype(dtype)}


@every_layer
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_saturated_gates_neither_overflow_nor_become_nan(layer_class, dtype):
    layer, params, x = example(layer_class, dtype=dtype, scale=1e4, bidirectional=True)
    outputs, cache = layer.forward(params, x)
    grads, gradients = layer.backward(params, cache, tuple(map(np.ones_like, outputs)))
    assert all(np.isfinite(array).all() for array in (*outputs, *grads, *gradients.values()))


@pytest.mark.parametrize(("layer_class", "gate", "due"), [(RNN, 0, 1), (LSTM, 0, 0.25), (LSTM, 2, 0.5), (GRU, 2, 0.5)])
def test_slopes_of_nearly_saturated_gates_keep_their_digits(layer_class, gate, due):
    """One gate is at 9; in float32 ``1 − tanh² 9`` would be 0. The others are half open, or where tanh is 0."""
    layer = layer_class(1, 1, bias=False)
    weight = np.zeros((layer.cell.gates, 1), np.float32)
    weight[gate] = 9
    if layer_class is LSTM and gate == 0:
        weight[2] = 1
    params = {"weight_ih_l0": weight, "weight_hh_l0": np.zeros_like(weight)}
    x = tuple(np.ones((1, 1, 1), np.float32) * (k == 0) for k in range(1 + len(layer.cell.states)))
    outputs, cache = layer.forward(params, x)
    g = tuple(np.ones_like(array) * (k == len(outputs) - 1) for k, array in enumerate(outputs))
    _, gradients = layer.backward(params, cache, g)
    if layer_class is LSTM and gate == 0:
        expected = np.tanh(1) * math.exp(-9) / (1 + math.exp(-9)) ** 2
    else:
        expected = due / math.cosh(9) ** 2
    assert gradients["weight_ih_l0"][gate].item() == pytest.approx(expected, rel=1e-5)


def test_one_minus_the_update_gate_keeps_its_digits():
    params = {"weight_ih_l0": np.array([[0], [20], [1]], np.float32), "weight_hh_l0": np.zeros((3, 1), np.float32)}
    x = (one(1).astype(np.float32), one(0).astype(np.float32))
    (y, _), cache = GRU(1, 1, bias=False).forward(params, x)
    _, gradients = GRU(1, 1, bias=False).backward(params, cache, (np.ones_like(y), np.zeros_like(y)))
    assert y.item() == pytest.approx(math.exp(-20) * math.tanh(1), rel=1e-5)
    assert gradients["weight_ih_l0"][2].item() == pytest.approx(math.exp(-20) / math.cosh(1) ** 2, rel=1e-5)


@every_layer
@pytest.mark.parametrize("batch_first", [False, True])
def test_results_share_no_memory(layer_class, batch_first):
    layer, params, x = example(layer_class, num_layers=2, batch_first=batch_first)
    outputs, cache = layer.forward(params, x)
    g = tuple(map(np.ones_like, outputs))
    due, _ = layer.backward(params, cache, g)
    for array in outputs:
        array += 1.0  # what a caller does to an output must not reach the cache
    grads, gradients = layer.backward(params, cache, g)
    assert all(np.array_equal(array, other) for array, other in zip(grads, due, strict=True))
    results = [*outputs, *grads, *gradients.values()]
    for k, array in enumerate(results):
        assert not any(np.shares_memory(array, other) for other in (*results[:k], *x, *g, *params.values()))


@every_layer
def test_the_last_states_are_those_of_the_last_step(layer_class):
    layer, params, x = example(layer_class, bidirectional=True, num_layers=2)
    output, h_n, *_ = layer.forward(params, x)[0]
    assert np.array_equal(output[-1, :, :4], h_n[2])
    assert np.array_equal(output[0, :, 4:], h_n[3])


@every_layer
def test_parameters_begin_within_their_bound(layer_class):
    params = layer_class(2, 4, 2, bidirectional=True).init(np.random.default_rng(0))
    sizes = {"weight_ih": 2, "weight_hh": 4, "bias_ih": 0, "bias_hh": 0}
    assert set(params) == {f"{name}_l{k}{end}" for name in sizes for k in (0, 1) for end in ("", "_reverse")}
    assert all(0 < np.abs(array).max() <= 0.5 and array.dtype == np.float64 for array in params.values())


@every_layer
@pytest.mark.parametrize("field", ["input_size", "hidden_size", "num_layers"])
def test_impossible_sizes_are_refused(layer_class, field):
    with pytest.raises(ValueError, match=re.escape(f"expected {field} to be a positive int, got {field}=0")):
        layer_class(**{"input_size": 1, "hidden_size": 1, field: 0})


@every_layer
@pytest.mark.parametrize("field", ["bias", "batch_first", "bidirectional"])
def test_flags_that_are_none_are_refused(layer_class, field):
    with pytest.raises(ValueError, match=f"expected {field} to be True or False, got {field}='no'"):
        layer_class(1, 1, **{field: "no"})


def test_an_unknown_nonlinearity_is_refused():
    with pytest.raises(ValueError, match="expected nonlinearity to be 'tanh' or 'relu', got nonlinearity='Tanh'"):
        RNN(1, 1, nonlinearity="Tanh")


X, H0 = np.zeros((5, 3, 2)), np.zeros((2, 3, 4))
BAD_INPUTS = [
    (X, "expected x to be a tuple (x, h0), got ndarray"),
    ((X,), "expected x to be a tuple (x, h0), got 1 arrays"),
    ((X, H0, H0), "expected x to be a tuple (x, h0), got 3 arrays"),
    ((X[0], H0), "expected x of shape (T, N, 2), got shape=(3, 2)"),
    ((X[..., :1], H0), "expected x of shape (T, N, 2), got shape=(5, 3, 1)"),
    ((X[:0], H0), "expected x of at least 1 time step, got shape=(0, 3, 2)"),
    ((X, H0[:1]), "expected h0 of shape (2, 3, 4), got shape=(1, 3, 4)"),
    ((X, H0[:, :1]), "expected h0 of shape (2, 3, 4), got shape=(2, 1, 4)"),
]


@pytest.mark.parametrize(("x", "sentence"), BAD_INPUTS)
def test_inputs_that_do_not_fit_are_refused(x, sentence):
    layer = RNN(2, 4, bidirectional=True)
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        layer.forward(layer.init(np.random.default_rng(0)), x)


def test_the_states_of_an_lstm_are_two():
    layer, params, (x, h0, c0) = example(LSTM, batch_first=True)
    with pytest.raises(ValueError, match=re.escape("expected x to be a tuple (x, h0, c0), got 2 arrays")):
        layer.forward(params, (x, h0))
    with pytest.raises(ShapeError, match=re.escape("expected c0 of shape (1, 3, 4), got shape=(1, 2, 4)")):
        layer.forward(params, (x, h0, c0[:, :2]))
    with pytest.raises(ShapeError, match=re.escape("expected x of shape (N, T, 2), got shape=(3, 5)")):
        layer.forward(params, (x[..., 0], h0, c0))


def test_parameters_and_cotangents_that_do_not_fit_are_refused():
    layer, params, x = example(LSTM)
    with pytest.raises(ShapeError, match=re.escape("expected bias_hh_l0 of shape (16,), got shape=(4,)")):
        layer.forward(params | {"bias_hh_l0": np.zeros(4)}, x)
    (output, h_n, c_n), cache = layer.forward(params, x)
    names = "(grad_output, grad_h_n, grad_c_n)"
    with pytest.raises(ValueError, match=re.escape(f"expected grad_output to be a tuple {names}, got ndarray")):
        layer.backward(params, cache, output)
    with pytest.raises(ShapeError, match=re.escape("expected grad_output of shape (5, 3, 4), got shape=(3, 5, 4)")):
        layer.backward(params, cache, (output.swapaxes(0, 1), h_n, c_n))
    with pytest.raises(ShapeError, match=re.escape("expected grad_c_n of shape (1, 3, 4), got shape=(3, 4)")):
        layer.backward(params, cache, (output, h_n, c_n[0]))
