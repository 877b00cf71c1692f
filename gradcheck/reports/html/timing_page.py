"""The page of ``gradcheck time``: what numeric and analytic gradients cost, and how that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck.messages import counted
from gradcheck.records.timing_record import WAYS, GrowthFit, Measurement, SubjectTiming, TimingRecord, Way
from gradcheck.reports.html.drawing import INK, LINE, MUTED, SERIES, SURFACE, TEXT, Picture, draw, key, logarithmic
from gradcheck.reports.html.page import render
from gradcheck.reports.text import format_config
from gradcheck.reports.timing_text import (
    WAY_TITLES,
    claim,
    environment_line,
    format_calls,
    format_fit,
    format_ratio,
    format_time,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

_SIZE = (292.0, 292.0)
#: What each way is drawn with.
_STYLES: dict[Way, tuple[str, str]] = {
    "forward": (SERIES[5], "v"),
    "analytic": (SERIES[1], "s"),
    "numeric": (SERIES[0], "o"),
    "projected": (SERIES[2], "D"),
}
#: So many subjects are shown unfolded.
_OPEN = 3


def timing_to_html(report: TimingRecord) -> str:
    """Return a timing report as one HTML page that needs nothing beside it.

    Raises
    ------
    ModuleNotFoundError
        If jinja2 or matplotlib is missing.
    """
    return render(
        "time.html.j2",
        report=report,
        title="Numeric against analytic gradients",
        place=environment_line(report.environment),
        ways=WAY_TITLES,
        unfolded=len(report.subjects) <= _OPEN,
        claim=claim,
        pictures=pictures,
        format_calls=format_calls,
        format_config=format_config,
        format_fit=format_fit,
        format_ratio=format_ratio,
        format_time=format_time,
    )


def pictures(subject: SubjectTiming) -> list[Picture]:
    """Return the charts of one subject: seconds, the same in forwards, and exponents, as far as it has them."""
    if not subject.measurements:
        return []
    entries = (
        f"{counted(len(subject.measurements), 'size')} from {_largest(subject, 0)} to {_largest(subject, -1)} entries"
    )
    charts = [
        _over_entries(
            subject,
            "Seconds",
            f"Chart with logarithmic axes of the seconds that each way takes, {entries}. The table has the numbers.",
            lambda measurement, way: measurement.timing(way).seconds,
            WAYS,
        ),
        _over_entries(
            subject,
            "In forwards",
            f"Chart with logarithmic axes of the same as multiples of a forward of the same size, {entries}.",
            lambda measurement, way: measurement.timing(way).seconds / measurement.timing("forward").seconds,
            WAYS[1:],
        ),
    ]
    fits = {way: subject.fit(way, "relative") for way in WAYS[1:]}
    there = {way: fit for way, fit in fits.items() if fit is not None}
    return [*charts, _exponents(there)] if there else charts


def _largest(subject: SubjectTiming, k: int) -> str:
    return f"{subject.measurements[k].entries:,}"


def _over_entries(
    subject: SubjectTiming,
    title: str,
    words: str,
    cost: Callable[[Measurement, Way], float],
    ways: tuple[Way, ...],
) -> Picture:
    """Cost over entries; what was computed and not measured has an empty mark."""
    entries = np.array([measurement.entries for measurement in subject.measurements])

    def paint(figure: Figure) -> None:
        axes = figure.add_axes((0.14, 0.14, 0.83, 0.69))
        logarithmic(axes)
        for way in ways:
            colour, marker = _STYLES[way]
            costs = np.array([cost(measurement, way) for measurement in subject.measurements])
            computed = np.array([measurement.timing(way).computed for measurement in subject.measurements])
            shown = np.isfinite(costs) & (costs > 0)
            axes.plot(entries[shown], costs[shown], color=colour, linewidth=1.8)
            for which, fill in ((shown & ~computed, colour), (shown & computed, SURFACE)):
                axes.plot(entries[which], costs[which], marker, color=colour, markerfacecolor=fill, markersize=5.5)
            axes.plot([], [], color=colour, marker=marker, markersize=5.5, linewidth=1.8, label=WAY_TITLES[way])
        axes.set_xlabel("entries")
        ends = sorted({int(entries[0]), int(entries[-1])})
        axes.set_xticks(ends, [f"{end:,}" for end in ends])
        if len(ends) == 2:
            axes.get_xticklabels()[-1].set_horizontalalignment("right")
        key(figure)

    return Picture(draw(*_SIZE, words, paint), title)


def _exponents(fits: dict[Way, GrowthFit]) -> Picture:
    """The exponents of growth with their confidence intervals, on one axis."""
    told = "; ".join(f"{WAY_TITLES[way]} {format_fit(fit)}" for way, fit in fits.items())

    def paint(figure: Figure) -> None:
        axes = figure.add_axes((0.04, 0.14, 0.93, 0.80))
        for row, (way, fit) in enumerate(fits.items()):
            colour, marker = _STYLES[way]
            if fit.low is not None and fit.high is not None:
                axes.plot([fit.low, fit.high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
            fill = SURFACE if fit.computed else colour
            axes.plot([fit.exponent], [row], marker, color=colour, markerfacecolor=fill, markersize=7)
            axes.annotate(
                f"{WAY_TITLES[way]}  {format_fit(fit)}",
                (0.0, row),
                (0, 11),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                color=INK,
                size=TEXT,
                bbox={"facecolor": SURFACE, "edgecolor": "none", "pad": 1.0},
            )
        for whole in (0, 1):
            axes.axvline(whole, color=MUTED, linewidth=1.0, linestyle=(0, (2, 3)), zorder=0)
        ends = [end for fit in fits.values() for end in (fit.low, fit.high, fit.exponent) if end is not None]
        axes.set_xlim(min(-0.25, *ends) - 0.05, max(1.25, *ends) + 0.05)
        axes.set_ylim(len(fits) - 0.6, -0.65)
        axes.set_yticks([])
        axes.set_xlabel("p in cost ∝ entries^p")
        axes.tick_params(length=0, pad=5)
        for side in ("left", "right", "top"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(LINE)

    words = f"Exponents of growth with 95 % confidence intervals, of the time in forwards: {told}."
    return Picture(draw(*_SIZE, words, paint), "Growth, 95 % intervals")
