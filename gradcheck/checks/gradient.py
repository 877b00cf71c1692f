"""Is the gradient right? The stages in their order: projected, escalated, kinks, localised."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradcheck.checks.escalation import Examination, examine_twice
from gradcheck.checks.kinks import SAMPLE, KinkVerdict, judge_kinks
from gradcheck.checks.localize import WrongGradient, localize, wrong_parts
from gradcheck.checks.projected import (
    SMALL_SHARE,
    ZERO_SHARE,
    Difference,
    Pulled,
    Test,
    by_magnitude,
    compare,
    difference,
    noise_floor,
)
from gradcheck.checks.setting import Setting
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Vector

#: Where fewer of the outputs than this are smooth, gentler tangents are tried.
_ENOUGH_JUDGED = 0.5


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


class _Screen:
    """The projected check: settles most subjects, names the suspects in the others."""

    def __init__(self, setting: Setting, trials: int, evidence: GradientEvidence) -> None:
        self._setting = setting
        self._evidence = evidence
        self._trials = trials
        self._floor = noise_floor(setting.outputs)

    def everything(self) -> list[tuple[str, ...]]:
        """Return what to escalate where the forward has no float64: all primals, and small ones by themselves."""
        setting = self._setting
        groups = by_magnitude(self._pull(0))
        return [setting.names, *groups[1:]]

    def suspects(self) -> list[tuple[str, ...]]:
        """Run the tests; return the groups of primals that disagree, meet a kink, or are not seen sharply enough."""
        setting = self._setting
        names = setting.names
        moved = [self._move(setting.tangent()) for _ in range(self._trials)]
        pulled = [self._pull(k) for k in range(self._trials)]
        tests = [[self._compare(one, difference, names) for difference in moved] for one in pulled]
        kinked = any(one.kinked for one in moved)
        largest, *smaller = by_magnitude(pulled[0])
        if not any(pulled[0].sizes.values()):
            largest, smaller = (), [names]
        if len(names) == 1 and not pulled[0].sizes[names[0]] and not kinked and _all_zero(tests):
            self._evidence.vacuous.append(names[0])
            return []
        suspects: list[tuple[str, ...]] = []
        if kinked or not self._settle(largest, pulled, tests):
            suspects.append(names)
        zero = ZERO_SHARE * tests[0][0].scale
        return suspects + [group for group in smaller if not self._settle_small(group, pulled, zero)]

    def _settle_small(self, names: tuple[str, ...], pulled: Sequence[Pulled], zero: float) -> bool:
        """Move primals alone, whose gradients are of one size; values up to `zero` count as zero beside the others."""
        setting = self._setting
        moved = self._move(setting.restricted(setting.tangent(), names))
        tests = [self._compare(one, moved, names, zero) for one in pulled]
        silent = all(abs(test.analytic) <= zero and abs(test.numeric) <= test.tolerance for test in tests)
        if silent and all(test.scale <= 10 * test.tolerance for test in tests):
            self._evidence.vacuous += names
            return True
        return not moved.kinked and self._settle(names, pulled, [[test] for test in tests])

    def _settle(self, names: Sequence[str], pulled: Sequence[Pulled], tests: Sequence[Sequence[Test]]) -> bool:
        """Return whether the tests agree and are sharp; keep their resolution if so."""
        if not all(test.agrees and test.sharp for row in tests for test in row):
            return False
        resolution = min(
            self._setting.resolution(one.sizes, min(test.tolerance for test in row), names)
            for one, row in zip(pulled, tests, strict=True)
        )
        if resolution > 0:
            self._evidence.resolution = max(self._evidence.resolution or 0.0, resolution)
        return True

    def _move(self, tangent: Vector) -> Difference:
        setting = self._setting
        return difference(setting.function, setting.point, setting.outputs, tangent)

    def _pull(self, k: int) -> Pulled:
        cotangent, gradient = self._setting.pull(k)
        return Pulled(cotangent, gradient, self._setting.sizes(gradient))

    def _compare(self, pulled: Pulled, moved: Difference, names: Collection[str], zero: float = 0.0) -> Test:
        precision = self._setting.probe.analytic_precision
        return compare(pulled, moved, names, precision, self._floor, zero)


def _all_zero(tests: Sequence[Sequence[Test]]) -> bool:
    return all(abs(test.numeric) <= test.tolerance for row in tests for test in row)


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
