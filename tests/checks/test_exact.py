"""Exact differences where the forward is linear, and hidden precisions."""

import numpy as np
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
