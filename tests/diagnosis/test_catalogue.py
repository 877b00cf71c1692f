"""Mistakes of the catalogue, planted into reference layers: the cause that is named is the one that was planted."""

import numpy as np

from gradcheck.diagnosis.observation import Draw, observe
from gradcheck.kinds import KINDS, find_kind
from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import planted
from gradcheck.records.run_record import Failure, SubjectReport
from gradcheck.runs import Options, explain_case
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.suite import suite

#: Cases, values and the mistakes that are planted follow from it; it is not that of any benchmark.
SEED = 20_261_121
#: So many cases of each kind are looked at.
CASES = 8
NEEDED = 0.95


def answers(kind, count, rng):
    """Return some corner cases of a kind, with the right answers."""
    right = suite(kind.name)
    cases = list(corner_cases(right, SEED))
    chosen = (cases[int(number)] for number in rng.permutation(len(cases))[:count])
    made = ((case, observe(Draw(right.subject(case), case.seed, case.config, right.subject(case)))) for case in chosen)
    return [(case, answer) for case, answer in made if answer is not None]


def shows(mutant, answer):
    """Return the primals whose gradient a mistake certainly changes."""
    made = answer.predicted(mutant)
    return [name for name, array in made.items() if answer.apart(array, answer.right[name], name)]


def cause(kind, mutant, primal, case):
    """Return what is named for a layer with a mistake in one gradient."""
    wrong = suite(kind.name, lambda config, primals: planted(mutant, kind.build(config, primals), config, primal))
    found = SubjectReport(kind.name, verdict="failed", failures=(Failure("gradient", case.id, "", primal),))
    return explain_case(found, wrong, case, Options(seed=SEED)).failures[0].cause


def same_gradients(kind, one, slug, primal, asked):
    """Whether a mistake of another name leads to the same gradient wherever it was asked."""
    others = [mutant for mutant in (*kind.mutants, *GENERIC) if mutant.slug == slug]
    known = [answer for _, answer in asked if primal in answer.right]
    return bool(others) and all(
        answer.same(*(answer.predicted(m).get(primal, answer.right[primal]) for m in (one, others[0])), primal)
        for answer in known
    )


def result(kind, asked, rng):
    """Return a mistake, a case that shows it, and a primal whose gradient is wrong there."""
    faults = [one for one in (*kind.mutants, *GENERIC) if not one.convention and not one.equivalent]
    while True:
        mutant = faults[int(rng.integers(len(faults)))]
        for case, answer in asked:
            if changed := shows(mutant, answer):
                return mutant, case, changed[int(rng.integers(len(changed)))]


def test_nearly_every_cause_is_named():
    rng = np.random.default_rng(SEED)
    confused = []
    for name in KINDS:
        kind = find_kind(name)
        asked = answers(kind, CASES, rng)
        mutant, case, primal = result(kind, asked, rng)
        told = cause(kind, mutant, primal, case)
        if told != mutant.slug and not same_gradients(kind, mutant, told, primal, asked):
            confused.append((name, mutant.slug, primal, told, case.config))
    assert len(confused) <= (1 - NEEDED) * len(KINDS), confused
