"""Which numbers an array holds does not decide the form of the answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.checks.contracts.contract import Contract, Violation
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.probe import FormError, SubjectRaisedError
from gradcheck.numeric.space import Vector

_FORM = ("names", "shape", "dtype", "form")


def form_of_any_values(session: Session) -> Iterator[Violation]:
    """At zeros, and where no entry is positive, gradients have the same names, shapes and dtypes as elsewhere."""
    point = session.probe.point
    points: dict[str, Vector] = {"all primals are zero": np.zeros_like(point), "no entry is positive": -np.abs(point)}
    for where, values in points.items():
        try:
            session.probe.linearize(values).pullback(session.cotangent)
        except FormError as error:
            if error.check in _FORM:
                yield Violation(f"where {where}: {error}", error.primal)
        except SubjectRaisedError:
            continue  # these values are outside the domain of the subject


FORM_OF_ANY_VALUES = Contract("form-of-any-values", "values do not decide shape and dtype", form_of_any_values)
