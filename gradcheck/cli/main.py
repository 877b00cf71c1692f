"""The command line: what was asked, handed to the public API, and its answer for people and for machines."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import gradcheck
from gradcheck.cli.command import (
    Bar,
    Command,
    html_option,
    load_all,
    misuse,
    naming_options,
    new_console,
    new_table,
    one_of,
    output_file,
    require_different,
    seed_option,
    show_plain,
    whole,
    write,
)
from gradcheck.cli.executors import ExecutorOptions, campaigning, find_all, isolating
from gradcheck.cli.study_command import study_command
from gradcheck.cli.time_command import time_command
from gradcheck.messages import counted, did_you_mean
from gradcheck.records.codec import from_plain
from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import CaseId, SubjectReport, Verdict
from gradcheck.reports.planes import planes_to_lines
from gradcheck.reports.run_report import Report, report_from_json
from gradcheck.reports.text import (
    WIDTH,
    checks_to_lines,
    format_seconds,
    format_share,
    format_short,
    notes_to_lines,
    printable,
    report_to_text,
    subject_to_text,
    summary,
)
from gradcheck.suites.suite import Suite
from gradcheck.targets import REFERENCE, load, load_any

if TYPE_CHECKING:
    from gradcheck.mutants.self_test import KindProof
    from gradcheck.suites.kind import Case

_PASSED, _NOT_PASSED, _INTERRUPTED = 0, 1, 130  # misuse is 2, which click.UsageError knows
_COLOURS: dict[Verdict, str] = {
    "passed": "green",
    "inconclusive": "yellow",
    "failed": "bold red",
    "error": "bold magenta",
}
_NEVER = "yellow"
_ARTICLES = {"equivalent": "no mistake", "convention": "a convention"}

T = TypeVar("T")


def run(argv: list[str]) -> int:
    """Run one command and return its exit status: 0 passed, 1 something did not, 2 misuse, 130 interrupted.

    Misuse gets one sentence on standard error.
    """
    for stream in (sys.stdout, sys.stderr):
        _write_what_it_can(stream)
    # Hypothesis keeps notes in the folder it is run in; a command that only reads should leave nothing behind.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "gradcheck-hypothesis"))
    try:
        status = cli.main(argv, prog_name="gradcheck", standalone_mode=False, obj=tuple(argv))
    except click.ClickException as error:
        print(f"gradcheck: {printable(error.format_message())}", file=sys.stderr)
        return error.exit_code
    return status if isinstance(status, int) else _PASSED


class _Interrupted(click.ClickException):
    exit_code = _INTERRUPTED


class _Commands(click.Group):
    """Commands that, when one is misspelt, say which was meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            known = ", ".join(self.commands)
            raise click.UsageError(
                f"expected a command among {known}, got {args[0]!r}{self._nearest(args[0])}", ctx=ctx
            )
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            known = ", ".join(self.commands)
            raise click.UsageError(f"expected a command among {known}, got none; try 'gradcheck verify' or '--help'")
        return naming_options(self, ctx, lambda: super(_Commands, self).parse_args(ctx, args))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _Interrupted("interrupted") from None

    def _nearest(self, given: str) -> str:
        # A target without a command is what people type first.
        if given.endswith(".py") or ".py:" in given or given.split(".")[0] == REFERENCE:
            return f"; did you mean 'gradcheck verify {given}'?"
        return did_you_mean(given, self.commands)


_PRECISIONS = ("float64", "float32")
_dtype = click.option(
    "--dtype",
    callback=one_of(*_PRECISIONS),
    metavar="|".join(_PRECISIONS),
    help="Precision of the arrays (default: as given).",
)


def _reasons(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Checks that are switched off, each with its reason."""
    from gradcheck.checks.stages import require_known

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


_exhaustive = click.option("--exhaustive", is_flag=True, help="Compare every entry with its own difference too (slow).")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gradcheck.__version__, message="gradcheck %(version)s")
def cli() -> None:
    """Verify hand-written backward passes: a verdict with an error bar, and the evidence for it."""


@cli.command(cls=Command)
@click.argument("targets", nargs=-1, metavar="[TARGET ...]")
@click.option("--examples", callback=whole, default="100", metavar="N", help="Drawn cases per suite (default: 100).")
@seed_option
@_dtype
@_exhaustive
@click.option(
    "--without",
    multiple=True,
    callback=_reasons,
    metavar="CHECK=REASON",
    help="Do without a check; reports show the reason. Can be given several times.",
)
@click.option("--self-test", is_flag=True, help="Plant mistakes into what passed: would its cases have shown them?")
@isolating
@campaigning
@click.option("--skip-empty", is_flag=True, help="Pass over targets that hold nothing to verify, without a word.")
@click.option("--json", "json_file", callback=output_file, metavar="FILE", help="Write the report as JSON.")
@click.option("--junit", "junit_file", callback=output_file, metavar="FILE", help="Write the report as JUnit XML.")
@html_option
def verify(
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
    from gradcheck.runs import InterruptedRunError, Options
    from gradcheck.runs import run as run_campaign
    from gradcheck.runs.journal import JournalError

    require_different({"--json": json_file, "--junit": junit_file, "--html": html_file, "--resume": executor["resume"]})
    asked = ExecutorOptions(**executor)
    asked.require_one_executor()
    found = find_all(targets or (REFERENCE,), load_any if skip_empty else load)
    if skip_empty and not found.items and json_file is junit_file is html_file is None:
        return _PASSED
    pictures = html_file is not None
    options = Options(examples, seed, dtype, exhaustive, without=without, self_test=self_test, pictures=pictures)
    stopped = False
    with contextlib.ExitStack() as stack:
        aside = asked.aside(stack, found, options)
        bar = stack.enter_context(Bar(len(found.items)))
        try:
            report = run_campaign(found.items, options, bar, **aside)
        except InterruptedRunError as interrupt:
            report, stopped = interrupt.report, True
        except JournalError as error:
            raise click.UsageError(str(error)) from None
    _show(report)
    write(json_file, report.to_json)
    write(junit_file, lambda: _junit(report))
    write(html_file, report.to_html)
    if stopped:
        raise _Interrupted("interrupted; the report tells what was known by then")
    return _PASSED if report.passed else _NOT_PASSED


@cli.command(cls=Command)
@click.argument("case")
@click.option("--target", help="The suite it was found in, as path.py:name (default: the reference layer).")
@_dtype
@_exhaustive
@isolating
def replay(case: str, target: str | None, dtype: str | None, exhaustive: bool, **executor: Any) -> int:
    """Run one case again and show everything: calls by check, and the gradients around each worst entry.

    CASE is the "case" of a failure in a JSON report, or a file that holds it.
    """
    from gradcheck.runs import Options, check_apart, explain_case
    from gradcheck.runs.check_case import check_case

    data = _read_case(case)
    suite = _suite_of(data, target)
    options = Options(seed=data.seed, dtype=dtype, exhaustive=exhaustive, pictures=True)
    found = _case_of(suite, data)
    apart = ExecutorOptions(**executor).executor()
    if apart is None:
        checked = explain_case(check_case(suite, found, dtype, options.settings), suite, found, options)
    else:
        with misuse(ValueError), contextlib.closing(apart):
            checked = check_apart(suite, found, options, apart)
    report = Report(data.seed, (checked,))
    console = new_console()
    width = min(console.width, WIDTH)
    planes = [
        line for failure in checked.failures for line in ("", *planes_to_lines(failure, width)) if failure.picture
    ]
    lines = [report_to_text(report, width), *planes, "", *checks_to_lines(checked, width)]
    show_plain(console, "\n".join(lines))
    return _PASSED if report.passed else _NOT_PASSED


@cli.command("self-test", cls=Command)
@click.option(
    "--kind", "names", multiple=True, metavar="NAME", help="A kind to test, several times for several (default: all)."
)
@click.option("--examples", callback=whole, default="10", metavar="N", help="Drawn cases per kind (default: 10).")
@seed_option
@click.option("--baseline", is_flag=True, help="Tell what plain differences, entry by entry, catch in the same cases.")
@click.option("--json", "json_file", callback=output_file, metavar="FILE", help="Write every planted mistake as JSON.")
def self_test(names: tuple[str, ...], examples: int, seed: int, baseline: bool, json_file: Path | None) -> int:
    """Plant known mistakes into the reference layers, and see that all are caught.

    Exit status: 0 all caught, 1 one survived, 2 misuse.
    """
    from gradcheck.kinds import KINDS, find_kind
    from gradcheck.mutants.self_test import proofs_to_json, prove_kind

    with misuse(ValueError):
        chosen = [find_kind(name) for name in dict.fromkeys(names or KINDS)]
    proofs = []
    with Bar(len(chosen)) as bar:
        for kind in chosen:
            bar.begin(kind.name, 1)
            proofs.append(prove_kind(kind, examples, seed, baseline=baseline))
            bar.step()
    _show_proofs(proofs)
    write(json_file, lambda: proofs_to_json(proofs))
    return _NOT_PASSED if any(proof.survivors for proof in proofs) else _PASSED


def _show_proofs(proofs: Sequence[KindProof]) -> None:
    from gradcheck.mutants.self_test import OUTCOMES

    console = new_console()
    with_baseline = any(proof.rejected is not None for proof in proofs)
    table = new_table(console)
    table.add_column("kind", overflow="fold")
    for heading in ("planted", *OUTCOMES):
        table.add_column(heading, justify="right", no_wrap=True)
    if with_baseline:
        table.add_column("baseline", justify="right", no_wrap=True)
        table.add_column("right rejected", justify="right", no_wrap=True)
    for proof in proofs:
        counts = [f"{proof.count(outcome):,}" for outcome in OUTCOMES]
        beside = [f"{proof.caught_by_baseline:,}", f"{proof.rejected:,} of {proof.cases:,}"] if with_baseline else []
        table.add_row(proof.kind, f"{proof.planted:,}", *counts, *beside)
    console.print(table)
    for result in (one for proof in proofs for one in proof.argued):
        show_plain(console, f"{result.kind}: {result.slug} is {_ARTICLES[result.outcome]}: {result.argument}")
    for result in (one for proof in proofs for one in proof.survivors):
        where = f" for {result.primal}" if result.primal else ""
        show_plain(console, f"{result.kind}: {result.slug}{where} survived {counted(result.tried, 'case')}")
    caught, planted = (sum(numbers) for numbers in zip(*((p.count("caught"), p.planted) for p in proofs), strict=True))
    survived = sum(len(proof.survivors) for proof in proofs)
    told = f"\n{counted(len(proofs), 'kind')} · {planted:,} planted, {caught:,} caught, {survived:,} survived"
    if with_baseline:
        told += f" · baseline: {sum(proof.caught_by_baseline for proof in proofs):,} of {caught:,}"
    console.print(Text(told, style=_COLOURS["failed" if survived else "passed"]), soft_wrap=True)


@cli.command(cls=Command)
@click.argument("report", required=False)
def kinds(report: str | None) -> int:
    """List the kinds of layers that can be verified, and the conditions of each.

    REPORT is the file that 'gradcheck verify --json' wrote: then every suite of that run is listed, with the number of
    cases that met each condition.
    """
    if report is None:
        _list_kinds()
    else:
        _list_met_conditions(_read_report(report))
    return _PASSED


for _command in (time_command, study_command):  # those that have a file of their own
    cli.add_command(_command)


def _list_kinds() -> None:
    from gradcheck.kinds import KINDS

    console = new_console()
    table = new_table(console)
    table.add_column("kind", no_wrap=True)
    table.add_column("verifies", overflow="fold")
    table.add_column("corners", justify="right", no_wrap=True)
    table.add_column("conditions that reports count", overflow="fold", ratio=1)
    for name, kind in KINDS.items():
        layers = ", ".join(layer.__name__ for layer in kind.layers)
        table.add_row(Text(name), Text(layers), f"{len(kind.corners)}", Text(", ".join(kind.conditions)))
    console.print(table)


def _list_met_conditions(report: Report) -> None:
    from gradcheck.kinds import KINDS

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
    missing = [name for name in KINDS if name not in {suite.kind for suite in suites}]
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


# One case again


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
    if version != gradcheck.__version__:
        raise click.UsageError(
            f"{name}: expected a report of gradcheck {gradcheck.__version__}, got one of {version}; "
            f"run 'gradcheck verify --json' again"
        )
    for suite in report.subjects:
        _require_its_conditions(name, suite)
    return report


def _require_its_conditions(name: str, suite: SubjectReport) -> None:
    from gradcheck.kinds import find_kind

    if suite.kind is None:
        return
    try:
        known = find_kind(suite.kind).conditions
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from None
    strange = sorted(set(known) ^ set(suite.conditions))
    if strange:
        raise click.UsageError(
            f"{name}: expected {suite.name!r} to count the conditions of {suite.kind}, got others "
            f"({', '.join(strange)}); run 'gradcheck verify --json' again"
        )


def _suite_of(case: CaseId, target: str | None) -> Suite:
    if case.kind is None:
        raise click.UsageError(
            "expected the case of a kind, got kind null, the case of a subject given directly, whose arrays the case "
            "does not tell; verify that subject again with the same seed"
        )
    if target is None:
        with misuse(ValueError):
            return gradcheck.suite(case.kind)
    suites = [item for item in load_all([target]) if isinstance(item, Suite) and item.kind_name == case.kind]
    if len(suites) != 1:
        came = f"{len(suites)}; name one, as in path.py:name" if suites else "none"
        raise click.UsageError(f"expected one suite of kind {case.kind!r} in {target}, got {came}")
    return suites[0]


def _case_of(suite: Suite, data: CaseId) -> Case:
    with misuse(ValueError, TypeError):
        case = suite.case(data.config, data.regime or "", data.seed)
    try:
        case.primals()  # what is wrong with the values of a configuration shows when arrays are made of them
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        raise click.UsageError(
            f"expected a config of {suite.kind_name} that arrays can be made for, got one that raises "
            f"{type(error).__name__}: {error}"
        ) from error
    return case


# For people


def _show(report: Report) -> None:
    console = new_console()
    width = min(console.width, WIDTH)
    console.print(_verdicts(report.subjects, console))
    for subject in report.subjects:
        if subject.verdict != "passed":
            show_plain(console, f"\n{subject_to_text(subject, width)}")
        elif notes := notes_to_lines(subject, width):
            show_plain(console, "\n" + "\n".join([f"{printable(subject.name)}: passed", *notes]))
    console.print()
    console.print(Text(summary(report), style=_COLOURS[report.verdict]), soft_wrap=True)


def _verdicts(subjects: Sequence[SubjectReport], console: Console) -> Table:
    table = new_table(console)
    table.add_column("name", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for heading in ("cases", "forwards", "pullbacks", "resolution", "masked", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for subject in subjects:
        table.add_row(
            Text(printable(subject.name)),
            Text(subject.verdict, style=_COLOURS[subject.verdict]),
            f"{subject.cases:,}",
            f"{subject.evaluations.forward:,}",
            f"{subject.evaluations.pullback:,}",
            format_short(subject.resolution),
            format_share(subject.masked),
            format_seconds(subject.seconds),
        )
    return table


# For machines


def _junit(report: Report) -> str:
    from gradcheck.reports.junit import report_to_junit

    return report_to_junit(report)


def _write_what_it_can(stream: Any) -> None:
    """A name that the encoding of a stream lacks is shown escaped, not answered with a traceback."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
