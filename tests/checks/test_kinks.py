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
