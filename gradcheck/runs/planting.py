"""What becomes of mistakes that are planted where everything passed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from gradcheck.mutants.sensitivity import try_core_mutants
from gradcheck.records.run_record import SubjectReport
from gradcheck.runs.plan import Options
from gradcheck.subject import Subject


def with_core_mutants(
    report: SubjectReport, points: Callable[[], Sequence[tuple[Subject, int]]], options: Options
) -> SubjectReport:
    """Return the report with what became of planted mistakes, if that was asked and everything passed.

    `points` makes the subjects only then: a network takes its time.
    """
    if not options.self_test or report.verdict != "passed":
        return report
    begun = time.perf_counter()
    found = try_core_mutants(points(), options.settings)
    return replace(
        report,
        verdict="inconclusive" if found.notes else report.verdict,
        notes=(*report.notes, *found.notes),
        canaries=found.results,
        seconds=report.seconds + time.perf_counter() - begun,
    )
