"""Another name of what reads and writes the JSON of a report."""

from __future__ import annotations

from typing import Any

from gradcheck.records.codec import from_plain, to_plain
from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import CaseId
from gradcheck.reports.run_report import Report, report_from_json

__all__ = ["case_from_dict", "case_to_dict", "parse_json", "report_from_json", "report_to_dict", "report_to_json"]


def case_to_dict(case: CaseId) -> dict[str, Any]:
    """Return a case as plain data: what ``gradcheck replay`` takes."""
    data: dict[str, Any] = to_plain(case)
    return data


def case_from_dict(value: object) -> CaseId:
    """Return the case that plain data describe, as `case_to_dict` writes it."""
    return from_plain(CaseId, value)


def report_to_dict(report: Report) -> dict[str, Any]:
    """Return a report as plain data."""
    return report.to_dict()


def report_to_json(report: Report) -> str:
    """Return a report as JSON text."""
    return report.to_json()
