"""Normalising layers and dropout, forward and backward, against torch's operators."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from gradcheck.kinds.channel_normalization import running_statistics
from gradcheck.suites.kind import Case
from reference_layers import BatchNorm, Dropout

torch = pytest.importorskip("torch", reason="torch is not installed")
functional = torch.nn.functional

some = settings(max_examples=60)


def by_batch_norm_eval(c, x, gamma, beta):
    mean, variance = (torch.from_numpy(array) for array in running_statistics(c))
    return functional.batch_norm(x, mean, variance, gamma, beta, training=False, eps=c.eps)


def by_local_response_norm(c, x, _gamma, _beta):
    wide = x if x.ndim > 2 else x[..., None]  # torch takes no matrix
    return functional.local_response_norm(wide, c.size, c.alpha, c.beta, c.k).reshape(x.shape)


#: `torch.group_norm` and not `functional.group_norm`, which refuses a group of one value if the batch is 1.
OPERATORS = {
    "layer_norm": lambda c, x, gamma, beta: functional.layer_norm(x, c.normalized_shape, gamma, beta, c.eps),
    "rms_norm": lambda c, x, gamma, _: functional.rms_norm(x, c.normalized_shape, gamma, c.eps),
    "batch_norm": lambda c, x, gamma, beta: functional.batch_norm(x, None, None, gamma, beta, training=True, eps=c.eps),
    "batch_norm_eval": by_batch_norm_eval,
    "group_norm": lambda c, x, gamma, beta: torch.group_norm(x, c.groups, gamma, beta, c.eps),
    "instance_norm": lambda c, x, gamma, beta: functional.instance_norm(x, weight=gamma, bias=beta, eps=c.eps),
    "local_response_norm": by_local_response_norm,
}


def cases(name):
    kind = KINDS[name]
    drawn = st.one_of(st.sampled_from(kind.corners), kind.configs())
    return st.builds(Case, st.just(kind), drawn, st.sampled_from(kind.regimes), st.integers(0, 9999))


@some
@pytest.mark.parametrize("name", list(OPERATORS))
@given(st.data())
def test_normalisation_is_torch_s(name, data):
    case = data.draw(cases(name))
    primals = case.primals()
    y, pullback = case.kind.build(case.config, primals).vjp(primals)
    g = np.random.default_rng(case.seed).standard_normal(y.shape)
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in primals.items()}
    due = OPERATORS[name](case.config, tensors["x"], tensors.get("gamma"), tensors.get("beta"))
    gradients = dict(zip(tensors, torch.autograd.grad(due, list(tensors.values()), torch.from_numpy(g)), strict=True))
    # Far from zero torch's group and batch norms take mean·r off afterwards, and 1e3·r is large where values are close.
    rounding = 1e-8 if case.regime == "offset" else 1e-10
    steepest = 1 / np.sqrt(getattr(case.config, "eps", 1))
    assert y == pytest.approx(due.detach().numpy(), rel=rounding, abs=rounding)
    for key, array in pullback(g).items():
        assert array == pytest.approx(gradients[key].numpy(), rel=rounding, abs=rounding * steepest)


@some
@given(cases("batch_norm"), st.floats(0, 1))
def test_updated_statistics_are_torch_s(case, momentum):
    c, x, rng = case.config, case.primals()["x"], np.random.default_rng(case.seed)
    before = rng.standard_normal(c.channels), rng.uniform(0.5, 2, c.channels)
    after = [torch.tensor(array) for array in before]  # torch changes them
    functional.batch_norm(torch.from_numpy(x), *after, training=True, momentum=momentum)
    for got, due in zip(BatchNorm(c.channels).updated_statistics(x, *before, momentum), after, strict=True):
        assert got == pytest.approx(due.numpy(), rel=1e-10)


@pytest.mark.parametrize(("shape", "count"), [((1, 2), 1), ((1, 2, 1), 1), ((2, 2), 2), ((1, 2, 3), 3)])
def test_torch_refuses_one_value_per_channel_in_training_too(shape, count):
    x = np.ones(shape)
    for call in (
        lambda: functional.batch_norm(torch.from_numpy(x), None, None, training=True),
        lambda: BatchNorm(2, affine=False).forward({}, x),
    ):
        if count == 1:
            with pytest.raises(ValueError, match=r"more than (1|one) value per channel"):
                call()
        else:
            call()


@some
@given(cases("dropout"))
def test_dropout_is_torch_s_where_nothing_is_random(case):
    c, x = case.config, case.primals()["x"]
    p = float(round(c.p))  # 0 or 1: other masks are drawn by another generator
    y, cache = Dropout(p, c.training, c.seed).forward({}, x)
    tensor, g = torch.tensor(x, requires_grad=True), np.random.default_rng(case.seed).standard_normal(x.shape)
    due = functional.dropout(tensor, p, c.training)
    (gradient,) = torch.autograd.grad(due, tensor, torch.from_numpy(g))
    assert np.array_equal(y, due.detach().numpy())
    assert np.array_equal(Dropout(p, c.training, c.seed).backward({}, cache, g)[0], gradient.numpy())


@some
@given(cases("dropout"))
def test_dropout_is_torch_s_with_the_mask_given(case):
    c, x = case.config, case.primals()["x"]
    layer = Dropout(c.p, c.training, c.seed)
    y, cache = layer.forward({}, x)
    tensor, g = torch.tensor(x, requires_grad=True), np.random.default_rng(case.seed).standard_normal(x.shape)
    scale = 1 / (1 - c.p) if c.training and c.p < 1 else 1.0
    due = tensor * torch.from_numpy(layer.mask(x.shape)) * scale
    (gradient,) = torch.autograd.grad(due, tensor, torch.from_numpy(g))
    assert y == pytest.approx(due.detach().numpy(), rel=1e-15)
    assert layer.backward({}, cache, g)[0] == pytest.approx(gradient.numpy(), rel=1e-15)
