"""Measured noise and the precision in which a function really computes."""

from dataclasses import asdict, replace

import numpy as np
import pytest

import gradcheck
from gradcheck.mutants.call_mutants import CALL_MUTANTS
from gradcheck.numeric.function import Function
from gradcheck.numeric.noise import measure_noise
from gradcheck.numeric.precision import DOUBLE, HALF, SINGLE
from reference_layers import BatchNorm


def measured(function, x, slope):
    wrapped = Function(evaluate=function, round=lambda point: point, precision=DOUBLE)
    return measure_noise(wrapped, x, np.ones_like(x), function(x), slope)


def test_noise_of_known_size_is_found(rng):
    x = rng.standard_normal(200)
    noise = measured(lambda v: np.sin(v) + 1e-9 * rng.standard_normal(v.size), x, np.cos(x))
    assert np.median(noise.level) == pytest.approx(1e-9, rel=0.5)
    assert noise.precision is DOUBLE


def test_rounding_of_float64_is_of_the_order_of_its_unit(rng):
    x = rng.standard_normal(200)
    noise = measured(lambda v: np.exp(np.sin(v) + 3), x, np.cos(x) * np.exp(np.sin(x) + 3))
    assert 0.05 * DOUBLE.unit < np.median(noise.level / np.exp(np.sin(x) + 3)) < 10 * DOUBLE.unit


@pytest.mark.parametrize(("dtype", "precision"), [(np.float32, SINGLE), (np.float16, HALF)])
def test_a_hidden_cast_is_seen(rng, dtype, precision):
    x = rng.standard_normal(50)
    noise = measured(lambda v: np.tanh(v.astype(dtype)).astype(np.float64), x, 1 - np.tanh(x) ** 2)
    assert noise.precision is precision


def test_a_hidden_cast_is_seen_where_it_hid_the_slope(rng):
    """Within steps that float32 rounds away a function is flat: its slope was found to be 0."""
    x, direction = rng.standard_normal(50), rng.uniform(1, 2, 50)
    hiding = Function(
        evaluate=lambda v: np.tanh(v.astype(np.float32).astype(float)), round=lambda point: point, precision=DOUBLE
    )
    noise = measure_noise(hiding, x, direction, hiding.evaluate(x), np.zeros(50))
    assert noise.precision is SINGLE


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "tanh", "softplus"])
def test_a_layer_that_rounds_its_input_and_has_no_other_forward_is_told_of(name):
    (fault,) = (fault for fault in CALL_MUTANTS if fault.slug == "input-in-float32")
    suite = gradcheck.suite(name)
    for seed in range(3):
        config = replace(suite.kind.corners[0], shape=(3, 7))
        layer = suite.subject(suite.case(asdict(config), "normal", seed))
        report = gradcheck.check(fault.plant(replace(layer, forward=None)), seed=seed)
        assert [failure.check for failure in report.failures] == ["precision"], str(report)


@pytest.mark.parametrize("distance", [1e-9, 1e-7, 1e-6, 2.5e-6])
@pytest.mark.parametrize("kinked", [np.abs, lambda v: np.maximum(v, 0), lambda v: np.maximum(v, 0) + 1])
def test_flat_pieces_beside_kinks_are_no_sign_of_a_hidden_cast(kinked, distance):
    x = np.linspace(-1.2, -0.8, 40) * distance
    assert measured(kinked, x, np.zeros(40)).precision is DOUBLE


def test_flat_outputs_are_no_sign_of_a_hidden_cast(rng):
    x = rng.standard_normal(50) + 40
    noise = measured(np.tanh, x, np.zeros(50))
    assert noise.precision is DOUBLE


def test_a_small_difference_of_large_numbers_is_no_sign_of_a_hidden_cast(rng):
    x = 1e-3 * rng.standard_normal(50)
    noise = measured(lambda v: np.log(1 + 4e-4 * np.exp(v)), x, 4e-4 * np.exp(x) / (1 + 4e-4 * np.exp(x)))
    assert noise.precision is DOUBLE


def test_a_small_difference_in_float32_is_no_sign_of_float16():
    def loss(v):
        total = np.exp(v.astype(np.float32)).sum(dtype=np.float32) * np.float32(1e-4) + np.float32(1)
        return np.log(total)[None].astype(np.float64)

    x = np.random.default_rng(0).standard_normal(4).astype(np.float32).astype(np.float64)
    single = Function(evaluate=loss, round=lambda point: point.astype(np.float32).astype(np.float64), precision=SINGLE)
    slope = np.array([1e-4 * np.exp(x).sum()])
    assert measure_noise(single, x, np.ones(4), loss(x), slope).precision is SINGLE


def test_the_noise_of_a_small_difference_of_large_numbers_is_found(rng):
    x = 1e-3 * rng.standard_normal(50)
    noise = measured(lambda v: np.log(1 + 4e-8 * np.exp(v)), x, 4e-8 * np.exp(x))
    assert 0.01 * DOUBLE.unit < np.median(noise.level) < 10 * DOUBLE.unit


def test_outputs_that_cancel_are_no_lower_precision():
    """A batch of two is normalised to ±1 whatever it holds, and a shift of -1 leaves the rounding of that."""
    primals = {
        "x": np.array([[2, 1], [1, 2]], dtype=np.float32),
        "gamma": np.array([1, 2], dtype=np.float32),
        "beta": np.array([-1, -2], dtype=np.float32),
    }
    for seed in range(6):
        report = gradcheck.check(gradcheck.from_reference(BatchNorm(2, 1e-8), primals), seed=seed)
        assert not report.failures, str(report)
