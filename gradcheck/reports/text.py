"""A report as plain text, and the formatting of numbers that every form of it for people shares."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gradcheck.messages import counted
from gradcheck.records.run_record import VERDICTS, CaseId, Failure, RunRecord, SubjectReport

WIDTH = 110
_LABEL = 11
_SHOWN_ITEMS = 8
_SHOWN_CHARACTERS = 60


def report_to_text(report: RunRecord, width: int = WIDTH) -> str:
    """Return a report as plain text without colours.

    Parameters
    ----------
    report : RunRecord
    width : int
        Columns at which lines are broken. What reproduces a failure is never broken: a broken command does not run.
    """
    if not report.subjects:
        return "nothing was verified"
    blocks = [subject_to_text(subject, width) for subject in report.subjects]
    # One line per subject reads as a list; blocks of several lines need air around them.
    separator = "\n\n" if any("\n" in block for block in blocks) else "\n"
    if len(blocks) > 1:
        blocks.append(summary(report))
    return separator.join(blocks)


def subject_to_text(subject: SubjectReport, width: int = WIDTH) -> str:
    """Return the headline of a subject, its notes and a block for each failure."""
    lines = [_fill_between(" · ", headline(subject), width), *notes_to_lines(subject, width)]
    blocks = ["\n".join(lines), *(failure_to_text(subject.name, failure, width) for failure in subject.failures)]
    return "\n\n".join(blocks)


def headline(subject: SubjectReport) -> str:
    """Return verdict and effort in one line.

    Examples
    --------
    >>> headline(SubjectReport("relu", cases=40, resolution=2.31e-7))
    'relu: passed · 40 cases · 0 forwards, 0 pullbacks · resolution 2.3e-7 · masked 0 %'
    """
    spent = subject.evaluations
    parts = [
        f"{printable(subject.name)}: {subject.verdict}{_blamed(subject.failures)}",
        counted(subject.cases, "case"),
        f"{counted(spent.forward, 'forward')}, {counted(spent.pullback, 'pullback')}",
        "" if subject.resolution is None else f"resolution {format_short(subject.resolution)}",
        f"masked {format_share(subject.masked)}",
    ]
    return " · ".join(part for part in parts if part)


def notes_to_lines(subject: SubjectReport, width: int = WIDTH) -> list[str]:
    """Return what a subject declares, what was switched off, and its notes as indented lines."""
    return [
        *(_field("declared", limit, width) for limit in subject.limits),
        *(_field("off", f"{check}: {reason}", width) for check, reason in subject.without.items()),
        *([_field("mutants", _canaries(subject), width)] if subject.canaries else []),
        *(_field("note", note, width) for note in subject.notes),
    ]


def _canaries(subject: SubjectReport) -> str:
    """How many planted mutants were killed, and which were not."""
    outcomes = list(subject.canaries.values())
    made = len(outcomes) - outcomes.count("not applicable")
    survived = [slug for slug, outcome in subject.canaries.items() if outcome == "survived"]
    return f"{made - len(survived)} of {made} planted mutants killed" + (
        f"; not {', '.join(map(printable, survived))}" if survived else ""
    )


def checks_to_lines(subject: SubjectReport, width: int = WIDTH) -> list[str]:
    """Return the calls that each check made, forwards and pullbacks, as indented lines."""
    spent = (f"{name} {calls.forward} + {calls.pullback}" for name, calls in subject.checks.items())
    return [_field("calls", ", ".join(spent), width)] if subject.checks else []


def failure_to_text(name: str, failure: Failure, width: int = WIDTH) -> str:
    """Return one failure of the subject called `name` as a block of labelled lines."""
    fields = {
        "where": failure_place(failure),
        "analytic": _values(failure),
        "error": failure_size(failure),
        "finding": failure.explanation,
        "cause": failure.cause or "",
        "case": _case(failure.case),
    }
    title = textwrap.fill(f"{printable(name)}, {_question(failure)}", width, subsequent_indent="  ")
    lines = [title, *(_field(label, text, width) for label, text in fields.items() if text)]
    if failure.reproduce:
        lines.append(_verbatim("reproduce", failure.reproduce))
    return "\n".join(lines)


def summary(report: RunRecord) -> str:
    """Return what came out of a whole run, in one line.

    Examples
    --------
    >>> summary(RunRecord(0, (SubjectReport("relu", cases=1200, seconds=1.5), SubjectReport("conv2d", cases=34))))
    '2 subjects: 2 passed · 1,234 cases · 1.5 s'
    """
    verdicts = Counter(subject.verdict for subject in report.subjects)
    outcome = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS if verdicts[verdict])
    cases = sum(subject.cases for subject in report.subjects)
    seconds = format_seconds(sum(subject.seconds for subject in report.subjects))
    return f"{counted(len(report.subjects), 'subject')}: {outcome} · {counted(cases, 'case')} · {seconds}"


def format_short(value: float | None) -> str:
    """Return a number in one or two digits, as suits error bars and resolutions.

    Examples
    --------
    >>> [format_short(value) for value in (0.4312, 3.04e-10, 430.7, 1.26e6, 0.0, None)]
    ['0.43', '3e-10', '430', '1.3e6', '0', '–']
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(float(value))
    rounded = float(f"{value:.2g}")
    if rounded == 0 or 0.01 <= abs(rounded) < 1e6:
        return f"{rounded:g}"
    return _tidy(f"{rounded:.1e}".replace(".0e", "e"))


def format_pair(analytic: float, numeric: float) -> tuple[str, str]:
    """Return both numbers with the digits that it takes to see their difference, at least four.

    Examples
    --------
    >>> format_pair(-0.4312, -0.8624)
    ('-0.4312', '-0.8624')
    >>> format_pair(1.0000012, 1.0)
    ('1.0000012', '1.0000000')
    >>> format_pair(2.5e-9, 0.0)
    ('2.500e-9', '0')
    """
    largest = max(abs(analytic), abs(numeric))
    if largest == 0:
        return "0", "0"  # -0.0 is no other number
    if not (math.isfinite(analytic) and math.isfinite(numeric)):
        return _general(analytic), _general(numeric)
    top = _magnitude(largest)
    difference = min(abs(analytic - numeric), largest)  # where the difference overflows, the values show it anyway
    place = min(_magnitude(difference) - 1, top - 3) if difference else top - 5
    place = max(place, top - 16)  # a float64 has no further digits
    return _to_place(analytic, place, top), _to_place(numeric, place, top)


def format_share(share: float) -> str:
    """Return a share as percentage; what is neither none nor all never looks like it.

    Examples
    --------
    >>> [format_share(share) for share in (0.0, 1e-5, 0.0123, 0.25, 0.999, 1.0)]
    ['0 %', '<0.1 %', '1.2 %', '25 %', '>99 %', '100 %']
    """
    percent = 100 * share
    if percent in (0, 100) or not math.isfinite(percent):
        return f"{percent:.0f} %"
    if percent < 0.1:
        return "<0.1 %"
    if percent > 99:
        return ">99 %"
    return f"{percent:.1f} %" if percent < 9.95 else f"{percent:.0f} %"


def format_seconds(seconds: float) -> str:
    """Return a duration.

    Examples
    --------
    >>> [format_seconds(seconds) for seconds in (0.004, 0.42, 23.41, 200.0, 4000.0)]
    ['0.00 s', '0.42 s', '23.4 s', '200 s', '67 min']
    """
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 1000 else f"{seconds / 60:.0f} min"


def format_config(config: Mapping[str, Any]) -> str:
    """Return a configuration as ``field=value``, with long values shortened.

    Examples
    --------
    >>> import numpy as np
    >>> format_config({"kernel_size": (3, 3), "padding": "same", "mask": np.zeros((40, 40))})
    "kernel_size=(3, 3), padding='same', mask=float64 array of shape (40, 40)"
    """
    return ", ".join(f"{name}={format_value(value)}" for name, value in config.items())


def format_value(value: Any) -> str:
    """Return one value of a configuration, shortened: an array to dtype and shape, a sequence to its first items."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    if isinstance(value, np.generic):
        return format_value(value.item())
    if isinstance(value, tuple | list):
        return _sequence(value)
    if isinstance(value, Mapping):
        return f"{{{format_config(value)}}}"
    text = printable(repr(value))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def printable(text: str) -> str:
    """Return `text` in one line that no terminal takes for a command.

    Examples
    --------
    >>> printable("two\\nlines and \\x1b[31mred")
    'two lines and \\\\x1b[31mred'
    """
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _blamed(failures: Iterable[Failure]) -> str:
    primals = dict.fromkeys(f"`{printable(failure.primal)}`" for failure in failures if failure.primal)
    return f" ({', '.join(primals)})" if primals else ""


def _question(failure: Failure) -> str:
    """What was asked where the answer was wrong; the check is named where it is not the plain comparison."""
    if failure.primal is None:
        return f"check {failure.check!r}"
    check = "" if failure.check == "gradient" else f", check {failure.check!r}"
    return f"gradient with respect to `{printable(failure.primal)}`{check}"


def failure_place(failure: Failure) -> str:
    parts = []
    if failure.index is not None:
        index = ", ".join(str(int(i)) for i in failure.index)
        parts.append(f"[{index}]{_shape(failure)} is worst" if index else "the only entry")
    elif failure.analytic is not None and failure.numeric is not None:
        parts.append("projected onto a random direction")
    if failure.wrong_entries is not None:
        about = "about " if failure.sampled else ""
        total = "" if failure.entries is None else f" of {failure.entries:,}"
        noun = "entry" if (failure.entries or failure.wrong_entries) == 1 else "entries"
        parts.append(f"{about}{failure.wrong_entries:,}{total} {noun} wrong")
    return "; ".join(parts)


def _shape(failure: Failure) -> str:
    """The shape of the gradient, where the case tells it: that of a subject given directly holds the shapes."""
    shape = failure.case.config.get(failure.primal or "")
    known = failure.case.kind is None and isinstance(shape, tuple | list) and len(shape) == len(failure.index or ())
    return f" of shape {format_value(tuple(shape))}" if known and shape else ""


def _values(failure: Failure) -> str:
    bar = "" if failure.error_bar is None else f" ± {format_short(failure.error_bar)}"
    if failure.analytic is None:
        return "" if failure.numeric is None else f"–      numeric  {_general(failure.numeric)}{bar}"
    if failure.numeric is None:
        return _general(failure.analytic)
    analytic, numeric = format_pair(failure.analytic, failure.numeric)
    return f"{analytic}      numeric  {numeric}{bar}"


def failure_size(failure: Failure) -> str:
    if failure.analytic is None or failure.numeric is None:
        return ""
    absolute = abs(failure.analytic - failure.numeric)
    if not math.isfinite(absolute):
        return ""  # the values themselves say it
    parts = [f"absolute {format_short(absolute)}"]
    if failure.numeric:
        parts.append(f"relative {format_short(absolute / abs(failure.numeric))}")
    if failure.error_bar and math.isfinite(failure.error_bar):
        parts.append(f"{format_short(absolute / failure.error_bar)} times the error bar")
    return ", ".join(parts)


def _case(case: CaseId) -> str:
    regime = f"; regime {case.regime}" if case.regime else ""
    return f"{_configuration(case)}{regime}; seed {case.seed}"


def _configuration(case: CaseId) -> str:
    if case.kind is not None:
        return f"{case.kind}: {format_config(case.config)}"
    shapes = {name: tuple(shape) if isinstance(shape, list) else shape for name, shape in case.config.items()}
    return ", ".join(f"{printable(name)} {format_value(shape)}" for name, shape in shapes.items())


def _field(label: str, text: str, width: int) -> str:
    lead = f"  {label:<{_LABEL}}"
    lines = _escaped(" ".join(text.splitlines()))
    return textwrap.fill(lines, width, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False)


def _fill_between(separator: str, text: str, width: int) -> str:
    """Break lines between the parts of a headline; inside a part only where the part is longer than a line."""
    lines: list[str] = []
    for part in text.split(separator):
        joined = f"{lines[-1]}{separator}{part}" if lines else part
        if len(joined) <= width and lines:
            lines[-1] = joined
        else:
            indent = "  " if lines else ""
            lines += textwrap.wrap(f"{indent}{part}", width, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def _verbatim(label: str, text: str) -> str:
    lead = f"  {label:<{_LABEL}}"
    return lead + "\n".join(_escaped(line) for line in text.splitlines()).replace("\n", "\n" + " " * len(lead))


def _sequence(value: tuple[Any, ...] | list[Any]) -> str:
    items = [format_value(item) for item in value[:_SHOWN_ITEMS]]
    if len(value) > _SHOWN_ITEMS:
        items.append(f"… {len(value) - _SHOWN_ITEMS} more")
    inside = ", ".join(items)
    if isinstance(value, list):
        return f"[{inside}]"
    return f"({inside},)" if len(value) == 1 else f"({inside})"


def _magnitude(value: float) -> int:
    return math.floor(math.log10(value))


def _to_place(value: float, place: int, top: int) -> str:
    """`value` down to the decimal place 10**place; in powers of ten where the larger of the pair (10**top) needs it."""
    if value == 0:
        return "0" if not -4 <= top < 7 else f"{0:.{max(0, -place)}f}"
    if -4 <= top < 7 and _magnitude(abs(value)) > place:
        return f"{value:.{max(0, -place)}f}"
    return _tidy(f"{value:.{max(1, _magnitude(abs(value)) - place)}e}")


def _general(value: float) -> str:
    return _tidy(f"{value:.6g}")


def _tidy(text: str) -> str:
    """1e-06 as 1e-6, 1e+06 as 1e6."""
    return re.sub(r"e([+-])0*(\d+)$", lambda found: "e" + found[1].replace("+", "") + found[2], text)
