"""A campaign on a Dask cluster, one of whose workers is killed in the middle: is anything lost?

Run with ``python benchmarks/cluster.py``; it needs ``pip install "gradcheck[distributed]"``. A cluster of worker
processes is started on this machine; a file of layers is verified on it that is gone by then, as it would be on another
machine. When a third of the cases is done, one worker gets SIGKILL. The report is compared with that of a run in this
process; exit status 1 if they differ, times excepted.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

import signal
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.run_report import Report
from gradcheck.runs import Options, run
from gradcheck.runs.executor import InProcess
from gradcheck.runs.futures import on_dask
from gradcheck.runs.source import load_with_sources

LAYERS = """
import gradcheck
from reference_layers import ReLU, Tanh

right = gradcheck.suite("relu", lambda config, primals: ReLU(), name="right")


class Steep(Tanh):
    def backward(self, params, cache, grad_output):
        dx, gradients = super().backward(params, cache, grad_output)
        return 1.01 * dx, gradients


wrong = gradcheck.suite("tanh", lambda config, primals: Steep(), name="wrong")
"""


class Killer:
    """A progress that ends a process when so many cases are done."""

    def __init__(self, process: int, cases: int) -> None:
        self._process = process
        self._left = cases
        self.struck = False

    def begin(self, name: str, cases: int) -> None:
        """Nothing is to be done."""

    def advance(self) -> None:
        """Count, and strike."""
        self._left -= 1
        if self._left == 0:
            os.kill(self._process, signal.SIGKILL)
            self.struck = True

    def end(self, report: SubjectReport) -> None:
        """Nothing is to be done."""


def timeless(report: Report) -> Report:
    """Return a report without its times."""
    return replace(report, subjects=tuple(replace(subject, seconds=0.0) for subject in report.subjects))


def compare(workers: int, examples: int) -> tuple[bool, bool, float]:
    """Return whether a worker was killed, whether the reports are the same, and how long the cluster took."""
    from distributed import LocalCluster

    options = Options(examples=examples)
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as away:
        file = Path(home) / "layers.py"
        file.write_text(LAYERS, encoding="utf-8")
        items, sources = load_with_sources([str(file)])
        sources = [source.shipped() for source in sources]
        alone = run(items, options, executor=InProcess(), sources=sources)
        settings = {"threads_per_worker": 1, "dashboard_address": None, "local_directory": away, "silence_logs": 50}
        with LocalCluster(n_workers=workers, **settings) as cluster:
            nannies = list(cluster.workers.values())
            killer = Killer(nannies[0].pid, examples // 3)
            with closing(on_dask(cluster.scheduler_address)) as executor:
                file.unlink()  # only its text is left, which goes along
                begun = time.perf_counter()
                report = run(items, options, killer, executor=executor, sources=sources)
                seconds = time.perf_counter() - begun
    return killer.struck, timeless(report) == timeless(alone), seconds


@click.command()
@click.option("--workers", default=3, show_default=True)
@click.option("--examples", default=60, show_default=True)
def main(workers: int, examples: int) -> None:
    """Kill a worker of a cluster in the middle of a campaign."""
    struck, same, seconds = compare(workers, examples)
    print(
        f"{workers} workers, {'one' if struck else 'none'} killed: " + ("the same report" if same else "ANOTHER REPORT")
    )
    print(f"{seconds:.1f} s")
    sys.exit(0 if struck and same else 1)


if __name__ == "__main__":
    main()
