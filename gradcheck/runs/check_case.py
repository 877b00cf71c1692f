"""One case, or one subject, checked: a result comes back, whatever of the subject's code Python can catch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck.checks.one_subject import check_subject
from gradcheck.checks.stages import Settings
from gradcheck.messages import told
from gradcheck.records.run_record import CaseId, Failure, SubjectReport
from gradcheck.runs.commands import reproduce_command
from gradcheck.runs.result import Result
from gradcheck.runs.side_effects import kept_warnings
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, BuildError, DrawnCase, Suite


def check_case(suite: Suite, case: AnyCase, dtype: str | None, settings: Settings) -> SubjectReport:
    """Check one case of a suite; a builder that raises is reported, not raised, and warnings are not shown."""
    with kept_warnings():
        return case_result(suite, case, dtype, settings).report


def case_result(suite: Suite, case: AnyCase, dtype: str | None, settings: Settings) -> Result:
    """Check one case of a suite; a builder that raises is reported, not raised."""
    try:
        subject = suite.subject(case, None if dtype is None else np.dtype(dtype))
    except Exception as error:
        sentence = str(error) if isinstance(error, BuildError) else f"the case cannot be made: {told(error)}"
        failure = Failure("build", case.id, sentence)
        result = Result(report=SubjectReport(suite.name, suite.kind_name, "error", failures=(failure,)))
    else:
        report = check_subject(subject, case.seed, settings, case.id)
        result = Result(report=report, names=frozenset(subject.primals))
    if isinstance(case, DrawnCase):
        return result
    command = reproduce_command(suite, case, dtype)
    failures = tuple(replace(failure, reproduce=command) for failure in result.report.failures)
    return replace(result, report=replace(result.report, failures=failures))


def subject_result(subject: Subject, seed: int, settings: Settings) -> Result:
    """Check one subject."""
    return Result(report=check_subject(subject, seed, settings))


def made_subject(item: Subject | Deferred, dtype: str | None) -> Subject:
    """Return the subject, in the precision that was asked for."""
    subject = item.make() if isinstance(item, Deferred) else item
    if dtype is None:
        return subject
    primals = {name: array.astype(dtype) for name, array in subject.primals.items()}
    command = f"{subject.reproduce} --dtype {dtype}" if subject.reproduce else ""
    return replace(subject, primals=primals, reproduce=command)


def conditions_met(case: Case) -> frozenset[str]:
    """Return the conditions of its kind that a case meets."""
    primals = case.primals()
    return frozenset(name for name, holds in case.kind.conditions.items() if holds(case.config, primals))


def broken(name: str, case: CaseId, error: BaseException, reproduce: str) -> Result:
    """Return the result of a case whose check raised what nothing in it catches."""
    try:
        sentence = told(error)
    except Exception:  # its text is somebody's code too
        sentence = type(error).__name__
    failure = Failure("raised", case, f"the case raised {sentence}", reproduce=reproduce)
    return Result(report=SubjectReport(name, case.kind, "error", failures=(failure,)))
