"""The same plan gives the same report, whoever runs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradcheck.reports.run_report import Report
from gradcheck.runs import Options, run
from gradcheck.runs.futures import on_dask
from gradcheck.runs.journal import Journal
from gradcheck.runs.plan import plan_of
from gradcheck.runs.source import load_with_sources
from gradcheck.runs.worker_pool import WorkerPool


def timeless(report: Report) -> Report:
    return replace(report, subjects=tuple(replace(subject, seconds=0.0) for subject in report.subjects))


@contextmanager
def dask() -> Iterator[Any]:
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("distributed is not installed")
    from distributed import LocalCluster

    settings = {"processes": False, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with LocalCluster(n_workers=1, **settings) as cluster, closing(on_dask(cluster.scheduler_address)) as executor:
        yield executor


EXECUTORS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "this process": lambda: nullcontext(None),
    "1 worker": lambda: WorkerPool(1),
    "3 workers": lambda: WorkerPool(3),
    "threads": lambda: ThreadPoolExecutor(2),
    "Dask": dask,
}


@pytest.mark.filterwarnings("default")  # those of Dask's own start
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("stops", [True, False])
def test_a_wrong_layer_has_one_report(layers: str, executor: str, stops: bool) -> None:
    items, sources = load_with_sources([f"{layers}:steep"])
    options = Options(examples=6, corners=False, stop_at_failure=stops)
    expected = timeless(run(items, options, sources=sources))
    with EXECUTORS[executor]() as runs_tasks:
        found = timeless(run(items, options, executor=runs_tasks, sources=sources))
    assert found == expected
    assert found.verdict == "failed"


@pytest.mark.parametrize("stops", [True, False])
def test_a_store_does_not_change_the_report(layers: str, tmp_path: Path, stops: bool) -> None:
    items, sources = load_with_sources([f"{layers}:steep"])
    options = Options(examples=6, corners=False, stop_at_failure=stops)
    expected = timeless(run(items, options, sources=sources))
    for _ in range(2):  # the second reads what the first stored
        with Journal(tmp_path / "run.jsonl", plan_of(items, sources, options)) as journal:
            assert timeless(run(items, options, store=journal, sources=sources)) == expected


def test_drawing_stops_at_a_failure_unless_somebody_else_runs_the_cases(layers: str) -> None:
    items, sources = load_with_sources([f"{layers}:steep"])
    options = Options(examples=6, corners=False)
    (alone,) = run(items, options).subjects
    with ThreadPoolExecutor(1) as executor:
        (handed_out,) = run(items, options, executor=executor, sources=sources).subjects
    assert alone.cases < handed_out.cases == 6
    assert alone.failures == handed_out.failures
