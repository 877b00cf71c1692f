"""Recurrent layers against the modules of torch on the CPU: names, outputs and gradients over their kinds' cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from gradcheck.suites.kind import Case
from reference_layers import GRU, LSTM, RNN

torch = pytest.importorskip("torch", reason="torch is not installed")

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def cases(kind):
    drawn = st.one_of(st.sampled_from(kind.corners), kind.configs())
    return st.builds(Case, st.just(kind), drawn, st.sampled_from(kind.regimes), st.integers(0, 9999))


def module_of(name, options):
    return getattr(torch.nn, LAYERS[name].__name__)(**options, dtype=torch.float64)


def by_torch(case, x, *states, **params):
    """Return the outputs of torch's module as one tuple."""
    module = module_of(case.kind.name, case.config.options)
    lstm = case.kind.name == "lstm"
    output, final = torch.func.functional_call(module, params, (x, states if lstm else states[0]))
    return (output, *final) if lstm else (output, final)


def assert_close(got, due, scale):
    """Require equality up to rounding, at the scale of all arrays, for what is small there was large on the way."""
    assert got.shape == due.shape
    assert np.all(np.abs(got - due) <= 1e-11 * scale)


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=40)
@given(data=st.data())
def test_outputs_and_gradients_are_those_of_torch(name, data):
    case = data.draw(cases(KINDS[name]))
    primals = case.primals()
    outputs, pullback = KINDS[name].build(case.config, primals).vjp(primals)
    rng = np.random.default_rng(case.seed)
    g = tuple(rng.standard_normal(array.shape) for array in outputs)
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in primals.items()}
    inputs = [tensors[key] for key in ("x", "h0", "c0") if key in tensors]
    params = {key: tensor for key, tensor in tensors.items() if key not in ("x", "h0", "c0")}
    due = by_torch(case, *inputs, **params)
    torch.autograd.backward(due, [torch.tensor(array) for array in g])
    for array, tensor in zip(outputs, due, strict=True):
        assert_close(array, tensor.detach().numpy(), 1 + np.abs(array).max())
    gradients = pullback(g)
    scale = 1 + max(np.abs(array).max() for array in gradients.values())
    for key, gradient in gradients.items():
        assert_close(gradient, tensors[key].grad.numpy(), scale)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_parameters_are_named_and_shaped_as_in_torch(name, bias, bidirectional):
    options = {"input_size": 2, "hidden_size": 3, "num_layers": 3, "bias": bias, "bidirectional": bidirectional}
    due = {key: tuple(tensor.shape) for key, tensor in module_of(name, options).named_parameters()}
    assert LAYERS[name](**options).param_shapes == due
