"""The command line: what was asked, handed to the public API, and its answer for people and for machines."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

import gradcheck
from gradcheck.reports.json import case_from_dict, parse_json, report_from_json
from gradcheck.reports.report import CaseId, Report, SubjectReport, Verdict
from gradcheck.reports.text import (
    WIDTH,
    checks_to_lines,
    counted,
    format_seconds,
    format_share,
    format_short,
    notes_to_lines,
    printable,
    report_to_text,
    subject_to_text,
    summary,
)
from gradcheck.subject import did_you_mean
from gradcheck.suite import Suite
from gradcheck.targets import REFERENCE, Item, load, load_any

if TYPE_CHECKING:
    from gradcheck.execution.crew import Crew
    from gradcheck.execution.journal import Journal
    from gradcheck.execution.limits import CaseLimits
    from gradcheck.execution.source import Source
    from gradcheck.kinds.kind import Case
    from gradcheck.self_test import KindProof

_PASSED, _NOT_PASSED, _INTERRUPTED = 0, 1, 130  # misuse is 2, which click.UsageError knows
_COLOURS: dict[Verdict, str] = {
    "passed": "green",
    "inconclusive": "yellow",
    "failed": "bold red",
    "error": "bold magenta",
}
_NEVER = "yellow"
_ARTICLES = {"equivalent": "no mistake", "convention": "a convention"}
_NARROW = 100  # columns under which the table stands closer, to leave the names more room

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
        status = cli.main(argv, prog_name="gradcheck", standalone_mode=False)
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
        return _naming_options(self, ctx, lambda: super(_Commands, self).parse_args(ctx, args))

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


class _Command(click.Command):
    """A command that, when one of its options is misspelt, says which was meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return _naming_options(self, ctx, lambda: super(_Command, self).parse_args(ctx, args))


def _naming_options(command: click.Command, ctx: click.Context, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except click.NoSuchOption as error:
        known = [name for parameter in command.get_params(ctx) for name in parameter.opts if name.startswith("-")]
        raise click.UsageError(
            f"expected an option among {', '.join(known)}, got {error.option_name!r}"
            f"{did_you_mean(error.option_name, known)}",
            ctx=ctx,
        ) from None


def _whole(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """A whole number from 0."""
    if not re.fullmatch("[0-9]{1,18}", value):
        raise click.BadParameter(f"expected a whole number from 0, got {value!r}", ctx, param)
    return int(value)


def _amount(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A number above 0."""
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) or float(value) == 0:
        raise click.BadParameter(f"expected a number above 0, got {value!r}", ctx, param)
    return float(value)


def _whole_above_0(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A whole number from 1."""
    if value is None:
        return None
    number = _whole(ctx, param, value)
    if number == 0:
        raise click.BadParameter(f"expected a whole number from 1, got {value!r}", ctx, param)
    return number


def _one_of(*words: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value is not None and value not in words:
            expected = f"expected one of {', '.join(words)}, got {value!r}"
            raise click.BadParameter(f"{expected}{did_you_mean(value, words)}", ctx, param)
        return value

    return check


def _output_file(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """A file that can be written, which is found out before a long run and not after it."""
    if value is None:
        return None
    path = Path(value)
    try:
        existed = path.exists()
        path.open("a", encoding="utf-8").close()
        if not existed:
            path.unlink()
    except (OSError, ValueError) as error:  # a name that holds a zero byte is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        why = f"expected a file that can be written, got {value!r} ({reason})"
        raise click.BadParameter(why, ctx, param) from None
    return path


_PRECISIONS = ("float64", "float32")
_dtype = click.option(
    "--dtype",
    callback=_one_of(*_PRECISIONS),
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


_isolate = click.option("--isolate", is_flag=True, help="Run cases in a worker process: a crash costs that case only.")
_timeout = click.option(
    "--timeout", callback=_amount, metavar="SECONDS", help="End a case that takes longer; isolates."
)
_memory = click.option(
    "--memory", callback=_whole_above_0, metavar="MIB", help="Refuse a case more memory than that; isolates."
)
_exhaustive = click.option("--exhaustive", is_flag=True, help="Compare every entry with its own difference too (slow).")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gradcheck.__version__, message="gradcheck %(version)s")
def cli() -> None:
    """Verify hand-written backward passes: a verdict with an error bar, and the evidence for it."""


@cli.command(cls=_Command)
@click.argument("targets", nargs=-1, metavar="[TARGET ...]")
@click.option("--examples", callback=_whole, default="100", metavar="N", help="Drawn cases per suite (default: 100).")
@click.option(
    "--seed", callback=_whole, default="0", metavar="S", help="All random numbers follow from it (default: 0)."
)
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
@_isolate
@click.option("--workers", callback=_whole_above_0, metavar="N", help="Run cases in so many worker processes.")
@_timeout
@_memory
@click.option(
    "--resume", callback=_output_file, metavar="FILE", help="Append each result to FILE; go on from what it holds."
)
@click.option("--executor", callback=_one_of("dask"), metavar="dask", help="Run cases on a cluster.")
@click.option("--scheduler", metavar="ADDRESS", help="Where the cluster is, as tcp://host:8786.")
@click.option("--skip-empty", is_flag=True, help="Pass over targets that hold nothing to verify, without a word.")
@click.option("--json", "json_file", callback=_output_file, metavar="FILE", help="Write the report as JSON.")
@click.option("--junit", "junit_file", callback=_output_file, metavar="FILE", help="Write the report as JUnit XML.")
def verify(
    targets: tuple[str, ...],
    examples: int,
    seed: int,
    dtype: str | None,
    exhaustive: bool,
    without: dict[str, str],
    self_test: bool,
    isolate: bool,
    workers: int | None,
    timeout: float | None,
    memory: int | None,
    resume: Path | None,
    executor: str | None,
    scheduler: str | None,
    skip_empty: bool,
    json_file: Path | None,
    junit_file: Path | None,
) -> int:
    """Verify what the targets hold.

    TARGET is path.py[:name] or package.module[:name]; without one, all reference layers and the five-layer network
    on handwritten digits.

    Exit status: 0 all passed, 1 something failed, stayed inconclusive or crashed, 2 misuse.
    """
    from gradcheck.campaign import InterruptedRunError, Options
    from gradcheck.campaign import run as run_campaign
    from gradcheck.execution.journal import JournalError

    if json_file is not None and json_file == junit_file:
        raise click.UsageError(f"expected two files for --json and --junit, got {str(json_file)!r} for both")
    isolates = isolate or workers is not None or timeout is not None or memory is not None
    _require_one_crew(isolates=isolates, executor=executor, scheduler=scheduler)
    find = load_any if skip_empty else load
    found = [(target, list(_load([target], find))) for target in dict.fromkeys(map(_relative, targets or (REFERENCE,)))]
    items = [item for _, held in found for item in held]
    if skip_empty and not items and json_file is junit_file is None:
        return _PASSED
    options = Options(examples, seed, dtype, exhaustive, without=without, self_test=self_test)
    stopped = False
    with contextlib.ExitStack() as stack:
        aside: dict[str, Any] = {}
        if isolates or executor or resume:
            limits = _limits(timeout, memory)
            sources = _sources(found)
            crew = stack.enter_context(contextlib.closing(_crew(isolates, workers, limits, scheduler)))
            aside = {"crew": crew, "sources": sources}
            if resume:
                aside["records"] = stack.enter_context(_journal(resume, items, sources, options, limits))
        bar = stack.enter_context(_Bar(len(items)))
        try:
            report = run_campaign(items, options, bar, **aside)
        except InterruptedRunError as interrupt:
            report, stopped = interrupt.report, True
        except JournalError as error:
            raise click.UsageError(str(error)) from None
    _show(report)
    _write(json_file, report.to_json)
    _write(junit_file, lambda: _junit(report))
    if stopped:
        raise _Interrupted("interrupted; the report tells what was known by then")
    return _PASSED if report.passed else _NOT_PASSED


def _relative(target: str) -> str:
    """A target below the current folder as seen from there: reports name no folders of the person who ran them."""
    here = f"{Path.cwd()}{os.sep}"
    return target.removeprefix(here) if target.startswith(here) else target


def _require_one_crew(*, isolates: bool, executor: str | None, scheduler: str | None) -> None:
    if executor and isolates:
        raise click.UsageError(
            f"expected --executor {executor} without --isolate, --workers, --timeout and --memory, which are for "
            f"workers of this machine, got both"
        )
    if (executor is None) != (scheduler is None):
        came, missing = ("--executor", "--scheduler") if executor else ("--scheduler", "--executor")
        raise click.UsageError(f"expected --executor and --scheduler together, got {came} without {missing}")


def _limits(timeout: float | None, memory: int | None) -> CaseLimits:
    from gradcheck.execution.limits import CaseLimits

    with _misuse(ValueError):
        return CaseLimits(timeout, memory)


def _sources(found: Iterable[tuple[str, Sequence[Item]]]) -> list[Source]:
    from gradcheck.execution.source import located

    return [located(item, target, index) for target, held in found for index, item in enumerate(held)]


def _crew(isolates: bool, workers: int | None, limits: CaseLimits, scheduler: str | None) -> Crew:
    from gradcheck.execution.crew import Here
    from gradcheck.execution.pool import Pool

    if scheduler is not None:
        from gradcheck.execution.remote import on_dask

        with _misuse(ValueError):
            return on_dask(scheduler)
    return Pool(workers or 1, limits) if isolates else Here()


def _journal(path: Path, items: Sequence[Item], sources: Sequence[Source], options: Any, limits: CaseLimits) -> Journal:
    from gradcheck.campaign import plan_of
    from gradcheck.execution.journal import Journal

    with _misuse(ValueError):
        journal = Journal(path, plan_of(items, sources, options, limits))
    for note in (*journal.notes, *([f"{path}: {counted(journal.found, 'case')} on record"] if journal.found else [])):
        print(f"gradcheck: {printable(note)}", file=sys.stderr)
    return journal


@cli.command(cls=_Command)
@click.argument("case")
@click.option("--target", help="The suite it was found in, as path.py:name (default: the reference layer).")
@_dtype
@_exhaustive
@_isolate
@_timeout
@_memory
def replay(
    case: str,
    target: str | None,
    dtype: str | None,
    exhaustive: bool,
    isolate: bool,
    timeout: float | None,
    memory: int | None,
) -> int:
    """Run one case again.

    CASE is the "case" of a failure in a JSON report, or a file that holds it.
    """
    from gradcheck.campaign import Options, check_apart
    from gradcheck.execution.judge import check_case

    data = _read_case(case)
    suite = _suite_of(data, target)
    options = Options(seed=data.seed, dtype=dtype, exhaustive=exhaustive)
    found = _case_of(suite, data)
    if isolate or timeout is not None or memory is not None:
        with _misuse(ValueError), contextlib.closing(_crew(True, 1, _limits(timeout, memory), None)) as crew:
            checked = check_apart(suite, found, options, crew)
    else:
        checked = check_case(suite, found, dtype, options.settings)
    report = Report(data.seed, (checked,))
    console = _console()
    width = min(console.width, WIDTH)
    _plain(console, "\n".join([report_to_text(report, width), "", *checks_to_lines(checked, width)]))
    return _PASSED if report.passed else _NOT_PASSED


@cli.command("self-test", cls=_Command)
@click.option(
    "--kind", "names", multiple=True, metavar="NAME", help="A kind to test, several times for several (default: all)."
)
@click.option("--examples", callback=_whole, default="10", metavar="N", help="Drawn cases per kind (default: 10).")
@click.option(
    "--seed", callback=_whole, default="0", metavar="S", help="All random numbers follow from it (default: 0)."
)
@click.option("--baseline", is_flag=True, help="Tell what plain differences, entry by entry, catch in the same cases.")
@click.option("--json", "json_file", callback=_output_file, metavar="FILE", help="Write every planted mistake as JSON.")
def self_test(names: tuple[str, ...], examples: int, seed: int, baseline: bool, json_file: Path | None) -> int:
    """Plant known mistakes into the reference layers, and see that all are caught.

    Exit status: 0 all caught, 1 one survived, 2 misuse.
    """
    from gradcheck.kinds import KINDS, find_kind
    from gradcheck.self_test import proofs_to_json, prove_kind

    with _misuse(ValueError):
        chosen = [find_kind(name) for name in dict.fromkeys(names or KINDS)]
    proofs = []
    with _Bar(len(chosen)) as bar:
        for kind in chosen:
            bar.begin(kind.name, 1)
            proofs.append(prove_kind(kind, examples, seed, baseline=baseline))
            bar.step()
    _show_proofs(proofs)
    _write(json_file, lambda: proofs_to_json(proofs))
    return _NOT_PASSED if any(proof.survivors for proof in proofs) else _PASSED


def _show_proofs(proofs: Sequence[KindProof]) -> None:
    from gradcheck.self_test import OUTCOMES

    console = _console()
    with_baseline = any(proof.rejected is not None for proof in proofs)
    table = _table(console)
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
    for planting in (one for proof in proofs for one in proof.argued):
        _plain(console, f"{planting.kind}: {planting.slug} is {_ARTICLES[planting.outcome]}: {planting.argument}")
    for planting in (one for proof in proofs for one in proof.survivors):
        where = f" for {planting.primal}" if planting.primal else ""
        _plain(console, f"{planting.kind}: {planting.slug}{where} survived {counted(planting.tried, 'case')}")
    caught, planted = (sum(numbers) for numbers in zip(*((p.count("caught"), p.planted) for p in proofs), strict=True))
    survived = sum(len(proof.survivors) for proof in proofs)
    told = f"\n{counted(len(proofs), 'kind')} · {planted:,} planted, {caught:,} caught, {survived:,} survived"
    if with_baseline:
        told += f" · baseline: {sum(proof.caught_by_baseline for proof in proofs):,} of {caught:,}"
    console.print(Text(told, style=_COLOURS["failed" if survived else "passed"]), soft_wrap=True)


@cli.command(cls=_Command)
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


def _list_kinds() -> None:
    from gradcheck.kinds import KINDS

    console = _console()
    table = _table(console)
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
    console = _console()
    table = _table(console)
    table.add_column("kind", overflow="fold")
    table.add_column("suite", overflow="fold")
    table.add_column("cases", justify="right", no_wrap=True)
    table.add_column("cases that met each condition", overflow="fold", ratio=1)
    for suite in suites:
        table.add_row(Text(suite.kind or ""), Text(printable(suite.name)), f"{suite.cases:,}", _counts(suite))
    console.print(table)
    missing = [name for name in KINDS if name not in {suite.kind for suite in suites}]
    if missing:
        _plain(console, f"\nnot in this run: {', '.join(missing)}")
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


def _load(targets: Iterable[str], find: Callable[[str], list[Item]] = load) -> list[Item]:
    with _misuse(ValueError):
        return [item for target in dict.fromkeys(targets) for item in find(target)]


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
        return case_from_dict(data)
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
        with _misuse(ValueError):
            return gradcheck.suite(case.kind)
    suites = [item for item in _load([target]) if isinstance(item, Suite) and item.kind_name == case.kind]
    if len(suites) != 1:
        came = f"{len(suites)}; name one, as in path.py:name" if suites else "none"
        raise click.UsageError(f"expected one suite of kind {case.kind!r} in {target}, got {came}")
    return suites[0]


def _case_of(suite: Suite, data: CaseId) -> Case:
    with _misuse(ValueError, TypeError):
        case = suite.case(data.config, data.regime or "", data.seed)
    try:
        case.primals()  # what is wrong with the values of a configuration shows when arrays are made of them
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        raise click.UsageError(
            f"expected a config of {suite.kind_name} that arrays can be made for, got one that raises "
            f"{type(error).__name__}: {error}"
        ) from error
    return case


@contextlib.contextmanager
def _misuse(*errors: type[Exception]) -> Iterator[None]:
    """Make errors that tell of misuse the one sentence of the command line."""
    try:
        yield
    except errors as error:
        raise click.UsageError(str(error)) from error


# For people


class _RateColumn(ProgressColumn):
    """How many cases a second."""

    def render(self, task: Task) -> Text:
        """Return the rate of the last half minute."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s")


class _Bar:
    """How far a run is: the subjects in one bar, the cases of the present one in another; on terminals only."""

    def __init__(self, subjects: int) -> None:
        self._shown = sys.stderr.isatty()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # What a subject prints goes where it was sent; on a terminal it must not tear the bar.
            redirect_stdout=sys.stdout.isatty(),
            disable=not self._shown,
        )
        self._all = self._bars.add_task("subjects", total=subjects)
        self._one = self._bars.add_task("", total=None, visible=False)

    def __enter__(self) -> _Bar:
        if self._shown:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:  # stopping what was never shown prints an empty line in some versions of rich
            self._bars.stop()

    def begin(self, name: str, cases: int) -> None:
        self._bars.reset(self._one, total=cases, visible=True, description=printable(name))

    def advance(self) -> None:
        self._bars.advance(self._one)

    def end(self, report: SubjectReport) -> None:  # noqa: ARG002  # the bar shows how many, not how well
        self.step()

    def step(self) -> None:
        self._bars.advance(self._all)


def _show(report: Report) -> None:
    console = _console()
    width = min(console.width, WIDTH)
    console.print(_verdicts(report.subjects, console))
    for subject in report.subjects:
        if subject.verdict != "passed":
            _plain(console, f"\n{subject_to_text(subject, width)}")
        elif notes := notes_to_lines(subject, width):
            _plain(console, "\n" + "\n".join([f"{printable(subject.name)}: passed", *notes]))
    console.print()
    console.print(Text(summary(report), style=_COLOURS[report.verdict]), soft_wrap=True)


def _verdicts(subjects: Sequence[SubjectReport], console: Console) -> Table:
    table = _table(console)
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


def _table(console: Console) -> Table:
    gap = 0 if console.width < _NARROW else 1  # beside the column that the box keeps between cells
    return Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False, header_style="bold")


def _plain(console: Console, text: str) -> None:
    """Text that is laid out already."""
    console.print(Text(text), soft_wrap=True)


def _console() -> Console:
    return Console(markup=False, emoji=False, highlight=False)


# For machines


def _junit(report: Report) -> str:
    from gradcheck.reports.junit import report_to_junit

    return report_to_junit(report)


def _write(path: Path | None, text: Callable[[], str]) -> None:
    if path is None:
        return
    try:
        # A lone surrogate (of a file name that is not UTF-8) is written as \udcxx, which JSON reads as it was.
        path.write_text(text().rstrip("\n") + "\n", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise click.UsageError(f"expected to write {str(path)!r}, got {error.strerror}") from None


def _write_what_it_can(stream: Any) -> None:
    """A name that the encoding of a stream lacks is shown escaped, not answered with a traceback."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
