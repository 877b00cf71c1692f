"""Any executor runs cases, and one that loses them says so."""

from __future__ import annotations

import importlib.util
import os
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest

from gradcheck.reports.run_report import Report
from gradcheck.runs import Options, run
from gradcheck.runs.executor import InProcess
from gradcheck.runs.futures import FuturesExecutor, on_dask
from gradcheck.runs.source import load_with_sources

OPTIONS = Options(examples=5, corners=False)


def timeless(report: Report) -> Report:
    return replace(report, subjects=tuple(replace(subject, seconds=0.0) for subject in report.subjects))


def test_threads_give_the_report_of_this_process(layers: str) -> None:
    items, sources = load_with_sources([f"{layers}:right", f"{layers}:wrong", "reference_layers:ReLU"])
    here = timeless(run(items, OPTIONS, executor=InProcess(), sources=sources))
    assert [subject.verdict for subject in here.subjects] == ["passed", "failed", "passed"]
    with ThreadPoolExecutor(2) as executor:
        assert timeless(run(items, OPTIONS, executor=executor, sources=sources)) == here


class Breaking(Executor):
    """An executor that runs one task, and then breaks: as it is told of the next, or while it runs it."""

    def __init__(self, *, at_once: bool) -> None:
        self._at_once = at_once
        self._tasks = 0

    def submit(self, function, /, *arguments, **named):
        self._tasks += 1
        future: Future[str] = Future()
        if self._tasks == 1:
            future.set_result(function(*arguments, **named))
        elif self._at_once:
            raise BrokenProcessPool("a worker died")
        else:
            future.set_exception(BrokenProcessPool("a worker died"))
        return future


@pytest.mark.parametrize("at_once", [True, False])
def test_an_executor_that_breaks_ends_the_run_and_is_named(layers: str, at_once: bool) -> None:
    items, sources = load_with_sources([f"{layers}:right"])
    (found,) = run(items, OPTIONS, executor=FuturesExecutor(Breaking(at_once=at_once)), sources=sources).subjects
    assert (found.verdict, found.cases) == ("error", 5)
    (failure,) = found.failures
    assert failure.check == "executor"
    assert "BrokenProcessPool: a worker died" in failure.explanation


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r'needs the package distributed; .* pip install "gradcheck\[distributed\]"'):
        on_dask("tcp://127.0.0.1:8786")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_which_a_worker_is_killed_loses_nothing() -> None:
    pytest.importorskip("distributed", reason="distributed is not installed")
    if not hasattr(os, "killpg"):
        pytest.skip("a process that is killed cannot say so here")
    spec = importlib.util.spec_from_file_location("cluster", Path(__file__).parents[2] / "benchmarks" / "cluster.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    struck, same, _ = script.compare(3, 40)
    assert struck
    assert same
