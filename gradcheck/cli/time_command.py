"""``gradcheck time``: what numeric and analytic gradients cost, as tables and as JSON."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck import kinds
from gradcheck.cli.console import new_console, new_table, show_plain, write
from gradcheck.cli.exit_status import NOT_PASSED, PASSED, misuse
from gradcheck.cli.items import load_all
from gradcheck.cli.options import Command, count, html_option, output_file, positive, require_different, seed_option
from gradcheck.cli.progress_bar import ProgressBar
from gradcheck.messages import counted
from gradcheck.records.timing_record import Measurement, SubjectTiming, Timing
from gradcheck.reports.text import printable
from gradcheck.reports.timing_report import TimingReport
from gradcheck.reports.timing_text import (
    WAY_TITLES,
    claim,
    environment_line,
    format_calls,
    format_fit,
    format_ratio,
    format_time,
)
from gradcheck.suites.suite import suite
from gradcheck.targets import Item
from gradcheck.timing.environment import threads_of, threads_to_be
from gradcheck.timing.measure import TimeOptions, time_items

#: So many subjects are shown size by size; of more, each gets one line.
_IN_FULL = 3
_WIDE = 100  # columns from which spreads are shown


@click.command("time", cls=Command)
@click.argument("targets", nargs=-1, metavar="[TARGET ...]")
@seed_option
@click.option(
    "--budget",
    callback=positive,
    default="60",
    metavar="SECONDS",
    help="For the whole run, about; differences that would exceed it are computed, not measured (default: 60).",
)
@click.option(
    "--rounds", callback=count, default="7", metavar="N", help="Interleaved rounds at each size (default: 7)."
)
@click.option("--threads", callback=count, default="1", metavar="N", help="Threads of BLAS (default: 1).")
@click.option("--json", "json_file", callback=output_file, metavar="FILE", help="Write the figures as JSON.")
@html_option
@click.pass_obj
def time_command(
    words: Sequence[str],
    targets: tuple[str, ...],
    seed: int,
    budget: float,
    rounds: int,
    threads: int,
    json_file: Path | None,
    html_file: Path | None,
) -> int:
    """Time numeric against analytic gradients.

    TARGET is path.py[:name] or package.module[:name]; without one, the reference layers. Each is timed over a range of
    sizes: forward, analytic gradient, ε-difference entry by entry, projected check.

    Exit status: 0 all timed, 1 something could not be, 2 misuse.
    """
    require_different({"--json": json_file, "--html": html_file})
    if threads_of(os.environ)[0] != threads:
        return _run_again(words, threads_to_be(threads))
    items = load_all(targets) if targets else _reference_layers()
    with misuse(ValueError), ProgressBar(len(items)) as bar:
        report = time_items(items, TimeOptions(seed, budget, rounds), bar)
    show(report)
    write(json_file, report.to_json)
    write(html_file, report.to_html)
    return PASSED if all(subject.measurements for subject in report.subjects) else NOT_PASSED


def _run_again(words: Sequence[str], variables: dict[str, str]) -> int:
    """Run the command in another process: BLAS reads how many threads it may use when NumPy loads it, and not again."""
    command = [sys.executable, "-m", "gradcheck", *words]
    return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode


def _reference_layers() -> list[Item]:
    return [suite(name) for name in kinds.KINDS]


# For people


def show(report: TimingReport) -> None:
    """Print a report: size by size, or a line for each of many subjects."""
    console = new_console()
    if len(report.subjects) > _IN_FULL:
        console.print(_overview(report.subjects, console))
        console.print()
    else:
        for subject in report.subjects:
            _show_subject(subject, console)
    for subject in report.subjects:
        for note in subject.notes:
            show_plain(console, f"{printable(subject.name)}: {printable(note)}")
    if any(timing.computed for timing in _timings(report)):
        show_plain(console, "≈  computed, not measured: calls × the time of a forward")
    show_plain(console, _summary(report))


def _timings(report: TimingReport) -> list[Timing]:
    return [t for subject in report.subjects for measurement in subject.measurements for t in measurement.timings]


def _show_subject(subject: SubjectTiming, console: Console) -> None:
    show_plain(console, printable(subject.name))
    if not subject.measurements:
        return
    table = new_table(console)
    for heading in ("entries", "forward", "analytic", "ε-difference", "calls", "×", "projected", "calls", "×"):
        table.add_column(heading, justify="right", no_wrap=True)
    for measurement in subject.measurements:
        table.add_row(*_cells(measurement, with_spread=console.width >= _WIDE))
    console.print(table)
    if subject.growth:
        console.print()
        console.print(_growth(subject, console))
        show_plain(console, f"\n{claim(subject)}")
    console.print()


def _cells(measurement: Measurement, *, with_spread: bool) -> list[str]:
    forward, analytic, numeric, projected = measurement.timings
    cells = [f"{measurement.entries:,}", _time(forward, with_spread), _time(analytic, with_spread)]
    for timing in (numeric, projected):
        cells += [_time(timing, with_spread), format_calls(timing), format_ratio(timing.ratio)]
    return cells


def _time(timing: Timing, with_spread: bool) -> str:
    shown = format_time(timing.seconds)
    if timing.computed:
        return f"≈ {shown}"
    spread = timing.spread / timing.seconds if timing.seconds else 0.0
    return f"{shown} ±{spread:.0%}" if with_spread else shown


def _growth(subject: SubjectTiming, console: Console) -> Table:
    table = new_table(console)
    table.add_column("cost ∝ entries^p", overflow="fold")
    for heading in ("p of time", "of calls", "of time in forwards"):
        table.add_column(heading, justify="right", no_wrap=True)
    for way, title in WAY_TITLES.items():
        fits = [subject.fit(way, quantity) for quantity in ("seconds", "evaluations", "relative")]
        calls = fits[1]
        exact = "" if calls is None else f"{calls.exponent:.2f}"
        table.add_row(title, format_fit(fits[0]), exact, "" if way == "forward" else format_fit(fits[2]))
    return table


def _overview(subjects: Sequence[SubjectTiming], console: Console) -> Table:
    """Show each subject at its largest size; where there is room, how the two gradients grow in times of a forward."""
    wide = console.width >= _WIDE
    table = new_table(console)
    table.add_column("at the largest size", overflow="fold", min_width=20)
    for heading in ("entries", "forward", "analytic", "ε-difference", "×", "check ×"):
        table.add_column(heading, justify="right", no_wrap=True)
    if wide:
        table.add_column("p of ε-difference", justify="right", no_wrap=True)
        table.add_column("of analytic", justify="right", no_wrap=True)
    for subject in subjects:
        cells = _cells(subject.measurements[-1], with_spread=False) if subject.measurements else [""] * 9
        fits = (subject.fit(way, "relative") for way in ("numeric", "analytic")) if wide else ()
        exponents = ("" if fit is None else f"{fit.exponent:.2f}" for fit in fits)
        table.add_row(Text(printable(subject.name)), *(cells[k] for k in (0, 1, 2, 3, 5, 8)), *exponents)
    return table


def _summary(report: TimingReport) -> str:
    place = report.environment
    sizes = sum(len(subject.measurements) for subject in report.subjects)
    return (
        f"{counted(len(report.subjects), 'subject')} · {counted(sizes, 'size')} · "
        f"medians of {counted(report.rounds, 'round')} · × is times one forward and backward\n{environment_line(place)}"
    )
