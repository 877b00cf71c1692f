"""Another name of what `gradcheck.records.run_record` and `gradcheck.reports.run_report` hold."""

from gradcheck.records.run_record import VERDICTS, CaseId, Evaluations, Failure, GradientPicture, SubjectReport, Verdict
from gradcheck.reports.run_report import GradientError, Report

__all__ = [
    "VERDICTS",
    "CaseId",
    "Evaluations",
    "Failure",
    "GradientError",
    "GradientPicture",
    "Report",
    "SubjectReport",
    "Verdict",
]
