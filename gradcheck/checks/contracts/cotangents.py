"""A pullback is linear in its cotangent, whatever the function is: no differences are needed to see that."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.checks.contracts.contract import Contract, Violation
from gradcheck.checks.contracts.session import Mismatch, Session
from gradcheck.checks.probe import FormError
from gradcheck.numeric.precision import DOUBLE, HALF, SINGLE, Precision
from gradcheck.numeric.space import Vector
from gradcheck.subject import Trait

#: The combination of two cotangents that is tried: no power of two, so that nothing is exact by chance.
_FIRST, _OTHER = 3.0, -0.7
#: Small and large cotangents: powers of two, with which an honest pullback is exact.
_FACTORS = {DOUBLE: (2.0**-30, 2.0**30), SINGLE: (2.0**-12, 2.0**12), HALF: (2.0**-3, 2.0**3)}
_DECLARED = {SINGLE: "single-precision", HALF: "half-precision"}
#: Relative errors that computing in a lower precision makes: so many of its roundings.
_FEWEST, _MOST = 2.0**-6, 2.0**4


def linear_in_cotangent(session: Session) -> Iterator[Violation]:
    """``a·g + b·h`` is pulled back to a times the one and b times the other; so are small and large multiples."""
    first, other = session.first.gradient, session.linearization.pullback(session.other_cotangent)
    form = session.form
    mixed = form.round(_FIRST * session.cotangent + _OTHER * session.other_cotangent)
    seen = session.linearization.pullback(mixed)
    found = _unequal(session, seen, _FIRST * first, _OTHER * other, f"{_FIRST:g}·g + {_OTHER:g}·h")
    if found is not None:
        yield found
        return
    for factor in _FACTORS[session.precision]:
        scaled = form.round(factor * session.cotangent)
        try:
            seen = session.linearization.pullback(scaled)
        except FormError as error:
            if error.check != "finite":
                raise
            continue  # beyond the range of the dtype
        found = _unequal(session, seen / factor, first, np.zeros_like(first), f"{factor:g}·g")
        if found is not None:
            yield found
            return


def _unequal(session: Session, seen: Vector, one: Vector, two: Vector, combination: str) -> Violation | None:
    due = one + two
    size = np.maximum(np.abs(one), np.abs(two))
    error = np.abs(seen - due)
    allowed = np.empty(session.space.size)
    for part in session.space:
        allowed[part.slice] = session.unit * size[part.slice].max()
    if (error <= allowed).all():
        return None
    rounding = (abs(_FIRST) + abs(_OTHER) + 1) * session.rounding.gradient
    found = session.mismatch(session.space, seen, due, lambda: allowed + rounding)
    if found is None:
        return None
    part = found.part
    lower = _lower_precision(session, float(error[part.slice].max() / size[part.slice].max()))
    if lower is None:
        return session.violation(
            found,
            f"the pullback is not linear in its cotangent: it makes of {combination} another gradient of "
            f"{found.name!r} than the same combination of its answers, {found}; is the cotangent left out, or used "
            f"twice, somewhere?",
        )
    return session.violation(
        found,
        f"the pullback is linear in its cotangent only as far as {lower.dtype} goes, {found}: it computes the gradient "
        f"of {found.name!r} in {lower.dtype} somewhere, although its arguments are {session.precision.dtype}; if the "
        f"whole layer is meant to, declare gradcheck.{Trait(_DECLARED[lower])}",
        check="precision",
    )


def _lower_precision(session: Session, relative: float) -> Precision | None:
    """Return the precision whose roundings are as large as a relative error, if it is lower than the subject's."""
    for lower in (SINGLE, HALF):
        if lower.unit > session.precision.unit and _FEWEST <= relative / lower.unit <= _MOST:
            return lower
    return None


def zero_for_zero(session: Session) -> Iterator[Violation]:
    """The cotangent zero is pulled back to zero."""
    linearization = session.linearization
    gradients = linearization.pull(linearization.form.cotangent(np.zeros(session.form.size)), finite=False)
    found: Mismatch | None = session.mismatch(
        session.space, session.space.join(gradients), np.zeros(session.space.size), None
    )
    if found is not None:
        yield session.violation(
            found,
            f"the cotangent zero is pulled back to a gradient of {found.name!r} that is not zero: {found}; a term does "
            f"not depend on the cotangent",
        )


LINEAR_IN_COTANGENT = Contract("linear-in-cotangent", "pullbacks are linear in the cotangent", linear_in_cotangent)
ZERO_FOR_ZERO = Contract("zero-for-zero", "zero is pulled back to zero", zero_for_zero)
