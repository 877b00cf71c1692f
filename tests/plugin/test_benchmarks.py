"""Suites as benchmarks: what is timed, when, what is told of it, and that two runs can be compared."""

import json

import pytest
from support.modules import RIGHT

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")

TIMED = [
    f"test_mine.py::{name}::time[{way}]" for name in ("conv", "point") for way in ("analytic", "numeric", "projected")
]
QUICK = ["--benchmark-only", "--benchmark-min-rounds=1", "--benchmark-max-time=0.001", "--benchmark-warmup=off"]


def test_a_run_that_asks_for_no_benchmark_has_none(runs):
    assert "time[" not in runs(RIGHT, "--co", "-q").stdout.str()
    assert "time[" not in runs(RIGHT, "--co", "-q", "-p", "no:benchmark").stdout.str()


def test_items_of_time_are_there_where_benchmarks_are_asked_for(runs):
    names = [line for line in runs(RIGHT, "--co", "-q", "--benchmark-enable").outlines if "time[" in line]
    assert names == TIMED


def test_benchmarks_are_run_and_kept_and_compared(runs_apart, project):
    result = runs_apart(RIGHT, *QUICK, "--benchmark-json=out.json", "--benchmark-autosave")
    result.assert_outcomes(passed=6, skipped=7)  # the checks are no benchmarks
    found = json.loads((project.path / "out.json").read_text(encoding="utf-8"))["benchmarks"]
    assert [bench["fullname"] for bench in sorted(found, key=lambda bench: TIMED.index(bench["fullname"]))] == TIMED
    for bench in found:
        told = bench["extra_info"]
        calls = {"analytic": (1, 1), "numeric": (2 * told["entries"], 0), "projected": (5, 2)}
        assert (told["forwards"], told["pullbacks"]) == calls[told["way"]]
        assert bench["name"] == f"time[{told['way']}]"
        assert bench["group"].endswith(f", {told['entries']:,} entries")
        assert told["config"]
        assert told["outputs"] >= 1
    assert len({bench["group"] for bench in found}) == 2

    again = runs_apart(RIGHT, TIMED[0], *QUICK, "--benchmark-compare", "--benchmark-compare-fail=median:99999%")
    again.assert_outcomes(passed=1)
    for when in ("0001_", "NOW)"):
        assert again.stdout.str().count(f"time[analytic] ({when}") == 1


def test_a_mark_can_skip_the_items_of_a_suite(runs):
    text = "import pytest\npytestmark = pytest.mark.skip(reason='not today')\n" + RIGHT
    result = runs(text, "-rs")
    result.assert_outcomes(skipped=7)
    result.stdout.fnmatch_lines(["SKIPPED*test_mine.py*: not today"])
