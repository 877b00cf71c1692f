"""Pointwise layers against the operators of torch on the CPU: outputs and gradients over the cases of their kinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from gradcheck.kinds.kind import Case

torch = pytest.importorskip("torch", reason="torch is not installed")
functional = torch.nn.functional

#: For each kind: the operator of a configuration, of tensors named like the primals.
OPERATORS = {
    "leaky_relu": lambda c, x: functional.leaky_relu(x, c.negative_slope),
    "elu": lambda c, x: functional.elu(x, c.alpha),
    "sigmoid": lambda _, x: torch.sigmoid(x),
    "tanh": lambda _, x: torch.tanh(x),
    "softplus": lambda _, x: functional.softplus(x, threshold=700),  # from there on torch takes x itself
    "silu": lambda _, x: functional.silu(x),
    "gelu": lambda c, x: functional.gelu(x, approximate=c.approximate),
    "softmax": lambda c, x: torch.softmax(x, c.axis),
    "log_softmax": lambda c, x: torch.log_softmax(x, c.axis),
}


def cases(kind):
    drawn = st.one_of(st.sampled_from(kind.corners), kind.configs())
    return st.builds(Case, st.just(kind), drawn, st.sampled_from(kind.regimes), st.integers(0, 9999))


def assert_close(got, due):
    """Require equality up to rounding, at the scale of the array."""
    assert got.shape == due.shape
    assert np.all(np.abs(got - due) <= 1e-12 * (1e-300 + np.abs(due).max(initial=0.0)) + 1e-13)


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=60)
@given(data=st.data())
def test_outputs_and_gradients_are_those_of_torch(name, data):
    case = data.draw(cases(KINDS[name]))
    primals = case.primals()
    y, pullback = KINDS[name].build(case.config, primals).vjp(primals)
    g = np.asarray(np.random.default_rng(case.seed).standard_normal(y.shape))
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in primals.items()}
    due = OPERATORS[name](case.config, **tensors)
    due.backward(torch.tensor(g))
    assert_close(y, due.detach().numpy())
    for key, gradient in pullback(g).items():
        assert_close(gradient, tensors[key].grad.numpy())
