"""The public result of ``gradcheck study``: its record, which shows itself as HTML."""

from __future__ import annotations

from gradcheck.records.study_record import StudyRecord


class StudyReport(StudyRecord):
    """The result of ``gradcheck study``: one `SubjectStudy` per subject."""

    def to_html(self) -> str:
        """Return the report as one HTML page, which takes the packages of the extra ``report``."""
        from gradcheck.reports.html.study_page import study_to_html

        return study_to_html(self)
