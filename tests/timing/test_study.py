"""The ε-study against functions whose errors are known for every ε."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_schemas import closed, packaged

import gradcheck
from gradcheck.reports.study_report import StudyReport
from gradcheck.study import EPSILONS, StudyOptions, study, study_items

SCHEMA = closed(packaged("study_schema.json"))


def elementwise(function, derivative, x, name="f", dtype=np.float64):
    """Return ``y = function(x)`` entry by entry as a subject."""

    def vjp(primals):
        array = primals["x"]
        return function(array), lambda cotangent: {"x": (derivative(array) * cotangent).astype(array.dtype)}

    return gradcheck.Subject(name, {"x": np.array(x, dtype)}, vjp)


def square(x):
    return elementwise(lambda a: a**2, lambda a: 2 * a, x)


def relu(x):
    return elementwise(lambda a: np.maximum(a, 0), lambda a: (a > 0).astype(a.dtype), x)


def error(found, epsilon, scheme="central", dtype="float64"):
    return found.curve(dtype, scheme).errors[EPSILONS.index(epsilon)]


# What theory says


@pytest.mark.parametrize("epsilon", [1.0, 0.5, 0.1, 1e-3])
def test_a_square_is_exact_in_the_middle_and_off_by_epsilon_at_the_side(epsilon):
    found = study(square([1.0]))
    assert error(found, epsilon) < 2e-16 / epsilon
    assert error(found, epsilon, "one-sided") == pytest.approx(epsilon / 2, rel=1e-9)  # (2 + ε - 2)/2


@pytest.mark.parametrize("epsilon", [1.0, 0.5, 0.1, 1e-3])
def test_a_cube_is_off_by_epsilon_squared(epsilon):
    found = study(elementwise(lambda a: a**3, lambda a: 3 * a**2, [1.0]))
    assert 3 * error(found, epsilon) == pytest.approx(epsilon**2, rel=1e-6)
    assert 3 * error(found, epsilon, "one-sided") == pytest.approx(3 * epsilon + epsilon**2, rel=1e-6)


def test_slopes_and_best_steps_are_those_predicted():
    found = study(elementwise(np.exp, np.exp, np.linspace(-1, 1, 9)))
    for scheme, order, power in (("one-sided", 1, 1 / 2), ("central", 2, 1 / 3)):
        curve = found.curve("float64", scheme)
        assert curve.predicted.order == order
        assert curve.predicted.truncation == pytest.approx({1: 1 / 2, 2: 1 / 6}[order], rel=1e-4)
        assert curve.truncation_slope == pytest.approx(order, abs=0.05)
        assert curve.rounding_slope == pytest.approx(-1, abs=0.1)
        assert 0.1 < curve.best_epsilon / curve.predicted.epsilon < 10
        assert 0.1 < curve.best_epsilon / 2.0 ** (-53 * power) < 10
        assert 0.03 < curve.best_error / curve.predicted.error < 3


@settings(max_examples=10)
@given(st.lists(st.floats(0.25, 4), min_size=1, max_size=4), st.integers(0, 99))
def test_errors_lie_about_where_they_are_predicted(x, seed):
    found = study(elementwise(np.sin, np.cos, x), StudyOptions(seed))
    scale = np.sqrt(np.mean(np.cos(x) ** 2))
    for curve in found.curves[:2]:
        for epsilon, came in zip(EPSILONS, curve.errors, strict=True):
            if epsilon <= 0.1:  # the first terms alone were predicted
                assert came <= 6 * curve.predicted.at(epsilon) + epsilon ** (curve.predicted.order + 1) / scale


def test_lower_precision_has_larger_steps_and_errors():
    found = study(elementwise(np.exp, np.exp, np.linspace(-1, 1, 9)))
    for scheme in ("one-sided", "central"):
        steps, errors = zip(*((c.best_epsilon, c.best_error) for c in found.curves if c.scheme == scheme), strict=True)
        assert sorted(steps) == list(steps)
        assert sorted(errors) == list(errors)


def test_a_linear_layer_is_exact_with_the_steps_of_the_articles():
    (found,) = study_items([gradcheck.suite("affine")]).subjects
    assert max(error(found, epsilon, scheme) for epsilon in (0.5, 0.1) for scheme in ("one-sided", "central")) < 1e-13
    assert found.curve("float64", "central").predicted.truncation == 0
    assert found.curve("float64", "central").predicted.epsilon is None
    assert found.curve("float64", "central").truncation_slope is None
    assert found.notes[0].startswith("the outputs are linear in each entry: relative error ")


def test_a_curved_layer_is_not():
    (found,) = study_items([gradcheck.suite("softmax_cross_entropy")]).subjects
    assert error(found, 0.5) > 5e-3
    assert error(found, 0.5) / error(found, 0.1) == pytest.approx(25, rel=0.2)
    assert found.notes[0].startswith("the outputs are curved: relative error ")


# Kinks


def test_a_kink_is_seen_from_the_step_on_that_reaches_it():
    found = study(relu([0.03, -0.003, 2.5, -3.0]))
    shares = dict(zip(EPSILONS, found.kinks.shares, strict=True))
    assert (shares[0.002], shares[0.005], shares[0.02], shares[0.05], shares[1.0]) == (0, 0.25, 0.25, 0.5, 0.5)
    k = EPSILONS.index(0.01)
    assert found.kinks.errors_with[k] > 1e-2
    assert found.kinks.errors_without[k] < 1e-13
    k = EPSILONS.index(0.002)
    assert found.kinks.errors_with[k] is None
    assert found.notes[0].startswith("the outputs are linear in each entry between kinks: relative error ")
    assert any(note.startswith("within ε = 0.001 no entry has a kink") for note in found.notes)


def test_a_kink_at_the_point_is_within_every_step():
    assert set(study(relu([0.0])).kinks.shares[: EPSILONS.index(1e-6)]) == {1.0}


@settings(max_examples=10)
@given(st.floats(0.1, 3), st.floats(-2, 2))
def test_curvature_is_not_taken_for_a_kink(rate, x):
    found = study(elementwise(lambda a: np.tanh(rate * a), lambda a: rate / np.cosh(rate * a) ** 2, [x]))
    assert not any(found.kinks.shares)


# What is odd is told


def test_errors_against_a_wrong_gradient_are_doubted():
    found = study(elementwise(lambda a: a**2, lambda a: 3 * a, [1.0, 2.0]))
    assert found.verdict == "failed"
    assert any("not known to be right" in note for note in found.notes)


def test_a_precision_that_a_layer_refuses_has_no_curve():
    def choosy(a):
        if a.dtype == np.float16:
            raise TypeError("no float16 here")
        return a**2

    found = study(elementwise(choosy, lambda a: 2 * a, [1.0]))
    assert {curve.dtype for curve in found.curves} == {"float64", "float32"}
    assert any(note.startswith("there is no float16 curve: ") and "no float16 here" in note for note in found.notes)


def test_a_gradient_of_zero_is_told():
    note = "the gradient of all drawn entries is zero, so that errors are absolute"
    assert note in study(relu([-2.0, -3.0])).notes
    assert note not in study(relu([2.0, -3.0])).notes


def test_outputs_of_another_precision_are_told():
    found = study(elementwise(lambda a: a.astype(np.float64) ** 2, lambda a: 2 * a, [1.0]))
    assert "the outputs are float64 although the primals are float16" in found.notes


def test_what_cannot_be_studied_is_told_and_ends_nothing():
    def breaks(a):
        raise RuntimeError("no such luck")

    broken, found = study_items([elementwise(breaks, breaks, [1.0], "broken"), square([1.0])]).subjects
    assert (broken.verdict, broken.curves) == ("error", ())
    assert "no such luck" in broken.notes[0]
    assert found.curves


def test_entries_are_drawn_from_every_primal_and_no_more_than_there_are():
    (few,) = study_items([gradcheck.suite("affine")], StudyOptions(entries=3)).subjects
    assert (few.sampled, few.entries) == (3, 400)
    assert study(square([1.0, 2.0])).sampled == 2
    with pytest.raises(ValueError, match="got entries=0"):
        StudyOptions(entries=0)


def test_a_layer_that_adds_its_gradients_up_is_set_to_zero_before_each():
    total = np.zeros(1)

    def vjp(primals):
        def pullback(cotangent):
            total[...] += 2 * primals["x"] * cotangent
            return {"x": total}

        return primals["x"] ** 2, pullback

    found = study(gradcheck.Subject("adds", {"x": np.ones(1)}, vjp, traits=[gradcheck.Trait("accumulates")]))
    assert found.verdict == "passed"
    assert error(found, 0.5) < 1e-15


# Records


def test_a_report_is_valid_and_read_as_it_was_written():
    report = study_items([relu([0.5, -2.0]), gradcheck.suite("softmax_cross_entropy")], StudyOptions(7, 4))
    data = json.loads(report.to_json())
    jsonschema.validate(data, SCHEMA)
    assert StudyReport.from_dict(data) == report


def test_a_study_that_failed_is_valid_too():
    def breaks(a):
        raise RuntimeError("no such luck")

    report = study_items([elementwise(breaks, breaks, [1.0])])
    jsonschema.validate(report.to_dict(), SCHEMA)
    assert StudyReport.from_dict(report.to_dict()) == report


def test_another_schema_is_refused():
    with pytest.raises(ValueError, match=r"expected \$ to have the field 'study', got schema"):
        StudyReport.from_dict({"schema": 1})
    with pytest.raises(ValueError, match=r"expected \$.study to be 1, the only schema .*, got 2"):
        StudyReport.from_dict({"study": 2})
