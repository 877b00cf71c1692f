"""Where a wrong gradient is wrong: which primals, which entries, through which outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradcheck.checks.entrywise import EntryComparison, compare_entries
from gradcheck.checks.escalation import Examination, examine_twice
from gradcheck.checks.numeric_forward import SIGMAS
from gradcheck.checks.projected import STEP, compare_once
from gradcheck.checks.setting import Setting
from gradcheck.numeric.function import displacement, evaluate_pair
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Part, Vector, norm

#: A search stops when it has found so many entries.
ENOUGH = 8
#: So many primals are moved one by one.
_ONE_BY_ONE = 4
#: A gradient with no more entries than this is compared entry by entry.
_ALL_ENTRIES = 8192
#: Of a larger one so many entries are drawn to estimate the share that is wrong.
_SAMPLE = 64
_CONFIRM = 3


@dataclass(frozen=True, kw_only=True)
class WrongGradient:
    """What is known of the wrong gradient of one primal.

    Attributes
    ----------
    part : Part
    analytic, numeric, bar : float
        The values of the worst entry, or those of the projection that shows the error.
    index : tuple of int or None
        The worst entry that a ladder of its own confirmed; None where the error is spread too thin for that.
    wrong_entries : int
    sampled : bool
        Whether `wrong_entries` was estimated from a sample.
    ratio : float or None
        Analytic over numeric where that is the same number in every entry.
    outputs : tuple of int
        Outputs (as entries of their vector) through which the error enters, where these are few.
    comparison : EntryComparison or None
        The entries that were compared, where one of them was confirmed.
    """

    part: Part
    analytic: float
    numeric: float
    bar: float
    index: tuple[int, ...] | None = None
    wrong_entries: int = 0
    sampled: bool = False
    ratio: float | None = None
    outputs: tuple[int, ...] = ()
    comparison: EntryComparison | None = None


def wrong_parts(setting: Setting, found: Examination) -> Iterator[tuple[Part, Examination]]:
    """Yield the primals whose gradient is wrong by itself, each with the examination that shows it."""
    moved = [part for part in setting.space if found.tangent[part.slice].any()]
    if len(setting.space.parts) == 1:
        yield moved[0], found
        return
    for part in _suspects(setting, moved):
        alone = examine_twice(setting, *setting.tangents((part.name,)))
        if alone.state == "wrong":
            yield part, alone


def _suspects(setting: Setting, parts: Sequence[Part]) -> Iterator[Part]:
    """Yield primals that may be wrong: all, if they are few; of many, those that halving leads to, two forwards each.

    One disagreement is no proof. What is left aside agrees.
    """
    groups = [parts]
    while groups:
        group = groups.pop()
        if group is not parts and _agrees(setting, [part.name for part in group]):
            continue
        if len(group) <= _ONE_BY_ONE or setting.function.precision is not DOUBLE:
            yield from group
            continue
        groups += [group[len(group) // 2 :], group[: len(group) // 2]]


def _agrees(setting: Setting, names: Sequence[str]) -> bool:
    test, moved = compare_once(setting, names, setting.straight or STEP)
    return test.agrees and test.sharp and not moved.kinked


def localize(setting: Setting, part: Part, found: Examination) -> WrongGradient:
    """Take the wrong gradient of one primal apart, by entry and by output."""
    comparison, sampled = _compare(setting, part, found)
    outputs = _wrong_outputs(setting, found)
    worst = _worst_confirmed(setting, comparison)
    if worst is not None:
        return replace(_wrong_entry(setting, comparison, worst), sampled=sampled, outputs=outputs)
    return WrongGradient(
        part=part, analytic=found.analytic, numeric=found.numeric, bar=found.bar, sampled=sampled, outputs=outputs
    )


def compare_every_entry(setting: Setting) -> list[WrongGradient]:
    """Compare every entry of every primal with its own difference: two forwards per entry, one pullback."""
    cotangent = setting.cotangent()
    gradient = setting.linearization.pullback(cotangent)
    found = []
    for part in setting.space:
        comparison = compare_entries(setting, part, cotangent, gradient)
        worst = _worst_confirmed(setting, comparison)
        if worst is not None:
            found.append(_wrong_entry(setting, comparison, worst))
    return found


def _worst_confirmed(setting: Setting, comparison: EntryComparison) -> int | None:
    """Return the worst entry that a ladder of its own finds wrong too, as an index into the comparison."""
    for candidate in comparison.ranked()[:_CONFIRM].tolist():
        position = comparison.positions[candidate]
        single = np.zeros(setting.space.size)
        single[position] = setting.step_of_entry[position]
        if examine_twice(setting, single, single).state == "wrong":
            return int(candidate)
    return None


def _wrong_entry(setting: Setting, comparison: EntryComparison, worst: int) -> WrongGradient:
    return WrongGradient(
        part=comparison.part,
        index=setting.space.locate(int(comparison.positions[worst]))[1],
        analytic=float(comparison.analytic[worst]),
        numeric=float(comparison.numeric[worst]),
        bar=float(comparison.bar[worst]),
        wrong_entries=_wrong_count(comparison),
        ratio=_ratio(comparison),
        comparison=comparison,
    )


def _compare(setting: Setting, part: Part, found: Examination) -> tuple[EntryComparison, bool]:
    if part.size <= _ALL_ENTRIES:
        return compare_entries(setting, part, found.cotangent, found.gradient), False
    drawn = part.start + np.sort(setting.rng.choice(part.size, _SAMPLE, replace=False))
    sample = compare_entries(setting, part, found.cotangent, found.gradient, drawn)
    if sample.wrong.any():
        return sample, True
    positions = np.array(_wrong_positions(setting, part, found), dtype=np.int_)
    return compare_entries(setting, part, found.cotangent, found.gradient, positions), positions.size >= ENOUGH


def _wrong_count(comparison: EntryComparison) -> int:
    """Return how many entries are wrong, extrapolated where the comparison is a random sample of them."""
    count, seen = int(np.count_nonzero(comparison.wrong)), comparison.positions.size
    return max(1, round(comparison.part.size * count / seen)) if seen == _SAMPLE else count


def _ratio(comparison: EntryComparison) -> float | None:
    """Return analytic over numeric where one number fits every entry within the error bars."""
    size = norm(comparison.numeric)
    if not 0.0 < size < np.inf:
        return None
    ratio = float(np.dot(comparison.analytic / size, comparison.numeric / size))
    bars = comparison.bar * max(1.0, abs(ratio))
    fits = np.abs(comparison.analytic - ratio * comparison.numeric) <= bars
    tells = np.count_nonzero(np.abs(comparison.numeric) > 10 * comparison.bar) >= 2
    return ratio if bool(fits.all()) and tells else None


def _wrong_positions(setting: Setting, part: Part, found: Examination) -> list[int]:
    """Bisect the tangent: two forwards per half, O(k log n) for k wrong entries."""

    def is_wrong(group: NDArray[np.int_]) -> bool:
        move = np.zeros(setting.space.size)
        move[group] = found.tangent[group]
        step = found.slopes.step
        pair = evaluate_pair(setting.function, setting.point, step * move)
        numeric = float(np.dot(found.cotangent, pair.plus - pair.minus)) / (2 * step)
        taken = displacement(setting.function, setting.point, step * move)
        analytic = float(np.dot(found.gradient, taken)) / (2 * step)
        return abs(analytic - numeric) > _bar(setting, found, found.cotangent)

    return _bisect(np.arange(part.start, part.stop), is_wrong)


def _wrong_outputs(setting: Setting, found: Examination) -> tuple[int, ...]:
    """Bisect the cotangent: one pullback per half and no forwards, the slopes are known. Empty if many are wrong."""

    def is_wrong(group: NDArray[np.int_]) -> bool:
        cotangent = np.zeros_like(found.cotangent)
        cotangent[group] = found.cotangent[group]
        numeric = float(np.dot(cotangent, found.slopes.value))
        analytic = float(np.dot(setting.linearization.pullback(cotangent), found.slopes.taken))
        return abs(analytic - numeric) > _bar(setting, found, cotangent)

    positions = _bisect(np.flatnonzero(found.cotangent), is_wrong)
    return tuple(positions) if len(positions) < min(ENOUGH, found.cotangent.size) else ()


def _bar(setting: Setting, found: Examination, cotangent: Vector) -> float:
    rounding = SIGMAS * norm(cotangent * found.slopes.rounding)
    truncation = 3 * norm(cotangent * found.slopes.truncation)
    return rounding + truncation + setting.probe.analytic_precision.unit * 64 * found.scale


def _bisect(group: NDArray[np.int_], is_wrong: Callable[[NDArray[np.int_]], bool]) -> list[int]:
    """Return up to `ENOUGH` single members for which the test fails, searching halves that fail."""
    found: list[int] = []
    groups = [group]
    while groups and len(found) < ENOUGH:
        current = groups.pop()
        if current.size == 0 or not is_wrong(current):
            continue
        if current.size == 1:
            found.append(int(current[0]))
            continue
        groups += [current[current.size // 2 :], current[: current.size // 2]]
    return found
