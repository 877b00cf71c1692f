"""Every entry of a gradient against its ε-difference: which are wrong, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.checks.numeric_forward import SIGMAS
from gradcheck.checks.setting import Setting
from gradcheck.checks.stacked import StackedDifferences
from gradcheck.numeric.entries import Entries, entry_gradient
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Part, Vector, norm, rms


@dataclass(frozen=True, kw_only=True)
class EntryComparison:
    """Analytic against numeric values of one primal (or of a sample of its entries).

    Attributes
    ----------
    part : Part
    positions : ndarray of int
        Entries of the primals' vector.
    analytic, numeric, bar : Vector
        Values and error bars at `positions`.
    cotangent : Vector
        Weights of the outputs.
    """

    part: Part
    positions: NDArray[np.int_]
    analytic: Vector
    numeric: Vector
    bar: Vector
    cotangent: Vector

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which entries differ by more than their error bar."""
        return np.asarray(np.abs(self.analytic - self.numeric) > self.bar)

    def ranked(self) -> NDArray[np.int_]:
        """Indices of the wrong entries, the largest error first."""
        wrong = np.flatnonzero(self.wrong)
        return np.asarray(wrong[np.argsort(-np.abs(self.analytic - self.numeric)[wrong], kind="stable")])


def compare_entries(
    setting: Setting,
    part: Part,
    cotangent: Vector,
    gradient: Vector,
    positions: NDArray[np.int_] | None = None,
) -> EntryComparison:
    """Compare the entries of one primal with their differences.

    Parameters
    ----------
    setting : Setting
    part : Part
        The primal.
    cotangent, gradient : Vector
        Weights of the outputs, and what the pullback made of them.
    positions : ndarray of int, optional
        The entries to compare. Default: all of the primal.

    Notes
    -----
    The bar of an entry adds rounding (``4‖g∘e‖₂/h``), half of the gap between the one-sided slopes (a value between
    them is no error) and the tolerance of the dtype on the scale of the whole gradient; on that of its product with the
    entries, divided by the entry, where this is less.
    """
    steps = setting.function.precision.entry_step * setting.step_of_entry
    entries = _differentiate(setting, part, cotangent, steps, positions)
    analytic = gradient[entries.positions]
    weighted = norm(cotangent * setting.noise)
    rounding = 2 * SIGMAS * weighted / entries.distance
    sizes = setting.size_of_entry[entries.positions]
    scale = np.minimum(rms(entries.value), rms(entries.value * sizes) / sizes)
    tolerance = setting.probe.analytic_precision.analytic_tolerance
    bar = rounding + entries.gap / 2 + tolerance * (scale + np.abs(entries.value))
    return EntryComparison(
        part=part,
        positions=entries.positions,
        analytic=analytic,
        numeric=entries.value,
        bar=bar,
        cotangent=cotangent,
    )


def _differentiate(
    setting: Setting, part: Part, cotangent: Vector, steps: Vector, positions: NDArray[np.int_] | None
) -> Entries:
    if positions is None:
        stacked = StackedDifferences.where_separable(setting) if setting.function.precision is DOUBLE else None
        if stacked is not None and stacked.covers(part):
            return stacked.differentiate(part, cotangent, steps)
        positions = np.arange(part.start, part.stop)
    return entry_gradient(setting.function, setting.point, setting.outputs, cotangent, positions, steps)
