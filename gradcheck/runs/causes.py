"""The causes of failures: other cases are asked, which takes more of somebody's code than the case itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.diagnosis.explanations import Diagnosis, diagnose
from gradcheck.diagnosis.words import explained, is_about_values
from gradcheck.records.run_record import Evaluations, SubjectReport
from gradcheck.runs.further_cases import case_draws, neighbours, subject_draws, with_other_seeds
from gradcheck.runs.plan import Options
from gradcheck.subject import Subject
from gradcheck.suites.cases import corner_cases, draw_cases, is_valid
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, DrawnCase, Suite

#: So many cases beside the corner cases are asked for the cause of a failure.
_FURTHER_CASES = 30


def explain_subject(report: SubjectReport, subject: Subject, seed: int) -> SubjectReport:
    """Return the report of a subject with the causes of its failures."""
    return _told(report, diagnose(subject_draws(subject, seed)) if _has_wrong_values(report) else Diagnosis())


def explain_case(report: SubjectReport, suite: Suite, case: AnyCase, options: Options) -> SubjectReport:
    """Return the report of one case of a suite with the causes of its failures, for which further cases are asked."""
    if not _has_wrong_values(report):
        return _told(report, Diagnosis())
    precision = None if options.dtype is None else np.dtype(options.dtype)
    if isinstance(case, DrawnCase):
        return _told(report, diagnose(subject_draws(suite.subject(case, precision), case.seed)))
    usual, unusual = _further_cases(suite, case, options.seed + 1)
    found = diagnose(
        case_draws(suite, [*with_other_seeds(case), *usual], precision),
        case.kind.mutants,
        case_draws(suite, unusual, precision),
        neighbours(suite, case, lambda config: is_valid(suite, config), precision),
    )
    return _told(report, found)


def _further_cases(suite: Suite, case: Case, seed: int) -> tuple[list[Case], list[Case]]:
    """Return cases of other configurations, with usual values and with ties, zeros and the like."""
    usual = case.kind.regimes[0]
    corners = list(corner_cases(suite, seed))
    drawn = [one for one in draw_cases(suite, _FURTHER_CASES, seed) if isinstance(one, Case)]
    return (
        [*(one for one in corners if one.regime == usual), *(replace(one, regime=usual) for one in drawn)],
        [*(one for one in corners if one.regime != usual), *(one for one in drawn if one.regime != usual)],
    )


def _has_wrong_values(report: SubjectReport) -> bool:
    """Whether a failure is about a value: causes of others are known from the check that failed."""
    return any(map(is_about_values, report.failures))


def _told(report: SubjectReport, found: Diagnosis) -> SubjectReport:
    """Return a report with what a diagnosis found, and its calls."""
    asked = {"diagnosis": found.evaluations} if found.evaluations != Evaluations() else {}
    return replace(
        report,
        failures=explained(report.failures, found),
        evaluations=report.evaluations + found.evaluations,
        checks={**report.checks, **asked},
    )
