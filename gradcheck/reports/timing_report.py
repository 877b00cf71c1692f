"""The public result of ``gradcheck time``: its record, which shows itself as HTML."""

from __future__ import annotations

from gradcheck.records.timing_record import TimingRecord


class TimingReport(TimingRecord):
    """The result of ``gradcheck time``: one `SubjectTiming` per subject."""

    def to_html(self) -> str:
        """Return the report as one HTML page, which takes the packages of the extra ``report``."""
        from gradcheck.reports.html.timing_page import timing_to_html

        return timing_to_html(self)
