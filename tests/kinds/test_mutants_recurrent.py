"""The mistakes of recurrent layers: their walk back is right as long as it does not slip, and each of them is one."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from gradcheck.mutants.by_kind.through_time_mutants import Slips, walked
from gradcheck.mutants.mutant import Question
from gradcheck.records.run_record import CaseId, Failure, SubjectReport
from gradcheck.reports.json import report_to_json
from gradcheck.reports.run_report import Report, report_from_json
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import suite
from reference_layers import GRU, LSTM, RNN

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
#: Rows of the catalogue of mistakes that recurrent layers were seen to make.
KNOWN = {
    *("state-not-handed-back", "truncated-after-one-step", "recurrent-weight-not-transposed"),
    *("weight-hh-from-current-state", "weight-hh-without-first-step", "biases-last-step-only"),
    *("initial-state-not-reached", "last-output-only", "input-gradient-reversed-in-time"),
    *("reverse-direction-overwrites", "biases-counted-twice", "final-state-left-out", "layers-below-not-reached"),
}
OWN = {
    "rnn": {"slope-from-state-before"},
    "lstm": {"final-cell-left-out", "gates-ordered-ifog", "cell-state-not-handed-back", "forget-gate-not-applied"},
    "gru": {"reset-gate-not-applied", "reset-gate-on-input", "reset-gate-no-gradient", "shares-exchanged"},
}


def question(case):
    """Return what a right layer is asked in a case, and what it answers."""
    subject = suite(case.kind.name).subject(case)
    outputs, pullback = subject.vjp(subject.primals)
    rng = np.random.default_rng(case.seed)
    upstream = tuple(rng.standard_normal(array.shape) for array in outputs)
    return Question(case.config, subject.primals, outputs, upstream, dict(pullback(upstream)), subject.vjp)


@cache
def corners(name):
    """Return the questions of all corners, of ordinary values."""
    return [question(case) for case in corner_cases(suite(name), 0) if case.regime == "normal"]


def changed(mutant, asked):
    """Return the primals whose gradients the mistake changes."""
    wrong = mutant.gradients(asked)
    return {name for name, array in wrong.items() if not equal(array, asked.gradients[name])}


def equal(wrong, right):
    return wrong.shape == right.shape and np.abs(wrong - right).max() <= 1e-9 * np.abs(right).max()


@pytest.mark.parametrize("name", LAYERS)
@given(data=st.data())
def test_a_walk_that_does_not_slip_is_right(name, data):
    kind = KINDS[name]
    config = data.draw(kind.configs().filter(lambda config: config.batch > 0))
    asked = question(Case(kind, config, data.draw(st.sampled_from(kind.regimes)), data.draw(st.integers(0, 99))))
    found = walked(LAYERS[name])(asked)
    assert found.keys() == asked.gradients.keys()
    for primal, gradient in found.items():
        scale = np.abs(asked.gradients[primal]).max()
        np.testing.assert_allclose(gradient, asked.gradients[primal], rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize(("name", "slug"), [(name, m.slug) for name in LAYERS for m in KINDS[name].mutants])
def test_every_mutant_changes_a_gradient(name, slug):
    (mutant,) = (mutant for mutant in KINDS[name].mutants if mutant.slug == slug)
    assert any(changed(mutant, asked) for asked in corners(name))


@pytest.mark.parametrize("name", LAYERS)
def test_known_mutants_are_there(name):
    assert {mutant.slug for mutant in KINDS[name].mutants} >= KNOWN | OWN[name]


#: Mistakes of one direction, layer or time step among several, and where they cannot be made.
ELSEWHERE = {
    "reverse-direction-overwrites": lambda config: not config.bidirectional,
    "upstream-of-directions-exchanged": lambda config: not config.bidirectional,
    "layers-below-not-reached": lambda config: config.num_layers == 1,
    "first-layer-for-all": lambda config: config.num_layers == 1,
    "truncated-after-one-step": lambda config: config.steps == 1,
    "last-output-only": lambda config: config.steps == 1,
    "biases-counted-twice": lambda config: not config.bias,
}


@pytest.mark.parametrize("slug", ELSEWHERE)
@pytest.mark.parametrize("name", LAYERS)
def test_a_mutant_is_none_where_it_cannot_be_made(name, slug):
    (mutant,) = (mutant for mutant in KINDS[name].mutants if mutant.slug == slug)
    for asked in corners(name):
        assert bool(changed(mutant, asked)) != ELSEWHERE[slug](asked.config)


def test_truncation_leaves_the_last_steps_as_they_are():
    """By hand: h_t = x_t + h_{t−1}, so that each x receives its own upstream gradient and all later ones."""
    config = KINDS["rnn"].config(1, 4, 1, 1, bias=False, nonlinearity="relu")
    one = np.ones((1, 1))
    primals = {"x": np.ones((4, 1, 1)), "h0": np.ones((1, 1, 1)), "weight_ih_l0": one, "weight_hh_l0": one}
    upstream = np.array([1.0, 10.0, 100.0, 1000.0]).reshape(4, 1, 1), np.zeros((1, 1, 1))
    asked = Question(config, primals, None, upstream, {}, None)
    assert walked(RNN)(asked)["x"].ravel().tolist() == [1111, 1110, 1100, 1000]
    cut = walked(RNN, Slips(truncated=True))(asked)
    assert cut["x"].ravel().tolist() == [11, 110, 1100, 1000]
    assert cut["h0"].item() == 1


_PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"
_, _, _RETIRED = _PAGE.read_text(encoding="utf-8").partition("## Retired slugs")
#: Slug and kind of each mutant that the page lists as retired.
RETIRED = [
    (slug, kind)
    for slugs, kinds in re.findall(r"^\| (`.*?) \| ([a-z, ]+) \|", _RETIRED, re.MULTILINE)
    for slug in re.findall(r"`([\w-]+)`", slugs)
    for kind in kinds.split(", ")
]


def test_retired_slugs_are_planted_no_more():
    assert len(RETIRED) == 63
    planted = {(mutant.slug, name) for name in LAYERS for mutant in KINDS[name].mutants}
    assert planted.isdisjoint(RETIRED)


@pytest.mark.parametrize("slug", dict.fromkeys(slug for slug, _ in RETIRED))
def test_reports_with_a_retired_slug_are_read(slug):
    failure = Failure("gradient", CaseId("lstm", {}, "normal", 0), "a sentence", "x", cause=slug)
    report = Report(0, (SubjectReport("lstm", "lstm", "failed", failures=(failure,)),))
    assert report_from_json(report_to_json(report)).subjects[0].failures[0].cause == slug
