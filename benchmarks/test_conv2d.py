"""Analytic gradient, projected check and plain ε-difference of one convolution (``pytest --benchmark-only``)."""

import numpy as np
import pytest

import gradcheck
from reference_layers import Conv2d

LAYER = Conv2d(3, 8, 3)


@pytest.fixture
def primals() -> dict[str, np.ndarray]:
    """Return an image batch 2×3×10×10 and parameters."""
    rng = np.random.default_rng(0)
    return {
        "x": rng.standard_normal((2, 3, 10, 10)),
        "weight": rng.standard_normal(LAYER.weight_shape),
        "bias": rng.standard_normal(8),
    }


@pytest.mark.benchmark(group="conv2d 2×3×10×10 → 8")
def test_analytic(benchmark, primals):
    params = {name: array for name, array in primals.items() if name != "x"}

    def forward_and_backward():
        output, cache = LAYER.forward(params, primals["x"])
        return LAYER.backward(params, cache, output)

    benchmark.extra_info.update(entries=sum(a.size for a in primals.values()), forwards=1, pullbacks=1)
    assert benchmark(forward_and_backward)[0].shape == primals["x"].shape


@pytest.mark.benchmark(group="conv2d 2×3×10×10 → 8")
@pytest.mark.parametrize("contracts", [False, True], ids=["projected", "default"])
def test_check(benchmark, primals, contracts):
    report = benchmark(gradcheck.check, gradcheck.from_reference(LAYER, primals), contracts=contracts)
    spent = report.subjects[0].evaluations
    benchmark.extra_info.update(forwards=spent.forward, pullbacks=spent.pullback)
    assert report.passed


@pytest.mark.benchmark(group="conv2d 2×3×10×10 → 8")
def test_numeric(benchmark, primals):
    cotangent = np.random.default_rng(1).standard_normal((2, 8, 8, 8))

    def epsilon_difference():
        def objective(array, name):
            arrays = {**primals, name: array}
            x = arrays.pop("x")
            return (LAYER.forward(arrays, x)[0] * cotangent).sum()

        return [gradcheck.numeric_gradient(lambda a, n=n: objective(a, n), array) for n, array in primals.items()]

    entries = sum(array.size for array in primals.values())
    benchmark.extra_info.update(entries=entries, forwards=2 * entries, pullbacks=0)
    assert len(benchmark.pedantic(epsilon_difference, rounds=3)) == 3
