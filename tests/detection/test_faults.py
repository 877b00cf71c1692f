"""Planted faults are caught and placed; right layers pass."""

import numpy as np
import pytest
from support.layers import affine, batch_norm, scaled_entry, spoiled, subject, tanh

import gradcheck


def primals(rng, n=5, inputs=7, outputs=3):
    return {
        "x": rng.standard_normal((n, inputs)),
        "w": rng.standard_normal((outputs, inputs)),
        "b": rng.standard_normal(outputs),
    }


def test_one_wrong_entry_is_placed_exactly(rng):
    report = gradcheck.check(subject(spoiled(affine, scaled_entry("w", 9, 1.5)), **primals(rng)))
    (failure,) = report.failures
    assert (failure.primal, failure.index, failure.wrong_entries, failure.entries) == ("w", (1, 2), 1, 21)
    assert failure.analytic == pytest.approx(1.5 * failure.numeric, abs=10 * failure.error_bar)
    assert abs(failure.analytic - failure.numeric) > 100 * failure.error_bar


def test_a_constant_ratio_is_said_as_such(rng):
    halved = spoiled(affine, lambda g: {**g, "b": g["b"] / 2})
    (failure,) = gradcheck.check(subject(halved, **primals(rng))).failures
    assert failure.primal == "b"
    assert failure.cause == "scale:1/2"
    assert "half the right one" in failure.explanation


def test_every_wrong_primal_is_reported(rng):
    negated = spoiled(affine, lambda g: {"x": g["x"], "w": -g["w"], "b": g["b"] * 3})
    assert [f.primal for f in gradcheck.check(subject(negated, **primals(rng))).failures] == ["w", "b"]


def test_few_faulty_outputs_are_named(rng):
    def third_row(primals):
        y, pullback = tanh(primals)

        def wrong(g):
            g = g.copy()
            g[2, 1] = 0
            return pullback(g)

        return y, wrong

    (failure,) = gradcheck.check(subject(third_row, x=rng.standard_normal((4, 3)))).failures
    assert "the error enters through one output of 12: [2, 1]" in failure.explanation


def test_a_fault_in_a_large_gradient_is_found_by_bisection(rng):
    n = 30_000
    x = rng.standard_normal(n)

    def square(primals):
        return primals["x"] ** 2, lambda g: {"x": 2 * primals["x"] * g}

    report = gradcheck.check(subject(spoiled(square, scaled_entry("x", 12_345, 1.01)), x=x))
    (failure,) = report.failures
    assert (failure.index, failure.wrong_entries, failure.sampled) == ((12_345,), 1, False)
    assert report.subjects[0].evaluations.forward < 300


def test_the_share_of_wrong_entries_of_a_large_gradient_is_estimated(rng):
    def square(primals):
        return primals["x"] ** 2, lambda g: {"x": 2 * primals["x"] * g * np.where(np.arange(30_000) % 2, 1, 1.1)}

    (failure,) = gradcheck.check(subject(square, x=rng.standard_normal(30_000))).failures
    assert failure.sampled
    assert 0.3 < failure.wrong_entries / failure.entries < 0.7


def test_a_small_primal_is_not_drowned_by_a_large_one(rng):
    given = primals(rng)
    given["x"] *= 1e6
    wrong = subject(spoiled(affine, lambda g: {**g, "b": g["b"] * 1.001}), **given)
    (failure,) = gradcheck.check(wrong, contracts=False).failures
    assert failure.primal == "b"


def test_a_gradient_that_is_truly_zero_beside_others_is_no_fault(rng):
    """A bias before a batch norm: its gradient is rounding, on both sides."""

    def biased(primals):
        x, bias, gamma = primals["x"], primals["bias"], primals["gamma"]
        y, pullback = batch_norm({"x": x + bias, "gamma": gamma, "beta": np.zeros_like(gamma)})

        def all_three(g):
            back = pullback(g)
            return {"x": back["x"], "bias": back["x"].sum(0), "gamma": back["gamma"]}

        return y, all_three

    x, bias, gamma = rng.standard_normal((7, 3)), rng.standard_normal(3), rng.standard_normal(3)
    report = gradcheck.check(subject(biased, x=x, bias=bias, gamma=gamma))
    assert report.failures == ()
    assert report.subjects[0].vacuous == ("bias",)


def test_exhaustive_compares_every_entry(rng):
    right = subject(affine, traits=[gradcheck.Trait("batch-separable", ("x",))], **primals(rng))
    report = gradcheck.check(right, exhaustive=True, contracts=False)
    assert report.passed
    # 5 for the projected check, 1 to test the batch axis of each primal, 1 for all of x, 2 for each of 24 others.
    assert report.subjects[0].evaluations.forward <= 5 + 3 + 1 + 2 * 24


def test_a_batch_axis_that_is_not_one_is_not_believed(rng):
    traits = [gradcheck.Trait("batch-separable", ("x",))]
    off = dict.fromkeys(("batch-exchange", "batch-order", "empty-batch"), "the differences are tested")
    given = {"x": rng.standard_normal((7, 3)), "gamma": rng.standard_normal(3), "beta": rng.standard_normal(3)}
    report = gradcheck.check(subject(batch_norm, traits=traits, **given), exhaustive=True, without=off)
    assert report.passed, report


def test_every_failure_can_be_reproduced(rng):
    wrong = subject(spoiled(affine, scaled_entry("w", 9, 1.5)), **primals(rng))
    first, again = gradcheck.check(wrong, seed=3), gradcheck.check(wrong, seed=3)
    assert first.failures == again.failures
    assert first.failures[0].reproduce == "gradcheck.check(subject, seed=3)"


def test_a_fault_is_found_where_the_slope_changes_within_a_millionth(rng):
    """The row of zeros under a root with 1e-12 in it needs steps far smaller than the other rows do."""

    def normalise(primals):
        x = primals["x"]
        length = np.sqrt((x**2).sum(1, keepdims=True) + 1e-12)
        y = x / length
        return y, lambda g: {"x": (g - y * (g * y).sum(1, keepdims=True)) / length}

    x = rng.standard_normal((3, 5))
    x[0] = 0
    assert gradcheck.check(subject(normalise, x=x)).passed
    assert gradcheck.check(subject(spoiled(normalise, scaled_entry("x", 2, 1.001)), x=x)).verdict == "failed"


def test_sorting_equal_values_is_no_fault():
    """The middle one of three equal values stands still when one of them moves, yet one of them gets its gradient."""

    def sort(primals):
        x = primals["x"]
        order = np.argsort(x, kind="stable")

        def pullback(g):
            gradient = np.empty_like(g)
            gradient[order] = g
            return {"x": gradient}

        return x[order], pullback

    assert gradcheck.check(subject(sort, x=np.array([1.0, 0.0, 1.0, 2.0, 1.0, 3.0]))).failures == ()
