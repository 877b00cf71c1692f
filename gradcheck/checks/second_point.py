"""Is the gradient right at a second point too, which the same object is taken to? Caches filled once show there."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.evidence import GradientEvidence
from gradcheck.checks.gradient_check import check_gradient
from gradcheck.checks.projected import compare_once
from gradcheck.checks.setting import Setting
from gradcheck.numeric.precision import DOUBLE

#: What is left of another point is wrong by much of its size; finer errors are the affair of the first point.
_ROUGHLY = 1e-2


@dataclass(frozen=True, kw_only=True)
class SecondPoint:
    """What was wrong at the second point.

    Attributes
    ----------
    setting : Setting
    evidence : GradientEvidence
    unmoved : tuple of str
        The primals whose gradient there is, bit for bit, that of the first point.
    """

    setting: Setting
    evidence: GradientEvidence
    unmoved: tuple[str, ...]


def check_second_point(session: Session, take_apart: bool) -> SecondPoint | None:
    """Compare the gradient at a second point with differences there; return what is wrong, or None.

    Notes
    -----
    One test with two forwards; only where it disagrees, and no kink is in the way, the gradient is examined like that
    of the first point. A forward without float64 is left alone: there every gradient would have to be examined.
    """
    setting = session.second
    if setting is None or setting.function.precision is not DOUBLE or _agrees(setting):
        return None
    try:
        evidence = check_gradient(setting, trials=1, take_apart=take_apart)
    except (FormError, SubjectRaisedError):
        return None  # what lies beside the second point is outside the domain of the subject
    if not evidence.is_wrong:
        return None
    there = setting.linearization.pullback(session.cotangent)
    here = session.first.gradient
    unmoved = tuple(
        part.name for part in session.space if here[part.slice].any() and (here[part.slice] == there[part.slice]).all()
    )
    return SecondPoint(setting=setting, evidence=evidence, unmoved=unmoved)


def _agrees(setting: Setting) -> bool:
    """Whether one test agrees roughly, or meets a kink, of which nothing can be said here."""
    test, moved = compare_once(setting, setting.names)
    return moved.kinked or abs(test.analytic - test.numeric) <= max(test.tolerance, _ROUGHLY * test.scale)
