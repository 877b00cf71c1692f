"""Workers run the cases that this process would, and what ends one of them costs one case."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest

import gradcheck
from gradcheck.records.run_record import CaseId, SubjectReport
from gradcheck.reports.run_report import Report
from gradcheck.runs import Options, run
from gradcheck.runs.executor import InProcess
from gradcheck.runs.quota import Quota
from gradcheck.runs.result import MOST_PRINTED, Result, flooded, lost
from gradcheck.runs.source import Source, find_item, load_with_sources, source_of
from gradcheck.runs.worker_pool import WorkerPool
from reference_layers import ReLU

OPTIONS = Options(examples=4, corners=False)


def timeless(report: Report) -> Report:
    return replace(report, subjects=tuple(replace(subject, seconds=0.0) for subject in report.subjects))


def test_any_number_of_workers_gives_the_report_of_this_process(layers: str) -> None:
    items, sources = load_with_sources([f"{layers}:steep", "drawn.py:drawn", f"{layers}:wrong"])
    here = timeless(run(items, OPTIONS, executor=InProcess(), sources=sources))
    assert [subject.verdict for subject in here.subjects] == ["failed", "failed", "failed"]
    for workers, number in ((1, 1), (2, 3)):  # more items for more workers: each takes new ones
        with WorkerPool(workers) as pool:
            found = timeless(run(items[:number], OPTIONS, executor=pool, sources=sources[:number]))
        assert found.subjects == here.subjects[:number]


@pytest.mark.slow
def test_reference_layers_pass_in_workers_as_they_do_here() -> None:
    items, sources = load_with_sources(["reference_layers.activations"])
    alone = timeless(run(items, OPTIONS))
    for workers in (1, 2, 3):
        with WorkerPool(workers) as pool:
            assert timeless(run(items, OPTIONS, executor=pool, sources=sources)) == alone


def test_what_passes_is_reported_as_without_workers(layers: str) -> None:
    """Nothing fails, so drawing ends nowhere early, and both ways of running are one."""
    items, _ = load_with_sources([f"{layers}:right", f"{layers}:subject"])
    options = Options(examples=30)
    assert timeless(run(items, options, executor=InProcess())) == timeless(run(items, options))


def test_a_failure_shrinks_as_without_workers(layers: str) -> None:
    (item,), _ = load_with_sources([f"{layers}:steep"])
    (alone,), (planned,) = run([item], OPTIONS).subjects, run([item], OPTIONS, executor=InProcess()).subjects
    assert planned.failures == alone.failures
    assert 4 < np.prod(planned.failures[0].case.config["shape"]) < 10
    assert planned.cases == 4 >= alone.cases  # all are run, those after the first failure too


def test_habits_are_told_and_a_worker_that_ends_costs_one_case(layers: str) -> None:
    items, sources = load_with_sources([f"{layers}:sly", f"{layers}:leaving"])
    options = Options(examples=2, corners=False)  # the second case has four axes
    with WorkerPool(1) as pool:
        sly, leaving = run(items, options, executor=pool, sources=sources).subjects

    assert sly.verdict == "passed"
    assert "warned in 1 of 2 cases: UserWarning: take care" in sly.notes
    assert any(note.startswith("printed ") for note in sly.notes)
    assert "left threads behind in 1 of 2 cases; their workers were replaced" in sly.notes

    assert (leaving.verdict, leaving.cases) == ("error", 2)
    (failure,) = leaving.failures
    assert (failure.check, failure.explanation) == ("exit", "the case ended its process with status 5")
    assert failure.reproduce.startswith("gradcheck replay --target layers.py:leaving '{")
    assert "1 of 2 cases failed" in leaving.notes


def test_a_suite_that_always_crashes_is_given_up(layers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck.runs.tally.LOST_CASES", 1)
    items, sources = load_with_sources([f"{layers}:leaving"])
    with WorkerPool(1) as pool:
        (found,) = run(items, OPTIONS, executor=pool, sources=sources).subjects
    assert (found.verdict, found.cases) == ("error", 2)
    assert "1 case never came to an end; the others were not run" in found.notes


def test_what_a_worker_cannot_find_is_told(layers: str) -> None:
    items, _ = load_with_sources([f"{layers}:right"])
    with WorkerPool(1) as pool:
        (found,) = run(
            items, Options(examples=1, corners=False), executor=pool, sources=[Source("elsewhere.py", None, 0)]
        ).subjects
    assert found.verdict == "error"
    assert found.failures[0].check == "import"
    assert "expected a Python file, got 'elsewhere.py', which does not exist" in found.failures[0].explanation


def test_a_suite_of_this_session_cannot_be_found_by_workers() -> None:
    suite = gradcheck.suite("relu", lambda *_: None, name="mine")
    with WorkerPool(1) as pool, pytest.raises(ValueError, match="got 'mine', which was made in this session"):
        run([suite], OPTIONS, executor=pool)


def test_sources_lead_back_to_the_items(layers: str) -> None:
    items, sources = load_with_sources([layers, "reference_layers:ReLU"])
    assert [find_item(source).name for source in sources] == [item.name for item in items]
    assert source_of(items[-1]) == Source("", "relu")
    assert find_item(source_of(items[0])).name == items[0].name


class LosingCauses(InProcess):
    """An executor in which looking for a cause never comes to an end."""

    def run(self, item, tasks):
        for task, result in super().run(item, tasks):
            gone = lost(task.name, task.case, "timeout", "it did not end", task.reproduce)
            yield task, result if task.causes_seed is None else gone


def test_a_failure_whose_cause_cannot_be_looked_for_is_told_without(layers: str) -> None:
    items, sources = load_with_sources([f"{layers}:steep"])
    (known,), (found,) = (run(items, OPTIONS, executor=executor()).subjects for executor in (InProcess, LosingCauses))
    assert [failure.check for failure in found.failures] == [failure.check for failure in known.failures]
    assert found.failures[0].case == known.failures[0].case
    assert "diagnosis" in known.checks
    assert "diagnosis" not in found.checks


@pytest.mark.parametrize("target", ["layers.py", "layers.py:steep", "layers.py:subject"])
def test_a_source_brings_the_text_of_its_file(target, layers: str, tmp_path_factory, monkeypatch) -> None:
    """What is found elsewhere calls itself as it does at home."""
    items, sources = load_with_sources([target])
    shipped = [source.shipped() for source in sources]
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(ValueError, match=r"expected a Python file, got 'layers\.py"):
        find_item(sources[0])
    for item, source in zip(items, shipped, strict=True):
        found = find_item(source)
        assert found.name == item.name
        if isinstance(item, gradcheck.Suite):
            assert found.origin == item.origin
        else:
            assert found.reproduce == item.reproduce


@pytest.mark.parametrize("limits", [{"seconds": 0.0}, {"seconds": float("nan")}, {"memory": 0}])
def test_limits_of_nothing_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"^expected a "):
        Quota(**limits)


def test_memory_cannot_be_limited_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("gradcheck.runs.quota._HELD", tmp_path / "none")
    with pytest.raises(ValueError, match="which Linux can, got memory=8; timeout limits a case everywhere"):
        Quota(None, 8)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="a process that is killed cannot say so here")
def test_workers_end_with_the_process_that_started_them(layers: str, tmp_path) -> None:
    """They do so although a case would take for ever."""
    (tmp_path / "endless.py").write_text(
        "import gradcheck, os, pathlib, time\n"
        "def build(config, primals):\n"
        "    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "    time.sleep(600)\n"
        "endless = gradcheck.suite('relu', build)\n",
        encoding="utf-8",
    )
    parent = subprocess.Popen([sys.executable, "-m", "gradcheck", "verify", "endless.py", "--isolate"])
    worker = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not is_running(worker))


def wait_for(condition):
    for _ in range(600):
        if found := condition():
            return found
        time.sleep(0.05)
    return pytest.fail("that never came")


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = f"/proc/{process}/stat"
    if os.path.exists(status):  # noqa: PTH110  # nobody may have taken note of its end yet
        with open(status, encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    return True


class UnspeakableError(Exception):
    """An exception whose text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("long " * 10**5), "… (500,0"),
        (UnspeakableError(), "RuntimeError: no text"),
        (SystemExit(3), "the case raised SystemExit: 3"),
        (MemoryError(), "build raised MemoryError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_raised_is_told_briefly(error: BaseException, sentence: str) -> None:
    def build(*_: object) -> None:
        raise error

    suite = gradcheck.suite("relu", build, name="raising")
    (found,) = run([suite], Options(examples=1, corners=False), executor=InProcess()).subjects
    assert found.verdict == "error"
    assert sentence in found.failures[0].explanation
    assert len(found.failures[0].explanation) < 2100


def test_a_flood_of_warnings_is_counted_by_cases() -> None:
    def build(config, primals):
        for number in range(1000):
            warnings.warn(f"number {number} of {primals['x'].size} " + "x" * 10**4, UserWarning, stacklevel=1)
        return ReLU()

    suite = gradcheck.suite("relu", build, name="loud")
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        (found,) = run([suite], Options(examples=2, corners=False)).subjects
    assert printed == []
    assert found.verdict == "passed"
    assert len(found.notes) < 10
    assert max(map(len, found.notes)) < 400


def test_a_warning_that_is_an_error_stays_one() -> None:
    def build(*_: object) -> ReLU:
        warnings.warn("take care", UserWarning, stacklevel=1)
        return ReLU()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = run([gradcheck.suite("relu", build)], Options(examples=1, corners=False)).subjects
    assert found.verdict == "error"


def test_a_case_that_prints_too_much_is_an_error() -> None:
    case = CaseId("relu", {"shape": (2,)}, "normal", 0)
    quiet = Result(report=SubjectReport("loud", "relu"), printed=MOST_PRINTED)
    assert flooded(quiet, case, "again") is quiet
    report = flooded(replace(quiet, printed=MOST_PRINTED + 1), case, "again").report
    assert report.verdict == "error"
    assert [(one.check, one.reproduce) for one in report.failures] == [("output", "again")]
