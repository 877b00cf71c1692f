"""``gradcheck study``: the error of the ε-difference over ε, as a curve of characters and as JSON."""

from __future__ import annotations

import math
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from gradcheck.cli.console import new_console, new_table, show_plain, write
from gradcheck.cli.exit_status import NOT_PASSED, PASSED, misuse
from gradcheck.cli.items import load_all
from gradcheck.cli.options import Command, count, html_option, output_file, require_different, seed_option
from gradcheck.cli.progress_bar import ProgressBar
from gradcheck.records.study_record import Dtype, Scheme, SubjectStudy
from gradcheck.reports.study_report import StudyReport
from gradcheck.reports.text import format_config, printable
from gradcheck.study import StudyOptions, study_items

#: What the curves are drawn with; of two in one place the first is seen.
_MARKS: dict[tuple[Dtype, Scheme], str] = {
    ("float64", "central"): "●",
    ("float64", "one-sided"): "○",
    ("float32", "central"): "×",
    ("float16", "central"): "+",
}
_LOWEST = -16  # decades of the error that are drawn


@click.command("study", cls=Command)
@click.argument("targets", nargs=-1, metavar="TARGET ...")
@seed_option
@click.option(
    "--entries", callback=count, default="16", metavar="N", help="Entries that are differenced, of all (default: 16)."
)
@click.option("--json", "json_file", callback=output_file, metavar="FILE", help="Write the curves as JSON.")
@html_option
def study_command(
    targets: tuple[str, ...], seed: int, entries: int, json_file: Path | None, html_file: Path | None
) -> int:
    """Show how wrong the ε-difference is, for ε from 1 to 1e-16.

    TARGET is path.py[:name] or package.module[:name]. One-sided and central differences in float64, float32 and
    float16 are compared with the analytic gradient in float64.

    Exit status: 0 all studied, 1 something could not be, 2 misuse.
    """
    if not targets:
        raise click.UsageError("expected a target, such as reference_layers:Conv2d or layers.py, got none")
    require_different({"--json": json_file, "--html": html_file})
    items = load_all(targets)
    with misuse(ValueError), ProgressBar(len(items)) as bar:
        report = study_items(items, StudyOptions(seed, entries), bar)
    show(report)
    write(json_file, report.to_json)
    write(html_file, report.to_html)
    return PASSED if all(subject.curves for subject in report.subjects) else NOT_PASSED


def show(report: StudyReport) -> None:
    """Print a report: for each subject what it shows, its curves, and the best ε of each."""
    console = new_console()
    for k, subject in enumerate(report.subjects):
        if k:
            console.print()
        _show_subject(subject, console)


def _show_subject(subject: SubjectStudy, console: Console) -> None:
    about = f" ({printable(format_config(subject.config))})" if subject.config else ""
    show_plain(console, f"{printable(subject.name)}{about}")
    if subject.curves:
        show_plain(console, f"{subject.sampled:,} of {subject.entries:,} entries, ε from 1 to 1e-16\n")
        show_plain(console, "\n".join(curves_to_lines(subject)))
        console.print()
        console.print(_best(subject, console))
        console.print()
    for note in subject.notes:
        show_plain(console, f"{printable(note)}.")


def curves_to_lines(subject: SubjectStudy) -> list[str]:
    """Return the curves drawn with characters: a column for each ε, a line for each decade of the error."""
    rows = [[" "] * len(subject.epsilons) for _ in range(1 - _LOWEST)]
    drawn = [curve for curve in subject.curves if (curve.dtype, curve.scheme) in _MARKS]
    for curve in sorted(drawn, key=lambda curve: list(_MARKS).index((curve.dtype, curve.scheme)), reverse=True):
        for column, error in enumerate(curve.errors):
            if not math.isnan(error):
                decade = max(_LOWEST, min(0, round(math.log10(error)))) if error else _LOWEST
                rows[-decade][column] = _MARKS[curve.dtype, curve.scheme]
    lines = [f"{f'1e{-k}':>6} │{''.join(row)}".rstrip() for k, row in enumerate(rows)]
    scale = "".join(f"{_power(epsilon):<12}" for epsilon in subject.epsilons[::12])
    names = "   ".join(f"{mark} {dtype} {scheme}" for (dtype, scheme), mark in _MARKS.items())
    axis = [f"       └{'─' * len(subject.epsilons)}", f"     ε  {scale.rstrip()}"]
    return ["relative error", *lines, *axis, names]


def _best(subject: SubjectStudy, console: Console) -> Table:
    table = new_table(console)
    table.add_column("measured (predicted)", no_wrap=True)
    for heading in ("best ε", "error there", "slope above", "slope below"):
        table.add_column(heading, justify="right", no_wrap=True)
    for curve in subject.curves:
        law = curve.predicted
        best, least = (1.0, law.at(1.0)) if law.epsilon is None or law.error is None else (law.epsilon, law.error)
        table.add_row(
            f"{curve.dtype} {curve.scheme}",
            f"{_power(curve.best_epsilon)} ({_power(best)})",
            f"{_power(curve.best_error)} ({_power(least)})",
            f"{_slope(curve.truncation_slope)} ({law.order if law.truncation else '–'})",
            f"{_slope(curve.rounding_slope)} (-1)",
        )
    return table


def _power(value: float) -> str:
    """Return a number as one digit and a power of ten."""
    return f"{value:.0e}".replace("e-0", "e-").replace("e+00", "") if value else "0"


def _slope(slope: float | None) -> str:
    return "–" if slope is None else f"{slope:.2f}"
