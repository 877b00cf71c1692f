"""Values of all sizes, small differences of large numbers, entries of different sizes: judged, or called unclear."""

import warnings

import numpy as np
import pytest

import gradcheck


def elementwise(x, forward, derivative, factor=1.0):
    """Return the subject of a function of each entry, its gradient multiplied by `factor`."""

    def vjp(primals):
        return forward(primals["x"]), lambda g: {"x": factor * g * derivative(primals["x"])}

    return gradcheck.Subject("function", {"x": np.asarray(x)}, vjp)


POWERS = [(1e160, 2, 1), (1e-170, 2, 1), (1, 2, 1e80), (1, 2, 1e-90), (1, 4, 1e42), (1, 1, 1e200), (1, 1, 1e-300)]


@pytest.mark.parametrize(("constant", "power", "size"), POWERS)
def test_values_whose_squares_leave_the_range_are_judged(rng, constant, power, size):
    x = size * rng.standard_normal(5)

    def scaled(factor):
        return elementwise(x, lambda v: constant * v**power, lambda v: constant * power * v ** (power - 1), factor)

    assert gradcheck.check(scaled(1.0)).passed
    for factor in (2.0, -1.0, 1.01):
        assert gradcheck.check(scaled(factor)).verdict == "failed"


@pytest.mark.parametrize("factor", [2.0, -1.0, 0.0])
def test_a_wrong_gradient_of_what_underflows_never_passes(rng, factor):
    x = 1e-170 * rng.standard_normal(5)
    assert gradcheck.check(elementwise(x, np.square, lambda v: 2 * v, factor)).verdict == "inconclusive"


CANCELLING = {
    "x - tanh x": (lambda v: v - np.tanh(v), lambda v: np.tanh(v) ** 2),
    "exp x - 1": (lambda v: np.exp(v) - 1, np.exp),
    "√(1 + x²) - 1": (lambda v: np.sqrt(1 + v * v) - 1, lambda v: v / np.sqrt(1 + v * v)),
    "1 - cos x": (lambda v: 1 - np.cos(v), np.sin),
    "log cosh x": (lambda v: np.log(np.cosh(v)), np.tanh),
    "elu": (
        lambda v: np.where(v > 0, v, np.exp(np.minimum(v, 0)) - 1),
        lambda v: np.where(v > 0, 1.0, np.exp(np.minimum(v, 0))),
    ),
}


@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("name", CANCELLING)
def test_a_small_difference_of_large_numbers_is_not_blamed_for_its_rounding(name, size):
    forward, derivative = CANCELLING[name]
    for seed in range(3):
        x = size * np.random.default_rng(seed).standard_normal(8)
        report = gradcheck.check(elementwise(x, forward, derivative), seed=seed)
        assert not report.failures, str(report)
        wrong = gradcheck.check(elementwise(x, forward, derivative, 2.0), seed=seed)
        assert wrong.verdict in ("failed", "inconclusive"), str(wrong)
        assert wrong.verdict == "failed" or size < 1e-4


def test_a_forward_written_in_another_way_agrees_to_its_rounding(rng):
    forward, derivative = CANCELLING["elu"]
    right = elementwise(1e-6 * rng.standard_normal(20), lambda v: np.where(v > 0, v, np.expm1(v)), derivative)
    other = elementwise(right.primals["x"], forward, derivative)
    assert not gradcheck.check(gradcheck.Subject("other", other.primals, other.vjp, sibling=right)).failures


@pytest.mark.parametrize("small", [1e-3, 1e-5, 1e-7, 1e-9])
def test_an_entry_near_the_border_of_the_domain_is_seen(small):
    rng = np.random.default_rng(37)
    p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    p[0] = small

    def divergence(factor):
        factors = np.ones(6)
        factors[0] = factor

        def vjp(primals):
            p = primals["p"]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = np.asarray((p * np.log(p / q)).sum())
            return value, lambda g: {"p": g * (np.log(p / q) + 1) * factors}

        return gradcheck.Subject("divergence", {"p": p}, vjp)

    assert gradcheck.check(divergence(1.0)).passed
    assert gradcheck.check(divergence(0.9)).verdict == "failed"


@pytest.mark.parametrize("exhaustive", [False, True])
def test_entries_of_very_different_sizes_are_each_held_to_their_own_scale(exhaustive):
    """Amplitude, rate and offset of a decay: gradients of 1e-3, 1e8 and 1."""
    t = np.linspace(0, 1e4, 40)
    seen = 1.02e4 * np.exp(-1.05e-4 * t) + 30 * np.cos(t)

    def decay(*factors):
        def vjp(primals):
            a, k, c = primals["x"]
            e = np.exp(-k * t)
            off = a * e + c - seen
            gradient = np.array([(off * e).sum(), (-off * a * t * e).sum(), off.sum()]) * 2e-4 * factors
            return np.asarray((off**2).sum() / 1e4), lambda g: {"x": g * gradient}

        return gradcheck.Subject("decay", {"x": np.array([1e4, 1e-4, 3.0])}, vjp)

    with np.errstate(over="ignore", invalid="ignore"):
        assert gradcheck.check(decay(1, 1, 1), exhaustive=exhaustive).passed
        for wrong in ((2, 1, 1), (0, 1, 1), (1, 1.01, 1), (1, 1, 2)):
            assert gradcheck.check(decay(*wrong), exhaustive=exhaustive).verdict == "failed"
