"""The projected check over a few trials: it settles most subjects, and names the suspects in the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.checks.projected import (
    FINER_STEPS,
    STEP,
    ZERO_SHARE,
    Difference,
    Pulled,
    Test,
    by_magnitude,
    compare,
    difference,
    is_explained,
    lies_at_point,
    noise_floor,
    pull,
)
from gradcheck.checks.setting import FAR, Setting
from gradcheck.numeric.directions import TYPICAL_MAGNITUDE
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Vector, norm

_STEPS = (STEP, *FINER_STEPS)
#: A slope that moves so many times farther than rounding explains, when the step becomes finer, was that of kinks.
_FAR = 100.0


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What the projected check found.

    Attributes
    ----------
    suspects : tuple of tuple of str
        Groups of primals that disagree, meet a kink, or are not seen sharply enough.
    vacuous : tuple of str
        Primals whose gradient is zero on both sides.
    resolution : float or None
        What the tests that settled a group could have missed.
    straight : float or None
        The step at which ladders begin, where larger ones meet kinks.
    reach : float
        How many times itself an entry may move: limited where moving all entries alike leaves the domain.
    """

    suspects: tuple[tuple[str, ...], ...] = ()
    vacuous: tuple[str, ...] = ()
    resolution: float | None = None
    straight: float | None = None
    reach: float = math.inf


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What one step along one tangent shows: a test for each cotangent, whether a kink is in the way, rounding.

    `straight` is the finest step tried, where the slope there is far from that of the first one.
    """

    step: float
    tests: list[Test]
    kinked: bool
    rounding: float
    floor: float
    in_domain: bool
    straight: float | None = None

    @property
    def is_settled(self) -> bool:
        return not self.kinked and all(test.agrees and test.sharp for test in self.tests)

    def moved(self, finer: _Look) -> float:
        """How far the slopes of a finer step are from these, as a multiple of what rounding and truncation may do."""
        floor = self.floor + finer.floor
        pairs = zip(self.tests, finer.tests, strict=True)
        precise = 2 * DOUBLE.analytic_tolerance
        return max(abs(one.numeric - other.numeric) / (precise * one.scale + floor or 1.0) for one, other in pairs)


def screen(setting: Setting, trials: int) -> Screened:
    """Test all primals together, then those by themselves whose gradients are too small to be seen beside others."""
    names = setting.names
    pulled = [pull(setting, k) for k in range(trials)]
    looks = _look_until_unsettled(setting, names, pulled, trials)
    if not looks[0].in_domain:
        setting = replace(setting, reach=FAR)
        pulled = [replace(one, sizes=setting.sizes(one.gradient)) for one in pulled]
        looks = _look_until_unsettled(setting, names, pulled, trials)
    first = looks[0]
    if len(names) == 1 and not pulled[0].sizes[names[0]] and not first.kinked and _all_zero(looks):
        return Screened(vacuous=names)
    largest, *smaller = by_magnitude(pulled[0])
    if not any(pulled[0].sizes.values()):
        largest, smaller = (), [names]
    is_settled = looks[-1].is_settled
    suspects = [] if is_settled else [names]
    resolutions = _resolutions(setting, largest, pulled, looks) if is_settled else []
    vacuous: tuple[str, ...] = ()
    zero = ZERO_SHARE * first.tests[0].scale
    for group in smaller:
        look = _look(setting, setting.restricted(setting.tangent(), group), group, pulled, _STEPS, zero)
        looks.append(look)
        if _is_zero(look, zero) and not look.kinked:
            vacuous += group
        elif look.is_settled:
            resolutions += _resolutions(setting, group, pulled, [look])
        else:
            suspects.append(group)
    straight = [look.straight for look in looks if look.straight is not None]
    return Screened(
        suspects=tuple(dict.fromkeys(suspects)),
        vacuous=vacuous,
        resolution=max(resolutions, default=None),
        straight=straight[-1] if straight else None,
        reach=setting.reach,
    )


def _look_until_unsettled(
    setting: Setting, names: tuple[str, ...], pulled: Sequence[Pulled], trials: int
) -> list[_Look]:
    """Look along tangents that move entries alike and, every other one, in proportion to themselves."""
    looks: list[_Look] = []
    while len(looks) < trials and all(look.is_settled for look in looks):
        # What lay within a step once is expected there along the next tangent too.
        largest, rounding = (looks[-1].step, looks[-1].rounding) if looks else (STEP, 0.0)
        steps = [step for step in _STEPS if step <= largest]
        moving, seen = setting, pulled
        if len(looks) % 2:
            moving = setting.proportional()
            seen = [replace(one, sizes=moving.sizes(one.gradient)) for one in pulled]
        looks.append(_look(moving, moving.tangent(), names, seen, steps, rounding=rounding))
    return looks


def _look(
    setting: Setting,
    tangent: Vector,
    names: tuple[str, ...],
    pulled: Sequence[Pulled],
    steps: Sequence[float],
    zero: float = 0.0,
    rounding: float = 0.0,
) -> _Look:
    """Test along one tangent with the first step; where kinks seem to lie within it, again with finer ones.

    Values up to `zero` count as zero; `rounding` is that of the outputs as a step of the first one's size has shown it
    before.
    """
    moved = _move(setting, tangent, steps[0])
    look = _compare(setting, moved, names, pulled, zero, rounding)
    if look.is_settled or (not look.in_domain and setting.reach == math.inf):
        return look
    before = look
    for step in steps[1:]:
        finer = _move(setting, tangent, step)
        if lies_at_point(moved, finer):
            return look
        # A single gap may be small by chance; that of a step of about the same size shows the same rounding.
        known = before.rounding if step > before.step / 2 else 0.0
        again = _compare(setting, finer, names, pulled, zero, known)
        if not again.kinked and all(map(is_explained, look.tests, again.tests)):
            return again
        if before.moved(again) <= 1.0:
            break
        before = again
    # What disagrees will be looked at with a ladder of steps, which has to begin past the kinks.
    return replace(look, straight=before.step) if _meets_kinks(setting, tangent, look, before) else look


def _meets_kinks(setting: Setting, tangent: Vector, look: _Look, finer: _Look) -> bool:
    """Whether the slopes of a finer step are so far from those of the first that it is kinks that moved them."""
    if look.moved(finer) <= _FAR:
        return False
    setting.forward.measure_along(tangent, np.zeros(setting.outputs.size))
    rounding = TYPICAL_MAGNITUDE * norm(setting.noise) / finer.step
    return look.moved(replace(finer, floor=finer.floor + rounding)) > _FAR


def _move(setting: Setting, tangent: Vector, step: float) -> Difference:
    return difference(setting.function, setting.point, setting.outputs, tangent, step)


def _compare(
    setting: Setting,
    moved: Difference,
    names: tuple[str, ...],
    pulled: Sequence[Pulled],
    zero: float,
    rounding: float,
) -> _Look:
    # The gap of an ordinary step holds curvature, that of a finer one rounding alone.
    seen = 0.0 if moved.step == STEP else max(rounding, norm(moved.gap) * moved.step)
    floor = noise_floor(setting.outputs, moved.step, seen)
    return _Look(
        step=moved.step,
        tests=compare(pulled, moved, names, setting.probe.analytic_precision, floor, zero),
        kinked=moved.kinked,
        rounding=seen,
        floor=noise_floor(setting.outputs, moved.step),
        in_domain=math.isfinite(moved.size),
    )


def _resolutions(
    setting: Setting, names: Sequence[str], pulled: Sequence[Pulled], looks: Sequence[_Look]
) -> list[float]:
    """Return, for each cotangent, what the tests could have missed; an error must hide from all tangents.

    Those that move entries in proportion to themselves are left out: errors of small entries hide from them.
    """
    tolerances = [min(look.tests[k].tolerance for look in looks[::2]) for k in range(len(pulled))]
    found = (setting.resolution(one.sizes, tolerance, names) for one, tolerance in zip(pulled, tolerances, strict=True))
    return [resolution for resolution in found if resolution > 0]


def _is_zero(look: _Look, zero: float) -> bool:
    """Whether gradients are zero on both sides, beside others."""
    silent = all(abs(test.analytic) <= zero and abs(test.numeric) <= test.tolerance for test in look.tests)
    return silent and all(test.scale <= 10 * test.tolerance for test in look.tests)


def _all_zero(looks: Sequence[_Look]) -> bool:
    return all(abs(test.numeric) <= test.tolerance for look in looks for test in look.tests)
