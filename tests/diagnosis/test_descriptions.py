"""What is told of an error without a cause is true, and what a diagnosis makes of failures."""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import gradcheck
from gradcheck.diagnosis.explanations import Cause, Diagnosis, diagnose
from gradcheck.diagnosis.words import explained
from gradcheck.records.run_record import CaseId, Failure
from gradcheck.runs.further_cases import subject_draws

CASE = CaseId(None, {}, None, 0)


def wrong_at(mask, factors):
    """Return y = x² with a gradient that is multiplied by other numbers where a mask says so."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 2, mask.shape) * rng.choice([-1, 1], mask.shape)
    return gradcheck.Subject(
        "square", {"x": x}, lambda p: (p["x"] ** 2, lambda g: {"x": 2 * p["x"] * g * np.where(mask, factors, 1)})
    )


def named_entries(told, x, right):
    """Return the entries that a description names; None where it names no set."""
    indices = np.indices(x.shape)
    named = np.zeros(x.shape, bool)
    if "in every entry" in told:
        return np.ones(x.shape, bool)
    if found := re.search(r"in (\d+) of (\d+) entries: ([^;…]*)(…?)", told):
        places = re.findall(r"\[([\d, ]+)\]", found[3])
        for place in places:
            named[tuple(map(int, place.split(",")))] = True
        return None if found[4] else named
    if found := re.search(r"(?:at|in) (all but )?(?:the )?(.*?)(?: of \d+)? along axis (\d+)", told):
        along, size = indices[int(found[3])], x.shape[int(found[3])]
        ends = {"first entry": [0], "last entry": [size - 1], "first and the last entry": [0, size - 1]}
        numbers = list(map(int, re.findall(r"\d+", found[2])))
        listed = range(numbers[0], numbers[1] + 1) if " to " in found[2] else numbers
        named = np.isin(along, ends.get(found[2], list(listed)))
        return None if "…" in found[2] else named ^ bool(found[1])
    sets = {
        "along the border": np.any(
            [(k == 0) | (k == n - 1) for k, n in zip(indices[2:], x.shape[2:], strict=True)], axis=0
        ),
        "`x` is negative": x < 0,
        "`x` is positive": x > 0,
        "gradient is negative": right < 0,
        "gradient is positive": right > 0,
    }
    return next(members for words, members in sets.items() if words in told)


@settings(max_examples=80, deadline=None)
@given(
    array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4).flatmap(lambda shape: arrays(bool, shape)), st.data()
)
@example(np.eye(4, dtype=bool), None)
@example(np.arange(6) > 2, None)
@example(np.pad(np.zeros((2, 3, 2, 2), bool), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=True), None)
def test_every_wrong_entry_is_where_the_error_is_said_to_lie(mask, data):
    factors = np.random.default_rng(1).uniform(2, 3, mask.shape)
    subject = wrong_at(mask, factors)
    found = diagnose(subject_draws(subject, 0))
    if not mask.any() or mask.size < 2 or found.causes:
        assert found.wrong == (("x",) if mask.any() else ())
        return
    told = found.descriptions["x"]
    assert told.startswith("the error lies")
    rng = np.random.default_rng([0, 7])  # the upstream gradient of the failing case
    x = subject.primals["x"]
    named = named_entries(told, x, 2 * x * rng.standard_normal(x.shape))
    assert named is None or not (mask & ~named).any(), told


def failures(*checks):
    return [Failure(check, CASE, f"{check} says so", primal) for check, primal in checks]


BOTH = Diagnosis(("x", "w"), {"x": Cause("a", "it is a"), "w": Cause("b", "it is b")})
ALIKE = Diagnosis(("x", "w"), {"x": Cause("a", "it is a"), "w": Cause("a", "it is a")})
NONE = Diagnosis(("x",), {}, {"x": "the error lies there"})


@pytest.mark.parametrize(
    ("diagnosis", "check", "primal", "cause", "explanation"),
    [
        (BOTH, "gradient", "x", "a", "it is a; gradient says so"),
        (BOTH, "gradient", None, None, "gradient says so"),
        (ALIKE, "law:euler", None, "a", "it is a; law:euler says so"),
        (NONE, "gradient", "x", None, "gradient says so; the error lies there"),
        (NONE, "gradient", "w", None, "gradient says so"),
        (NONE, "zero-for-zero", "x", "zero-for-zero", "zero-for-zero says so; the error lies there"),
        (BOTH, "layout", "x", "layout", "layout says so"),
        (BOTH, "raised", None, None, "raised says so"),
        (Diagnosis(note="too large"), "gradient", "x", None, "gradient says so; too large"),
    ],
)
def test_a_failure_gets_the_cause_of_its_primals(diagnosis, check, primal, cause, explanation):
    (one,) = explained(failures((check, primal)), diagnosis)
    assert (one.cause, one.explanation) == (cause, explanation)


def test_what_may_have_made_a_value_wrong_comes_before_it_and_what_it_breaks_last():
    told = explained(failures(("batch-order", "x"), ("alias", None), ("mutation", None), ("gradient", "x")), BOTH)
    assert [one.check for one in told] == ["mutation", "gradient", "alias", "batch-order"]


def test_a_ratio_is_not_told_twice():
    failure = Failure("gradient", CASE, "analytic = 2 × numeric in every entry", "x")
    assert explained([failure], BOTH)[0].explanation == "it is a"
