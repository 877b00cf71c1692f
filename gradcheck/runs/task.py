"""One case to be run, as plain data, and running it: the same function in this process, in a worker, on a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from gradcheck.checks.stages import Settings
from gradcheck.records.run_record import CaseId
from gradcheck.runs.causes import explain_subject, explain_suite_case
from gradcheck.runs.check_case import broken, judge_case, judge_subject, made_subject
from gradcheck.runs.result import Result, result_to_json, shortened
from gradcheck.runs.source import Source, find_item
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, DrawnCase, Suite

Item: TypeAlias = Suite | Subject | Deferred


@dataclass(frozen=True)
class Task:
    """One case to be run.

    Attributes
    ----------
    item : int
        The place of its item in the run.
    number : int
        Its place in the plan of its item.
    name : str
        What reports call the item.
    case : CaseId
        For a subject: its seed alone.
    drawn : mapping of str to ndarray, optional
        The primals that a strategy drew, which a `CaseId` does not hold.
    dtype : str or None
    settings : Settings
    reproduce : str
        The command that runs it again.
    source : Source or None
        Where a worker finds the item; None where nobody has to.
    witnesses : int or None
        The seed of other cases that are asked for the cause of a failure; None where it is not looked for. That of a
        subject always is.
    """

    item: int
    number: int
    name: str
    case: CaseId
    drawn: Any
    dtype: str | None
    settings: Settings
    reproduce: str
    source: Source | None
    further_cases: int | None = None


def perform(item: Item, task: Task) -> Result:
    """Run a task; whatever the item's code raises becomes its outcome, except an interrupt by the user."""
    try:
        return shortened(_perform_case(item, task) if isinstance(item, Suite) else _perform_subject(item, task))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, and what NumPy lacked memory for in a check
        return shortened(broken(task.name, task.case, error, task.reproduce))


def _perform_case(suite: Suite, task: Task) -> Result:
    case = _case_of(suite, task)
    result = judge_case(suite, case, task.dtype, task.settings)
    if task.further_cases is None:
        return result
    return replace(result, report=explain_suite_case(result.report, suite, case, task.further_cases, task.dtype))


def _perform_subject(item: Subject | Deferred, task: Task) -> Result:
    subject = made_subject(item, task.dtype)
    result = judge_subject(subject, task.case.seed, None, task.settings)
    return replace(result, report=explain_subject(result.report, subject, task.case.seed))


def perform_remotely(task: Task) -> str:
    """Run a task in a process that has nothing but gradcheck and the task; return the outcome as JSON."""
    assert task.source is not None
    return result_to_json(perform(find_item(task.source), task))


def _case_of(suite: Suite, task: Task) -> AnyCase:
    if task.drawn is not None:
        return DrawnCase(task.drawn, task.case.seed)
    case: Case = suite.case(task.case.config, task.case.regime or "", task.case.seed)
    return case
