"""What there is to see of a wrong gradient: a plane through its worst entry, and that entry's difference over steps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.checks.entrywise import EntryComparison, compare_entries
from gradcheck.checks.localize import WrongGradient
from gradcheck.checks.setting import Setting
from gradcheck.numeric.entries import entry_gradient
from gradcheck.numeric.space import Vector
from gradcheck.records.run_record import GradientPicture

#: So many rows and columns are shown at most of a gradient that was compared entry by entry,
_SIDE = 32
#: and of one too large for that, where each takes two forwards.
_SIDE_OF_LARGE = 8
#: Steps of the curve, in units of the primal: powers of two, which never coincide with the step of a comparison.
_STEPS = tuple(2.0 ** (-3 * k) for k in range(15))


def take_picture(setting: Setting, wrong: WrongGradient) -> GradientPicture | None:
    """Return what can be drawn of a wrong gradient; None where no single entry is wrong.

    The curve takes thirty forwards. The plane takes none, unless the gradient is too large for each of its entries to
    have been compared.
    """
    comparison, index, part = wrong.comparison, wrong.index, wrong.part
    if comparison is None or index is None:
        return None
    is_complete = comparison.positions.size == part.size
    axes = tuple(axis for axis, length in enumerate(part.shape) if length > 1)[-2:]
    window = _window(part.shape, axes, index, _SIDE if is_complete else _SIDE_OF_LARGE)
    flat = np.arange(part.size).reshape(part.shape)[np.ix_(*window)].reshape(-1)
    shown = _restricted(comparison, flat) if is_complete else _compared(setting, comparison, part.start + flat)
    rows = len(window[axes[0]]) if len(axes) == 2 else 1
    position = part.start + int(np.ravel_multi_index(index, part.shape))
    steps, differences = _over_steps(setting, comparison.cotangent, position)
    return GradientPicture(
        shape=part.shape,
        axes=axes,
        corner=tuple(along[0] for along in window),
        analytic=_table(shown.analytic, rows),
        numeric=_table(shown.numeric, rows),
        error_bar=_table(shown.bar, rows),
        steps=steps,
        differences=differences,
    )


def _window(shape: tuple[int, ...], axes: tuple[int, ...], index: tuple[int, ...], side: int) -> list[range]:
    """The indices along every axis: up to `side` around the worst entry along those shown, its own along the others."""
    window = []
    for axis, (length, worst) in enumerate(zip(shape, index, strict=True)):
        extent = min(length, side) if axis in axes else 1
        start = min(max(worst - extent // 2, 0), length - extent)
        window.append(range(start, start + extent))
    return window


def _restricted(comparison: EntryComparison, chosen: NDArray[np.int_]) -> EntryComparison:
    return replace(
        comparison,
        positions=comparison.positions[chosen],
        analytic=comparison.analytic[chosen],
        numeric=comparison.numeric[chosen],
        bar=comparison.bar[chosen],
    )


def _compared(setting: Setting, comparison: EntryComparison, positions: NDArray[np.int_]) -> EntryComparison:
    gradient = setting.linearization.pullback(comparison.cotangent)
    return compare_entries(setting, comparison.part, comparison.cotangent, gradient, positions)


def _over_steps(setting: Setting, cotangent: Vector, position: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The steps, and the central difference of one entry with each; not those at which the forward has no value."""
    curve = {}
    for relative in _STEPS:
        steps = relative * setting.scale_of_entry
        entry = entry_gradient(setting.function, setting.point, setting.outputs, cotangent, [position], steps)
        curve[float(steps[position])] = float(entry.value[0])
    finite = {step: value for step, value in curve.items() if math.isfinite(value)}
    return tuple(finite), tuple(finite.values())


def _table(values: Vector, rows: int) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, values.reshape(rows, -1).tolist()))
