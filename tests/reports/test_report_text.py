"""Text: what a failure says, how numbers are shown, and that no report breaks the page."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.records.run_record import CaseId, Failure, SubjectReport
from gradcheck.reports.run_report import GradientError, Report
from gradcheck.reports.text import failure_to_text, format_pair, format_short, report_to_text

FAILED = """\
my conv: failed (`x`) · 1,234 cases · 9,000 forwards, 3,000 pullbacks · masked 0 %

my conv, gradient with respect to `x`
  where      [0, 2, 1, 3] is worst; 57 of 96 entries wrong
  analytic   -0.4312      numeric  -0.8624 ± 3e-10
  error      absolute 0.43, relative 0.5, 1.4e9 times the error bar
  finding    the input gradient correlates with the kernel where a convolution with it is due
  cause      kernel-not-rotated
  case       conv2d: in_channels=3, kernel_size=(3, 3), stride=(2, 1), padding='same', bias=True; regime
             integers; seed 7
  reproduce  gradcheck replay '{"kind": "conv2d"}'"""


def test_a_failure_tells_everything_that_is_known(report: Report) -> None:
    failed = Report(0, (report.subjects[1],))

    assert str(failed) == FAILED
    assert str(GradientError(failed)) == FAILED


def test_a_passed_subject_takes_one_line(report: Report) -> None:
    passed = Report(0, (report.subjects[0],))

    assert str(passed) == "relu: passed · 40 cases · 200 forwards, 80 pullbacks · resolution 4.9e-7 · masked 1.2 %"


def test_an_inconclusive_subject_says_why(report: Report) -> None:
    assert str(Report(0, (report.subjects[2],))).splitlines()[1:] == [
        "  note       the gradient of 'x' is zero on both sides"
    ]


def test_several_subjects_end_in_a_summary(report: Report) -> None:
    last = str(report).splitlines()[-1]

    assert last == "4 subjects: 1 passed, 1 inconclusive, 1 failed, 1 error · 1,276 cases · 2.8 s"


def test_no_subject_is_no_success() -> None:
    assert str(Report(0, ())) == "nothing was verified"


def block(**changes: object) -> str:
    bare = Failure("gradient", CaseId(None, {"x": (2, 3)}, None, 0), "it is wrong", primal="x")
    return failure_to_text("layer", replace(bare, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"index": (1, 2)}, "  where      [1, 2] of shape (2, 3) is worst"),
        ({"index": ()}, "  where      the only entry"),
        ({"wrong_entries": 1500, "entries": 6144, "sampled": True}, "  where      about 1,500 of 6,144 entries wrong"),
        ({"wrong_entries": 1, "entries": 1}, "  where      1 of 1 entry wrong"),
        ({"analytic": 1.0, "numeric": 2.0}, "  where      projected onto a random direction"),
        ({"analytic": math.nan, "numeric": 2.0}, "  analytic   nan      numeric  2"),
        ({"analytic": 1.0, "numeric": math.nan}, "  analytic   1      numeric  nan"),
        ({"analytic": 0.0, "numeric": 2.5e-9, "error_bar": 1e-12}, "  analytic   0      numeric  2.500e-9 ± 1e-12"),
        ({"analytic": 0.5, "numeric": 0.0}, "  error      absolute 0.5"),
        ({"check": "kink"}, "layer, gradient with respect to `x`, check 'kink'"),
        ({"check": "forward", "primal": None}, "layer, check 'forward'"),
        ({"case": CaseId(None, {"x": [2, 3], "b": [4]}, None, 5)}, "  case       x (2, 3), b (4,); seed 5"),
        (
            {"case": CaseId("mask", {"mask": np.zeros((9, 9)), "rows": tuple(range(99))}, "zeros", 5)},
            "  case       mask: mask=float64 array of shape (9, 9), rows=(0, 1, 2, 3, 4, 5, 6, 7, … 91 more); "
            "regime zeros;",
        ),
        ({"explanation": "two\nlines"}, "  finding    two lines"),
        ({"explanation": "\x1b[31mred"}, r"  finding    \x1b[31mred"),
    ],
)
def test_lines_of_a_failure(changes: dict[str, object], line: str) -> None:
    assert line in block(**changes).splitlines()


def test_lines_without_evidence_are_left_out() -> None:
    assert block() == ("layer, gradient with respect to `x`\n  finding    it is wrong\n  case       x (2, 3); seed 0")


def test_what_reproduces_is_never_broken() -> None:
    command = "gradcheck replay " + "x" * 200

    assert f"  reproduce  {command}\n             second line" in block(reproduce=f"{command}\nsecond line")


def representable() -> st.SearchStrategy[float]:
    """Numbers that stay finite when they are rounded to a few digits."""
    return st.floats(-1e308, 1e308)


def numbers() -> st.SearchStrategy[float | None]:
    return st.none() | st.floats()


@given(
    name=st.text(min_size=1),
    analytic=numbers(),
    numeric=numbers(),
    bar=numbers(),
    explanation=st.text(),
    index=st.none() | st.lists(st.integers(0, 10**6)).map(tuple),
    width=st.integers(60, 120),
)
def test_no_line_is_wider_than_the_page(
    name: str,
    analytic: float | None,
    numeric: float | None,
    bar: float | None,
    explanation: str,
    index: tuple[int, ...] | None,
    width: int,
) -> None:
    failure = Failure(
        "gradient", CaseId(None, {"x": (2, 3)}, None, 0), explanation, name, index, analytic, numeric, bar
    )
    subject = SubjectReport(name, verdict="failed", resolution=bar, failures=(failure,), notes=(explanation,))
    lines = report_to_text(Report(0, (subject,)), width).split("\n")

    assert max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines)


@given(representable(), representable())
def test_a_pair_shows_its_difference(analytic: float, numeric: float) -> None:
    shown = format_pair(analytic, numeric)

    assert (shown[0] == shown[1]) == (analytic == numeric)
    assert all(
        math.isclose(float(text), value, rel_tol=0.06) for text, value in zip(shown, (analytic, numeric), strict=True)
    )


@given(representable())
def test_short_numbers_keep_two_digits(value: float) -> None:
    assert math.isclose(float(format_short(value)), value, rel_tol=0.06)
