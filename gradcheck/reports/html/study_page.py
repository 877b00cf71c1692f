"""The page of ``gradcheck study``: how wrong the ε-difference is for every ε, measured and predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

import numpy as np

from gradcheck.records.study_record import Curve, Dtype, Scheme, StudyRecord, SubjectStudy
from gradcheck.reports.html.drawing import MUTED, SERIES, Picture, draw, key, logarithmic
from gradcheck.reports.html.page import render
from gradcheck.reports.text import format_config, format_short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (292.0, 280.0)
#: Errors outside are not drawn: a difference that is all wrong, and less than a rounding.
_ERRORS = (1e-17, 30.0)
_STYLES: dict[Scheme, tuple[str, str]] = {"one-sided": (SERIES[1], "s"), "central": (SERIES[0], "o")}


def study_to_html(report: StudyRecord) -> str:
    """Return an ε-study as one HTML page that needs nothing beside it.

    Raises
    ------
    ModuleNotFoundError
        If jinja2 or matplotlib is missing.
    """
    return render(
        "study.html.j2",
        report=report,
        title="The error of the ε-difference",
        pictures=pictures,
        format_config=format_config,
    )


def pictures(subject: SubjectStudy) -> list[Picture]:
    """Return a chart for each precision that was measured, and one of the kinks if any is near."""
    charts = []
    for dtype in get_args(Dtype):
        curves = [curve for curve in subject.curves if curve.dtype == dtype]
        if curves:
            charts.append(_errors(subject, dtype, curves))
    if any(share > 0 for share in subject.kinks.shares):
        charts.append(_kinks(subject))
    return charts


def _errors(subject: SubjectStudy, dtype: Dtype, curves: Sequence[Curve]) -> Picture:
    """Error over ε, measured as marks and predicted as lines."""
    epsilons = np.array(subject.epsilons)

    def paint(figure: Figure) -> None:
        axes = _axes(figure, epsilons)
        for curve in curves:
            colour, marker = _STYLES[curve.scheme]
            predicted = np.array([curve.predicted.at(epsilon) for epsilon in subject.epsilons])
            axes.plot(*_drawable(epsilons, predicted), color=colour, linewidth=1.2, linestyle=(0, (5, 2)))
            axes.plot(
                *_drawable(epsilons, np.array(curve.errors)), marker, color=colour, markersize=4.0, label=curve.scheme
            )
        axes.plot([], [], color=MUTED, linewidth=1.2, linestyle=(0, (5, 2)), label="predicted")
        key(figure)

    best = "; ".join(
        f"{curve.scheme} is best at {format_short(curve.best_epsilon)} with {format_short(curve.best_error)}"
        for curve in curves
    )
    words = f"Chart with logarithmic axes of the relative error over ε in {dtype}: {best}."
    return Picture(draw(*_SIZE, words, paint), dtype)


def _kinks(subject: SubjectStudy) -> Picture:
    """Error of the central float64 difference over entries with a kink within ε, and over the others."""
    epsilons = np.array(subject.epsilons)
    kinks = subject.kinks

    def paint(figure: Figure) -> None:
        axes = _axes(figure, epsilons)
        for errors, colour, marker, label in (
            (kinks.errors_with, SERIES[3], "D", "kink within ε"),
            (kinks.errors_without, SERIES[2], "o", "no kink within ε"),
        ):
            values = np.array([np.nan if error is None else error for error in errors])
            axes.plot(*_drawable(epsilons, values), marker, color=colour, markersize=4.0, label=label)
        key(figure)

    most = max(kinks.shares)
    words = (
        f"Chart with logarithmic axes of the relative error of the central float64 difference over ε, for entries "
        f"with a kink within ε and for those without; at most {most:.0%} of the entries have one."
    )
    return Picture(draw(*_SIZE, words, paint), "Effect of kinks")


def _axes(figure: Figure, epsilons: np.ndarray) -> Axes:
    axes = figure.add_axes((0.15, 0.14, 0.82, 0.7))
    logarithmic(axes)
    axes.set_xlim(float(epsilons.min()) / 2, float(epsilons.max()) * 2)
    axes.set_ylim(*_ERRORS)
    axes.set_xlabel("ε")
    return axes


def _drawable(epsilons: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        there = np.isfinite(errors) & (errors >= _ERRORS[0]) & (errors <= _ERRORS[1])
    return epsilons[there], errors[there]
