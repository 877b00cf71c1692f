"""The fully connected layer, the ReLU, flattening and whole networks against the same in PyTorch, in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed")

from gradcheck.kinds import KINDS  # noqa: E402
from gradcheck.kinds.networks import digits_subject  # noqa: E402
from gradcheck.suites.kind import Case  # noqa: E402
from reference_layers import load_digits  # noqa: E402

F = torch.nn.functional
POOLS = {"mean": F.avg_pool2d, "max": F.max_pool2d}


def linear(t, name=""):
    """Return the fully connected layer whose parameters have names of that beginning."""
    return lambda x: F.linear(x, t[f"{name}weight"], t.get(f"{name}bias"))


def convolution(t, name, **options):
    return lambda x: F.conv2d(x, t[f"{name}weight"], t.get(f"{name}bias"), **options)


def chain(x, *steps):
    for step in steps:
        x = step(x)
    return x


def sequential(c, t):
    pool = POOLS[c.pool]
    return chain(t["x"], convolution(t, "conv."), F.relu, lambda x: pool(x, c.pool_size), torch.nn.Flatten(),
                 linear(t, "affine."))  # fmt: skip


def five_layers(t, targets, pool, reduction):
    def halved(x):
        return POOLS[pool](x, 2)

    logits = chain(t["x"], convolution(t, "c1."), F.relu, halved, convolution(t, "c3."), F.relu, halved,
                   torch.nn.Flatten(), linear(t, "o5."))  # fmt: skip
    return F.cross_entropy(logits, torch.tensor(targets), reduction=reduction)


def residual_block(c, t):
    def normalised(name):
        if not c.normalised:
            return lambda x: x
        return lambda x: F.batch_norm(x, None, None, t[f"{name}gamma"], t[f"{name}beta"], training=True)

    changed = chain(
        t["x"],
        convolution(t, "body.conv1.", stride=c.stride, padding=1),
        normalised("body.norm1."),
        F.relu,
        convolution(t, "body.conv2.", padding=1),
        normalised("body.norm2."),
    )
    beside = (convolution(t, "shortcut.conv.", stride=c.stride), normalised("shortcut.norm."))
    return F.relu(changed + (t["x"] if c.is_identity else chain(t["x"], *beside)))


#: For each kind: the same of tensors named like the primals.
OPERATORS = {
    "affine": lambda _, t: linear(t)(t["x"]),
    "flatten": lambda c, t: torch.flatten(t["x"], c.start_axis),
    "relu": lambda _, t: F.relu(t["x"]),
    "sequential": sequential,
    "five_layer_cnn": lambda c, t: five_layers(t, c.targets, c.pool, c.reduction),
    "residual_block": residual_block,
}


def assert_agrees(subject, operator, seed):
    """Require the outputs and gradients of ``operator(tensors)``, up to rounding at the scale of each array."""
    y, pullback = subject.vjp(subject.primals)
    g = np.asarray(np.random.default_rng(seed).standard_normal(np.shape(y)))
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in subject.primals.items()}
    due = operator(tensors)
    due.backward(torch.tensor(g))
    assert_close(np.asarray(y), due.detach().numpy())
    gradients = pullback(g)
    assert gradients.keys() == tensors.keys()
    for name, gradient in gradients.items():
        assert_close(gradient, tensors[name].grad.numpy())


def assert_close(got, due):
    assert got.shape == due.shape
    assert np.abs(got - due).max() <= 1e-11 * (1 + np.abs(due).max())


@settings(max_examples=40)
@pytest.mark.parametrize("name", OPERATORS)
@given(st.data())
def test_outputs_and_gradients_are_those_of_torch(name, data):
    kind = KINDS[name]
    config = data.draw(st.one_of(st.sampled_from(kind.corners), kind.configs()))
    # Elsewhere rounding decides which of nearly equal entries is the maximum, one way here and another there.
    regimes = [regime for regime in kind.regimes if regime in ("normal", "integers", "zeros")]
    case = Case(kind, config, data.draw(st.sampled_from(regimes)), data.draw(st.integers(0, 9999)))
    assert_agrees(kind.build(config, case.primals()), lambda t: OPERATORS[name](config, t), case.seed)


@pytest.mark.parametrize("pool", POOLS)
def test_the_network_on_real_digits_is_that_of_torch(pool):
    labels = load_digits(16)[1]
    assert_agrees(digits_subject(16, pool), lambda t: five_layers(t, labels, pool, "mean"), seed=1)
