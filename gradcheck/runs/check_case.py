"""One case, or one subject, checked: an outcome comes back, whatever the subject's code does that Python can catch."""

from __future__ import annotations

import json
import shlex
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradcheck.checks.one_subject import check_subject
from gradcheck.checks.stages import Settings
from gradcheck.messages import told
from gradcheck.records.codec import to_plain
from gradcheck.records.run_record import CaseId, Failure, SubjectReport
from gradcheck.runs.result import Result
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, BuildError, DrawnCase, Suite

#: So many different warnings of a case are kept, and of each text so many characters.
_WARNINGS, _TEXT = 20, 300


def judge_case(suite: Suite, case: AnyCase, dtype: str | None, settings: Settings) -> Result:
    """Check one case of a suite; a builder that raises is reported, not raised."""
    result = _counting_warnings(lambda: _judge_case(suite, case, dtype, settings))
    return replace(result, met=_conditions_met(case)) if isinstance(case, Case) else result


def check_case(suite: Suite, case: AnyCase, dtype: str | None, settings: Settings) -> SubjectReport:
    """Check one case of a suite, of which the kind need not have thought; as `judge_case` does."""
    return _counting_warnings(lambda: _judge_case(suite, case, dtype, settings)).report


def judge_subject(item: Subject | Deferred, seed: int, dtype: str | None, settings: Settings) -> Result:
    """Check one subject."""
    return _counting_warnings(lambda: Result(check_subject(made_subject(item, dtype), seed, settings)))


def made_subject(item: Subject | Deferred, dtype: str | None) -> Subject:
    """Return the subject, in the precision that was asked for."""
    subject = item.make() if isinstance(item, Deferred) else item
    if dtype is None:
        return subject
    primals = {name: array.astype(dtype) for name, array in subject.primals.items()}
    command = f"{subject.reproduce} --dtype {dtype}" if subject.reproduce else ""
    return replace(subject, primals=primals, reproduce=command)


def reproduce_command(suite: Suite, case: AnyCase, dtype: str | None = None) -> str:
    """Return the command (or, for a suite that is in no file, the snippet) that runs one case again.

    Nothing for a case that a strategy drew: only the whole run leads to it again.
    """
    if isinstance(case, DrawnCase):
        return ""
    data = to_plain(case.id)
    if suite.origin is None:
        given = f", dtype={dtype!r}" if dtype else ""
        described = f"{data['config']}, {case.regime!r}, {case.seed}"
        return f"gradcheck.check(suite.subject(suite.case({described})), seed={case.seed}{given})"
    target = ["--target", suite.origin] if suite.origin else []
    precision = ["--dtype", dtype] if dtype else []
    return shlex.join(["gradcheck", "replay", *target, *precision, json.dumps(data)])


def broken(name: str, case: CaseId, error: BaseException, reproduce: str) -> Result:
    """Return the outcome of a case whose check raised what nothing in it catches."""
    try:
        sentence = told(error)
    except Exception:  # its text is somebody's code too
        sentence = type(error).__name__
    failure = Failure("raised", case, f"the case raised {sentence}", reproduce=reproduce)
    return Result(SubjectReport(name, case.kind, "error", failures=(failure,)))


def _judge_case(suite: Suite, case: AnyCase, dtype: str | None, settings: Settings) -> Result:
    names: frozenset[str] = frozenset()
    try:
        subject = suite.subject(case, None if dtype is None else np.dtype(dtype))
    except Exception as error:
        sentence = str(error) if isinstance(error, BuildError) else f"the case cannot be made: {told(error)}"
        report = SubjectReport(suite.name, suite.kind_name, "error", failures=(Failure("build", case.id, sentence),))
    else:
        report = check_subject(subject, case.seed, settings, case.id)
        names = frozenset(subject.primals)
    if isinstance(case, DrawnCase):
        return Result(report, names)
    command = reproduce_command(suite, case, dtype)
    report = replace(report, failures=tuple(replace(f, reproduce=command) for f in report.failures))
    return Result(report, names)


def _conditions_met(case: Case) -> frozenset[str]:
    primals = case.primals()
    return frozenset(name for name, holds in case.kind.conditions.items() if holds(case.config, primals))


def _counting_warnings(judged: Callable[[], Result]) -> Result:
    """Keep each warning of a case once, in the place of printing it.

    Filters stay as they are: a warning that is an error is one. In a thread, beside which others run, warnings cannot
    be told apart and are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        return judged()
    texts: dict[str, None] = {}

    def keep(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if len(texts) < _WARNINGS:
            texts[f"{category.__name__}: {' '.join(str(message).split())}"[:_TEXT]] = None

    with warnings.catch_warnings():
        warnings.showwarning = keep
        result = judged()
    return replace(result, warnings=tuple(texts))
