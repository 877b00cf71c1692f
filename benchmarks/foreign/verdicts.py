"""What the scripts of this folder share: judging cases in several processes, counting verdicts, printing tables.

A case is written as ``NAME/DTYPE/…``, by which ``--case`` judges it again.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import click

from gradcheck.messages import counted, did_you_mean
from gradcheck.reports.run_report import Report

#: How a case of something right may end.
VERDICTS = ("passed", "blamed", "inconclusive", "error")
#: How it ends where a second method finds the fault in what was judged.
FAULTY = "faulty"
#: So many words of a reason are told.
WORDS = 12


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one case.

    Attributes
    ----------
    case : str
        The case as it is written.
    verdict : str
        Usually one of `VERDICTS`.
    reason : str
        Check and cause of what is blamed; the first words of why nothing can be told.
    """

    case: str
    verdict: str
    reason: str = ""

    @property
    def name(self) -> str:
        """Return what the case is about."""
        return self.case.split("/")[0]


def outcome_of(case: str, report: Report) -> Outcome:
    """Return the outcome that a report amounts to."""
    (subject,) = report.subjects
    match subject.verdict:
        case "failed":
            told = (f"{failure.check}: {failure.cause or 'no cause'}" for failure in subject.failures)
            return Outcome(case=case, verdict="blamed", reason=", ".join(sorted(set(told))))
        case "error":
            return Outcome(case=case, verdict="error", reason=shortened(subject.failures[0].explanation))
        case "inconclusive":
            return Outcome(case=case, verdict="inconclusive", reason=shortened("; ".join(subject.notes)))
    return Outcome(case=case, verdict="passed")


def shortened(reason: str) -> str:
    """Return the first words of a reason, on one line."""
    words = reason.replace("|", "¦").split()
    return " ".join(words[:WORDS]) + (" …" if len(words) > WORDS else "")


def judged(report_of: Callable[[str], Report], fault_of: Callable[[Outcome], str] | None, case: str) -> Outcome:
    """Judge one case; what is raised is an error of that case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outcome = outcome_of(case, report_of(case))
        except Exception as error:
            return Outcome(case=case, verdict="error", reason=shortened(f"{type(error).__name__}: {error}"))
        fault = fault_of(outcome) if fault_of and outcome.verdict == "blamed" else ""
        return Outcome(case=case, verdict=FAULTY, reason=fault) if fault else outcome


def outcomes(judge: Callable[[str], Outcome], cases: Sequence[str], workers: int) -> Iterator[Outcome]:
    """Yield what became of each case, in their order; with one worker in this process."""
    if workers == 1:
        yield from map(judge, cases)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(judge, cases, chunksize=20)


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown; numbers stand right."""
    written = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *written, strict=True)]
    right = [bool(written) and all(row[k].replace(",", "").isdigit() for row in written) for k in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        placed = (
            cell.rjust(width) if left else cell.ljust(width)
            for cell, width, left in zip(cells, widths, right, strict=True)
        )
        return f"| {' | '.join(placed)} |"

    rule = "|".join("-" * (width + 1) + (":" if left else "-") for width, left in zip(widths, right, strict=True))
    return "\n".join([line(header), f"|{rule}|", *map(line, written)])


def counts(found: Iterable[Outcome], verdicts: Sequence[str] = VERDICTS) -> list[int]:
    """Return how many cases there are, and how many of each verdict."""
    tally = Counter(outcome.verdict for outcome in found)
    return [tally.total(), *(tally[verdict] for verdict in verdicts)]


def reasons(found: Iterable[Outcome]) -> str:
    """Return the reasons of what did not pass, the most frequent first."""
    tally = Counter(outcome.reason for outcome in found if outcome.reason)
    return "; ".join(f"{reason} ({times})" if times > 1 else reason for reason, times in tally.most_common())


def grouped(found: Iterable[Outcome], part: int) -> dict[str, list[Outcome]]:
    """Return the outcomes by one part of how their cases are written."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in found:
        groups[outcome.case.split("/")[part]].append(outcome)
    return groups


def tables(found: Sequence[Outcome], noun: str, parts: Sequence[str], verdicts: Sequence[str] = VERDICTS) -> str:
    """Return the table by name, and one with the totals of every further part of a case."""
    by_name = [(name, *counts(group, verdicts), reasons(group)) for name, group in grouped(found, 0).items()]
    totals = [
        (f"{label} {value}", *counts(group, verdicts))
        for part, label in enumerate(parts, 1)
        for value, group in grouped(found, part).items()
    ]
    totals.append(("all", *counts(found, verdicts)))
    header = ("cases", *verdicts)
    return f"{markdown((noun, *header, 'reasons'), by_name)}\n\n{markdown(('of', *header), totals)}"


def blamed(found: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes that say that something right is wrong."""
    return [outcome for outcome in found if outcome.verdict in ("blamed", "error")]


def command(
    *,
    script: str,
    noun: str,
    parts: Sequence[str],
    names: Iterable[str],
    cases_of: Callable[[Sequence[str], int, int], list[str]],
    report_of: Callable[[str], Report],
    cases: int,
    second_method: Callable[[str], str] | None = None,
    fault_of: Callable[[Outcome], str] | None = None,
) -> click.Command:
    """Return the command of a script.

    Parameters
    ----------
    script : str
        Its file name.
    noun : str
        What a name is: "function".
    parts : sequence of str
        What stands behind the name in a case, but for the last part, which numbers cases.
    names : iterable of str
    cases_of : callable
        ``cases_of(names, cases, seed)`` returns that many cases.
    report_of : callable
        Judges a case; a function of a module, so that other processes find it.
    cases : int
        How many there are unless told otherwise.
    second_method : callable, optional
        What something that knows nothing of gradcheck says of a case; printed beside what is blamed.
    fault_of : callable, optional
        Tells what is really wrong, by a second method, where something is blamed; nothing where nothing is found.
    """
    known = tuple(names)

    def check_names(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if name not in known:
                told = f"expected a {noun} among {', '.join(known)}, got {name!r}{did_you_mean(name, known)}"
                raise click.BadParameter(told, ctx, param)
        return given

    @click.command()
    @click.option("--cases", type=click.IntRange(1), default=cases, show_default=True, help="Cases in all.")
    @click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What all cases follow from.")
    @click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
    @click.option("--only", multiple=True, callback=check_names, help=f"A {noun}; can be given several times.")
    @click.option("--case", help="Judge one case again, as the table of blamed ones shows it.")
    def main(cases: int, seed: int, workers: int, only: tuple[str, ...], case: str | None) -> None:
        if case is not None:
            report = report_of(case)
            print(report)
            if second_method:
                print(f"\nsecond method: {second_method(case)}")
            sys.exit(0 if report.passed else 1)
        begun = time.perf_counter()
        judge = partial(judged, report_of, fault_of)
        found = list(outcomes(judge, cases_of(only or known, cases, seed), workers))
        print(tables(found, noun, parts, (*VERDICTS, FAULTY) if fault_of else VERDICTS))
        print_blamed(found, script, second_method)
        print(f"\n{counted(len(found), 'case')}, {len(blamed(found))} blamed; {time.perf_counter() - begun:,.0f} s")
        sys.exit(1 if blamed(found) else 0)

    return main


def print_blamed(found: Sequence[Outcome], script: str, second_method: Callable[[str], str] | None = None) -> None:
    """Print every blamed case with the command that judges it again."""
    wrong = blamed(found)
    if wrong:
        print(f"\n{counted(len(wrong), 'case')} blamed:\n")
    for outcome in wrong:
        beside = f"; second method: {second_method(outcome.case)}" if second_method else ""
        print(f"python benchmarks/foreign/{script} --case '{outcome.case}'  # {outcome.reason}{beside}")
