"""The pictures of a wrong gradient: what its surroundings look like, and whether the step of the difference matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradcheck.messages import counted
from gradcheck.records.run_record import Failure, GradientPicture
from gradcheck.reports.html.drawing import INK, LINE, MUTED, SERIES, TEXT, Picture, draw, key, logarithmic
from gradcheck.reports.text import format_short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of heat maps, which shade off into the page, be it light or dark: below zero, above zero, too large.
_BELOW, _ABOVE, _OFF = (0, 114, 178), (213, 94, 0), (181, 61, 138)
_UNKNOWN = (128, 128, 128, 110)
#: No cell hides the text in it.
_STRONGEST = 0.8
#: A heat map is so wide, beside its axis, and cells are no larger nor lower than this.
_MAP, _LARGEST, _LOWEST = 232.0, 58.0, 20.0
_LEFT, _TOP, _BELOW_MAP = 40.0, 8.0, 84.0
#: Cells so wide hold their value.
_ROOM = 36.0
#: Distances that a logarithmic axis can hold with room to spare.
_DRAWN = (1e-200, 1e200)
_CURVE = (360.0, 292.0)


def heat_maps(failure: Failure, picture: GradientPicture) -> tuple[Picture, ...]:
    """Return the analytic gradient, the numeric one, and their difference in error bars, around the worst entry."""
    analytic, numeric, bar = (np.array(table) for table in (picture.analytic, picture.numeric, picture.error_bar))
    with np.errstate(all="ignore"):
        off = np.abs(analytic - numeric) / bar
    wrong = ~(off <= 1)
    finite = np.abs(np.concatenate([analytic, numeric])[np.isfinite(np.concatenate([analytic, numeric]))])
    largest = float(finite.max(initial=0.0)) or 1.0
    worst = _worst(failure, picture)
    extent = f"{counted(analytic.shape[0], 'row')} and {counted(analytic.shape[1], 'column')}"
    maps = []
    for title, values in (("Analytic", analytic), ("Numeric", numeric)):
        words = f"Heat map of the {title.lower()} gradient, {extent}, {_range(values)}."
        svg = _heat_map(words, picture, values, _signed(values, largest), worst, (-largest, 0.0, largest), _SIGNED)
        maps.append(Picture(svg, title))
    most = float(np.max(off[np.isfinite(off)], initial=10.0))
    words = (
        f"Heat map of the difference over its error bar, {extent}: {np.count_nonzero(wrong)} of {wrong.size} shown "
        f"entries are wrong, the largest error is {format_short(most)} times its bar."
    )
    svg = _heat_map(words, picture, off, _excess(off, most), worst, (1.0, most), _EXCESS, wrong)
    return (*maps, Picture(svg, "Difference ÷ error bar"))


def step_curve(failure: Failure, picture: GradientPicture) -> Picture | None:
    """Return how far the difference of the worst entry is from either value over its step; None without values."""
    if failure.analytic is None or failure.numeric is None or not picture.steps:
        return None
    steps, differences = np.array(picture.steps), np.array(picture.differences)
    with np.errstate(over="ignore"):
        to_numeric, to_analytic = np.abs(differences - failure.numeric), np.abs(differences - failure.analytic)
    bar = failure.error_bar or 0.0

    def paint(figure: Figure) -> None:
        axes = figure.add_axes((0.125, 0.145, 0.855, 0.68))
        logarithmic(axes)
        series = (
            (to_analytic, SERIES[1], "s", "from the analytic value"),
            (to_numeric, SERIES[0], "o", "from the numeric value"),
        )
        for values, colour, marker, label in series:
            there = (values > _DRAWN[0]) & (values < _DRAWN[1])
            axes.plot(
                steps[there], values[there], color=colour, marker=marker, markersize=4.5, linewidth=1.8, label=label
            )
        if _DRAWN[0] < bar < _DRAWN[1]:
            axes.axhline(bar, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="error bar")
        axes.set_xlabel("step ε")
        key(figure)

    nearest = float(np.min(to_analytic, initial=np.inf, where=np.isfinite(to_analytic)))
    caption = (
        f"How far the difference of this entry is from either value, for steps from {format_short(steps.max())} to "
        f"{format_short(steps.min())}. With no step does it come nearer to the analytic value than "
        f"{format_short(nearest)}{f', {format_short(nearest / bar)} times the error bar' if bar > 0 else ''}."
    )
    exact = np.count_nonzero(to_numeric == 0)
    if exact:
        caption += f" At {exact} of {steps.size} steps it is the numeric value itself, which such axes cannot show."
    svg = draw(*_CURVE, f"Chart with logarithmic axes. {caption}", paint)
    return Picture(svg, "Does the step explain it?", caption)


def plane(picture: GradientPicture) -> str:
    """Return which plane of the gradient is shown, as an index.

    Examples
    --------
    >>> row = ((0.0, 0.0),)
    >>> tables = {"analytic": row, "numeric": row, "error_bar": row}
    >>> plane(GradientPicture(shape=(4, 3, 40), axes=(1, 2), corner=(2, 0, 7), **tables, steps=(), differences=()))
    '[2, 0, 7:9]'
    """
    rows, columns = len(picture.analytic), len(picture.analytic[0])
    extents = dict(zip(picture.axes, (rows, columns)[-len(picture.axes) :] if picture.axes else (), strict=True))
    places = []
    for axis, (length, start) in enumerate(zip(picture.shape, picture.corner, strict=True)):
        extent = extents.get(axis, 1)
        whole = extent == length > 1
        places.append(":" if whole else str(start) if extent == 1 else f"{start}:{start + extent}")
    return f"[{', '.join(places)}]"


def _range(values: NDArray[np.float64]) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "no value is finite"
    return f"values from {format_short(float(finite.min()))} to {format_short(float(finite.max()))}"


def _worst(failure: Failure, picture: GradientPicture) -> tuple[int, int]:
    """Row and column of the worst entry."""
    index = failure.index or ()
    places = [index[axis] - picture.corner[axis] for axis in picture.axes if axis < len(index)]
    row, column = (0, 0, *places)[-2:]
    return row, column


# Colours


def _signed(values: NDArray[np.float64], largest: float) -> NDArray[np.uint8]:
    """Blue below zero, orange above, the stronger the larger."""
    strength = np.clip(np.abs(np.nan_to_num(values, nan=0.0, posinf=largest, neginf=-largest)) / largest, 0, 1)
    colours = np.where((values < 0)[..., None], _BELOW, _ABOVE)
    return _shaded(colours, strength, values)


def _excess(off: NDArray[np.float64], most: float) -> NDArray[np.uint8]:
    """Nothing within the error bar; beyond it the stronger the more, by magnitude."""
    with np.errstate(all="ignore"):
        strength = 0.25 + 0.75 * np.log10(np.clip(off, 1, most)) / np.log10(most)
    strength = np.where(off <= 1, 0.0, np.nan_to_num(strength, nan=1.0))
    return _shaded(np.broadcast_to(_OFF, (*off.shape, 3)), strength, off)


def _shaded(colours: NDArray[np.int_], strength: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    alpha = np.round(255 * _STRONGEST * strength)[..., None]
    return np.where(np.isnan(values)[..., None], _UNKNOWN, np.concatenate([colours, alpha], axis=-1)).astype(np.uint8)


_SIGNED = _signed(np.linspace(-1, 1, 101)[None], 1.0)
_EXCESS = _excess(np.geomspace(1.001, 10, 101)[None], 10.0)


# The drawing


def _heat_map(
    words: str,
    picture: GradientPicture,
    values: NDArray[np.float64],
    colours: NDArray[np.uint8],
    worst: tuple[int, int],
    scale: tuple[float, ...],
    key: NDArray[np.uint8],
    wrong: NDArray[np.bool_] | None = None,
) -> str:
    rows, columns = values.shape
    cell = min(_LARGEST, _MAP / max(rows, columns))
    across, down = min(_LARGEST, max(cell, _MAP / columns)), max(cell, min(_LOWEST, _MAP / rows))
    width, height = _LEFT + _MAP + 12, _TOP + down * rows + _BELOW_MAP

    def paint(figure: Figure) -> None:
        box = (_LEFT / width, 1 - (_TOP + down * rows) / height, across * columns / width, down * rows / height)
        axes = figure.add_axes(box)
        axes.imshow(colours, aspect="auto", interpolation="none")
        _label(axes, picture, rows, columns)
        _outline(axes, worst)
        if across >= _ROOM:
            for (row, column), value in np.ndenumerate(values):
                within = wrong is not None and not wrong[row, column]
                text, colour = ("<1", MUTED) if within else (format_short(float(value)), INK)
                axes.annotate(text, (column, row), color=colour, size=TEXT - 1.5, ha="center", va="center_baseline")
        if wrong is not None:
            _mark(axes, wrong, 0.34 if across >= _ROOM else 0.0)
        _key(figure, key, scale, width, height)

    return draw(width, height, words, paint)


def _label(axes: Axes, picture: GradientPicture, rows: int, columns: int) -> None:
    """Number rows and columns as the entries of the gradient are."""
    named = (None, *picture.axes)[-2:] if picture.axes else (None, None)
    for axis, which, extent in ((axes.yaxis, named[0], rows), (axes.xaxis, named[1], columns)):
        first = 0 if which is None else picture.corner[which]
        step = max(1, -(-extent // 6))
        shown = range(0, extent, step)
        axis.set_ticks(list(shown), [str(first + k) for k in shown])
        axis.set_tick_params(length=0, pad=4)
        if which is None:
            axis.set_ticks([])
        else:
            axis.set_label_text(f"axis {which}")
    for spine in axes.spines.values():
        spine.set_color(LINE)


def _outline(axes: Axes, worst: tuple[int, int]) -> None:
    from matplotlib.patches import Rectangle

    row, column = worst
    axes.add_patch(
        Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=2.0, clip_on=False, zorder=4)
    )


def _mark(axes: Axes, wrong: NDArray[np.bool_], aside: float) -> None:
    """A diamond in every wrong entry; in the corner where its value stands in the middle."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    size = 0.07 if aside else 0.16
    diamond = np.array([[0, -size], [size, 0], [0, size], [-size, 0], [0, -size]])
    places = [(column + aside, row - aside) for row, column in np.argwhere(wrong)]
    if places:
        shape = Path.make_compound_path(*(Path(diamond + place, closed=True) for place in places))
        axes.add_patch(PathPatch(shape, facecolor=INK, linewidth=0))


def _key(figure: Figure, key: NDArray[np.uint8], scale: tuple[float, ...], width: float, height: float) -> None:
    """What the colours mean, below the map."""
    axes = figure.add_axes((_LEFT / width, 22 / height, _MAP / width, 9 / height))
    axes.imshow(key, aspect="auto", interpolation="none")
    last = key.shape[1] - 1
    places = [last * k / (len(scale) - 1) for k in range(len(scale))]
    axes.set_xticks(places, [format_short(value) for value in scale])
    axes.set_yticks([])
    axes.tick_params(length=0, pad=4)
    first, *_, end = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    end.set_horizontalalignment("right")
    for spine in axes.spines.values():
        spine.set_color(LINE)
