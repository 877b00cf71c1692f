"""Reference layers against torch's operators on the CPU, over the configurations of their kinds."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from gradcheck.kinds.kind import Case

torch = pytest.importorskip("torch", reason="torch is not installed")
F = torch.nn.functional


def convolved(c, p):
    top, bottom, left, right = c.padding
    padded = F.pad(p["x"], (left, right, top, bottom))
    return F.conv2d(padded, p["weight"], p.get("bias"), c.stride, 0, c.dilation, c.groups)


def max_pooled(c, p):
    top, bottom, left, right = c.padding
    return F.max_pool2d(F.pad(p["x"], (left, right, top, bottom), value=-np.inf), c.kernel_size, c.stride)


def mean_pooled(c, p):
    top, bottom, left, right = c.padding
    return F.avg_pool2d(F.pad(p["x"], (left, right, top, bottom)), c.kernel_size, c.stride)


#: Kind -> the same with torch, as ``operator(config, primals)``.
OPERATORS = {
    "conv2d": convolved,
    "max_pool2d": max_pooled,
    "avg_pool2d": mean_pooled,
    "affine": lambda _, p: F.linear(p["x"], p["weight"], p.get("bias")),
    "flatten": lambda c, p: torch.flatten(p["x"], c.start_axis),
    "relu": lambda _, p: F.relu(p["x"]),
    "leaky_relu": lambda c, p: F.leaky_relu(p["x"], c.negative_slope),
    "elu": lambda c, p: F.elu(p["x"], c.alpha),
    "sigmoid": lambda _, p: torch.sigmoid(p["x"]),
    "tanh": lambda _, p: torch.tanh(p["x"]),
    "softplus": lambda _, p: F.softplus(p["x"], threshold=40),
    "silu": lambda _, p: F.silu(p["x"]),
    "gelu": lambda c, p: F.gelu(p["x"], approximate=c.approximate),
    "softmax": lambda c, p: torch.softmax(p["x"], c.axis),
    "log_softmax": lambda c, p: torch.log_softmax(p["x"], c.axis),
    "softmax_cross_entropy": lambda c, p: F.cross_entropy(p["x"], torch.tensor(c.targets), reduction=c.reduction),
}
#: Kinds that are made of others.
COMPOSED = {"sequential", "five_layer_cnn"}


def test_every_kind_has_its_operator():
    assert set(OPERATORS) | COMPOSED == set(KINDS)


@pytest.mark.parametrize("name", OPERATORS)
def test_forward_and_backward_are_those_of_torch(name):
    kind, operator = KINDS[name], OPERATORS[name]

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(kind.configs(), st.sampled_from(kind.regimes), st.integers(0, 2**31 - 1))
    def agree(config, regime, seed):
        compare(Case(kind, config, regime, seed), operator)

    agree()
    for config in kind.corners:
        compare(Case(kind, config, "normal", 0), operator)


def compare(case, operator):
    primals = case.primals()
    outputs, pullback = case.kind.build(case.config, primals).vjp(primals)
    tensors = {key: torch.from_numpy(array.copy()).requires_grad_() for key, array in primals.items()}
    expected = operator(case.config, tensors)
    single = not isinstance(outputs, tuple)
    outputs, expected = ((outputs,), (expected,)) if single else (outputs, expected)
    rng = np.random.default_rng(case.seed)
    cotangents = tuple(rng.standard_normal(np.shape(output)) for output in outputs)
    for output, due in zip(outputs, expected, strict=True):
        close(output, due.detach().numpy())
    torch.autograd.backward(expected, [torch.from_numpy(np.asarray(cotangent)) for cotangent in cotangents])
    gradients = pullback(cotangents[0] if single else cotangents)
    for key, tensor in tensors.items():
        due = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        close(gradients[key], due)


def close(seen, due):
    """Compare to rounding: that of sums is relative to the largest entry; 1e-14 is what is lost near saturation."""
    assert seen.shape == due.shape
    scale = np.abs(due).max(initial=0.0)
    np.testing.assert_allclose(seen, due, rtol=1e-9, atol=1e-11 * scale + 1e-14)
