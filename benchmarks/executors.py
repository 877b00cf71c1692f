"""What a case costs beside the check itself: in this process, in workers, with a file, on an executor, on a cluster.

Run with ``python benchmarks/executors.py``. The same cases of a small layer are run in each way; the table shows
seconds that passed, and the milliseconds that the process which plans, hands out and sums up was busy with a case:
where others run the cases, that is what bounds how many of them it can keep busy. Dask is left out where it is not
installed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import click

import gradcheck
from gradcheck.runs import Options, plan_of, run
from gradcheck.runs.executor import InProcess, NoStore, ResultStore, TaskExecutor
from gradcheck.runs.futures import FuturesExecutor, on_dask
from gradcheck.runs.journal import Journal
from gradcheck.runs.source import Source
from gradcheck.runs.worker_pool import WorkerPool

ITEMS = [gradcheck.suite("relu")]
SOURCES = [Source("", "relu")]


def measure(executor: TaskExecutor, options: Options, records: ResultStore | None = None) -> tuple[int, float, float]:
    """Return how many cases were run, how long that took, and how long this process was busy.

    The first few are not counted, which start workers.
    """
    run(ITEMS, Options(examples=8, corners=False), executor=executor, sources=SOURCES)
    begun, busy = time.perf_counter(), time.process_time()
    report = run(ITEMS, options, executor=executor, store=records or NoStore(), sources=SOURCES)
    return report.subjects[0].cases, time.perf_counter() - begun, time.process_time() - busy


@contextmanager
def dask(workers: int) -> Iterator[TaskExecutor]:
    """Start a cluster on this machine."""
    from distributed import LocalCluster

    settings = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with (
        LocalCluster(n_workers=workers, **settings) as cluster,
        closing(on_dask(cluster.scheduler_address)) as executor,
    ):
        yield executor


@click.command()
@click.option("--examples", default=1000, show_default=True)
@click.option("--workers", default=2, show_default=True)
def main(examples: int, workers: int) -> None:
    """Print the table as Markdown."""
    options = Options(examples=examples)
    context = multiprocessing.get_context("spawn")
    ways: dict[str, Callable[[ExitStack], TaskExecutor]] = {
        "this process": lambda _: InProcess(),
        "this process, `--resume`": lambda _: InProcess(),
        "1 worker": lambda stack: stack.enter_context(WorkerPool(1)),
        f"{workers} workers": lambda stack: stack.enter_context(WorkerPool(workers)),
        f"{workers} processes of `ProcessPoolExecutor`": lambda stack: FuturesExecutor(
            stack.enter_context(ProcessPoolExecutor(workers, context))
        ),
        f"Dask, {workers} workers of this machine": lambda stack: stack.enter_context(dask(workers)),
    }
    print("| | cases | seconds | ms per case | of which here |\n|---|--:|--:|--:|--:|")
    for way, make in ways.items():
        with ExitStack() as stack:
            try:
                executor = make(stack)
            except ImportError:
                continue
            records: ResultStore | None = None
            if "--resume" in way:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                plan = plan_of(ITEMS, SOURCES, options)
                records = stack.enter_context(Journal(Path(folder) / "run.jsonl", plan))
            cases, seconds, busy = measure(executor, options, records)
        print(f"| {way} | {cases:,} | {seconds:.1f} | {1000 * seconds / cases:.1f} | {1000 * busy / cases:.1f} |")


if __name__ == "__main__":
    main()
