"""Attention against torch's on the CPU: outputs and gradients over the cases of its kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed")

from gradcheck.kinds import KINDS  # noqa: E402
from gradcheck.suites.kind import Case  # noqa: E402
from reference_layers import ScaledDotProductAttention  # noqa: E402

attention = torch.nn.functional.scaled_dot_product_attention
KIND = KINDS["attention"]
configs = st.one_of(st.sampled_from(KIND.corners), KIND.configs())
# Values of order 1e3 have scores of order 1e6: rounding alone then moves weights by more than 1e-10.
cases = st.builds(
    Case, st.just(KIND), configs, st.sampled_from(sorted({*KIND.regimes} - {"large", "offset"})), st.integers(0, 9999)
)


def of_torch(inputs, g, **options):
    """Return output and gradients of torch's attention."""
    tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
    y = attention(*tensors, **options)
    y.backward(torch.tensor(g))
    return [y.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def options_of(config):
    """Return the options of torch for a configuration.

    Its is_causal has no bottom-right, goes with no mask, and with a negative scale gives NaN (torch 2.13, CPU).
    """
    scale = config.scale[0] if config.scale else None
    options = {"scale": scale, "enable_gqa": config.group > 1}
    if config.mask is None and (config.causal == "none" or (config.causal == "top-left" and (scale or 1) > 0)):
        return options | {"is_causal": config.causal == "top-left"}
    ones = torch.ones(config.len_q, config.len_k, dtype=torch.bool)
    offset = {"none": config.len_k, "top-left": 0, "bottom-right": config.len_k - config.len_q}[config.causal]
    mask = ones.tril(offset) if config.mask is None else ones.tril(offset) & torch.tensor(config.mask)
    return options | {"attn_mask": mask.expand(config.score_shape)}


@settings(max_examples=100)
@given(cases)
def test_outputs_and_gradients_are_those_of_torch(case):
    primals = case.primals()
    y, pullback = KIND.build(case.config, primals).vjp(primals)
    g = np.random.default_rng(case.seed).standard_normal(y.shape)
    gradients = pullback(g)
    due = of_torch(primals.values(), g, **options_of(case.config))
    for got, wanted in zip((y, *(gradients[name] for name in "qkv")), due, strict=True):
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 1e-12 * (1 + np.abs(wanted).max())


def test_is_causal_of_torch_is_top_left(rng):
    inputs = [rng.standard_normal((3, 2, length, 4)) for length in (3, 5, 5)]
    g = rng.standard_normal((3, 2, 3, 4))
    due = of_torch(inputs, g, is_causal=True)[0]
    assert ScaledDotProductAttention("top-left").forward({}, tuple(inputs))[0] == pytest.approx(due, abs=1e-12)
    assert np.abs(ScaledDotProductAttention("bottom-right").forward({}, tuple(inputs))[0] - due).max() > 0.1


@pytest.mark.parametrize("mask", [np.zeros((3, 5), bool), np.arange(5) < np.array([[0], [3], [5]])])
def test_queries_without_a_key_are_as_those_of_torch(mask, rng):
    inputs = [rng.standard_normal((2, 2, length, 4)) for length in (3, 5, 5)]
    y, cache = ScaledDotProductAttention().forward({}, tuple(inputs), mask)
    g = rng.standard_normal(y.shape)
    gradients, _ = ScaledDotProductAttention().backward({}, cache, g)
    for got, due in zip((y, *gradients), of_torch(inputs, g, attn_mask=torch.tensor(mask)), strict=True):
        assert got == pytest.approx(due, abs=1e-12)
