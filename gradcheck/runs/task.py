"""One case to be checked, as plain data, and checking it: the same function in this process and in any other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gradcheck.checks.stages import Settings
from gradcheck.records.run_record import CaseId
from gradcheck.runs.causes import explain_case, explain_subject
from gradcheck.runs.check_case import broken, case_result, conditions_met, made_subject, subject_result
from gradcheck.runs.plan import Options
from gradcheck.runs.result import Result, result_to_json, shortened
from gradcheck.runs.side_effects import kept_warnings
from gradcheck.runs.source import Source, find_item
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, DrawnCase, Suite
from gradcheck.targets import Item


@dataclass(frozen=True, kw_only=True)
class Task:
    """One case to be checked.

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
        Where a worker finds the item; None where none has to.
    causes_seed : int or None
        The seed of the further cases that are asked for the cause of a failure; None where the cause is not looked
        for. That of a subject always is.
    """

    item: int
    number: int
    name: str
    case: CaseId
    dtype: str | None
    settings: Settings
    reproduce: str
    source: Source | None
    drawn: Any = None
    causes_seed: int | None = None


def perform(item: Item, task: Task) -> Result:
    """Run a task; whatever the item's code raises becomes its result, except an interrupt by the user."""
    try:
        with kept_warnings() as warned:
            if isinstance(item, Suite):
                case = _case_of(item, task)
                result = _explained(case_result(item, case, task.dtype, task.settings), item, case, task)
            else:
                subject = made_subject(item, task.dtype)
                result = subject_result(subject, task.case.seed, task.settings)
                result = replace(result, report=explain_subject(result.report, subject, task.case.seed))
        return shortened(replace(result, warnings=tuple(warned)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, and what NumPy lacked memory for in a check
        return shortened(broken(task.name, task.case, error, task.reproduce))


def perform_remotely(task: Task) -> str:
    """Run a task in a process that has nothing but gradcheck and the task; return the result as JSON."""
    assert task.source is not None
    return result_to_json(perform(find_item(task.source), task))


def _case_of(suite: Suite, task: Task) -> AnyCase:
    if task.drawn is not None:
        return DrawnCase(task.drawn, task.case.seed)
    return suite.case(task.case.config, task.case.regime or "", task.case.seed)


def _explained(result: Result, suite: Suite, case: AnyCase, task: Task) -> Result:
    """Add the conditions that the case met and, where that was asked, the causes of its failures."""
    if isinstance(case, Case):
        result = replace(result, met=conditions_met(case))
    if task.causes_seed is None:
        return result
    options = Options(seed=task.causes_seed, dtype=task.dtype)
    return replace(result, report=explain_case(result.report, suite, case, options))
