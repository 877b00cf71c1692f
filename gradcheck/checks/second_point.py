"""Is the gradient right at a second point too, which the same object is taken to? Caches filled once show there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.evidence import GradientEvidence
from gradcheck.checks.fresh_copy import FreshCopy
from gradcheck.checks.gradient_check import check_gradient
from gradcheck.checks.probe import Probe
from gradcheck.checks.projected import compare_once
from gradcheck.checks.setting import Setting
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Part

#: What is left of another point is wrong by much of its size, of which a random projection may show a hundredth.
_ROUGHLY = 1e-4


@dataclass(frozen=True, kw_only=True)
class SecondPoint:
    """What was wrong at the second point.

    Attributes
    ----------
    setting : Setting
    evidence : GradientEvidence
    unmoved : tuple of str
        The primals whose gradient there is, bit for bit, that of the first point.
    right_if_first : bool or None
        Whether the gradient there is right if nothing was asked before; None where that cannot be tried.
    """

    setting: Setting
    evidence: GradientEvidence
    unmoved: tuple[str, ...]
    right_if_first: bool | None


def check_second_point(session: Session, fresh: FreshCopy, take_apart: bool) -> SecondPoint | None:
    """Compare the gradient at a second point with differences there; return what is wrong, or None.

    Parameters
    ----------
    session : Session
    fresh : FreshCopy
        The ``vjp`` of the subject as it was before its first call.
    take_apart : bool
        Whether to localise what is wrong.

    Notes
    -----
    One test with two forwards; only where it disagrees, and no kink is in the way, the gradient is examined like that
    of the first point. A forward without float64 is left alone: there every gradient would have to be examined.
    What is wrong there may be left of the first point, or wrong at most points and right at the first by its special
    values: a fresh copy, which has seen no other point, tells.
    """
    setting = _second_setting(session)
    if setting is None or setting.function.precision is not DOUBLE or _agrees(setting):
        return None
    try:
        evidence = check_gradient(setting, trials=1, take_apart=take_apart)
        if not evidence.is_wrong or not _is_wrong_again(setting):
            return None
    except (FormError, SubjectRaisedError):
        return None  # what lies beside the second point is outside the domain of the subject
    there = setting.linearization.pullback(session.cotangent)
    here = session.first.gradient
    unmoved = tuple(
        part.name for part in session.space if here[part.slice].any() and (here[part.slice] == there[part.slice]).all()
    )
    return SecondPoint(
        setting=setting, evidence=evidence, unmoved=unmoved, right_if_first=_agrees_if_first(setting, fresh)
    )


def _is_wrong_again(setting: Setting) -> bool:
    """Whether the gradient is wrong in a second look too, with draws and a measured noise of its own."""
    again = Setting.of(setting.probe, setting.rng, setting.point, setting.function)
    return check_gradient(again, trials=1, take_apart=False).is_wrong


def _second_setting(session: Session) -> Setting | None:
    """Return the subject at the second point, primals of which it holds copies as constants staying where they are."""
    setting = session.second
    copied = _copied_primals(session.probe)
    if setting is None or not copied:
        return setting
    point = setting.point.copy()
    for part in copied:
        point[part.slice] = session.probe.point[part.slice]
    if np.array_equal(point, session.probe.point):
        return None
    try:
        return Setting.of(session.probe, session.rng, point, setting.function)
    except (FormError, SubjectRaisedError):
        return None


def _copied_primals(probe: Probe) -> list[Part]:
    """Return the primals of which some constant is a copy: what is held constant belongs to the point."""
    return [
        part
        for part in probe.space
        if any(np.array_equal(probe.subject.primals[part.name], constant) for constant in probe.constants.values())
    ]


def _agrees_if_first(setting: Setting, fresh: FreshCopy) -> bool | None:
    """Whether the gradient agrees if it is the first thing that a copy of the subject is asked for."""
    vjp = fresh.make()
    if vjp is None:
        return None
    probe = Probe(replace(setting.probe.subject, vjp=vjp))
    cotangent, later = setting.pull(0)
    try:
        gradient = probe.linearize(setting.point).pullback(cotangent)
    except (FormError, SubjectRaisedError):
        return None
    setting.probe.count(probe.evaluations)
    return not np.array_equal(gradient, later) and _agrees(replace(setting, pulls=[(cotangent, gradient)]))


def _agrees(setting: Setting) -> bool:
    """Whether one test agrees roughly, or meets a kink, of which nothing can be said here."""
    test, moved = compare_once(setting, setting.names)
    return moved.kinked or abs(test.analytic - test.numeric) <= max(test.tolerance, _ROUGHLY * test.scale)
