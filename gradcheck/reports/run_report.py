"""The public result of a run: its record, which shows itself as text, JSON or HTML."""

from __future__ import annotations

from dataclasses import replace

from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import RunRecord
from gradcheck.reports.text import report_to_text


class Report(RunRecord):
    """The result of a run: one `SubjectReport` per subject. ``print(report)`` shows it as text."""

    def with_reproduce(self, reproduce: str) -> Report:
        """Return this report with `reproduce` in every failure that has none."""
        return replace(
            self,
            subjects=tuple(
                replace(
                    subject,
                    failures=tuple(replace(f, reproduce=f.reproduce or reproduce) for f in subject.failures),
                )
                for subject in self.subjects
            ),
        )

    def to_html(self) -> str:
        """Return the report as one HTML page, which takes the packages of the extra ``report``."""
        from gradcheck.reports.html.page import report_to_html

        return report_to_html(self)

    def __str__(self) -> str:
        return report_to_text(self)


class GradientError(AssertionError):
    """A gradient is wrong, or could not be told right; the text is the report.

    Attributes
    ----------
    report : Report
        The evidence.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(str(report))


def report_from_json(text: str) -> Report:
    """Return the report that JSON text holds.

    Sequences become tuples, as in a report that was never written.

    Raises
    ------
    ValueError
        If `text` is not JSON or not of schema 1; the message names the path, what was expected there and what came.
    """
    return Report.from_dict(parse_json(text))
