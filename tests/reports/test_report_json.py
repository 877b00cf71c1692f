"""JSON: it matches its schema whatever the report holds, comes back as it was, and refuses in one sentence."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_schemas import closed, packaged

from gradcheck.records.run_record import VERDICTS, CaseId, Evaluations, Failure, SubjectReport
from gradcheck.reports.json import case_from_dict, case_to_dict
from gradcheck.reports.run_report import Report, report_from_json

SCHEMA = packaged("schema.json")
VALIDATOR = jsonschema.Draft202012Validator(closed(SCHEMA))


def counts() -> st.SearchStrategy[int]:
    return st.integers(0, 2**40)


def numbers() -> st.SearchStrategy[float]:
    return st.floats(allow_nan=False)  # NaN is not equal to itself; it has a test of its own


def values() -> st.SearchStrategy[Any]:
    """Values of configurations, in the types that NumPy users leave in them."""
    words = st.text().filter(lambda text: text not in ("nan", "inf", "-inf"))
    leaves = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | numbers() | words
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)


def cases() -> st.SearchStrategy[CaseId]:
    config = st.dictionaries(st.text(), values(), max_size=4)
    return st.builds(CaseId, st.none() | st.text(), config, st.none() | st.text(), counts())


def failures() -> st.SearchStrategy[Failure]:
    number, count = st.none() | numbers(), st.none() | counts()
    return st.builds(
        Failure,
        st.text(),
        cases(),
        st.text(),
        primal=st.none() | st.text(),
        index=st.none() | st.lists(counts(), max_size=4).map(tuple),
        analytic=number,
        numeric=number,
        error_bar=number,
        wrong_entries=count,
        entries=count,
        sampled=st.booleans(),
        cause=st.none() | st.text(),
        reproduce=st.text(),
    )


def reports() -> st.SearchStrategy[Report]:
    texts = st.lists(st.text(), max_size=2).map(tuple)
    subject = st.builds(
        SubjectReport,
        st.text(),
        st.none() | st.text(),
        st.sampled_from(VERDICTS),
        counts(),
        st.floats(0, 1e6),
        st.builds(Evaluations, counts(), counts()),
        st.none() | numbers(),
        st.floats(0, 1),
        st.dictionaries(st.text(), counts(), max_size=3),
        st.lists(failures(), max_size=2).map(tuple),
        texts,
        texts,
        canaries=st.dictionaries(st.text(), st.sampled_from(["caught", "survived", "not applicable"]), max_size=3),
    )
    return st.builds(Report, counts(), st.lists(subject, max_size=2).map(tuple))


@given(reports())
def test_every_report_matches_the_schema_and_comes_back(drawn: Report) -> None:
    text = drawn.to_json()

    VALIDATOR.validate(json.loads(text))
    assert report_from_json(text) == drawn


def test_the_schema_itself_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_fields_stand_in_the_documented_order(report: Report) -> None:
    data = report.to_dict()
    subject = data["subjects"][1]

    assert list(data) == ["schema", "gradcheck", "seed", "subjects"]
    assert list(subject) == [
        *("name", "kind", "verdict", "cases", "seconds", "evaluations", "resolution", "masked", "conditions"),
        *("failures", "notes", "vacuous", "checks", "limits", "without", "canaries"),
    ]
    assert list(subject["failures"][0]) == [
        *("check", "case", "primal", "index", "analytic", "numeric", "error_bar", "wrong_entries", "entries"),
        *("sampled", "cause", "explanation", "reproduce"),
    ]
    assert list(subject["failures"][0]["case"]) == ["kind", "config", "regime", "seed"]


@pytest.mark.parametrize(
    ("value", "written"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"), (np.float32("nan"), "nan")]
)
def test_numbers_that_are_not_finite_survive(report: Report, value: float, written: str) -> None:
    failure = replace(report.failures[0], analytic=value)
    changed = Report(0, (replace(report.subjects[1], failures=(failure,)),))
    data = json.loads(changed.to_json())
    read = report_from_json(changed.to_json()).failures[0].analytic

    VALIDATOR.validate(data)
    assert data["subjects"][0]["failures"][0]["analytic"] == written
    assert read is not None
    assert np.array_equal(read, float(value), equal_nan=True)


def test_numpy_in_a_report_is_written_as_plain_data(report: Report) -> None:
    config = {
        "stride": (np.int64(2), np.int32(1)),
        "scale": np.float32(0.5),
        "bias": np.bool_(True),
        "mask": np.eye(2),
        "dtype": np.dtype("float32"),
        "largest": np.longdouble(3),
        "padding_value": -math.inf,
    }
    failure = replace(report.failures[0], case=CaseId("conv2d", config, None, 1), index=(np.int64(3),))
    data = json.loads(Report(0, (replace(report.subjects[1], failures=(failure,)),)).to_json())

    VALIDATOR.validate(data)
    assert data["subjects"][0]["failures"][0]["index"] == [3]
    assert data["subjects"][0]["failures"][0]["case"]["config"] == {
        "stride": [2, 1],
        "scale": 0.5,
        "bias": True,
        "mask": [[1.0, 0.0], [0.0, 1.0]],
        "dtype": "dtype('float32')",
        "largest": 3.0,
        "padding_value": "-inf",
    }


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["schema"], 2, "expected $.schema to be 1, the only schema that this version reads, got 2"),
        (["seed"], -1, "expected $.seed to be a whole number from 0, got -1"),
        (["seed"], True, "expected $.seed to be a whole number from 0, got true"),
        (["subjects"], {}, "expected $.subjects to be an array, got {}"),
        (
            ["subjects", 0, "verdict"],
            "ok",
            'expected $.subjects[0].verdict to be one of passed, inconclusive, failed, error, got "ok"',
        ),
        (["subjects", 0, "masked"], 1.5, "expected $.subjects[0].masked to be a number from 0 to 1, got 1.5"),
        (["subjects", 0, "seconds"], "1", 'expected $.subjects[0].seconds to be a number from 0, got "1"'),
        (["subjects", 2, "notes", 0], None, "expected $.subjects[2].notes[0] to be a string, got null"),
        (
            ["subjects", 0, "conditions"],
            {"ties": 0.5},
            "expected $.subjects[0].conditions.ties to be a whole number from 0, got 0.5",
        ),
        (
            ["subjects", 1, "failures", 0, "numeric"],
            "NaN",
            'expected $.subjects[1].failures[0].numeric to be a number or one of nan, inf, -inf, got "NaN"',
        ),
        (
            ["subjects", 1, "failures", 0, "sampled"],
            0,
            "expected $.subjects[1].failures[0].sampled to be true or false, got 0",
        ),
        (
            ["subjects", 1, "failures", 0, "case", "config"],
            [1],
            "expected $.subjects[1].failures[0].case.config to be an object, got [1]",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(
    report: Report, path: list[str | int], value: object, sentence: str
) -> None:
    data: Any = report.to_dict()
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert list(VALIDATOR.iter_errors(data))  # the schema says so too
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        report_from_json(json.dumps(data))


def test_unknown_fields_are_ignored_since_a_later_version_may_write_them(report: Report) -> None:
    data = report.to_dict()
    failure = data["subjects"][1]["failures"][0]
    for place in (data, data["subjects"][0], data["subjects"][0]["evaluations"], failure, failure["case"]):
        place["later"] = {"a": [None, 1]}

    jsonschema.validate(data, SCHEMA)
    assert report_from_json(json.dumps(data)) == report


def test_a_required_field_under_a_wrong_name_is_refused_with_the_right_one(report: Report) -> None:
    data = report.to_dict()
    data["subjects"][0]["verdikt"] = data["subjects"][0].pop("verdict")
    sentence = "expected $.subjects[0] to have the field 'verdict', got 'verdikt'; did you mean 'verdict'?"

    assert list(VALIDATOR.iter_errors(data))
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        report_from_json(json.dumps(data))


def test_every_field_of_schema_1_is_required(report: Report) -> None:
    """Its default would be a claim that nobody made: a verdict that is missing is not 'passed'."""
    for name in set(report.to_dict()["subjects"][1]) - {"canaries"}:
        data = report.to_dict()
        del data["subjects"][1][name]
        assert list(VALIDATOR.iter_errors(data))
        with pytest.raises(ValueError, match=rf"^expected \$\.subjects\[1\] to have the field '{name}', got "):
            report_from_json(json.dumps(data))


def test_a_missing_field_is_refused(report: Report) -> None:
    data = report.to_dict()
    del data["subjects"][1]["failures"][0]["case"]["seed"]

    with pytest.raises(ValueError, match=r"expected \$\.subjects\[1\]\.failures\[0\]\.case to have the field 'seed'"):
        report_from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "expected JSON, got something else at line 1, column 1"),
        ("{", "expected JSON, got something else at line 1, column 2"),
        ("[" * 100_000, "nested too deeply"),
        ('{"seed": NaN}', "which has no NaN"),
        ("[]", "expected $ to be an object, got []"),
        ("{}", "expected $ to have the field 'schema', got no field"),
    ],
)
def test_what_is_no_report_is_refused(text: str, fragment: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fragment)):
        report_from_json(text)


def test_a_case_comes_back(report: Report) -> None:
    case = report.failures[0].case

    assert case_from_dict(json.loads(json.dumps(case_to_dict(case)))) == case


def test_a_report_from_before_there_were_canaries_is_read(report: Report) -> None:
    data = report.to_dict()
    for subject in data["subjects"]:
        del subject["canaries"]

    VALIDATOR.validate(data)
    assert report_from_json(json.dumps(data)) == report


def test_an_unknown_fate_of_a_canary_is_refused(report: Report) -> None:
    data = report.to_dict()
    data["subjects"][0]["canaries"] = {"zero": "flew"}

    with pytest.raises(ValueError, match=r"expected .*canaries.* caught, survived, not applicable"):
        report_from_json(json.dumps(data))
