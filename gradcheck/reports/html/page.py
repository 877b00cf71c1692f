"""A report as one HTML page: what it found in words and numbers, with pictures of what is wrong."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, Any

from gradcheck.messages import counted
from gradcheck.records.run_record import VERDICTS, Failure, RunRecord, SubjectReport
from gradcheck.reports.html.gradient_pictures import heat_maps, plane, step_curve
from gradcheck.reports.text import (
    failure_place,
    failure_size,
    format_pair,
    format_seconds,
    format_share,
    format_short,
    format_value,
)

if TYPE_CHECKING:
    from jinja2 import Environment

#: What the pages are made with.
_PACKAGES = ("jinja2", "matplotlib")
#: A verdict is told by a sign and a word, never by a colour alone.
_SIGNS = {"passed": "✓", "inconclusive": "?", "failed": "✗", "error": "!"}


def require_report_packages() -> None:
    """Find out whether HTML can be written, which is better known before a long run than after it.

    Raises
    ------
    ModuleNotFoundError
        If a package is missing; the message tells how to install it.
    """
    for name in _PACKAGES:
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f'an HTML report needs the package {name}; install it with: pip install "gradcheck[report]"', name=name
            )


def report_to_html(report: RunRecord) -> str:
    """Return a report as one HTML page that needs nothing beside it: no network, no script.

    Failures that hold a picture (those of runs with ``--html``) are shown with heat maps of the gradient around the
    worst entry, and with the error of its difference over the step.

    Parameters
    ----------
    report : RunRecord

    Raises
    ------
    ModuleNotFoundError
        If jinja2 or matplotlib is missing.

    Examples
    --------
    >>> page = report_to_html(RunRecord(0, (SubjectReport("a <b>", cases=40),)))
    >>> page.startswith("<!DOCTYPE html>"), "a &lt;b&gt;" in page, "<script" in page
    (True, True, False)
    """
    return render("verify.html.j2", report=report, title=_title(report), tally=_tally(report))


def render(template: str, **values: Any) -> str:
    """Return a page made of one of the templates.

    Raises
    ------
    ModuleNotFoundError
        If jinja2 or matplotlib is missing.
    """
    from gradcheck.version import __version__

    require_report_packages()
    places = map("picture-{}".format, count(1))
    return _environment().get_template(template).render(version=__version__, places=places, **values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gradcheck.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(signs=_SIGNS, next=next)
    environment.filters.update(
        counted=counted,
        seconds=format_seconds,
        share=format_share,
        short=format_short,
        value=format_value,
        failure_place=failure_place,
        failure_size=failure_size,
        values=_values,
        curve=step_curve,
        maps=heat_maps,
        plane=plane,
        survivors=_survivors,
    )
    return environment


def _shown(value: Any) -> Any:
    """Text as it can be shown: characters that no page may hold, or nobody sees, are written as Python writes them."""
    if type(value) is not str:
        return value
    return "".join(char if char.isprintable() or char == "\n" else _escaped(char) for char in value)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _title(report: RunRecord) -> str:
    """What came out, in a sentence."""
    subjects = len(report.subjects)
    if not subjects:
        return "Nothing was verified"
    bad = [subject.verdict for subject in report.subjects if subject.verdict != "passed"]
    if not bad:
        return "The subject passed" if subjects == 1 else f"All {subjects} subjects passed"
    words = {"failed": "failed", "error": "could not be run", "inconclusive": "inconclusive"}
    told = [
        f"{bad.count(verdict)} {words[verdict]}" for verdict in ("failed", "error", "inconclusive") if verdict in bad
    ]
    return f"Of {counted(subjects, 'subject')}, {', '.join(told)}"


def _tally(report: RunRecord) -> dict[str, int]:
    """How many subjects got each verdict, those that any got."""
    verdicts = Counter(subject.verdict for subject in report.subjects)
    return {verdict: verdicts[verdict] for verdict in VERDICTS if verdicts[verdict]}


def _values(failure: Failure) -> tuple[str, str] | None:
    """Both values with the digits that show their difference."""
    if failure.analytic is None or failure.numeric is None:
        return None
    return format_pair(failure.analytic, failure.numeric)


def _survivors(subject: SubjectReport) -> list[str]:
    return [slug for slug, outcome in subject.canaries.items() if outcome == "survived"]
