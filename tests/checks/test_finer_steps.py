"""Kinks within the first step, as large networks have them: finer steps get past, and give nothing away."""

import numpy as np
import pytest

import gradcheck
from gradcheck.records.run_record import Evaluations


def hinges(distance, error=None, unit=50, shift=0.0):
    """Return Σ c·max(x - t, 0), a scalar, each kink so far from x, and its gradient: wrong in one entry by `error`."""
    rng = np.random.default_rng(3)
    x, weights = rng.standard_normal(200), rng.standard_normal(200)
    kinks = x - distance * rng.choice([-1.0, 1.0], size=200)

    def vjp(primals):
        above = primals["x"] > kinks
        y = np.asarray(shift + (weights * np.where(above, primals["x"] - kinks, 0.0)).sum())

        def pullback(cotangent):
            gradient = np.where(above, weights, 0.0)
            if error is not None:
                gradient[unit] += error
            return {"x": cotangent * gradient}

        return y, pullback

    return gradcheck.Subject("hinges", {"x": x}, vjp)


def checked(subject, **options):
    """Check without what is beside the gradient, so that all calls are the gradient's."""
    return gradcheck.check(subject, contracts=False, **options).subjects[0]


def test_without_kinks_in_the_way_one_step_is_enough():
    found = checked(hinges(1e-3))
    assert (found.verdict, found.evaluations) == ("passed", Evaluations(5, 2))


def test_kinks_within_the_step_take_a_finer_one_and_the_next_tangent_begins_there():
    found = checked(hinges(3e-7))
    assert (found.verdict, found.evaluations) == ("passed", Evaluations(7, 2))


def test_closer_kinks_take_a_still_finer_one():
    found = checked(hinges(3e-9))
    assert found.verdict == "passed"
    assert found.evaluations.forward <= 13
    assert found.evaluations.pullback == 2


@pytest.mark.parametrize("distance", [1e-3, 3e-7, 3e-9])
@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_entry_is_found_behind_kinks(distance, seed):
    assert checked(hinges(distance, error=0.01), seed=seed).verdict == "failed"


def test_the_resolution_tells_what_finer_steps_cannot_see():
    """Beside a large constant, whose rounding drowns what small differences show."""
    near, far = checked(hinges(3e-7, shift=1e3)), checked(hinges(1e-3, shift=1e3))
    assert (near.verdict, far.verdict) == ("passed", "passed")
    assert near.resolution > 3 * far.resolution


@pytest.mark.parametrize("error", [3e-7, 1e-6, 1e-5, 1e-3])
def test_a_small_error_of_a_smooth_function_is_not_taken_for_a_kink(error):
    """A finer step sees less sharply: it may only excuse what it would have seen."""
    x = np.random.default_rng(0).standard_normal(50)

    def vjp(primals):
        return np.sin(primals["x"]), lambda g: {"x": (1 + error) * np.cos(primals["x"]) * g}

    assert checked(gradcheck.Subject("sine", {"x": x}, vjp)).verdict == "failed"


def test_small_gradients_are_seen_as_sharply_as_large_ones():
    """Moves are balanced, so that the share of an error in the test does not depend on the size of its gradient."""
    rng = np.random.default_rng(0)
    primals = {name: rng.standard_normal(30) for name in ("large", "middle", "small")}
    factors = {"large": 1.0, "middle": 1e-1, "small": 3e-3}

    def network(wrong=None):
        def vjp(given):
            y = sum(factor * given[name] ** 2 / 2 for name, factor in factors.items())

            def pullback(g):
                gradients = {name: factor * given[name] * g for name, factor in factors.items()}
                if wrong is not None:
                    gradients[wrong][7] *= 1 + 3e-5
                return gradients

            return y, pullback

        return gradcheck.Subject("sum of squares", primals, vjp)

    right = checked(network())
    assert (right.verdict, right.evaluations) == ("passed", Evaluations(5, 2))
    assert right.resolution < 1e-5
    for name in factors:
        wrong = checked(network(name))
        assert [failure.primal for failure in wrong.failures] == [name]
