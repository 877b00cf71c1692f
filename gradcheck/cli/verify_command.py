"""``gradcheck verify``: verify what targets hold, as a table, with what failed, and as files."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck import runs
from gradcheck.checks.stages import Settings, require_known
from gradcheck.cli.console import COLOURS, new_console, new_table, show_plain, write
from gradcheck.cli.executors import ExecutorOptions, isolation_options, worker_options
from gradcheck.cli.exit_status import NOT_PASSED, PASSED, InterruptedCommandError
from gradcheck.cli.items import find_all
from gradcheck.cli.options import (
    Command,
    dtype_option,
    exhaustive_option,
    html_option,
    output_file,
    require_different,
    seed_option,
    whole,
)
from gradcheck.cli.progress_bar import ProgressBar
from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.junit import report_to_junit
from gradcheck.reports.run_report import Report
from gradcheck.reports.text import (
    WIDTH,
    format_seconds,
    format_share,
    format_short,
    notes_to_lines,
    printable,
    subject_to_text,
    summary,
)
from gradcheck.runs.journal import JournalError
from gradcheck.targets import REFERENCE, load, load_any


def _reasons(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Checks that are switched off, each with its reason."""
    without = {}
    for value in values:
        check, equals, reason = value.partition("=")
        if not equals or not reason.strip():
            raise click.BadParameter(f"expected CHECK=REASON, got {value!r}", ctx, param)
        without[check] = reason
    try:
        require_known(without)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    return without


@click.command("verify", cls=Command)
@click.argument("targets", nargs=-1, metavar="[TARGET ...]")
@click.option("--examples", callback=whole, default="100", metavar="N", help="Drawn cases per suite (default: 100).")
@seed_option
@dtype_option
@exhaustive_option
@click.option(
    "--without",
    multiple=True,
    callback=_reasons,
    metavar="CHECK=REASON",
    help="Do without a check; reports show the reason. Can be given several times.",
)
@click.option("--self-test", is_flag=True, help="Plant mistakes into what passed: would its cases have shown them?")
@isolation_options
@worker_options
@click.option("--skip-empty", is_flag=True, help="Pass over targets that hold nothing to verify, without a word.")
@click.option("--json", "json_file", callback=output_file, metavar="FILE", help="Write the report as JSON.")
@click.option("--junit", "junit_file", callback=output_file, metavar="FILE", help="Write the report as JUnit XML.")
@html_option
def verify_command(
    targets: tuple[str, ...],
    examples: int,
    seed: int,
    dtype: str | None,
    exhaustive: bool,
    without: dict[str, str],
    self_test: bool,
    skip_empty: bool,
    json_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    **executor: Any,
) -> int:
    """Verify what the targets hold.

    TARGET is path.py[:name] or package.module[:name]; without one, all reference layers and the five-layer network
    on handwritten digits.

    Exit status: 0 all passed, 1 something failed, stayed inconclusive or crashed, 2 misuse.
    """
    require_different({"--json": json_file, "--junit": junit_file, "--html": html_file, "--resume": executor["resume"]})
    asked = ExecutorOptions(**executor)
    asked.require_one_executor()
    found = find_all(targets or (REFERENCE,), load_any if skip_empty else load)
    if skip_empty and not found.items and json_file is junit_file is html_file is None:
        return PASSED
    options = runs.Options(
        examples=examples,
        seed=seed,
        dtype=dtype,
        self_test=self_test,
        settings=Settings(exhaustive=exhaustive, without=without, pictures=html_file is not None),
    )
    stopped = False
    with contextlib.ExitStack() as stack:
        aside = asked.aside(stack, found, options)
        bar = stack.enter_context(ProgressBar(len(found.items)))
        try:
            report = runs.run(found.items, options, bar, **aside)
        except runs.InterruptedRunError as interrupt:
            report, stopped = interrupt.report, True
        except JournalError as error:
            raise click.UsageError(str(error)) from None
    _show(report)
    write(json_file, report.to_json)
    write(junit_file, lambda: report_to_junit(report))
    write(html_file, report.to_html)
    if stopped:
        raise InterruptedCommandError("interrupted; the report tells what was known by then")
    return PASSED if report.passed else NOT_PASSED


def _show(report: Report) -> None:
    """Print a report: its table, what did not pass or has notes, and the summary."""
    console = new_console()
    width = min(console.width, WIDTH)
    console.print(_verdicts(report.subjects, console))
    for subject in report.subjects:
        if subject.verdict != "passed":
            show_plain(console, f"\n{subject_to_text(subject, width)}")
        elif notes := notes_to_lines(subject, width):
            show_plain(console, "\n" + "\n".join([f"{printable(subject.name)}: passed", *notes]))
    console.print()
    console.print(Text(summary(report), style=COLOURS[report.verdict]), soft_wrap=True)


def _verdicts(subjects: Sequence[SubjectReport], console: Console) -> Table:
    table = new_table(console)
    table.add_column("name", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for heading in ("cases", "forwards", "pullbacks", "resolution", "masked", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for subject in subjects:
        table.add_row(
            Text(printable(subject.name)),
            Text(subject.verdict, style=COLOURS[subject.verdict]),
            f"{subject.cases:,}",
            f"{subject.evaluations.forward:,}",
            f"{subject.evaluations.pullback:,}",
            format_short(subject.resolution),
            format_share(subject.masked),
            format_seconds(subject.seconds),
        )
    return table
