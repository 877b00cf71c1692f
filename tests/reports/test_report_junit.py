"""JUnit XML: one test case per subject, readable by any XML parser whatever names and messages hold."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from gradcheck.records.run_record import CaseId, Failure, SubjectReport
from gradcheck.reports.junit import report_to_junit
from gradcheck.reports.run_report import Report


def test_counts_and_times(report: Report) -> None:
    suite = ElementTree.fromstring(report_to_junit(report))

    assert suite.tag == "testsuite"
    assert suite.attrib == {
        "name": "gradcheck",
        "tests": "4",
        "failures": "2",
        "errors": "1",
        "skipped": "0",
        "time": "2.750",
    }
    assert [case.get("name") for case in suite.iter("testcase")] == ["relu", "my conv", "dead", "crash"]


def test_what_did_not_pass_carries_its_text(report: Report) -> None:
    passed, failed, inconclusive, crashed = ElementTree.fromstring(report_to_junit(report)).iter("testcase")
    outcomes = [failed.find("failure"), inconclusive.find("failure"), crashed.find("error")]

    assert [child.tag for child in passed] == ["properties"]
    assert [outcome.get("type") for outcome in outcomes if outcome is not None] == ["failed", "inconclusive", "error"]
    assert "gradient with respect to `x`" in failed.findtext("failure", "")
    assert "zero on both sides" in inconclusive.findtext("failure", "")
    assert "vjp raised RuntimeError" in crashed.findtext("error", "")


def test_properties(report: Report) -> None:
    cases = list(ElementTree.fromstring(report_to_junit(report)).iter("testcase"))
    found = [{p.get("name"): p.get("value") for p in case.iter("property")} for case in cases]

    assert found[0] == {"kind": "relu", "cases": "40", "resolution": "4.9e-07"}
    assert found[1] == {"kind": "conv2d", "cases": "1234", "cause": "kernel-not-rotated"}


@given(st.text(st.characters(codec=None, exclude_categories=()), min_size=1), st.text(st.characters()))
def test_any_character_leaves_the_xml_readable(name: str, explanation: str) -> None:
    failure = Failure("gradient", CaseId(None, {}, None, 0), explanation, reproduce=name)
    text = report_to_junit(Report(0, (SubjectReport(name, verdict="failed", failures=(failure,)),)))

    suite = ElementTree.fromstring(text.encode("utf-8"))
    assert len(suite.findall("testcase")) == 1


def test_a_forbidden_character_is_replaced() -> None:
    text = report_to_junit(Report(0, (SubjectReport("bell \x07 end"),)))

    assert ElementTree.fromstring(text).find("testcase[@name='bell \N{REPLACEMENT CHARACTER} end']") is not None
