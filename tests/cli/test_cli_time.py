"""``gradcheck time``: tables, files, threads, exit status, and one sentence for each misuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradcheck.reports.timing_report import TimingReport
from gradcheck.timing.environment import THREAD_VARIABLES
from gradcheck.timing.measure import time_items
from gradcheck.timing.stopwatch import Stopwatch

Command = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy has one thread already, as in all tests, so that the command need not be run again."""
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "1")


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that advances by a tenth of a second whenever it is looked at."""
    ticks = iter(range(10**9))
    stopwatch = Stopwatch(lambda: 100_000_000 * next(ticks))

    def timed(items: Any, options: Any, progress: Any) -> TimingReport:
        return time_items(items, options, progress, stopwatch)

    monkeypatch.setattr("gradcheck.cli.time_command.time_items", timed)


def test_a_subject_has_one_row_and_no_exponent(command: Command, steady: None) -> None:
    status, out, err = command("time", "layers.py:right")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "right [bold]"
    assert re.fullmatch(r" +12 +\S+ \S+ ±\d+% .* 24 +\S+ .* 5\+2 +\S+", lines[3])
    assert "entries^" not in out
    assert "1 subject · 1 size · medians of 7 rounds" in out


def test_a_suite_is_shown_size_by_size_and_its_growth(command: Command, steady: None) -> None:
    status, out, _ = command("time", "reference_layers:ReLU", "--rounds", "3")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[3:9]] == ["32", "64", "128", "512", "2,048", "8,192"]
    assert re.search(r"^ε-difference .* 1\.00 ", out, re.MULTILINE)
    assert "The ε-difference calls the forward 64 to 16,384 times, twice for each entry" in out
    assert "medians of 3 rounds" in out


def test_many_subjects_have_a_line_each(command: Command, steady: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = ["ReLU", "Affine", "Sigmoid", "SoftmaxCrossEntropy"]
    status, out, _ = command("time", *(f"reference_layers:{name}" for name in names), "--budget", "0.5")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[2:6]] == ["relu", "affine", "sigmoid", "softmax_cross_entropy"]
    assert max(map(len, out.splitlines()[:7])) <= 80
    assert "…" not in out


def test_what_was_computed_is_marked(command: Command, steady: None) -> None:
    _, out, _ = command("time", "reference_layers:ReLU", "--budget", "0.001")
    assert len(re.findall(r"≈ [\d.,]+ \w+ +[\d,]+ ", out)) == 6
    assert re.search(r"^ε-difference +≈ ", out, re.MULTILINE)
    assert "≈  computed, not measured: calls × the time of a forward" in out


def test_the_default_is_the_kinds_of_the_reference_layers(command: Command, steady: None, kinds: Any) -> None:
    status, out, _ = command("time")
    assert status == 0
    assert out.startswith("square\n")


def test_the_json_file_holds_the_report(project: Path, command: Command, steady: None) -> None:
    command("time", "layers.py:right", "--json", "out.json", "--seed", "5", "--budget", "2.5", "--rounds", "4")
    report = TimingReport.from_dict(json.loads((project / "out.json").read_text(encoding="utf-8")))
    assert (report.seed, report.budget, report.rounds) == (5, 2.5, 4)
    assert [subject.name for subject in report.subjects] == ["right [bold]"]
    assert report.environment.threads == 1
    assert "OMP_NUM_THREADS=1" in report.environment.threads_known_from


def test_what_cannot_be_timed_exits_with_1(project: Path, command: Command, steady: None) -> None:
    text = "import gradcheck, numpy as np\nlayer = gradcheck.Subject('layer', {'x': np.ones(2)}, lambda p: 1 / 0)\n"
    (project / "broken.py").write_text(text, encoding="utf-8")
    status, out, _ = command("time", "broken.py")
    assert status == 1
    assert "ZeroDivisionError" in out


def test_another_number_of_threads_takes_another_process(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Done:
        returncode = 7

    def run(words: list[str], env: dict[str, str], check: bool) -> Done:
        started.append((words, {name: env[name] for name in THREAD_VARIABLES}))
        return Done()

    monkeypatch.setattr("gradcheck.cli.time_command.subprocess.run", run)
    assert command("time", "layers.py:right", "--threads", "2", "--budget", "1")[0] == 7
    ((words, variables),) = started
    assert words[1:] == ["-m", "gradcheck", "time", "layers.py:right", "--threads", "2", "--budget", "1"]
    assert set(variables.values()) == {"2"}


def test_as_a_user_runs_it_whose_environment_limits_nothing(shell: Callable[..., Any]) -> None:
    nothing = dict.fromkeys(THREAD_VARIABLES, "")
    done = shell("time", "layers.py:right", "--json", "out.json", "--budget", "1", "--rounds", "1", **nothing)
    assert (done.returncode, done.stderr) == (0, "")
    assert ", 1 thread · NumPy " in done.stdout


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        ("--budget 0", "expected a positive number, got '0'"),
        ("--budget much", "expected a positive number, got 'much'"),
        ("--budget inf", "expected a positive number, got 'inf'"),
        ("--rounds 0", "expected a whole number from 1, got '0'"),
        ("--threads -1", "expected a whole number from 0, got '-1'"),
        ("--bugdet 3", "got '--bugdet'; did you mean '--budget'?"),
        ("layers.py:rihgt", "got 'rihgt'; did you mean 'right'?"),
        ("--json missing/out.json", "expected a file that can be written, got 'missing/out.json'"),
    ],
)
def test_misuse_gets_one_sentence(words: str, fragment: str, refused: Refused) -> None:
    assert fragment in refused("time", *words.split())
