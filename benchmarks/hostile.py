"""What becomes of a run whose layers misbehave: a table, and exit status 1 where it is not what was promised.

Run with ``python benchmarks/hostile.py``. The layers of ``examples/hostile/misbehaving.py`` are verified in one run
with a timeout and a memory limit. The run must end, must run every case, and must judge the two right layers, one
before them and one after, as a run does in which none misbehaves.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

from gradcheck.records.run_record import SubjectReport
from gradcheck.runs import Options, run
from gradcheck.runs.quota import Quota
from gradcheck.runs.source import load_with_sources
from gradcheck.runs.worker_pool import WorkerPool

LAYERS = Path(__file__).parents[1] / "examples" / "hostile" / "misbehaving.py"
RIGHT = ("before", "after")
#: Misbehaviour -> the verdict, and the check that the report names for it.
PROMISED: dict[str, tuple[str, str]] = {
    "hang": ("error", "timeout"),
    "hang in C": ("error", "timeout"),
    "segfault": ("error", "crash"),
    "os._exit": ("error", "exit"),
    "killed": ("error", "crash"),
    "out of memory": ("error", "raised"),
    "huge output": ("error", "output"),
    "output from C": ("passed", ""),
    "many warnings": ("passed", ""),
    "exception, forward": ("error", "raised"),
    "exception, backward": ("error", "raised"),
    "sys.exit": ("error", "raised"),
    "NaN flood": ("error", "forward"),
    "mutation": ("failed", "mutation"),
    "thread left behind": ("passed", ""),
    "recursion": ("error", "raised"),
    "global state": ("failed", "gradient"),
}


class Row(NamedTuple):
    """One misbehaviour, and what became of it."""

    name: str
    verdict: str
    check: str
    told: str
    cases: int


def row(report: SubjectReport) -> Row:
    """Return what a report tells of a misbehaviour."""
    first = next(iter(report.failures), None)
    told = first.explanation if first else next(iter(report.notes), "")
    return Row(report.name, report.verdict, first.check if first else "", told, report.cases)


def misbehave(names: Iterable[str], options: Options, timeout: float, workers: int = 1) -> dict[str, SubjectReport]:
    """Verify some of the layers and the two right ones in one run; return the reports by name."""
    wanted = {*names, *RIGHT}
    found = [pair for pair in zip(*load_with_sources([str(LAYERS)]), strict=True) if pair[0].name in wanted]
    items, sources = zip(*found, strict=True)
    with WorkerPool(workers, Quota(timeout, 1024)) as pool:
        report = run(items, options, executor=pool, sources=sources)
    return {subject.name: subject for subject in report.subjects}


def broken_promises(reports: dict[str, SubjectReport], options: Options) -> list[str]:
    """Return what is not as it should be."""
    items, sources = load_with_sources([str(LAYERS)])
    del sources
    alone = run([item for item in items if item.name in RIGHT], options).subjects
    found = []
    for expected in alone:
        came = reports[expected.name]
        if (came.verdict, came.cases, came.evaluations) != (expected.verdict, expected.cases, expected.evaluations):
            found.append(f"{came.name}: expected {expected.verdict} as without the others, got {came.verdict}")
    for name in reports.keys() & PROMISED.keys():
        came = row(reports[name])
        if (came.verdict, came.check) != PROMISED[name]:
            found.append(f"{name}: expected {PROMISED[name]}, got {(came.verdict, came.check)}")
        if came.cases != alone[0].cases:
            found.append(f"{name}: expected all {alone[0].cases} cases to be run, got {came.cases}")
    return found


@click.command()
@click.option("--timeout", default=5.0, show_default=True, help="Seconds that a case may take.")
@click.option("--workers", default=2, show_default=True)
def main(timeout: float, workers: int) -> None:
    """Print the table of misbehaviours and outcomes as Markdown."""
    options = Options(examples=4)
    reports = misbehave(PROMISED, options, timeout, workers)
    print("| misbehaviour | verdict | check | what the report tells |\n|---|---|---|---|")
    for report in reports.values():
        name, verdict, check, told, _ = row(report)
        if name in PROMISED:
            print(f"| {name} | {verdict} | {check or '–'} | {told} |")
    wrong = broken_promises(reports, options)
    print(f"\nthe right layers: {', '.join(f'{name} {reports[name].verdict}' for name in RIGHT)}")
    print(
        "\n".join(wrong) or "all as promised: every case was run, and the right layers are judged as without the others"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
