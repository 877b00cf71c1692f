"""Is the gradient right? The stages in their order: projected, escalated, kinks, localised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gradcheck.checks.escalation import Examination, examine_twice
from gradcheck.checks.kinks import SAMPLE, KinkVerdict, judge_kinks
from gradcheck.checks.localize import WrongGradient, localize, wrong_parts
from gradcheck.checks.projected import (
    FINER_STEPS,
    SMALL_SHARE,
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
)
from gradcheck.checks.setting import Setting
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Vector, norm

#: Where fewer of the outputs than this are smooth, gentler tangents are tried.
_ENOUGH_JUDGED = 0.5
_STEPS = (STEP, *FINER_STEPS)
#: A slope that moves so many times farther than rounding explains, when the step becomes finer, was that of kinks.
_FAR = 100.0


@dataclass
class GradientEvidence:
    """What the stages found.

    Attributes
    ----------
    wrong : list of WrongGradient
        Gradients that are wrong, taken apart.
    disagreements : list of Examination
        Projections onto one primal that are wrong, where taking apart was not asked for.
    kinks : list of KinkVerdict
    unclear : list of str
        Why something could not be told.
    vacuous : list of str
        Primals whose gradient is zero on both sides.
    resolution : float or None
    judged : dict of str to float
        Per primal the share of (entries × outputs) that smooth differences judged.
    """

    wrong: list[WrongGradient] = field(default_factory=list)
    disagreements: list[Examination] = field(default_factory=list)
    kinks: list[KinkVerdict] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    vacuous: list[str] = field(default_factory=list)
    resolution: float | None = None
    judged: dict[str, float] = field(default_factory=dict)

    @property
    def is_wrong(self) -> bool:
        """Whether anything was found wrong."""
        return bool(self.wrong or self.disagreements or any(kink.faults for kink in self.kinks))


def check_gradient(setting: Setting, trials: int = 2, take_apart: bool = True) -> GradientEvidence:
    """Check the gradient of every primal.

    Parameters
    ----------
    setting : Setting
    trials : int
        Tangents and cotangents of the projected check.
    take_apart : bool
        Whether to localise what is wrong.
    """
    evidence = GradientEvidence(judged=dict.fromkeys((part.name for part in setting.space), 1.0))
    screen = _Screen(setting, trials, evidence)
    for names in screen.suspects() if setting.function.precision is DOUBLE else screen.everything():
        _escalate(setting, names, evidence, take_apart)
    return evidence


@dataclass(frozen=True)
class _Look:
    """What one step along one tangent shows: a test for each cotangent, whether a kink is in the way, rounding."""

    step: float
    tests: list[Test]
    kinked: bool
    rounding: float
    floor: float

    @property
    def is_settled(self) -> bool:
        return not self.kinked and all(test.agrees and test.sharp for test in self.tests)

    def moved(self, finer: _Look) -> float:
        """How far the slopes of a finer step are from these, as a multiple of what rounding and truncation may do."""
        floor = self.floor + finer.floor
        pairs = zip(self.tests, finer.tests, strict=True)
        precise = 2 * DOUBLE.analytic_tolerance
        return max(abs(one.numeric - other.numeric) / (precise * one.scale + floor or 1.0) for one, other in pairs)


class _Screen:
    """The projected check: settles most subjects, names the suspects in the others."""

    def __init__(self, setting: Setting, trials: int, evidence: GradientEvidence) -> None:
        self._setting = setting
        self._evidence = evidence
        self._trials = trials

    def everything(self) -> list[tuple[str, ...]]:
        """Return what to escalate where the forward has no float64: all primals, and small ones by themselves."""
        return [self._setting.names, *by_magnitude(self._pull(0))[1:]]

    def suspects(self) -> list[tuple[str, ...]]:
        """Run the tests; return the groups of primals that disagree, meet a kink, or are not seen sharply enough."""
        setting = self._setting
        names = setting.names
        setting.balance(setting.pull(0)[1])
        pulled = [self._pull(k) for k in range(self._trials)]
        looks = self._look_until_unsettled(names, pulled)
        first = looks[0]
        if len(names) == 1 and not pulled[0].sizes[names[0]] and not first.kinked and _all_zero(looks):
            self._evidence.vacuous.append(names[0])
            return []
        largest, *smaller = by_magnitude(pulled[0])
        if not any(pulled[0].sizes.values()):
            largest, smaller = (), [names]
        suspects: list[tuple[str, ...]] = []
        if looks[-1].is_settled:
            self._keep_resolution(largest, pulled, looks)
        else:
            suspects.append(names)
        zero = ZERO_SHARE * first.tests[0].scale
        return suspects + [group for group in smaller if not self._settle_small(group, pulled, zero)]

    def _settle_small(self, names: tuple[str, ...], pulled: Sequence[Pulled], zero: float) -> bool:
        """Move primals alone, whose gradients are of one size; values up to `zero` count as zero beside the others."""
        tangent = self._setting.restricted(self._setting.tangent(), names)
        look = self._look(tangent, names, pulled, _STEPS, zero)
        silent = all(abs(test.analytic) <= zero and abs(test.numeric) <= test.tolerance for test in look.tests)
        if silent and all(test.scale <= 10 * test.tolerance for test in look.tests):
            self._evidence.vacuous += names
            return True
        if look.is_settled:
            self._keep_resolution(names, pulled, [look])
        return look.is_settled

    def _look_until_unsettled(self, names: tuple[str, ...], pulled: Sequence[Pulled]) -> list[_Look]:
        looks: list[_Look] = []
        while len(looks) < self._trials and all(look.is_settled for look in looks):
            # What lay within a step once is expected there along the next tangent too.
            largest, rounding = (looks[-1].step, looks[-1].rounding) if looks else (STEP, 0.0)
            steps = [step for step in _STEPS if step <= largest]
            looks.append(self._look(self._setting.tangent(), names, pulled, steps, rounding=rounding))
        return looks

    def _look(
        self,
        tangent: Vector,
        names: tuple[str, ...],
        pulled: Sequence[Pulled],
        steps: Sequence[float],
        zero: float = 0.0,
        rounding: float = 0.0,
    ) -> _Look:
        """Test along one tangent with the first step; where kinks seem to lie within it, again with finer ones.

        `rounding` is that of the outputs as a step of the first one's size has shown it before.
        """
        moved = self._move(tangent, steps[0])
        look = self._compare(moved, names, pulled, zero, rounding)
        if look.is_settled:
            return look
        before = look
        for step in steps[1:]:
            finer = self._move(tangent, step)
            if lies_at_point(moved, finer):
                return look
            # A single gap may be small by chance; that of a step of about the same size shows the same rounding.
            again = self._compare(finer, names, pulled, zero, before.rounding if step > before.step / 2 else 0.0)
            if not again.kinked and all(map(is_explained, look.tests, again.tests)):
                return again
            if before.moved(again) <= 1.0:
                break
            before = again
        if look.moved(before) > _FAR:
            # What disagrees will be looked at with a ladder of steps, which has to begin past the kinks.
            self._setting.straight = before.step
        return look

    def _keep_resolution(self, names: Sequence[str], pulled: Sequence[Pulled], looks: Sequence[_Look]) -> None:
        """Keep what the tests could have missed; an error must hide from all tangents."""
        for k, one in enumerate(pulled):
            tolerance = min(look.tests[k].tolerance for look in looks)
            resolution = self._setting.resolution(one.sizes, tolerance, names)
            if resolution > 0:
                self._evidence.resolution = max(self._evidence.resolution or 0.0, resolution)

    def _move(self, tangent: Vector, step: float) -> Difference:
        setting = self._setting
        return difference(setting.function, setting.point, setting.outputs, tangent, step)

    def _pull(self, k: int) -> Pulled:
        cotangent, gradient = self._setting.pull(k)
        return Pulled(cotangent, gradient, self._setting.sizes(gradient))

    def _compare(
        self, moved: Difference, names: tuple[str, ...], pulled: Sequence[Pulled], zero: float, rounding: float
    ) -> _Look:
        # The gap of an ordinary step holds curvature, that of a finer one rounding alone.
        seen = 0.0 if moved.step == STEP else max(rounding, norm(moved.gap) * moved.step)
        precision = self._setting.probe.analytic_precision
        outputs, step = self._setting.outputs, moved.step
        tests = compare(pulled, moved, names, precision, noise_floor(outputs, step, seen), zero)
        return _Look(step, tests, moved.kinked, seen, noise_floor(outputs, step))


def _all_zero(looks: Sequence[_Look]) -> bool:
    return all(abs(test.numeric) <= test.tolerance for look in looks for test in look.tests)


def _escalate(setting: Setting, names: tuple[str, ...], evidence: GradientEvidence, take_apart: bool) -> None:
    found = examine_twice(setting, *(setting.restricted(setting.tangent(), names) for _ in range(2)))
    if _settle_wrong(setting, found, evidence, take_apart):
        return
    judged = found.judged if found.state == "right" else 0.0
    for name in names:
        evidence.judged[name] = min(evidence.judged[name], judged)
    _keep_resolution(setting, names, found, evidence)
    if found.judged < 1.0:
        _judge_rough(setting, names, found, evidence, take_apart)
    elif found.state == "unknown":
        evidence.unclear.append(_too_noisy(found, names))
    _note_zero(setting, names, found, evidence)


def _judge_rough(
    setting: Setting,
    names: tuple[str, ...],
    found: Examination,
    evidence: GradientEvidence,
    take_apart: bool,
) -> None:
    """Some outputs are not smooth along random tangents: try gentler ones, then one-sided slopes."""
    kinked = found.slopes.at_point
    if kinked.any():
        evidence.kinks.append(judge_kinks(setting, kinked))
        if evidence.kinks[-1].faults:
            return
    together = setting.restricted(setting.uniform_tangent(), names)
    if _settle_wrong(setting, examine_twice(setting, together, together), evidence, take_apart):
        return
    if found.state != "right" or found.judged < _ENOUGH_JUDGED:
        for name in names:
            if _judge_alone(setting, name, evidence, take_apart):
                return
    unseen = tuple(name for name in names if evidence.judged[name] == 0.0)
    if not unseen or _all_kinks_judged(evidence):
        return
    if found.slopes.smooth.any():
        evidence.unclear.append(_too_noisy(found, unseen))
    else:
        listed = ", ".join(map(repr, unseen))
        evidence.unclear.append(
            f"every difference with respect to {listed} met a kink or a tie; other values of the primals would help"
        )


def _judge_alone(setting: Setting, name: str, evidence: GradientEvidence, take_apart: bool) -> bool:
    """Move one primal alone, then so that ties stay ties; return whether it is wrong."""
    part = setting.space.part(name)
    tangents = (
        (1.0, setting.tangent),
        (float(np.mean(setting.point[part.slice] != 0)), setting.tie_keeping_tangent),
    )
    for share, draw in tangents:
        pair = [setting.restricted(draw(), (name,)) for _ in range(2)]
        found = examine_twice(setting, *pair)
        if _settle_wrong(setting, found, evidence, take_apart):
            return True
        if found.state == "right":
            evidence.judged[name] = max(evidence.judged[name], found.judged * share)
            _keep_resolution(setting, (name,), found, evidence)
        if evidence.judged[name] >= _ENOUGH_JUDGED:
            break
    return False


def _settle_wrong(setting: Setting, found: Examination, evidence: GradientEvidence, take_apart: bool) -> bool:
    """Return whether an examination says wrong and some primal alone confirms it; keep what is wrong."""
    if found.state != "wrong":
        return False
    parts = wrong_parts(setting, found)
    first = next(parts, None)
    if first is not None and setting.function.precision is not DOUBLE:
        # Rounding hides kinks there, whose conventions may add up: a single entry must be wrong by itself.
        wrong = [one for one in (localize(setting, *pair) for pair in (first, *parts)) if one.index is not None]
        evidence.wrong += wrong
        first = first if wrong else None
    elif first is not None and take_apart:
        evidence.wrong += [localize(setting, part, alone) for part, alone in (first, *parts)]
    elif first is not None:
        evidence.disagreements.append(first[1])
    if first is None:
        evidence.unclear.append(
            "the gradient along a random tangent is off by more than its error bar, but no primal (or, in low "
            "precision, no entry) alone is; float64 would help"
        )
    return True


def _keep_resolution(setting: Setting, names: Sequence[str], found: Examination, evidence: GradientEvidence) -> None:
    """Keep what an examination could have missed; primals that it drowned have one of their own."""
    if found.state != "right":
        return
    sizes = {name: size for name, size in setting.sizes(found.gradient).items() if name in names}
    seen = [name for name, size in sizes.items() if size >= SMALL_SHARE * math.hypot(*sizes.values())]
    resolution = setting.resolution(sizes, found.bar, seen)
    if resolution > 0:
        evidence.resolution = max(evidence.resolution or 0.0, resolution)


def _note_zero(setting: Setting, names: tuple[str, ...], found: Examination, evidence: GradientEvidence) -> None:
    if found.state == "right" and found.judged == 1.0:
        for name in names:
            part = setting.space.part(name)
            if not found.gradient[part.slice].any() and found.scale == 0.0 and name not in evidence.vacuous:
                evidence.vacuous.append(name)


def _all_kinks_judged(evidence: GradientEvidence) -> bool:
    return bool(evidence.kinks) and all(
        kink.judged == min(SAMPLE, kink.outputs) and not kink.faults for kink in evidence.kinks
    )


def _too_noisy(found: Examination, names: tuple[str, ...]) -> str:
    share = found.bar / found.scale if found.scale else math.inf
    size = f"{share:.1g} of its size" if share < 1 else "larger than the gradient itself"
    return (
        f"the error bar of the numeric gradient with respect to {', '.join(names)} is {size}; "
        f"float64, or values of ordinary size, would help"
    )
