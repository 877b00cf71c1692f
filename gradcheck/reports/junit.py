"""A report as JUnit XML, which CI services read: one suite, one test case per subject."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from gradcheck.records.run_record import RunRecord, SubjectReport
from gradcheck.reports.text import headline, subject_to_text

# Everything that is no Char of XML 1.0 (fifth edition, section 2.2); escaping does not make it one.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def report_to_junit(report: RunRecord) -> str:
    """Return a report as the text of a JUnit XML file, to be written as UTF-8.

    A subject that failed or stayed inconclusive is a failure, one that could not be run an error.
    """
    verdicts = [subject.verdict for subject in report.subjects]
    errors = verdicts.count("error")
    suite = _element(
        "testsuite",
        name="gradcheck",
        tests=str(len(verdicts)),
        failures=str(len(verdicts) - errors - verdicts.count("passed")),
        errors=str(errors),
        skipped="0",
        time=_seconds(sum(subject.seconds for subject in report.subjects)),
    )
    suite.append(_properties({"seed": str(report.seed)}))
    suite.extend(_testcase(subject) for subject in report.subjects)
    ElementTree.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suite, encoding="unicode")}\n'


def _testcase(subject: SubjectReport) -> ElementTree.Element:
    testcase = _element("testcase", name=subject.name, classname="gradcheck", time=_seconds(subject.seconds))
    testcase.append(_properties(facts(subject)))
    if subject.verdict != "passed":
        tag = "error" if subject.verdict == "error" else "failure"
        outcome = _element(tag, message=headline(subject), type=subject.verdict)
        outcome.text = _valid(subject_to_text(subject))
        testcase.append(outcome)
    return testcase


def facts(subject: SubjectReport) -> dict[str, str]:
    """Return what a CI service may count by: kind, cases, resolution and cause, those that there are."""
    causes = dict.fromkeys(failure.cause for failure in subject.failures if failure.cause)
    facts = {
        "kind": subject.kind,
        "cases": str(subject.cases),
        "resolution": None if subject.resolution is None else f"{subject.resolution:.3g}",
        "cause": ", ".join(causes),
    }
    return {name: value for name, value in facts.items() if value}


def _properties(facts: dict[str, str]) -> ElementTree.Element:
    properties = _element("properties")
    properties.extend(_element("property", name=name, value=value) for name, value in facts.items())
    return properties


def _element(tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.Element(tag, {name: _valid(value) for name, value in attributes.items()})


def _valid(text: str) -> str:
    return _FORBIDDEN.sub(_REPLACEMENT, text)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
