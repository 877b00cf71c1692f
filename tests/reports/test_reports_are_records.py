"""A public report is its record with ways to show it: equal, kept, copied and found where it was before."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace

import pytest

import gradcheck
from gradcheck.records.run_record import CaseId, RunRecord
from gradcheck.reports.run_report import Report, report_from_json


def test_a_report_is_a_record_whose_text_is_for_people(report: Report) -> None:
    assert isinstance(report, RunRecord)
    assert gradcheck.Report is Report
    assert str(gradcheck.Report(0, ())) == "nothing was verified"
    assert repr(gradcheck.Report(0, ())) == "Report(seed=0, subjects=())"


def test_a_report_stays_one_whatever_is_done_with_it(report: Report) -> None:
    kept = pickle.loads(pickle.dumps(report))
    for other in (kept, copy.deepcopy(report), replace(report, seed=0), report_from_json(report.to_json())):
        assert type(other) is Report
        assert other == report
    assert type(report.with_reproduce("again")) is Report


def test_a_record_is_not_changed(report: Report) -> None:
    with pytest.raises(AttributeError):
        report.seed = 1  # type: ignore[misc]


def test_the_former_names_are_kept(report: Report) -> None:
    from gradcheck.reports import json as json_forms
    from gradcheck.reports import report as names

    case = CaseId("relu", {"shape": (2, 3)}, "normal", 5)
    assert (names.Report, names.CaseId) == (Report, CaseId)
    assert json_forms.case_from_dict(json.loads(json.dumps(json_forms.case_to_dict(case)))) == case
    assert json_forms.report_from_json(json_forms.report_to_json(report)) == report
    assert json_forms.report_to_dict(report) == report.to_dict()
