"""Exact differences where the forward is linear, and hidden precisions."""

import numpy as np
import pytest
from support.layers import affine, in_dtype, relu, spoiled, subject, tanh

import gradcheck


def primals(rng):
    return {"x": rng.standard_normal((4, 5)), "w": rng.standard_normal((3, 5)), "b": rng.standard_normal(3)}


def as_float32(gradients):
    return {name: g.astype(np.float32).astype(np.float64) for name, g in gradients.items()}


def test_a_float32_cast_hidden_in_a_linear_pullback_is_found(rng):
    wrong = subject(spoiled(affine, as_float32), **primals(rng))
    assert gradcheck.check(wrong, contracts=False).passed, "the projected check alone cannot see 1e-8"
    by_differences = gradcheck.check(wrong, without={"linear-in-cotangent": "the differences are tested"})
    assert by_differences.failures[0].check == "linear"
    assert "a hidden float32 cast does this" in by_differences.failures[0].explanation
    (failure,) = gradcheck.check(wrong).failures
    assert failure.check == "precision"
    assert "in float32 somewhere" in failure.explanation


def test_one_entry_off_by_a_part_in_a_billion_is_found(rng):
    def spoil(gradients):
        w = gradients["w"].copy()
        w[1, 2] *= 1 + 1e-9
        return {**gradients, "w": w}

    assert gradcheck.check(subject(spoiled(affine, spoil), **primals(rng))).failures[0].check == "linear"


def test_curved_kinked_and_even_functions_are_not_taken_for_linear(rng):
    x = rng.standard_normal(20)
    for layer, at in [(tanh, x), (relu(), x), (relu(), np.zeros(5)), (tanh, 1e-4 * x)]:
        assert gradcheck.check(subject(layer, x=at)).verdict == "passed"

    def absolute(primals):
        x = primals["x"]
        return np.abs(x), lambda g: {"x": g * np.where(x >= 0, 1.0, -1.0)}

    # At 0 central differences of |x| are 0 at every step: they must not be believed.
    assert gradcheck.check(subject(absolute, x=np.zeros(5))).verdict == "passed"


def test_a_forward_that_cannot_go_far_is_no_error():
    def logarithm(primals):
        x = primals["x"]
        if (x <= 0).any():
            raise ValueError("log of a negative number")
        return np.log(x), lambda g: {"x": g / x}

    assert gradcheck.check(subject(logarithm, x=np.array([0.5, 1.0, 2.0]))).passed


def test_a_hidden_lower_precision_is_a_fault_unless_declared(rng):
    def hidden(primals):
        y, pullback = in_dtype(tanh, "float32")(primals)
        return y.astype(np.float64), lambda g: {"x": pullback(g.astype(np.float32))["x"].astype(np.float64)}

    x = rng.standard_normal(30)
    (failure,) = gradcheck.check(subject(hidden, x=x)).failures
    assert failure.check == "precision"
    assert "gradcheck.Trait('single-precision')" in failure.explanation
    assert gradcheck.check(subject(hidden, traits=[gradcheck.Trait("single-precision")], x=x)).passed


def pointwise(function, slope):
    return lambda primals: (function(primals["x"]), lambda g: {"x": g * slope(primals["x"])})


#: Functions whose third difference vanishes here and there although they are not linear there.
PIECEWISE = {
    "fraction": (lambda x: x - np.floor(x), np.ones_like),
    "remainder": (lambda x: np.mod(x, 1.7), np.ones_like),
    "floor": (np.floor, np.zeros_like),
    "round": (np.round, np.zeros_like),
    "angle": (lambda x: (x + np.pi) % (2 * np.pi) - np.pi, np.ones_like),
    "steps on a line": (lambda x: np.round(8 * x) / 8 + x / 2, lambda x: np.full_like(x, 0.5)),
    "triangles": (lambda x: np.abs(x % 2 - 1), lambda x: np.where(x % 2 < 1, -1.0, 1.0)),
}


@pytest.mark.parametrize("name", PIECEWISE)
@pytest.mark.parametrize("size", [1, 2])
def test_periodic_and_step_functions_are_not_taken_for_linear(name, size):
    for seed in range(40):
        x = np.random.default_rng(seed).uniform(0.2, 0.4, size) + seed % 7
        report = gradcheck.check(subject(pointwise(*PIECEWISE[name]), x=x), seed=seed)
        assert report.verdict != "failed", str(report)


@pytest.mark.parametrize("at", [5e-4, 1e-5, 0.3])
@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (np.cos, lambda x: -np.sin(x)),
        (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)),
        (lambda x: x / (1 + np.exp(-x)), lambda x: (1 + np.exp(-x) + x * np.exp(-x)) / (1 + np.exp(-x)) ** 2),
    ],
    ids=["cos", "gauss", "silu"],
)
def test_a_third_difference_that_vanishes_by_chance_is_no_sign_of_a_linear_function(function, slope, at):
    for seed in range(60):
        assert gradcheck.check(subject(pointwise(function, slope), x=np.array([at])), seed=seed).passed


def test_steps_that_rule_chance_out_are_taken_only_where_the_gradient_disagrees(rng):
    def forwards(layer):
        return gradcheck.check(subject(layer, **primals(rng))).subjects[0].checks["linear"].forward

    assert forwards(affine) == 3
    off = spoiled(affine, lambda gradients: {**gradients, "b": gradients["b"] * (1 + 1e-9)})
    assert forwards(off) > 3 + 3 * 3
