"""Pointwise layers against the operators of torch on the CPU: outputs and gradients over the cases of their kinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from gradcheck.suites.kind import Case

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


def softmax_cross_entropy(c, x):
    targets, weights = (
        torch.tensor(c.targets),
        torch.tensor(c.class_weights, dtype=x.dtype) if c.class_weights else None,
    )
    loss = functional.cross_entropy(x, targets, weights, None, c.ignore_index, None, c.reduction, c.label_smoothing)
    if c.reduction == "mean" and not sum((c.class_weights or (1.0,) * c.classes)[t] for t in c.counted):
        return 0 * x.sum()  # where torch divides 0 by 0
    return loss


OPERATORS |= {
    "softmax_cross_entropy": softmax_cross_entropy,
    "cross_entropy": lambda c, x: functional.nll_loss(x.log(), torch.tensor(c.targets), reduction=c.reduction),
    "mean_squared_error": lambda c, x: functional.mse_loss(x, torch.tensor(c.targets), reduction=c.reduction),
    "bce_with_logits": lambda c, x: functional.binary_cross_entropy_with_logits(
        x, torch.tensor(c.binary_targets), reduction=c.reduction
    ),
    "huber": lambda c, x: functional.huber_loss(x, torch.tensor(c.targets), reduction=c.reduction, delta=c.delta),
}

OPERATORS |= {
    "reshape": lambda c, x: x.reshape(c.new_shape),
    "concat": lambda c, x, **others: torch.cat([x, *others.values()], c.axis),
    "add": lambda c, x, x2=None: x + (x if c.twice else x2),
    "multiply": lambda c, x, x2=None: x * (x if c.twice else x2),
}


def embedding(c, weight):
    """Return the rows; torch, too, gives the padding row no gradient, but it outputs what the row holds."""
    rows = torch.tensor(c.rows).reshape(c.index_shape)
    y = functional.embedding(rows, weight, c.padding_row)
    return y if c.padding_row is None else y * (rows != c.padding_row)[..., None]


OPERATORS |= {
    "embedding": embedding,
    "bilinear": lambda _, x, x2, weight, bias=None: functional.bilinear(x, x2, weight, bias),
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
