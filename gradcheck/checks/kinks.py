"""Kinks and ties: outputs without a derivative at the point, judged by the one-sided slopes of single entries.

For one such output at a time the cotangent is one-hot, so that the analytic values belong to that output alone.
Accepted is a value between the two one-sided slopes of its entry. Over entries that are tied with each other the sum
of the values must be the slope along moving them together, where that is smooth: this accepts "first", "last" and
"even split", and refuses "every tied maximum gets everything".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.checks.numeric_forward import SIGMAS
from gradcheck.checks.setting import Setting
from gradcheck.numeric.directions import signed_random
from gradcheck.numeric.function import evaluate_pair
from gradcheck.numeric.ladder import RATIO, climb, read
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Vector, norm

#: Kinked outputs that are looked at.
SAMPLE = 6
#: An output that depends on more entries than this is not taken apart.
MAX_ENTRIES = 64
_MAX_PAIRS = 1500
#: One-sided slopes that change by more than this share between two steps have no limit there, or another kink
#: lies beside the point: nothing can be said of them.
_CONVERGED = 0.1
#: Share of the gap that a further kink may have without being seen, and trials in which it must not be seen.
_ELEMENTARY = 1e-3
_TRIALS = 3


@dataclass(frozen=True, kw_only=True)
class KinkFault:
    """An analytic value that no convention allows.

    Attributes
    ----------
    position : int
        Entry of the primals' vector.
    analytic : float
    low, high : float
        What would have been accepted, error bar included.
    sentence : str
    """

    position: int
    analytic: float
    low: float
    high: float
    sentence: str


@dataclass(frozen=True, kw_only=True)
class KinkVerdict:
    """What was found at the kinks.

    Attributes
    ----------
    outputs : int
        How many outputs have a kink at the point.
    judged : int
        How many of them were judged.
    conventions : tuple of str
        Names of the conventions found.
    faults : tuple of KinkFault
    """

    outputs: int
    judged: int
    conventions: tuple[str, ...]
    faults: tuple[KinkFault, ...]


@dataclass(frozen=True, kw_only=True)
class _OneSided:
    """One-sided slopes of one output along one entry, with their error bar."""

    position: int
    below: float
    above: float
    bar: float
    converged: bool

    @property
    def kinked(self) -> bool:
        return abs(self.above - self.below) > 4 * self.bar

    @property
    def low(self) -> float:
        return min(self.below, self.above) - self.bar

    @property
    def high(self) -> float:
        return max(self.below, self.above) + self.bar


def judge_kinks(setting: Setting, kinked: NDArray[np.bool_]) -> KinkVerdict:
    """Judge a sample of the outputs that are marked in `kinked`."""
    positions = np.flatnonzero(kinked)
    sample = np.sort(setting.rng.permutation(positions)[:SAMPLE])
    unit = setting.scale_of_entry
    conventions: set[str] = set()
    faults: list[KinkFault] = []
    judged = 0
    for output, entries in zip(sample, _influences(setting, sample, unit), strict=True):
        if entries is None:
            continue
        slopes = [_one_sided(setting, entry, int(output), unit) for entry in entries]
        if not all(one.converged for one in slopes) or not _is_elementary(setting, int(output), slopes, unit):
            continue
        if not _is_complete(setting, int(output), entries):
            continue
        judged += 1
        values = setting.linearization.pullback(_one_hot(setting, int(output)))
        found = [
            *_outside(setting, values, slopes),
            *_leaks(setting, values, entries, int(output), unit),
            *_unbalanced(setting, values, slopes, int(output), unit),
        ]
        faults += found
        if not found:
            conventions |= set(_conventions(setting, values, slopes))
    return KinkVerdict(
        outputs=positions.size, judged=judged, conventions=tuple(sorted(conventions)), faults=tuple(faults)
    )


def _step(setting: Setting) -> float:
    return setting.function.precision.one_sided_step


def _one_hot(setting: Setting, output: int) -> Vector:
    cotangent = np.zeros(setting.outputs.size)
    cotangent[output] = 1.0
    return cotangent


def _influences(setting: Setting, outputs: NDArray[np.int_], unit: Vector) -> list[list[int] | None]:
    """Find by halving which entries move each output; None where there are too many.

    A group of entries that moves none of the outputs, neither up nor down, is dropped whole.
    """
    found: list[list[int]] = [[] for _ in outputs]
    base = setting.outputs[outputs]
    direction = unit * signed_random(setting.space.size, setting.rng) * _step(setting)
    groups = [np.arange(setting.space.size)]
    pairs = 0
    while groups:
        group = groups.pop()
        pairs += 1
        if pairs > _MAX_PAIRS or max(map(len, found)) > MAX_ENTRIES:
            return [None for _ in outputs]
        step = np.zeros(setting.space.size)
        step[group] = direction[group]
        pair = evaluate_pair(setting.function, setting.point, step)
        moved = (pair.plus[outputs] != base) | (pair.minus[outputs] != base)
        if not moved.any():
            continue
        if group.size == 1:
            for k in np.flatnonzero(moved):
                found[k].append(int(group[0]))
            continue
        groups += [group[group.size // 2 :], group[: group.size // 2]]
    return [sorted(entries) for entries in found]


def _one_sided(setting: Setting, entry: int, output: int, unit: Vector) -> _OneSided:
    """Extrapolate the one-sided slopes from two steps: four evaluations."""
    wide = _raw_slopes(setting, entry, output, unit, _step(setting))
    narrow = _raw_slopes(setting, entry, output, unit, _step(setting) / RATIO)
    noise = SIGMAS * float(setting.noise[output]) * RATIO / (_step(setting) * unit[entry])
    change = max(abs(wide[0] - narrow[0]), abs(wide[1] - narrow[1]))
    converged = change + noise <= _CONVERGED * max(abs(narrow[0]), abs(narrow[1]))
    return _OneSided(position=entry, below=narrow[0], above=narrow[1], bar=noise + 2 * change, converged=converged)


def _raw_slopes(setting: Setting, entry: int, output: int, unit: Vector, step: float) -> tuple[float, float]:
    move = np.zeros(setting.space.size)
    move[entry] = step * unit[entry]
    above, below = setting.function.round(setting.point + move), setting.function.round(setting.point - move)
    up, down = float(above[entry] - setting.point[entry]), float(setting.point[entry] - below[entry])
    base = setting.outputs[output]
    return (
        float(base - setting.function.evaluate(below)[output]) / down,
        float(setting.function.evaluate(above)[output] - base) / up,
    )


def _is_elementary(setting: Setting, output: int, slopes: list[_OneSided], unit: Vector) -> bool:
    """Whether the output has one kink only, or one tie, so that one convention decides all its gradients.

    Where several kinks add up, each with a convention of its own, the sum may leave the one-sided slopes although
    every part is right; nothing can then be said. The gap G(d) between the one-sided slopes along d tells:
    a single kink has ``G(d) = |⟨v, d⟩|`` for some v, a tie of entries ``G(d) = c·(max d - min d)`` over them.
    """
    kinked = [one for one in slopes if one.kinked]
    if len(kinked) < 2:
        return True
    positions = [one.position for one in kinked]
    height = abs(kinked[0].above - kinked[0].below)
    noise = 8 * SIGMAS * float(setting.noise[output]) / _step(setting)
    is_single = is_tie = True
    for _ in range(_TRIALS):
        first, second = (unit[positions] * signed_random(len(positions), setting.rng) for _ in range(2))
        gaps = [_gap(setting, output, positions, move) for move in (first, second, first + second)]
        slack = _ELEMENTARY * (gaps[0] + gaps[1]) + noise
        if noise > 10 * _ELEMENTARY * (gaps[0] + gaps[1]):
            return False
        is_single &= min(abs(gaps[2] - gaps[0] - gaps[1]), abs(gaps[2] - abs(gaps[0] - gaps[1]))) <= slack
        is_tie &= all(
            abs(gap - height * float(np.ptp(move))) <= slack for gap, move in zip(gaps, (first, second), strict=False)
        )
    return is_single or is_tie


def _is_complete(setting: Setting, output: int, entries: list[int]) -> bool:
    """Whether the output depends on those entries only, and on no others even when they all move.

    The middle one of three equal values, sorted, stands still when any one of them moves, and moves with them all.
    """
    others = setting.tangent() * _step(setting)
    others[entries] = 0.0
    pair = evaluate_pair(setting.function, setting.point, others)
    return bool(pair.plus[output] == pair.minus[output] == setting.outputs[output])


def _gap(setting: Setting, output: int, positions: list[int], move: Vector) -> float:
    """Return how far the one-sided slopes of an output are apart along one move: two evaluations."""
    step = np.zeros(setting.space.size)
    step[positions] = _step(setting) * move
    pair = evaluate_pair(setting.function, setting.point, step)
    return abs(float(pair.plus[output] - 2 * setting.outputs[output] + pair.minus[output])) / _step(setting)


def _outside(setting: Setting, values: Vector, slopes: list[_OneSided]) -> Iterator[KinkFault]:
    widest = max((abs(one.above - one.below) for one in slopes), default=0.0)
    for one in slopes:
        value = float(values[one.position])
        rounding = setting.probe.analytic_precision.unit * 64 * abs(value)
        # A further kink too small to be seen has a convention of its own.
        margin = rounding + setting.analytic_floor(np.ones(1), 1.0) + 8 * _ELEMENTARY * widest
        if not one.low - margin <= value <= one.high + margin:
            yield KinkFault(
                position=one.position,
                analytic=value,
                low=one.low,
                high=one.high,
                sentence=f"at a kink the one-sided slopes are {one.below:.6g} and {one.above:.6g}: "
                f"expected a value between them, got {value:.6g}",
            )


def _leaks(setting: Setting, values: Vector, entries: list[int], output: int, unit: Vector) -> Iterator[KinkFault]:
    """Entries that do not move the output, although their gradient is large enough to show, must have gradient zero."""
    outside = np.abs(values)
    outside[entries] = 0.0
    visible = 16 * setting.noise[output] / (_step(setting) * unit)
    floor = 64 * setting.probe.analytic_precision.unit * float(np.abs(values).max()) + visible
    position = int(np.argmax(outside - floor))
    if outside[position] <= floor[position]:
        return
    # In a low precision the moves of a whole group may have cancelled: the entry is asked alone.
    if not any(_raw_slopes(setting, position, output, unit, _step(setting))):
        value = float(values[position])
        yield KinkFault(
            position=position,
            analytic=value,
            low=0.0,
            high=0.0,
            sentence=f"the output does not depend on this entry: expected 0, got {value:.6g}",
        )


def _unbalanced(
    setting: Setting, values: Vector, slopes: list[_OneSided], output: int, unit: Vector
) -> Iterator[KinkFault]:
    for part in setting.space:
        tied = [one.position for one in slopes if one.kinked and part.start <= one.position < part.stop]
        if len(tied) < 2:
            continue
        together = np.zeros(setting.space.size)
        together[tied] = unit[tied]
        first = _step(setting) if setting.function.precision is DOUBLE else setting.function.precision.first_step
        rungs = climb(setting.function, setting.point, setting.outputs, together, first * RATIO, 2)
        joint = read(rungs, setting.noise, setting.function.precision)
        if not joint.smooth[output]:
            continue
        bar = SIGMAS * float(joint.rounding[output]) + float(joint.truncation[output])
        bar += 64 * setting.probe.analytic_precision.unit * norm(values * joint.taken)
        total, slope = float(np.dot(values, joint.taken)), float(joint.value[output])
        if abs(total - slope) > bar:
            scale = unit[tied[0]]
            worst = tied[int(np.argmax(np.abs(values[tied])))]
            yield KinkFault(
                position=worst,
                analytic=float(values[worst]),
                low=(slope - bar) / scale / len(tied),
                high=(slope + bar) / scale / len(tied),
                sentence=f"{len(tied)} entries are tied: moved together they change the output at the rate "
                f"{slope / scale:.6g}, but their gradients sum to {total / scale:.6g}",
            )


def _conventions(setting: Setting, values: Vector, slopes: list[_OneSided]) -> Iterator[str]:
    for part in setting.space:
        kinked = [one for one in slopes if one.kinked and part.start <= one.position < part.stop]
        if len(kinked) == 1:
            yield f"kink in {part.name}: {_side(kinked[0], float(values[kinked[0].position]))}"
        elif kinked:
            yield f"tie in {part.name}: {_share(values[[one.position for one in kinked]])}"


def _side(one: _OneSided, value: float) -> str:
    place = (value - one.below) / (one.above - one.below)
    names = {0.0: "the slope from the left", 1.0: "the slope from the right", 0.5: "the mean of both slopes"}
    for at, name in names.items():
        if abs(place - at) < 1e-3:
            return name
    return f"{place:.3g} of the way from the left slope to the right one"


def _share(values: Vector) -> str:
    largest = float(np.abs(values).max())
    live = np.flatnonzero(np.abs(values) > 1e-6 * largest)
    if largest == 0.0 or live.size == 0:
        return "nobody gets anything"
    if live.size == 1:
        return {0: "the first gets all", values.size - 1: "the last gets all"}.get(int(live[0]), "one gets all")
    even = live.size == values.size and np.ptp(values) < 1e-3 * largest
    return "an even split" if even else "an uneven split"
