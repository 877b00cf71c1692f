"""A pullback is linear in its cotangent, whatever the function is: no differences are needed to see that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradcheck.checks.answers import FormError
from gradcheck.checks.contracts.contract import contract
from gradcheck.checks.contracts.session import Mismatch, Session
from gradcheck.checks.contracts.violation import Violation
from gradcheck.numeric.precision import HALF, SINGLE, Precision
from gradcheck.numeric.space import Vector
from gradcheck.subject import Trait

#: The combination of two cotangents that is tried: no power of two, so that nothing is exact by chance.
_FIRST, _OTHER = 3.0, -0.7
#: The rounding of the combination, as a multiple of that of one gradient.
_MORE_ROUNDING = 1 + abs(_FIRST) + abs(_OTHER)
#: Relative errors that computing in a lower precision makes: so many of its roundings.
_FEWEST, _MOST = 2.0**-6, 2.0**4


@dataclass(frozen=True, kw_only=True)
class _Question:
    """A cotangent, by name, and the gradient that linearity demands."""

    name: str
    cotangent: Vector
    due: Vector


@contract("linear-in-cotangent", "pullbacks are linear in the cotangent")
def linear_in_cotangent(session: Session) -> Iterator[Violation]:
    """``a·g + b·h`` is pulled back to a times the one and b times the other; so are small and large multiples."""
    form, first = session.form, session.first.gradient
    mixed = _Question(
        name=f"{_FIRST:g}·g + {_OTHER:g}·h",
        cotangent=form.round(_FIRST * session.cotangent + _OTHER * session.other_cotangent),
        due=_FIRST * first + _OTHER * session.other,
    )
    alone = _Question(name="g", cotangent=session.cotangent, due=first)
    precision = session.probe.precision
    found = _unequal(session, mixed, precision.large) or _unequal(session, alone, precision.small)
    if found is not None:
        # The multiple may be beside the point.
        yield _unequal(session, mixed, 1.0) or found


def _unequal(session: Session, question: _Question, factor: float) -> Violation | None:
    """Pull a multiple of a cotangent back, and return how it differs from that multiple of the gradient due."""
    try:
        seen = session.linearization.pullback(session.form.round(factor * question.cotangent)) / factor
    except FormError as overflow:
        if overflow.check != "finite" or factor == 1:
            raise
        return _unequal(session, question, 1.0)  # the multiple is beyond the range of the dtype
    name, due = question.name, question.due
    combination = name if factor == 1 else f"{factor:g}·({name})"
    found = session.mismatch(session.space, seen, due, lambda draws: _MORE_ROUNDING * session.rounding(draws).gradient)
    if found is None:
        return None
    part = found.part
    size = float(np.abs(due[part.slice]).max()) or 1.0
    lower = _lower_precision(session, float(np.abs(seen - due)[part.slice].max()) / size)
    # A small term that does not depend on the cotangent, such as weight decay, is no rounding.
    if lower is None or _of_zero(session)[part.slice].any():
        return session.violation(
            found,
            f"the pullback is not linear in its cotangent: it makes of {combination} another gradient of "
            f"{found.name!r} than the same combination of its answers, {found}; is the cotangent left out, or used "
            f"twice, somewhere?",
        )
    declared = Trait(lower.trait)
    return session.violation(
        found,
        f"the pullback is linear in its cotangent only as far as {lower.dtype} goes, {found}: it computes the gradient "
        f"of {found.name!r} in {lower.dtype} somewhere, although its arguments are "
        f"{session.probe.precision.dtype}; if the whole layer is meant to, declare gradcheck.{declared}",
        check="precision",
        adopt=declared,
    )


def _lower_precision(session: Session, relative: float) -> Precision | None:
    """Return the precision whose roundings are as large as a relative error, if it is lower than the subject's."""
    for lower in (SINGLE, HALF):
        if lower.unit > session.probe.precision.unit and _FEWEST <= relative / lower.unit <= _MOST:
            return lower
    return None


@contract("zero-for-zero", "zero is pulled back to zero")
def zero_for_zero(session: Session) -> Iterator[Violation]:
    """The cotangent zero is pulled back to zero."""
    found: Mismatch | None = session.mismatch(session.space, _of_zero(session), np.zeros(session.space.size), None)
    if found is not None:
        yield session.violation(
            found,
            f"the cotangent zero is pulled back to a gradient of {found.name!r} that is not zero: {found}; a term does "
            f"not depend on the cotangent",
        )


def _of_zero(session: Session) -> Vector:
    """Return the gradient for the cotangent zero."""
    linearization = session.linearization
    return session.space.join(linearization.pull(linearization.form.cotangent(np.zeros(session.form.size))))
