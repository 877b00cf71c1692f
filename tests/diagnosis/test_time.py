"""A diagnosis ends in time, says so where it could not be made, and its calls are booked."""

import numpy as np
import pytest
from support.plain_layers import SHAPES, affine, plain_subject

import gradcheck
from gradcheck.diagnosis import differences, explanations
from gradcheck.diagnosis.explanations import diagnose
from gradcheck.diagnosis.observation import Draw
from gradcheck.kinds import find_kind
from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import planted
from gradcheck.runs.further_cases import subject_draws
from gradcheck.suites.suite import suite


class Clock:
    """A clock that moves when somebody says so."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(explanations, "SECONDS", 3.0)
    for module in (explanations, differences):
        monkeypatch.setattr(module, "time", made)
    return made


class Slow:
    """An affine layer that takes its time, counts its calls, and doubles the gradient of the weight."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds, self.forwards = clock, seconds, 0

    def __call__(self, primals):
        self.forwards += 1
        self.clock.now += self.seconds
        outputs, pullback = affine(primals)
        return outputs, lambda g: {**(d := pullback(g)), "w": 2 * d["w"] + np.roll(d["w"], 1)}


def slow_subject(layer):
    return gradcheck.Subject("slow", plain_subject(affine).primals, layer)


#: Forwards that all slopes of the layer take: two for each of its 31 entries.
ALL_SLOPES = 62


def test_slopes_that_take_too_long_are_not_taken(clock):
    layer = Slow(clock, 3.0 / ALL_SLOPES)
    found = diagnose(subject_draws(slow_subject(layer), 0))
    assert layer.forwards < 6
    assert found.wrong == ()
    assert "no cause was looked for" in found.note


def test_it_ends_at_its_deadline(clock):
    layer = Slow(clock, 1.0 / ALL_SLOPES)
    begun = clock.now
    found = diagnose(subject_draws(slow_subject(layer), 0))
    assert found.wrong == ("w",)
    assert found.causes == {}
    # What has begun is finished: not all slopes, which are given up, but a few calls.
    assert clock.now - begun < 3.0 + 10 * layer.seconds
    assert ALL_SLOPES < layer.forwards < 4 * ALL_SLOPES


def test_that_time_ran_out_is_told(clock):
    layer = Slow(clock, 1.0 / ALL_SLOPES)

    def draws():
        yield from subject_draws(slow_subject(layer), 0)
        clock.now += 10

    told = diagnose(draws()).descriptions["w"]
    assert "the error lies in every entry" in told
    assert "the search for a cause ended after 3 s" in told


def test_simpler_cases_are_asked_in_time_only(clock):
    layer = Slow(clock, 0.1)
    subject = slow_subject(layer)
    right = plain_subject(affine)
    asked = []

    def neighbours():
        for number in range(1000):
            asked.append(number)
            yield "", Draw(subject, number, right=right)

    found = diagnose([Draw(subject, 0, right=right)], neighbours=neighbours())
    assert found.wrong == ("w",)
    assert 5 < len(asked) < 20


def test_slopes_are_given_up_where_the_forward_becomes_slow(clock):
    class Tiring(Slow):
        def __call__(self, primals):
            self.seconds = 0.0 if self.forwards < 10 else 0.5
            return super().__call__(primals)

    layer = Tiring(clock, 0.0)
    assert "no cause was looked for" in diagnose(subject_draws(slow_subject(layer), 0)).note
    assert layer.forwards < 22


def test_a_table_that_would_be_too_large_is_not_made(monkeypatch):
    monkeypatch.setattr(differences, "ENTRIES", 100)

    def doubled(primals):
        outputs, pullback = affine(primals)
        return outputs, lambda g: {**(d := pullback(g)), "w": 2 * d["w"]}

    failure = gradcheck.check(plain_subject(doubled, SHAPES[affine])).failures[0]
    assert failure.cause is None
    assert "every slope of the forward" in failure.explanation
    assert "analytic = 2 × numeric in every entry" in failure.explanation


def test_calls_are_booked():
    calls = {"forward": 0, "pullback": 0}

    def counting(primals):
        calls["forward"] += 1
        outputs, pullback = affine(primals)

        def counted(g):
            calls["pullback"] += 1
            return {**(d := pullback(g)), "w": 2 * d["w"]}

        return outputs, counted

    report = gradcheck.check(plain_subject(counting, SHAPES[affine])).subjects[0]
    booked = report.checks["diagnosis"]
    assert booked.forward > ALL_SLOPES
    assert booked.pullback >= 2
    assert (report.evaluations.forward, report.evaluations.pullback) == (calls["forward"], calls["pullback"])
    assert sum(spent.forward for spent in report.checks.values()) == calls["forward"]


def test_calls_of_a_suite_are_booked():
    kind = find_kind("affine")
    double = GENERIC[0]
    wrong = suite("affine", lambda config, primals: planted(double, kind.build(config, primals), config, "weight"))
    report = gradcheck.check(wrong, examples=0).subjects[0]
    assert report.failures[0].cause == double.slug
    assert report.checks["diagnosis"].pullback >= 2
