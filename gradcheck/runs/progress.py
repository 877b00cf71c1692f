"""Who is told how far a campaign is, and what was known where it was interrupted."""

from __future__ import annotations

from typing import Protocol

from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.run_report import Report


class Progress(Protocol):
    """Who wants to know how far a campaign is."""

    def begin(self, name: str, cases: int) -> None:
        """Be told that a subject begins, with the number of cases planned."""

    def advance(self) -> None:
        """Be told that one case is done."""

    def end(self, report: SubjectReport) -> None:
        """Be told that a subject is done."""


class Silent:
    """Nobody."""

    def begin(self, name: str, cases: int) -> None:
        pass

    def advance(self) -> None:
        pass

    def end(self, report: SubjectReport) -> None:
        pass


class InterruptedRunError(KeyboardInterrupt):
    """The user ended a run before its end.

    Attributes
    ----------
    report : Report
        What was known by then; subjects that were not reached are in it, as inconclusive.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__()


class InterruptedItemError(KeyboardInterrupt):
    """The user ended a run within an item; its report so far."""

    def __init__(self, report: SubjectReport) -> None:
        self.report = report
        super().__init__()
