"""What a subject may not return, each told in one sentence."""

import numpy as np
import pytest
from support.layers import affine, relu, softmax_cross_entropy, spoiled, subject, tanh

import gradcheck
from gradcheck.checks.probe import Probe
from gradcheck.records.run_record import Evaluations

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


def only_failure(layer, **primals):
    """Return verdict and the one failure of a check."""
    report = gradcheck.check(subject(layer, **(primals or {"x": X})))
    (failure,) = report.failures
    return report.verdict, failure


@pytest.mark.parametrize(
    ("spoil", "check", "fragment"),
    [
        (lambda g: {"X": g["x"]}, "names", "'x' is missing; did you mean 'X'?"),
        (lambda g: {**g, "bias": g["x"]}, "names", "got one for 'bias' too"),
        (lambda g: {"x": g["x"].T}, "shape", "to have shape (2, 3), got shape=(3, 2), which is its transpose"),
        (lambda g: {"x": g["x"][None]}, "shape", "is the sum over the first 1 axes missing?"),
        (lambda g: {"x": g["x"].astype(np.float32)}, "dtype", "to have dtype float64, got dtype=float32"),
        (lambda g: {"x": g["x"] * np.nan}, "finite", "to be finite, got nan at index (0, 0) (6 of 6 entries"),
        (lambda g: {"x": None}, "form", "gradient of 'x' to be an array, got None"),
    ],
)
def test_gradients_of_the_wrong_form(spoil, check, fragment):
    verdict, failure = only_failure(spoiled(tanh, spoil))
    assert (verdict, failure.check) == ("failed", check)
    assert fragment in failure.explanation
    assert "\n" not in failure.explanation


@pytest.mark.parametrize("contracts", [True, False])
@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda dx: dx.astype(np.float32), "dtype"),
        (lambda dx: dx.astype(np.longdouble), "dtype"),
        (lambda dx: dx[:, None], "shape"),
        (lambda dx: dx[None].astype(np.float32), "shape dtype"),
    ],
)
@pytest.mark.parametrize(("factor", "values"), [(1.0, ""), (1.01, "gradient")])
def test_a_gradient_of_a_wrong_form_is_judged_too(spoil, check, factor, values, contracts):
    layer = spoiled(tanh, lambda g: {"x": spoil(factor * g["x"])})
    report = gradcheck.check(subject(layer, x=X), contracts=contracts)
    assert report.verdict == "failed"
    assert [failure.check for failure in report.failures] == [*check.split(), *values.split()]


def test_a_gradient_that_is_the_same_along_an_axis_is_judged_as_if_written_out():
    def total(primals):
        x = primals["x"]
        return np.array(x.sum()), lambda g: {"x": np.array([[g]])}

    assert [failure.check for failure in gradcheck.check(subject(total, x=X)).failures] == ["shape"]


def test_what_else_was_found_is_told_beside_a_gradient_of_no_clear_form():
    def both(primals):
        x, b = primals["x"], primals["b"]
        return x + b, lambda g: {"x": g.astype(np.float32), "b": None}

    report = gradcheck.check(subject(both, x=X, b=X[0]))
    assert [failure.check for failure in report.failures] == ["dtype", "form"]


@pytest.mark.parametrize(
    ("layer", "fragment"),
    [
        (lambda p: (p["x"] * np.nan, None), "expected the forward to be finite, got nan at index (0, 0) of output 0"),
        (lambda p: p["x"], "expected vjp to return (outputs, pullback), got an array"),
        (lambda p: (p["x"], None), "got a pullback of type NoneType"),
        (lambda p: (3, None), "to be a NumPy array of floating dtype, got a value of type int"),
        (lambda p: (p["x"].astype(int), None), "to be a NumPy array of floating dtype, got an array of dtype int64"),
        (lambda p: ((), None), "expected at least one output"),
        (lambda p: (p["x"][:0], lambda g: {}), "expected outputs with at least one entry"),
        (lambda p: (p["x"], lambda g: [g]), "expected the pullback to return {name: gradient}"),
    ],
)
def test_forwards_of_the_wrong_form(layer, fragment):
    verdict, failure = only_failure(layer)
    assert verdict == "error"
    assert fragment in failure.explanation


def test_an_exception_of_the_subject_is_reported_with_its_place():
    def broken(primals):
        raise ZeroDivisionError("no luck")

    verdict, failure = only_failure(broken)
    assert (verdict, failure.check) == ("error", "raised")
    assert "vjp raised ZeroDivisionError: no luck (test_probe.py:" in failure.explanation


def test_a_forward_that_differs_from_vjp_in_size_is_named():
    report = gradcheck.check(subject(tanh, forward=lambda p: p["x"][:1], x=X.astype(np.float32)))
    assert report.failures[0].check == "forward"


def test_a_cotangent_of_the_wrong_size_is_refused():
    linear = Probe(subject(tanh, x=X)).linearize()
    with pytest.raises(ValueError, match=r"a cotangent of 6 entries, got shape=\(5,\)"):
        linear.pullback(np.ones(5))


def test_calls_are_counted_exactly():
    forwards, pullbacks = [], []

    def counted(primals):
        forwards.append(1)
        y, pullback = affine(primals)
        return y, lambda g: pullbacks.append(1) or pullback(g)

    rng = np.random.default_rng(0)
    primals = {"x": X, "w": rng.standard_normal((4, 3)), "b": rng.standard_normal(4)}
    for contracts, expected in [(False, (5, 2)), (True, (17, 14))]:
        forwards.clear(), pullbacks.clear()
        evaluations = gradcheck.check(subject(counted, **primals), contracts=contracts).subjects[0].evaluations
        assert (len(forwards), len(pullbacks)) == (evaluations.forward, evaluations.pullback) == expected


def test_the_calls_of_each_check_add_up():
    rng = np.random.default_rng(0)
    given = gradcheck.check(subject(affine, x=X, w=rng.standard_normal((4, 3)), b=rng.standard_normal(4))).subjects[0]
    assert sum(given.checks.values(), start=Evaluations()) == given.evaluations
    assert given.checks["gradient"] == Evaluations(5, 0), "the contracts asked both cotangents already"
    assert given.checks["alias"] == Evaluations(0, 0)


def test_a_subject_may_spoil_the_arrays_it_is_given():
    def spoiling(primals):
        y = np.tanh(primals["x"])
        primals["x"] *= 0

        def pullback(g):
            gradient = g * (1 - y * y)
            g *= 0
            return {"x": gradient}

        return y, pullback

    report = gradcheck.check(subject(spoiling, x=X))
    assert {failure.check for failure in report.failures} == {"mutation"}, "the gradient itself is right"


def test_a_buffer_that_is_used_again_does_not_fool_the_differences():
    buffer = np.empty_like(X)

    def reusing(primals):
        np.tanh(primals["x"], out=buffer)
        y = buffer.copy()
        return buffer, lambda g: {"x": g * (1 - y * y)}

    report = gradcheck.check(subject(reusing, x=X))
    assert {failure.check for failure in report.failures} == {"overwritten"}, "the gradient itself is right"


def test_several_outputs_and_a_scalar_output():
    def pair(primals):
        x = primals["x"]
        return (x**2, np.exp(x).sum(1)), lambda g: {"x": 2 * x * g[0] + np.exp(x) * g[1][:, None]}

    assert gradcheck.check(subject(pair, x=X)).passed
    assert gradcheck.check(subject(softmax_cross_entropy, x=X)).passed


def test_a_wrong_second_output_is_found_and_named():
    def pair(primals):
        x = primals["x"]
        return (x**2, np.exp(x)), lambda g: {"x": 2 * x * g[0]}

    report = gradcheck.check(subject(pair, x=X))
    assert report.verdict == "failed"


def test_a_vacuous_gradient_is_inconclusive():
    report = gradcheck.check(subject(relu(), x=-np.abs(X)))
    assert report.verdict == "inconclusive"
    assert "zero on both sides" in report.subjects[0].notes[0]
    assert report.subjects[0].vacuous == ("x",)


def test_a_layer_that_writes_to_its_arguments_is_given_copies():
    def spoiling(primals):
        primals["x"] *= 2
        x = primals["x"].copy()
        return x**2, lambda g: {"x": 4 * x * g}

    report = gradcheck.check(subject(spoiling, x=X), contracts=False)
    assert report.passed, str(report)


@pytest.mark.parametrize(("decades", "groups"), [(2.5, 1), (4.5, 2)])
def test_many_small_gradients_are_moved_together(decades, groups):
    """Those within four decades with the large ones, balanced; others together by themselves."""
    sizes = {f"p{k}": 10.0 ** -(decades * (k // 10)) for k in range(20)}
    rng = np.random.default_rng(0)
    start = {name: rng.standard_normal(4) for name in sizes}

    def scaled_sum(primals):
        y = sum(size * (primals[name] - start[name]) for name, size in sizes.items())
        return y, lambda g: {name: size * g for name, size in sizes.items()}

    given = gradcheck.check(subject(scaled_sum, **start), contracts=False)
    assert given.passed
    assert given.subjects[0].evaluations == Evaluations(5 + 2 * (groups - 1), 2), "one trial for each magnitude"


@pytest.mark.parametrize("wrong", ["p0", "p7", "p19"])
def test_a_small_wrong_gradient_among_many_is_found(wrong):
    sizes = {f"p{k}": 10.0 ** -(3 * (k // 5)) for k in range(20)}

    def scaled_sum(primals):
        y = sum(size * primals[name] for name, size in sizes.items())
        return y, lambda g: {name: size * g * (1.01 if name == wrong else 1) for name, size in sizes.items()}

    rng = np.random.default_rng(0)
    given = gradcheck.check(subject(scaled_sum, **{name: rng.standard_normal(4) for name in sizes}))
    assert {failure.primal for failure in given.failures} == {wrong}


@pytest.mark.parametrize("least", [1e-3, 1e-9, 1e-300])
def test_a_forward_that_refuses_what_lies_beside_the_point_is_not_blamed(least):
    def logarithm(primals, least=0.0):
        x = primals["x"]
        if (x <= 0).any() or (x < least * (1 - 1e-12)).any():
            raise ValueError("expected positive numbers")
        return np.log(x), lambda g: {"x": g / x}

    x = np.array([1.0, 2.0, least])
    assert gradcheck.check(subject(logarithm, x=x)).passed
    traits = [gradcheck.Trait("batch-separable", ("x",))]  # batches of other sizes come before the differences
    at_the_edge = gradcheck.check(subject(lambda primals: logarithm(primals, least), traits=traits, x=x))
    assert not at_the_edge.failures
    assert at_the_edge.verdict == "inconclusive"
    assert any("vjp raised ValueError: expected positive numbers" in note for note in at_the_edge.subjects[0].notes)
