"""A failure holds what is to be drawn of it where that was asked for, and it is the truth."""

from __future__ import annotations

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_schemas import closed, packaged

import gradcheck
from gradcheck.reports.run_report import report_from_json


def sine(x: np.ndarray, wrong: np.ndarray) -> gradcheck.Subject:
    """The sine, with a gradient that is off by one where `wrong` says so."""

    def vjp(primals):
        x = primals["x"]
        return np.sin(x), lambda g: {"x": g * np.cos(x) + wrong.astype(x.dtype)}

    return gradcheck.Subject("sine", {"x": x}, vjp)


def failure_of(subject: gradcheck.Subject, **options):
    """Return the one failure of a check of the gradient alone."""
    (failure,) = gradcheck.check(subject, contracts=False, pictures=True, **options).failures
    return failure


@st.composite
def places(draw):
    """Shapes, and one index in each."""
    shape = draw(st.lists(st.integers(1, 5), max_size=4).map(tuple) | st.tuples(st.integers(1, 3), st.just(40)))
    return shape, tuple(draw(st.integers(0, length - 1)) for length in shape)


@settings(max_examples=25, deadline=None)
@given(places(), st.integers(0, 99))
def test_the_plane_goes_through_the_worst_entry(place, seed):
    shape, index = place
    x = np.random.default_rng(seed).uniform(0.2, 1.2, shape)
    wrong = np.zeros(shape)
    wrong[index] = 1.0
    failure = failure_of(sine(x, wrong))
    picture = failure.picture
    assert failure.index == index
    assert picture.shape == shape
    extents = dict(
        zip(picture.axes, np.shape(picture.numeric)[-len(picture.axes) :] if picture.axes else (), strict=True)
    )
    window = tuple(slice(start, start + extents.get(axis, 1)) for axis, start in enumerate(picture.corner))
    rows = np.shape(picture.numeric)
    assert max(rows) <= 32
    off = np.array(picture.analytic) - np.array(picture.numeric)
    assert off == pytest.approx(wrong[window].reshape(rows), abs=1e-6)
    assert ((np.abs(off) > np.array(picture.error_bar)) == (wrong[window].reshape(rows) > 0)).all()
    assert off.max() == pytest.approx(1.0, abs=1e-6)


def test_of_a_long_gradient_the_surroundings_of_the_worst_entry_are_shown():
    wrong = np.zeros((3, 50, 70))
    wrong[1, 49, 35] = 1.0
    picture = failure_of(sine(np.full(wrong.shape, 0.5), wrong)).picture
    assert (picture.axes, picture.corner, np.shape(picture.numeric)) == ((1, 2), (1, 42, 31), (8, 8))
    assert np.argwhere(np.abs(np.subtract(picture.analytic, picture.numeric)) > 0.5).tolist() == [[7, 4]]


def test_the_curve_is_the_error_of_the_central_difference():
    x = np.array([0.7, 0.9])
    failure = failure_of(sine(x, np.array([0.0, 1.0])))
    steps, differences = np.array(failure.picture.steps), np.array(failure.picture.differences)
    assert (np.diff(steps) < 0).all()
    ratio = differences[:4] / failure.numeric
    assert ratio == pytest.approx(np.sin(steps[:4]) / steps[:4], rel=1e-6)
    assert abs(ratio[-1] - 1) < 0.1 < abs(differences[0] / failure.numeric - 1)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_low_precision_has_pictures_too(dtype):
    failure = failure_of(sine(np.full((2, 3), 0.5), np.eye(2, 3)), dtype=dtype)
    assert np.shape(failure.picture.numeric) == (2, 3)
    assert np.isfinite(failure.picture.differences).all()


def test_nothing_is_drawn_that_was_not_asked_for():
    wrong = sine(np.full(3, 0.5), np.array([0.0, 1.0, 0.0]))
    with_pictures, without = (gradcheck.check(wrong, pictures=pictures) for pictures in (True, False))
    assert without.failures[0].picture is None
    spent = [report.subjects[0].evaluations.forward for report in (with_pictures, without)]
    assert spent[0] == spent[1] + 30
    assert with_pictures.subjects[0].checks["gradient"].forward == without.subjects[0].checks["gradient"].forward + 30


def test_a_right_gradient_costs_nothing_more():
    right = sine(np.full(3, 0.5), np.zeros(3))
    spent = [gradcheck.check(right, pictures=pictures).subjects[0].evaluations for pictures in (True, False)]
    assert spent[0] == spent[1]


def test_a_suite_keeps_the_pictures_of_its_smallest_case(schema):
    def build(config, primals):
        def vjp(primals):
            x = primals["x"]
            return np.maximum(x, 0), lambda g: {"x": 1.5 * g * (x > 0)}

        return gradcheck.Subject("relu", primals, vjp)

    report = gradcheck.check(gradcheck.suite("relu", build), examples=3, pictures=True)
    pictures = [failure.picture for failure in report.failures if failure.check == "gradient"]
    assert pictures
    assert None not in pictures
    jsonschema.validate(report.to_dict(), schema)
    assert report_from_json(report.to_json()) == report


@pytest.fixture
def schema():
    """Return the schema of reports."""
    return closed(packaged("schema.json"))
