"""Laws: exact identities between outputs, cotangents and gradients. They hold to rounding, and cost no call."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.checks.contracts.session import CAREFUL_DRAWS, SPREAD_DRAWS, Answer, Session
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.numeric_forward import SIGMAS
from gradcheck.numeric.space import Space, Vector
from gradcheck.subject import Array, Law


def holds_here(law: Law, session: Session) -> bool:
    """Whether the subject has the primals that a law is about."""
    return all(any(part.name == name for part in session.space) for name in law.primals)


def check_law(law: Law, session: Session) -> Violation | None:
    """Return how the first answer of a subject breaks a law, or None.

    Notes
    -----
    The sum of the terms must vanish but for the rounding of the terms, and of gradient entries where they were formed;
    where it does not, the spread of the sum over inputs a few roundoffs apart tells whether it is ill-conditioned.
    """
    terms = _terms(law, session, session.probe.point, session.cotangent, session.first)
    rest, size = terms.sum(axis=-1), np.abs(terms).sum(axis=-1)
    if (np.abs(rest) <= session.unit * size).all():
        return None
    floor = session.floor * max(1.0, float(np.abs(session.probe.point).max()))
    for draws in (SPREAD_DRAWS, CAREFUL_DRAWS):
        spread = np.std([_redraw(law, session) for _ in range(draws)], axis=0, ddof=1)
        broken = ~(np.abs(rest) <= session.unit * size + floor + 2 * SIGMAS * spread)
        if not broken.any():
            return None
    worst = np.unravel_index(int(np.argmax(np.where(broken, np.abs(rest), -1.0))), rest.shape)
    count = f", in {np.count_nonzero(broken)} of {rest.size} sums" if rest.size > 1 else ""
    return Violation(
        f"{law.formula}: the sides differ by {abs(float(rest[worst])):.3g} where the terms come to "
        f"{float(size[worst]):.3g}{count}",
        primal=law.primals[0] if len(law.primals) == 1 else None,
    )


def _redraw(law: Law, session: Session) -> Array:
    point, cotangent, answer = session.rounded_anew(session.probe.point, session.cotangent)
    return np.asarray(_terms(law, session, point, cotangent, answer).sum(axis=-1))


def _terms(law: Law, session: Session, point: Vector, cotangent: Vector, answer: Answer) -> Array:
    is_tuple = session.linearization.form.is_tuple
    outputs, cotangents = _arrays(session.form, answer.outputs), _arrays(session.form, cotangent)
    return np.asarray(
        law.terms(
            _arrays(session.space, point),
            tuple(outputs.values()) if is_tuple else outputs["0"],
            tuple(cotangents.values()) if is_tuple else cotangents["0"],
            _arrays(session.space, answer.gradient),
        )
    )


def _arrays(space: Space, vector: Vector) -> dict[str, Any]:
    """The arrays of a vector in float64, so that the sums of a law make no rounding of their own."""
    return {part.name: vector[part.slice].reshape(part.shape) for part in space}
