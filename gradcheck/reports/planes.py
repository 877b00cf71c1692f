"""The surroundings of a worst entry as text: analytic, numeric, and their difference in error bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.records.run_record import Failure, GradientPicture
from gradcheck.reports.text import WIDTH, format_short, printable

#: So many rows are shown at most.
ROWS = 12
_CELL = 10
#: Beside an entry that is off by more than its error bar.
_WRONG = "!"


def planes_to_lines(failure: Failure, width: int = WIDTH) -> list[str]:
    """Return the plane through the worst entry of a wrong gradient as lines, no more than a screen of them.

    Parameters
    ----------
    failure : Failure
        One with a picture; of another there is nothing to show.
    width : int
        Columns of the terminal.
    """
    picture = failure.picture
    if picture is None:
        return []
    rows, columns = _around(failure, picture, max(1, width // _CELL - 1))
    bars = [
        [_in_bars(*values) for values in zip(*lines, strict=True)]
        for lines in zip(picture.analytic, picture.numeric, picture.error_bar, strict=True)
    ]
    lines = [f"`{printable(failure.primal or '')}` around the worst entry{_place(picture)}; {_WRONG} is wrong"]
    for title, table in (
        ("analytic", picture.analytic),
        ("numeric", picture.numeric),
        ("difference in error bars", bars),
    ):
        lines += [f"  {title}", *_table(table, bars, rows, columns)]
    return lines


def _in_bars(analytic: float, numeric: float, bar: float) -> float:
    return (analytic - numeric) / bar if bar else 0.0


def _around(failure: Failure, picture: GradientPicture, most: int) -> tuple[range, range]:
    """Return the rows and columns that are shown: those around the worst entry, if there are too many."""
    worst = [0, 0]
    for place, axis in zip((-2, -1), (None, None, *picture.axes)[-2:], strict=True):
        if axis is not None and failure.index is not None:
            worst[place] = failure.index[axis] - picture.corner[axis]
    height, breadth = len(picture.analytic), len(picture.analytic[0])
    return _window(height, worst[0], ROWS), _window(breadth, worst[1], most)


def _window(length: int, worst: int, most: int) -> range:
    start = min(max(worst - most // 2, 0), max(length - most, 0))
    return range(start, min(start + most, length))


def _place(picture: GradientPicture) -> str:
    """Tell which indices are held, and along which axes the table runs."""
    if len(picture.axes) == len(picture.shape) or not picture.shape:
        return ""
    index = (":" if axis in picture.axes else str(first) for axis, first in enumerate(picture.corner))
    return f", the part [{', '.join(index)}]"


def _table(
    table: Sequence[Sequence[float]], bars: Sequence[Sequence[float]], rows: range, columns: range
) -> Iterator[str]:
    for row in rows:
        cells = (_cell(table[row][column], is_wrong=abs(bars[row][column]) > 1) for column in columns)
        yield "  " + "".join(cells)
    left = len(table) - len(rows), len(table[0]) - len(columns)
    if any(left):
        yield f"  … {left[0]} more rows, {left[1]} more columns"


def _cell(value: float, *, is_wrong: bool) -> str:
    return f"{format_short(value)}{_WRONG if is_wrong else ' '}".rjust(_CELL)
