"""Kinks and ties: every convention is accepted and named, everything else is refused."""

import numpy as np
import pytest
from support.layers import in_dtype, max_pool, relu, softmax_cross_entropy, sqrt_abs, subject

import gradcheck
from reference_layers import ELU

WITH_ZEROS = np.array([0.0, 0.5, -1.0, 0.0, 2.0, -0.25, 0.0, 1.0])
DTYPES = ["float64", "float32", "float16"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("at_zero", "name"),
    [
        (0.0, "the slope from the left"),
        (1.0, "the slope from the right"),
        (0.5, "the mean of both slopes"),
        (0.25, "0.25 of the way from the left slope to the right one"),
    ],
)
def test_slip_4_any_derivative_of_relu_between_0_and_1_is_accepted_at_zero_and_named(at_zero, name, dtype):
    report = gradcheck.check(subject(relu(at_zero), x=WITH_ZEROS), dtype=dtype)
    assert report.passed, report
    assert name in report.subjects[0].notes[0]
    assert report.subjects[0].masked == pytest.approx(3 / 8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("at_zero", [2.0, -0.5])
def test_a_derivative_of_relu_outside_is_refused(at_zero, dtype):
    (failure,) = gradcheck.check(subject(relu(at_zero), x=WITH_ZEROS), dtype=dtype).failures
    assert (failure.check, failure.primal) == ("kink", "x")
    assert WITH_ZEROS[failure.index] == 0
    assert failure.analytic == at_zero
    assert "expected a value between them" in failure.explanation


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("ties", "name"), [("first", "the first gets all"), ("last", "the last gets all"), ("split", "an even split")]
)
def test_a_four_way_tie_may_go_to_the_first_the_last_or_all_in_equal_parts(ties, name, dtype):
    report = gradcheck.check(subject(max_pool(ties), x=np.ones((1, 1, 2, 2))), dtype=dtype)
    assert report.passed, report
    assert f"tie in x: {name}" in report.subjects[0].notes[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_four_way_tie_may_not_give_everything_to_every_maximum(dtype):
    (failure,) = gradcheck.check(subject(max_pool("all"), x=np.ones((1, 1, 2, 2))), dtype=dtype).failures
    assert (failure.check, failure.primal) == ("kink", "x")
    assert "4 entries are tied" in failure.explanation
    assert "their gradients sum to 4" in failure.explanation


def test_half_of_everything_to_each_of_four_ties_is_refused_although_central_differences_agree():
    def halves(primals):
        y, _ = max_pool("first", kernel=2, stride=2)(primals)
        return y, lambda g: {"x": np.full((1, 1, 2, 2), 0.5) * g}

    assert gradcheck.check(subject(halves, x=np.ones((1, 1, 2, 2)))).verdict == "failed"


def test_gradient_for_an_entry_that_is_near_the_maximum_is_a_leak():
    def near(primals):
        x = primals["x"]
        y, pullback = max_pool("first", kernel=2, stride=2)(primals)

        def leaking(g):
            return {"x": np.where(np.abs(x - y.max()) < 1e-2, g.sum(), 0.0)}

        return y, leaking

    x = np.array([[[[1.0, 0.995], [0.0, 1.0]]]])
    failures = gradcheck.check(subject(near, x=x)).failures
    assert failures
    assert any(failure.primal == "x" for failure in failures)


@pytest.mark.parametrize("narrow", [False, True], ids=["any dtype", "float32 only"])
def test_overlapping_windows_full_of_ties(rng, narrow):
    x = rng.integers(-1, 2, (2, 2, 5, 4)).astype(np.float32)
    layer = max_pool("first", kernel=3, stride=1)
    right = in_dtype(layer, "float32") if narrow else layer
    assert gradcheck.check(subject(right, x=x)).verdict == "passed"
    wrong = max_pool("all", kernel=3, stride=1)
    assert gradcheck.check(subject(in_dtype(wrong, "float32") if narrow else wrong, x=x)).verdict == "failed"


def test_an_infinite_slope_is_no_fault():
    assert gradcheck.check(subject(sqrt_abs, x=WITH_ZEROS)).verdict == "passed"


def test_everything_at_a_cusp_is_inconclusive():
    report = gradcheck.check(subject(sqrt_abs, x=np.zeros(4)))
    assert report.verdict == "inconclusive"
    assert "met a kink or a tie" in report.subjects[0].notes[-1]


def test_a_scalar_loss_over_ties_is_judged_where_moves_keep_them(rng):
    """Max pooling of a blank image: moving pixels breaks ties everywhere, moving weights does not."""

    def network(primals):
        pooled, pool_back = max_pool("first", kernel=2, stride=2)({"x": primals["x"]})
        n = pooled.shape[0]
        hidden = pooled.reshape(n, -1)
        loss, loss_back = softmax_cross_entropy({"x": hidden @ primals["w"].T})

        def pullback(g):
            back = loss_back(g)["x"]
            return {"w": back.T @ hidden, "x": pool_back((back @ primals["w"]).reshape(pooled.shape))["x"]}

        return loss, pullback

    x = rng.standard_normal((3, 1, 4, 6))
    x[:, :, :, :4] = 0
    report = gradcheck.check(subject(network, w=rng.standard_normal((4, 6)), x=x))
    assert report.verdict == "passed", report
    assert 0 < report.subjects[0].masked < 0.9


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_second_derivative_that_jumps_is_no_fault(seed, dtype):
    """ELU with alpha 1 has a slope without a jump; its central differences at 0 converge as h, not as h²."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((6, 25)) < 0.5, 0.0, rng.standard_normal((6, 25))).astype(dtype)
    report = gradcheck.check(ELU(1.0), x, seed=seed)
    assert not report.failures, str(report)


# Ties of more than two, several kinks in one output: the convex hull


def scattered(x, where, g):
    gradient = np.zeros_like(x)
    gradient[where] = g
    return gradient


def of_one(forward, backward):
    """A vjp of one primal x from a pair of functions."""
    return lambda primals: (forward(primals["x"]), lambda g: {"x": backward(primals["x"], g)})


def stable(x):
    return np.argsort(x, kind="stable")


SORT = of_one(lambda x: x[stable(x)], lambda x, g: scattered(x, stable(x), g))
LARGEST_TWO = of_one(lambda x: x[stable(-x)[:2]], lambda x, g: scattered(x, stable(-x)[:2], g))
MEDIAN = of_one(lambda x: np.sort(x)[len(x) // 2 :][:1], lambda x, g: scattered(x, stable(x)[len(x) // 2], g[0]))
MEDIAN_TO_ALL = of_one(lambda x: np.sort(x)[len(x) // 2 :][:1], lambda x, g: g[0] * (x == np.sort(x)[len(x) // 2]))
LENGTH = of_one(lambda x: np.abs(x).sum(keepdims=True), lambda x, g: g[0] * np.sign(x))
LENGTH_BEYOND = of_one(lambda x: np.abs(x).sum(keepdims=True), lambda x, g: g[0] * (np.sign(x) + 2 * (x == 0)))
HINGES = of_one(lambda x: np.maximum(0, 1 - x).sum(keepdims=True), lambda x, g: -g[0] * (x < 1))


def variation(x):
    return np.abs(np.diff(x)).sum(keepdims=True)


def pulled_variation(x, g):
    signs = np.sign(np.diff(x)) * g[0]
    return np.pad(signs, (1, 0)) - np.pad(signs, (0, 1))


VARIATION = of_one(variation, pulled_variation)
TIED = {
    "three zeros": [0.0, 0.0, 0.0],
    "eight zeros": [0.0] * 8,
    "three of five": [1.0, 0.5, 1.0, 1.0, -2.0],
    "zeros of both signs": [0.0, -0.0, -0.5],
    "after a ReLU": [0.0, 1.5, 0.0, 0.25, 0.0, 0.0],
    "two ties": [2.0, 2.0, 2.0, -1.0, -1.0],
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("values", TIED.values(), ids=TIED)
@pytest.mark.parametrize(
    "layer",
    [SORT, LARGEST_TWO, MEDIAN, LENGTH, HINGES, VARIATION],
    ids=["sort", "largest two", "median", "L1", "hinges", "total variation"],
)
def test_ties_of_any_size_and_sums_of_kinks_are_no_fault(layer, values, dtype):
    for seed in range(3):
        report = gradcheck.check(subject(layer, x=np.array(values)), seed=seed, dtype=dtype, contracts=False)
        assert not report.failures, report


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("values", [TIED["three zeros"], TIED["eight zeros"], TIED["after a ReLU"]])
@pytest.mark.parametrize("layer", [MEDIAN_TO_ALL, LENGTH_BEYOND], ids=["median to all", "L1 beyond"])
def test_values_beyond_the_hull_are_refused_at_ties_and_sums_too(layer, values, dtype):
    for seed in range(3):
        report = gradcheck.check(subject(layer, x=np.array(values)), seed=seed, dtype=dtype, contracts=False)
        assert report.verdict == "failed", report


def test_kinks_of_all_windows_are_judged_in_the_same_forwards(rng):
    """Max pooling after ReLU, the commonest stack there is: its cost does not grow with the image."""
    costs = []
    for size in (4, 8, 16):
        x = np.maximum(rng.standard_normal((2, 3, size, size)), 0)
        report = gradcheck.check(subject(max_pool("first", kernel=2, stride=2), x=x))
        assert report.passed, report
        costs.append(report.subjects[0].checks["gradient"].forward)
    assert max(costs) <= 5 + 60


@pytest.mark.parametrize("seed", range(8))
def test_a_flat_region_beside_a_kink_judges(seed):
    """Satisfied margins have gradient zero; a backward that forgets the mask there is wrong."""
    x = np.random.default_rng(seed).uniform(0.4, 2, (3, 4))

    def hinge(mask_at):
        def vjp(primals):
            margins = primals["x"]
            loss = np.asarray(np.maximum(0, 0.3 - margins).sum() + 0.5)
            return loss, lambda g: {"x": -g * (margins < mask_at)}

        return vjp

    assert gradcheck.check(subject(hinge(1.5), x=x), seed=seed).verdict == "failed"
    assert gradcheck.check(subject(hinge(0.3), x=x), seed=seed).verdict != "failed"
