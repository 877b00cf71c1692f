"""A page says everything in words, holds pictures for those who look, and nothing that names smuggle in."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.html_reports import HOSTILE, failure, picture, study_report, timing_report, verify_report

pytest.importorskip("jinja2", reason="jinja2 is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from gradcheck.records.run_record import VERDICTS, CaseId, Failure, GradientPicture, SubjectReport
from gradcheck.reports.html.gradient_pictures import plane, step_curve
from gradcheck.reports.html.page import report_to_html, require_report_packages
from gradcheck.reports.run_report import Report, report_from_json

VOID = {"meta", "br", "img", "hr", "input", "link"}
PAGES = {
    "verify": lambda name: verify_report(name).to_html(),
    "time": lambda name: timing_report(name).to_html(),
    "study": lambda name: study_report(name).to_html(),
}


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, its text, and whether everything is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.elements if attribute in attributes]

    def count(self, tag: str) -> int:
        return sum(tag == one for one, _ in self.elements)


def harmless(page: str) -> Page:
    """Return a page taken apart that holds no script, needs nothing beside it, and whose pictures have words."""
    parsed = Page(page)
    assert {"script", "iframe", "object", "embed", "link", "img", "base", "form"}.isdisjoint(
        tag for tag, _ in parsed.elements
    )
    attributes = {name for _, one in parsed.elements for name in one}
    assert not [name for name in attributes if name.startswith("on")]
    assert "src" not in attributes
    identifiers = parsed.values("id")
    assert len(identifiers) == len(set(identifiers))
    for link in parsed.values("href") + parsed.values("xlink:href"):
        assert link.startswith("data:image/png;base64,") or link.removeprefix("#") in identifiers
    used = re.findall(r"url\(([^)]*)\)", page)
    assert all(link.removeprefix("#") in identifiers for link in used)
    assert "://" not in re.sub(r">[^<]*<|\"[^\"]*\"", "", page)
    for tag, one in parsed.elements:
        if tag == "svg" and "chart" in (one["class"] or ""):
            assert one["role"] == "img"
            assert one["aria-label"]
    return parsed


# What a page shows


def test_every_verdict_is_a_word_and_every_number_is_there():
    page = harmless(verify_report().to_html())
    for verdict in VERDICTS:
        assert re.search(rf"1 {verdict}\b", page.text)
        assert page.text.count(verdict) >= 3, "in the tally, the table and the heading"
    for words in (
        "4 subjects, 1 failed, 1 could not be run, 1 inconclusive",
        "1,234",
        "4.9e-7",
        "1 met, 1 never",
        "ties 3×",
        "groups > 1 my conv never",
        "1 of 2 killed",
        "bias-lost",
        "float64 only",
        "linear: because of my conv",
        "a note on my conv",
        "9.000",
        "-1.000",
        "± 1e-6",
        "1e7 times the error bar",
        "kernel-not-rotated",
        "kernel_size = (3, 2)",
        "integers, seed 7",
        "my conv[1, :, :]",
        'gradcheck replay \'{"kind": "my conv"}\'',
        "vjp raised RuntimeError: no",
    ):
        assert words in page.text


def test_passed_subjects_are_folded_and_others_open():
    page = Page(verify_report().to_html())
    folded = [("open" in one) for tag, one in page.elements if tag == "details" and one.get("class") == "subject"]
    assert folded == [False, True, True, True]


@pytest.mark.parametrize(
    ("subjects", "title"),
    [
        ((), "Nothing was verified"),
        ((SubjectReport("a"),), "The subject passed"),
        ((SubjectReport("a"), SubjectReport("b")), "All 2 subjects passed"),
        ((SubjectReport("a", verdict="failed"),), "Of 1 subject, 1 failed"),
    ],
)
def test_the_title_tells_what_came_out(subjects: tuple[SubjectReport, ...], title: str):
    assert f"<h1>{title}</h1>" in report_to_html(Report(0, subjects))


def test_a_failure_with_a_picture_has_three_maps_and_a_curve():
    with_picture = SubjectReport("a", verdict="failed", failures=(failure("x", picture()),))
    without = SubjectReport("a", verdict="failed", failures=(failure("x"),))
    page, plain = (Page(report_to_html(Report(0, (one,)))) for one in (with_picture, without))
    assert (page.count("svg"), plain.count("svg")) == (4, 0)
    words = page.values("aria-label")
    assert any("12 shown entries" in one and "1 of 12" in one for one in words)
    for title in ("Analytic", "Numeric", "Difference ÷ error bar", "Does the step explain it?"):
        assert title in page.text


def test_what_reproduces_a_failure_stands_as_it_is_to_be_typed():
    page = report_to_html(Report(0, (SubjectReport("a", verdict="failed", failures=(failure("x"),)),)))
    parsed = Page(page)
    assert failure("x").reproduce in parsed.texts


def test_timings_and_studies_show_their_tables():
    timing, study = harmless(timing_report().to_html()), harmless(study_report().to_html())
    for words in ("≈ 2.00 s", "20,000", "1.01 (0.97 … 1.05)", "could not be timed", "processor of my conv"):
        assert words in timing.text
    for words in ("float16 one-sided", "1e-11", "about my conv", "16 of 128 entries", "Effect of kinks"):
        assert words in study.text
    assert (timing.count("svg"), study.count("svg")) == (3, 4)


# What it does not hold


@pytest.mark.parametrize("kind", PAGES)
def test_names_that_look_like_markup_are_text(kind: str):
    page = harmless(PAGES[kind](HOSTILE))
    assert HOSTILE in page.text


characters = st.characters(codec=None, exclude_categories=())
texts = st.text(characters, max_size=12) | st.sampled_from([HOSTILE, "", "\x00\x1b[31m", "\ud800", "{{ 7 * 7 }}"])
numbers = st.none() | st.floats()
failures = st.builds(
    Failure,
    texts,
    st.builds(CaseId, st.none() | texts, st.dictionaries(texts, texts, max_size=2), st.none() | texts, st.just(0)),
    texts,
    primal=st.none() | texts,
    index=st.none() | st.tuples(st.integers(0, 9)),
    analytic=numbers,
    numeric=numbers,
    error_bar=numbers,
    wrong_entries=st.none() | st.integers(0, 9),
    entries=st.none() | st.integers(0, 9),
    sampled=st.booleans(),
    cause=st.none() | texts,
    reproduce=texts,
)
subjects = st.builds(
    SubjectReport,
    texts,
    st.none() | texts,
    st.sampled_from(VERDICTS),
    resolution=numbers,
    masked=st.floats(0, 1),
    conditions=st.dictionaries(texts, st.integers(0, 3), max_size=3),
    failures=st.lists(failures, max_size=2).map(tuple),
    notes=st.lists(texts, max_size=2).map(tuple),
    limits=st.lists(texts, max_size=2).map(tuple),
    without=st.dictionaries(texts, texts, max_size=2),
    canaries=st.dictionaries(texts, st.sampled_from(["caught", "survived", "not applicable"]), max_size=3),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(subjects, max_size=3))
def test_any_report_is_a_page(found: list[SubjectReport]):
    page = report_to_html(Report(0, tuple(found)))
    assert harmless(page).count("details") >= len(found)
    assert page.encode("utf-8").decode("utf-8") == page
    assert not re.search("[^\n\x20-\ud7ff\ue000-\U0010ffff]", page)


def _rows(rows: int, columns: int) -> st.SearchStrategy[tuple[tuple[float, ...], ...]]:
    row = st.lists(st.floats(), min_size=columns, max_size=columns).map(tuple)
    return st.lists(row, min_size=rows, max_size=rows).map(tuple)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[tuple[int, ...], GradientPicture]:
    """An index of the worst entry, and what surrounds it."""
    shape = draw(st.lists(st.integers(1, 4), max_size=3).map(tuple))
    axes = tuple(axis for axis, length in enumerate(shape) if length > 1)[-2:]
    index = tuple(draw(st.integers(0, length - 1)) for length in shape)
    corner = tuple(0 if axis in axes else place for axis, place in enumerate(index))
    rows, columns = (1, 1, *(shape[axis] for axis in axes))[-2:]
    steps = draw(st.lists(st.floats(1e-12, 1.0), max_size=4, unique=True).map(tuple))
    differences = tuple(draw(st.floats(allow_nan=False, allow_infinity=False)) for _ in steps)
    analytic, numeric, error_bar = (draw(_rows(rows, columns)) for _ in range(3))
    return index, GradientPicture(
        shape=shape,
        axes=axes,
        corner=corner,
        analytic=analytic,
        numeric=numeric,
        error_bar=error_bar,
        steps=steps,
        differences=differences,
    )


@settings(max_examples=10, deadline=None)
@given(pictures(), numbers, numbers, numbers)
def test_any_picture_can_be_drawn_and_kept(
    shown: tuple[tuple[int, ...], GradientPicture], analytic: float, numeric: float, bar: float
):
    index, drawn = shown
    case = CaseId(None, {}, None, 0)
    wrong = Failure("gradient", case, "", "x", index, analytic, numeric, bar, picture=drawn)
    report = Report(0, (SubjectReport("a", verdict="failed", failures=(wrong,)),))
    harmless(report_to_html(report))
    (kept,) = report_from_json(report.to_json()).failures
    assert repr(kept) == repr(wrong)  # nan is not equal to itself


# How it is made


@pytest.mark.parametrize("kind", PAGES)
def test_the_same_report_is_the_same_page(kind: str):
    assert PAGES[kind]("a") == PAGES[kind]("a")


def test_settings_of_matplotlib_matter_not_and_stay():
    import matplotlib as mpl

    report = Report(0, (SubjectReport("a", verdict="failed", failures=(failure("x", picture()),)),))
    with mpl.rc_context({"text.color": "red", "svg.fonttype": "path", "font.size": 30, "axes.grid": True}):
        before = dict(mpl.rcParams)
        page = report_to_html(report)
        assert dict(mpl.rcParams) == before
    assert page == report_to_html(report)


def test_making_a_page_starts_no_drawing_on_a_screen():
    code = (
        "import sys; from support.html_reports import verify_report; verify_report().to_html();"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=_environment())


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_its_extra(missing: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gradcheck.reports.html.page.find_spec", lambda name: None if name == missing else object())
    expected = f'an HTML report needs the package {missing}; install it with: pip install "gradcheck[report]"'
    with pytest.raises(ModuleNotFoundError, match=re.escape(expected)):
        require_report_packages()
    with pytest.raises(ModuleNotFoundError, match=re.escape(expected)):
        report_to_html(Report(0, ()))


@pytest.mark.parametrize(
    ("shape", "axes", "corner", "extent", "expected"),
    [
        ((), (), (), (1, 1), "[]"),
        ((1, 1), (), (0, 0), (1, 1), "[0, 0]"),
        ((5,), (0,), (0,), (1, 5), "[:]"),
        ((5, 1), (0,), (0, 0), (1, 5), "[:, 0]"),
        ((7, 3, 40), (1, 2), (6, 0, 8), (3, 32), "[6, :, 8:40]"),
    ],
)
def test_the_plane_that_is_shown_is_an_index(
    shape: tuple[int, ...], axes: tuple[int, ...], corner: tuple[int, ...], extent: tuple[int, int], expected: str
):
    table = ((0.0,) * extent[1],) * extent[0]
    tables = {"analytic": table, "numeric": table, "error_bar": table}
    assert plane(GradientPicture(shape=shape, axes=axes, corner=corner, **tables, steps=(), differences=())) == expected


def test_the_curve_tells_how_near_any_step_comes():
    curve: Any = step_curve(failure("x"), picture())
    assert "nearer to the analytic value than 10, 1e7 times the error bar" in curve.caption
    assert "from 1 to 1e-11" in curve.caption


def test_points_that_logarithmic_axes_cannot_show_are_told_of():
    flat = replace(picture(), steps=(1.0, 0.1, 0.01), differences=(2.0, 0.0, 0.0))
    curve: Any = step_curve(replace(failure("x"), analytic=-1.5, numeric=0.0), flat)
    assert "At 2 of 3 steps it is the numeric value itself" in curve.caption
