"""One case to be run, as plain data, and running it: the same function in this process, in a worker, on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from gradcheck.checks.stages import Settings
from gradcheck.execution.judge import broken, judge_case, judge_subject
from gradcheck.execution.outcome import Outcome, outcome_to_json, shortened
from gradcheck.execution.source import Source, find_item
from gradcheck.kinds.kind import Case
from gradcheck.reports.report import CaseId
from gradcheck.subject import Deferred, Subject
from gradcheck.suite import AnyCase, DrawnCase, Suite

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


def perform(item: Item, task: Task) -> Outcome:
    """Run a task; whatever the item's code raises becomes its outcome, except an interrupt by the user."""
    try:
        if isinstance(item, Suite):
            return shortened(judge_case(item, _case_of(item, task), task.dtype, task.settings))
        return shortened(judge_subject(item, task.case.seed, task.dtype, task.settings))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, and what NumPy lacked memory for in a check
        return shortened(broken(task.name, task.case, error, task.reproduce))


def perform_remotely(task: Task) -> str:
    """Run a task in a process that has nothing but gradcheck and the task; return the outcome as JSON."""
    assert task.source is not None
    return outcome_to_json(perform(find_item(task.source), task))


def _case_of(suite: Suite, task: Task) -> AnyCase:
    if task.drawn is not None:
        return DrawnCase(task.drawn, task.case.seed)
    case: Case = suite.case(task.case.config, task.case.regime or "", task.case.seed)
    return case
