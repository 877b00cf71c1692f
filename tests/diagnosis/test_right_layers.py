"""Right layers: nothing is explained, and a check that passes asks the diagnosis nothing."""

from dataclasses import replace

import numpy as np
import pytest
from support.plain_layers import SHAPES, plain_subject

import gradcheck
from gradcheck import campaign
from gradcheck.diagnosis import explanations
from gradcheck.diagnosis.explanations import Diagnosis, diagnose
from gradcheck.kinds import KINDS, find_kind
from gradcheck.runs import Options
from gradcheck.runs.further_cases import case_draws, subject_draws
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.suite import suite

SEED = 5


@pytest.fixture
def no_diagnosis(monkeypatch):
    """Let every call of the diagnosis fail the test."""

    def refuse(*_, **__):
        pytest.fail("the diagnosis was asked")

    monkeypatch.setattr("gradcheck.runs.causes.diagnose", refuse)


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_wrong_with_the_reference_layers(name):
    right = suite(name)
    mutants = find_kind(name).mutants
    for draw in case_draws(right, corner_cases(right, SEED)):
        found = diagnose([replace(draw, right=draw.subject)], mutants)
        assert (found.wrong, found.causes, found.descriptions) == ((), {}, {}), draw.config


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_wrong_with_them_by_differences(name, monkeypatch):
    monkeypatch.setattr(explanations, "SECONDS", 0.3)  # of a large layer nobody knows what is right
    right = suite(name)
    usual = [case for case in corner_cases(right, SEED) if case.regime == find_kind(name).regimes[0]]
    for draw in case_draws(right, usual[:3]):
        assert diagnose([draw], find_kind(name).mutants).wrong == (), draw.config


def test_what_rounding_hides_is_not_wrong():
    """The gradient of a mean of large squares at tiny entries is less than the rounding of its differences."""
    far = np.full(40, 1e6)

    def mean_square(primals):
        return np.asarray(np.mean((primals["x"] + far) ** 2)), lambda g: {"x": g * 2 * (primals["x"] + far) / 40}

    x = 1e-4 * np.random.default_rng(0).standard_normal(40)
    assert diagnose(subject_draws(gradcheck.Subject("far", {"x": x}, mean_square), SEED)).wrong == ()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("layer", SHAPES, ids=lambda layer: layer.__name__)
def test_nothing_is_wrong_with_plain_subjects(layer, dtype):
    subject = plain_subject(layer)
    subject = subject.with_primals({name: array.astype(dtype) for name, array in subject.primals.items()})
    found = diagnose(subject_draws(subject, SEED))
    assert (found.wrong, found.causes, found.descriptions) == ((), {}, {})


def relu(primals):
    return np.maximum(primals["x"], 0), lambda g: {"x": g * (primals["x"] > 0)}


def absolute(primals):
    return np.abs(primals["x"]), lambda g: {"x": g * np.sign(primals["x"])}


def maximum(primals):
    """Give the gradient of the maximum of each row to its first place."""
    x = primals["x"]
    first = np.arange(x.shape[1]) == x.argmax(axis=1)[:, None]
    return x.max(axis=1), lambda g: {"x": g[:, None] * first}


@pytest.mark.parametrize("layer", [relu, absolute, maximum])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("x", [np.zeros((3, 4)), np.ones((3, 4)), np.eye(3, 4) - np.eye(3, 4)[::-1]])
def test_nothing_is_wrong_at_zeros_and_ties(layer, dtype, x):
    found = diagnose(subject_draws(gradcheck.Subject("kinked", {"x": x.astype(dtype)}, layer), SEED))
    assert (found.wrong, found.causes, found.descriptions) == ((), {}, {})


def test_a_subject_that_passes_is_not_diagnosed(no_diagnosis):
    report = gradcheck.check(plain_subject(next(iter(SHAPES))))
    assert report.verdict == "passed"
    assert "diagnosis" not in report.subjects[0].checks


def test_a_suite_that_passes_is_not_diagnosed(no_diagnosis):
    report = campaign.run([suite("affine")], Options(examples=10))
    assert report.verdict == "passed"
    assert "diagnosis" not in report.subjects[0].checks


def test_a_failure_that_is_none_of_values_is_not_diagnosed(no_diagnosis):
    def lending(primals):
        return primals["x"] * 2.0, lambda g: {"x": np.multiply(g, 2.0, out=g)}

    report = gradcheck.check(gradcheck.Subject("lending", {"x": np.ones(3)}, lending))
    assert report.verdict == "failed"
    assert {failure.check for failure in report.failures} == {failure.cause for failure in report.failures}


def test_nothing_is_known_of_a_layer_that_raises():
    def broken(primals):
        raise RuntimeError("no")

    assert diagnose(subject_draws(gradcheck.Subject("broken", {"x": np.ones(3)}, broken), SEED)).wrong == ()
    assert diagnose([]) == Diagnosis()
