"""``gradcheck kinds``: the kinds that there are, or the conditions that the cases of a run met."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from gradcheck import kinds
from gradcheck.cli.console import new_console, new_table, show_plain
from gradcheck.cli.exit_status import PASSED
from gradcheck.cli.options import Command
from gradcheck.messages import counted
from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.run_report import Report, report_from_json
from gradcheck.reports.text import printable
from gradcheck.version import __version__

_NEVER = "yellow"


@click.command("kinds", cls=Command)
@click.argument("report", required=False)
def kinds_command(report: str | None) -> int:
    """List the kinds of layers that can be verified, and the conditions of each.

    REPORT is the file that 'gradcheck verify --json' wrote: then every suite of that run is listed, with the number of
    cases that met each condition.
    """
    if report is None:
        _show_kinds()
    else:
        _show_met_conditions(_read_report(report))
    return PASSED


def _show_kinds() -> None:
    console = new_console()
    table = new_table(console)
    table.add_column("kind", no_wrap=True)
    table.add_column("verifies", overflow="fold")
    table.add_column("corners", justify="right", no_wrap=True)
    table.add_column("conditions that reports count", overflow="fold", ratio=1)
    for name, kind in kinds.KINDS.items():
        layers = ", ".join(layer.__name__ for layer in kind.layers)
        table.add_row(Text(name), Text(layers), f"{len(kind.corners)}", Text(", ".join(kind.conditions)))
    console.print(table)


def _show_met_conditions(report: Report) -> None:
    suites = [subject for subject in report.subjects if subject.kind is not None]
    console = new_console()
    table = new_table(console)
    table.add_column("kind", overflow="fold")
    table.add_column("suite", overflow="fold")
    table.add_column("cases", justify="right", no_wrap=True)
    table.add_column("cases that met each condition", overflow="fold", ratio=1)
    for suite in suites:
        table.add_row(Text(suite.kind or ""), Text(printable(suite.name)), f"{suite.cases:,}", _counts(suite))
    console.print(table)
    missing = [name for name in kinds.KINDS if name not in {suite.kind for suite in suites}]
    if missing:
        show_plain(console, f"\nnot in this run: {', '.join(missing)}")
    every = [count for suite in suites for count in suite.conditions.values()]
    never = every.count(0)
    told = f"\n{counted(len(suites), 'suite')} · {counted(len(every), 'condition')}, {never} never met"
    console.print(Text(told, style=_NEVER if never else ""), soft_wrap=True)


def _counts(suite: SubjectReport) -> Text:
    cells = [
        Text(f"{name}: {count:,}") if count else Text(f"{name}: never", style=_NEVER)
        for name, count in suite.conditions.items()
    ]
    return Text(" · ").join(cells)


def _read_report(name: str) -> Report:
    """The report in a file, which must know the kinds and conditions that there are."""
    try:
        text = Path(name).read_text(encoding="utf-8")
        report, version = report_from_json(text), parse_json(text)["gradcheck"]
    except OSError as error:
        raise click.UsageError(f"expected the JSON report of a run, got {name!r} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"expected the JSON report of a run, got {name!r} (not a text file)") from None
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from None
    if version != __version__:
        raise click.UsageError(
            f"{name}: expected a report of gradcheck {__version__}, got one of {version}; "
            f"run 'gradcheck verify --json' again"
        )
    for suite in report.subjects:
        _require_its_conditions(name, suite)
    return report


def _require_its_conditions(name: str, suite: SubjectReport) -> None:
    if suite.kind is None:
        return
    try:
        known = kinds.find_kind(suite.kind).conditions
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from None
    strange = sorted(set(known) ^ set(suite.conditions))
    if strange:
        raise click.UsageError(
            f"{name}: expected {suite.name!r} to count the conditions of {suite.kind}, got others "
            f"({', '.join(strange)}); run 'gradcheck verify --json' again"
        )
