"""Layers with windows against PyTorch's operators on the CPU, forward and backward, in float64."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed")

from gradcheck.kinds import KINDS  # noqa: E402
from gradcheck.suites.kind import Case  # noqa: E402

F = torch.nn.functional
some = settings(max_examples=40, deadline=None)


def assert_agrees(case, operator):
    """Compare the output and every gradient of a case's reference layer with those of ``operator(tensors)``."""
    primals = case.primals()
    y, pullback = case.kind.build(case.config, primals).vjp(primals)
    g = np.random.default_rng(1).standard_normal(y.shape)
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in primals.items()}
    due = operator(tensors)
    due.backward(torch.tensor(g))
    np.testing.assert_allclose(y, due.detach().numpy(), rtol=1e-11, atol=1e-11)
    for name, gradient in pullback(g).items():
        np.testing.assert_allclose(gradient, tensors[name].grad.numpy(), rtol=1e-11, atol=1e-11)


def cases(name, arranged=lambda config: config):
    """Return a strategy of cases of a kind, each configuration as `arranged` makes it."""
    kind = KINDS[name]
    drawn = st.one_of(st.sampled_from(kind.corners), kind.configs()).map(arranged)
    return st.builds(Case, st.just(kind), drawn, st.sampled_from(["normal", "integers", "zeros"]), st.integers(0, 9999))


@some
@pytest.mark.parametrize("kind", ["conv1d", "conv2d", "conv3d", "true_conv2d"])
@given(st.data())
def test_convolution(kind, data):
    case = data.draw(cases(kind))
    c = case.config
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(c.size)]
    ends = [end for k in reversed(range(len(c.size))) for end in c.padding[2 * k : 2 * k + 2]]

    def operator(t):
        weight = torch.flip(t["weight"], (2, 3)) if kind == "true_conv2d" else t["weight"]
        return convolve(F.pad(t["x"], ends), weight, t.get("bias"), c.stride, 0, c.dilation, c.groups)

    assert_agrees(case, operator)


@some
@given(cases("conv_transpose2d"))
def test_transposed_convolution_with_any_padding(case):
    c = case.config
    top, bottom, left, right = c.padding

    def operator(t):
        options = c.stride, 0, c.output_padding, c.groups, c.dilation
        y = F.conv_transpose2d(t["x"], t["weight"], t.get("bias"), *options)
        return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]

    assert_agrees(case, operator)


def with_equal_ends(config):
    """Return the config with the smaller padding of each axis at both of its ends."""
    ends = [min(config.padding[2 * k : 2 * k + 2]) for k in range(len(config.size))]
    return replace(config, padding=tuple(np.repeat(ends, 2).tolist()))


@some
@given(cases("conv_transpose2d", with_equal_ends))
def test_transposed_convolution_with_its_own_padding(case):
    c = case.config
    options = c.stride, c.padding[::2], c.output_padding, c.groups, c.dilation
    assert_agrees(case, lambda t: F.conv_transpose2d(t["x"], t["weight"], t.get("bias"), *options))


def as_torch_pools(config):
    """Return the config with padding that PyTorch allows: equal ends, up to half of the kernel.

    The input grows by what the padding loses, so that the windows stay as they are.
    """
    sizes, ends = [], []
    for k, (n, kernel, d) in enumerate(zip(config.size, config.kernel_size, config.dilation, strict=True)):
        padded = n + sum(config.padding[2 * k : 2 * k + 2])
        end = max(min(config.padding[2 * k], kernel // 2, (padded - d) // 2), 0)
        sizes.append(padded - 2 * end)
        ends += [end, end]
    return replace(config, size=tuple(sizes), padding=tuple(ends))


@some
@pytest.mark.parametrize("kind", ["max_pool1d", "max_pool2d"])
@given(st.data())
def test_max_pooling(kind, data):
    case = data.draw(cases(kind, as_torch_pools))
    c = case.config
    pool = F.max_pool1d if kind == "max_pool1d" else F.max_pool2d
    options = c.kernel_size, c.stride, c.padding[::2], c.dilation, c.ceil_mode
    assert_agrees(case, lambda t: pool(t["x"], *options))


@some
@pytest.mark.parametrize("kind", ["avg_pool1d", "avg_pool2d"])
@given(st.data())
def test_average_pooling(kind, data):
    case = data.draw(cases(kind, as_torch_pools))
    c = case.config
    pool = F.avg_pool1d if kind == "avg_pool1d" else F.avg_pool2d
    options = c.kernel_size, c.stride, c.padding[::2], c.ceil_mode, c.count_include_pad
    assert_agrees(case, lambda t: pool(t["x"], *options))


@some
@given(cases("adaptive_avg_pool2d"))
def test_adaptive_pooling(case):
    assert_agrees(case, lambda t: F.adaptive_avg_pool2d(t["x"], case.config.output_size))


@some
@given(cases("global_avg_pool2d"))
def test_global_pooling(case):
    keepdims = case.config.keepdims
    assert_agrees(case, lambda t: F.adaptive_avg_pool2d(t["x"], 1) if keepdims else t["x"].mean((2, 3)))
