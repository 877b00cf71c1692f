"""The result of one task, as data: in a worker, on its way, and in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from gradcheck.records.codec import from_plain, to_plain
from gradcheck.records.field_types import Count
from gradcheck.records.json_text import parse_json
from gradcheck.records.run_record import CaseId, Failure, SubjectReport

#: Longer sentences are cut where cases are run apart.
_LONGEST = 2000
#: What a case may print, in characters; a layer that prints more is not meant to.
MOST_PRINTED = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one case.

    Attributes
    ----------
    report : SubjectReport
    names : frozenset of str
        The primals, which the builder may have chosen.
    met : frozenset of str
        The conditions of the kind that the case met.
    warnings : tuple of str
        What the subject warned of.
    printed : int
        Characters that the subject printed, where that was watched.
    threads : int
        Threads that the subject left behind, where that was watched.
    lost : bool
        Whether the case never came to an end by itself: its worker hung or died. It is not tried again.
    """

    report: SubjectReport
    names: frozenset[str] = frozenset()
    met: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    printed: Count = 0
    threads: Count = 0
    lost: bool = False


def lost(name: str, case: CaseId, check: str, sentence: str, reproduce: str) -> Result:
    """Return the result of a case that did not come to an end by itself."""
    failure = Failure(check, case, sentence, reproduce=reproduce)
    return Result(report=SubjectReport(name, case.kind, "error", failures=(failure,)), lost=True)


def flooded(result: Result, case: CaseId, reproduce: str) -> Result:
    """Return a result that is an error if the subject printed more than a case may."""
    if result.printed <= MOST_PRINTED:
        return result
    sentence = f"the case printed {result.printed:,} characters, more than {MOST_PRINTED:,}"
    failures = (*result.report.failures, Failure("output", case, sentence, reproduce=reproduce))
    return replace(result, report=replace(result.report, verdict="error", failures=failures))


def shortened(result: Result) -> Result:
    """Return a result whose sentences have an end, whatever text somebody's exceptions carry."""
    report = result.report
    if all(len(failure.explanation) <= _LONGEST for failure in report.failures):
        return result
    failures = tuple(replace(one, explanation=_cut(one.explanation)) for one in report.failures)
    return replace(result, report=replace(report, failures=failures))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def result_to_json(result: Result) -> str:
    """Return a result as one line of JSON."""
    return json.dumps(to_plain(result), allow_nan=False)


def result_from_json(text: str) -> Result:
    """Return the result that JSON text holds.

    Raises
    ------
    ValueError
        If it holds none.
    """
    return from_plain(Result, parse_json(text))
