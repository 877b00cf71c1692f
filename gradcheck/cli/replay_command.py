"""``gradcheck replay``: one case again, with everything that is known of it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from gradcheck.checks.stages import Settings
from gradcheck.cli.console import new_console, show_plain
from gradcheck.cli.executors import ExecutorOptions, isolation_options
from gradcheck.cli.exit_status import NOT_PASSED, PASSED, misuse
from gradcheck.cli.items import load_all
from gradcheck.cli.options import Command, dtype_option, exhaustive_option
from gradcheck.records.codec import from_plain
from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import CaseId
from gradcheck.reports.planes import planes_to_lines
from gradcheck.reports.run_report import Report
from gradcheck.reports.text import WIDTH, checks_to_lines, report_to_text
from gradcheck.runs import Options, check_apart, explain_case
from gradcheck.runs.check_case import check_case
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import Suite, suite


@click.command("replay", cls=Command)
@click.argument("case")
@click.option("--target", help="The suite it was found in, as path.py:name (default: the reference layer).")
@dtype_option
@exhaustive_option
@isolation_options
def replay_command(case: str, target: str | None, dtype: str | None, exhaustive: bool, **executor: Any) -> int:
    """Run one case again and show everything: calls by check, and the gradients around each worst entry.

    CASE is the "case" of a failure in a JSON report, or a file that holds it.
    """
    case_id = _read_case(case)
    replayed = _suite_of(case_id, target)
    options = Options(seed=case_id.seed, dtype=dtype, settings=Settings(exhaustive=exhaustive, pictures=True))
    found = _case_of(replayed, case_id)
    apart = ExecutorOptions(**executor).make_executor()
    if apart is None:
        checked = explain_case(check_case(replayed, found, dtype, options.settings), replayed, found, options)
    else:
        with misuse(ValueError), contextlib.closing(apart):
            checked = check_apart(replayed, found, options, apart)
    report = Report(case_id.seed, (checked,))
    _show(report)
    return PASSED if report.passed else NOT_PASSED


def _read_case(text: str) -> CaseId:
    """The case in JSON text, or in a file of that name."""
    source = "the case"
    if not text.lstrip().startswith("{"):
        source, text = text, _read_file(text)
    try:
        data = parse_json(text)
        # People paste what they find: a whole failure, or a whole report.
        if isinstance(data, dict) and isinstance(data.get("case"), dict):
            data = data["case"]
        if isinstance(data, dict) and "subjects" in data:
            raise click.UsageError(
                f"expected one case in {source}, got a whole report; give one failure of it, subjects[i].failures[j]"
            )
        return from_plain(CaseId, data)
    except ValueError as error:
        raise click.UsageError(f"{source}: {error}") from None


def _read_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text file"
        raise click.UsageError(
            f'expected CASE to be JSON, {{"kind": …, "config": {{…}}, "regime": …, "seed": …}}, or a file that holds '
            f"it, got {name!r} ({why})"
        ) from None


def _suite_of(case: CaseId, target: str | None) -> Suite:
    if case.kind is None:
        raise click.UsageError(
            "expected the case of a kind, got kind null, the case of a subject given directly, whose arrays the case "
            "does not tell; verify that subject again with the same seed"
        )
    if target is None:
        with misuse(ValueError):
            return suite(case.kind)
    suites = [item for item in load_all([target]) if isinstance(item, Suite) and item.kind_name == case.kind]
    if len(suites) != 1:
        came = f"{len(suites)}; name one, as in path.py:name" if suites else "none"
        raise click.UsageError(f"expected one suite of kind {case.kind!r} in {target}, got {came}")
    return suites[0]


def _case_of(replayed: Suite, case_id: CaseId) -> Case:
    with misuse(ValueError, TypeError):
        case = replayed.case(case_id.config, case_id.regime or "", case_id.seed)
    try:
        case.primals()  # what is wrong with the values of a configuration shows when arrays are made of them
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        raise click.UsageError(
            f"expected a config of {replayed.kind_name} that arrays can be made for, got one that raises "
            f"{type(error).__name__}: {error}"
        ) from error
    return case


def _show(report: Report) -> None:
    """Print a report of one case, with what lies around each worst entry and what each check called."""
    (checked,) = report.subjects
    console = new_console()
    width = min(console.width, WIDTH)
    planes = [
        line for failure in checked.failures for line in ("", *planes_to_lines(failure, width)) if failure.picture
    ]
    lines = [report_to_text(report, width), *planes, "", *checks_to_lines(checked, width)]
    show_plain(console, "\n".join(lines))
